//! The protections above every policy: what would change what runs outside, and govsh's own files.
//!
//! Invariant: the list only takes away. Writing to a listed path is lifted by nothing but a rule of a trusted
//! policy that names exactly it (`compiled`); govsh's own files are lifted by nothing.
//! Leaves to others: other processes' private files below `/proc` (`supervisor`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::Vars;
use super::pattern::{Glob, Pattern, Segment};

/// One protected place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// For people: `built-in: shell start-up files`.
    pub label: &'static str,
    pub pattern: Pattern,
    /// What it does not cover: the session's scratch directory in the runtime directory.
    pub except: Vec<Pattern>,
    pub access: Protected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protected {
    /// Not even read, and nothing lifts it.
    Everything,
    /// Not written.
    Write,
    /// Not written, but as git does (`repository`).
    Repository,
}

const SHELL: &str = "shell start-up files";
const LOGIN: &str = "programs started at log-in or by time";
const REMOTE: &str = "remote log-in";
const GIT: &str = "git hooks and configuration";
const EDITOR: &str = "editor settings";
const TOOL: &str = "tool configuration that names programs";
const AGENT: &str = "agents' permissions and hooks";
const PROJECT: &str = "govsh's project policy";
const OWN: &str = "govsh's own files";
/// The key that signs recordings, in govsh's state directory.
const KEY: &str = "signing.key";

/// Below the home directory.
const HOME: &[(&str, &[&str])] = &[
    (
        SHELL,
        &[
            ".profile",
            ".bashrc",
            ".bash_profile",
            ".bash_login",
            ".bash_logout",
            ".bash_aliases",
            ".kshrc",
            ".mkshrc",
            ".cshrc",
            ".tcshrc",
            ".login",
            ".logout",
            ".inputrc",
            ".xinitrc",
            ".xprofile",
            ".xsession",
            ".xsessionrc",
            ".pam_environment",
        ],
    ),
    (REMOTE, &[".ssh/authorized_keys", ".ssh/authorized_keys2", ".ssh/config", ".ssh/rc", ".ssh/environment"]),
    (GIT, &[".gitconfig"]),
    (EDITOR, &[".vimrc", ".exrc", ".vim/plugin", ".vim/autoload", ".emacs", ".emacs.d/init.el", ".nanorc"]),
    (
        TOOL,
        &[
            ".tmux.conf",
            ".screenrc",
            ".gdbinit",
            ".npmrc",
            ".yarnrc",
            ".yarnrc.yml",
            ".cargo/config.toml",
            ".cargo/config",
            ".cargo/env",
            ".m2/settings.xml",
            ".pip/pip.conf",
            ".docker/config.json",
            ".kube/config",
            ".aws/config",
        ],
    ),
    (LOGIN, &[".local/share/applications", ".local/share/systemd/user", ".local/share/dbus-1/services"]),
    (
        AGENT,
        &[
            ".mcp.json",
            ".claude/settings.json",
            ".claude/settings.local.json",
            ".claude/commands",
            ".claude/agents",
            ".claude/hooks",
            ".codex/config.toml",
            ".codex/rules",
            ".codex/hooks.json",
            ".codex/hooks",
            ".gemini/settings.json",
            ".gemini/commands",
            ".cursor/mcp.json",
            ".cursor/hooks.json",
            ".cursor/cli-config.json",
            ".copilot/mcp-config.json",
            ".aider.conf.yml",
            ".opencode.json",
        ],
    ),
];

/// Below the configuration directory.
const CONFIG: &[(&str, &[&str])] = &[
    (SHELL, &["fish", "environment.d", "plasma-workspace/env"]),
    (LOGIN, &["autostart", "systemd/user"]),
    (GIT, &["git"]),
    (EDITOR, &["nvim", "emacs", "helix", "Code/User", "zed"]),
    (TOOL, &["tmux", "direnv", "mise", "pip", "npm", "uv/uv.toml", "go/env"]),
    (
        AGENT,
        &[
            "opencode/opencode.json",
            "opencode/opencode.jsonc",
            "opencode/command",
            "opencode/agent",
            "goose/config.yaml",
        ],
    ),
];

/// Below `ZDOTDIR`, else the home directory.
const ZSH: &[&str] = &[".zshrc", ".zprofile", ".zshenv", ".zlogin", ".zlogout"];

/// Below the directory the agent works in.
const WORKDIR: &[(&str, &[&str])] = &[
    (EDITOR, &[".vscode", ".idea", ".zed", ".devcontainer", ".devcontainer.json"]),
    (
        AGENT,
        &[
            ".mcp.json",
            ".claude/settings.json",
            ".claude/settings.local.json",
            ".claude/commands",
            ".claude/agents",
            ".claude/hooks",
            ".codex/config.toml",
            ".codex/rules",
            ".codex/hooks.json",
            ".codex/hooks",
            ".gemini/settings.json",
            ".gemini/commands",
            ".cursor/mcp.json",
            ".cursor/hooks.json",
            "opencode.json",
            "opencode.jsonc",
            ".opencode",
            ".aider.conf.yml",
        ],
    ),
];

/// For root.
const SYSTEM: &[(&str, &[&str])] = &[
    (
        SHELL,
        &["/etc/profile", "/etc/profile.d", "/etc/bash.bashrc", "/etc/zsh", "/etc/environment", "/etc/ld.so.preload"],
    ),
    (LOGIN, &["/etc/crontab", "/etc/cron.d", "/etc/anacrontab", "/var/spool/cron", "/etc/rc.local"]),
    (REMOTE, &["/etc/sudoers", "/etc/sudoers.d", "/etc/ssh/sshd_config"]),
];

/// All of them. The order is that of the rules.
pub fn protections(vars: &Vars) -> Vec<Protection> {
    let mut all = Vec::new();
    for dir in vars.state_dirs.iter().filter(|dir| dir.starts_with(b"/")) {
        let pattern = own(dir, vars);
        let scratch = Pattern::literal(&vars.session, true);
        let except = if vars.session != *dir && pattern.matches(&vars.session) { vec![scratch] } else { Vec::new() };
        all.push(Protection { label: OWN, pattern, except, access: Protected::Everything });
    }
    // Also where the rest of such a directory is the agent's to work in.
    for dir in vars.state_dirs.iter().filter(|dir| dir.starts_with(b"/")) {
        let pattern = Pattern::literal(&join(dir, KEY), true);
        all.push(Protection { label: OWN, pattern, except: Vec::new(), access: Protected::Everything });
    }
    let env = |name: &str| {
        let value = vars.env.iter().find(|(key, _)| key == OsStr::new(name)).map(|(_, value)| value.as_bytes());
        value.filter(|value| value.starts_with(b"/")).map(<[u8]>::to_vec)
    };
    let plain = join(&vars.home, ".config");
    let mut configs = vec![plain];
    configs.extend(env("XDG_CONFIG_HOME").filter(|dir| *dir != configs[0]));
    let zsh = env("ZDOTDIR").unwrap_or_else(|| vars.home.clone());

    let mut write = |label, dir: &[u8], names: &[&str]| {
        for name in names {
            let pattern = Pattern::literal(&join(dir, name), true);
            all.push(Protection { label, pattern, except: Vec::new(), access: Protected::Write });
        }
    };
    HOME.iter().for_each(|(label, names)| write(label, &vars.home, names));
    write(SHELL, &zsh, ZSH);
    for dir in &configs {
        CONFIG.iter().for_each(|(label, names)| write(label, dir, names));
    }
    WORKDIR.iter().for_each(|(label, names)| write(label, &vars.workdir, names));
    // A project's policy also lies above: up to the top of its repository, wherever that is.
    let workdir = &vars.workdir;
    let cuts = workdir.iter().enumerate().filter(|(at, byte)| **byte == b'/' && *at > 0).map(|(at, _)| at);
    for dir in cuts.chain([workdir.len()]).filter_map(|end| workdir.get(..end)).filter(|dir| dir.len() > 1) {
        write(PROJECT, dir, &[".govsh"]);
    }
    SYSTEM.iter().for_each(|(label, names)| write(label, b"", names));
    all.extend(repositories(vars).map(|pattern| Protection {
        label: GIT,
        pattern,
        except: Vec::new(),
        access: Protected::Repository,
    }));
    all
}

/// What git runs or is led by in a repository: the one in use, its submodules and work trees, and those beneath the working
/// directory. `config.govsh` is ours for a moment (`supervisor::repository`).
const LED_BY: [&str; 5] = ["hooks", "config", "config.worktree", "config.govsh", "commondir"];

fn repositories(vars: &Vars) -> impl Iterator<Item = Pattern> {
    let own = join(&vars.workdir, ".git");
    // A `.git` that is a file points to the real one: it must not be turned elsewhere. What a `.git` directory holds is judged by itself.
    let mut all = vec![Pattern::literal(&own, false)];
    let any = || Segment::Glob(Glob::any());
    for dir in std::iter::once(&own).chain(&vars.git) {
        all.extend(LED_BY.iter().map(|led| Pattern::literal(&join(dir, led), true)));
        let below = |way: Vec<Segment>| Pattern {
            segments: Pattern::literal(dir, false).segments.into_iter().chain(way).collect(),
            tree: true,
        };
        all.push(below(vec![name("worktrees"), any(), name("config.worktree")]));
        all.extend(LED_BY.iter().map(|led| below(vec![name("modules"), Segment::Deep, any(), name(led)])));
    }
    let nested = |way: Vec<Segment>| Pattern {
        segments: Pattern::literal(&vars.workdir, false)
            .segments
            .into_iter()
            .chain([Segment::Deep, any(), name(".git")])
            .chain(way)
            .collect(),
        tree: true,
    };
    all.extend(LED_BY.iter().map(|led| nested(vec![name(led)])));
    all.extend(LED_BY.iter().map(|led| nested(vec![name("modules"), Segment::Deep, any(), name(led)])));
    all.into_iter()
}

/// A directory of govsh's own, whole; but if the agent works in it or below (`--record .`), only the recordings in it.
fn own(dir: &[u8], vars: &Vars) -> Pattern {
    let whole = Pattern::literal(dir, true);
    let mut recordings = Pattern::literal(dir, false);
    let shared = [&vars.workdir, &vars.home, &vars.tmp].iter().any(|used| whole.matches(used));
    match Glob::parse("*.cast.zst") {
        Some(name) if shared => {
            recordings.segments.push(Segment::Glob(name));
            recordings
        }
        _ => whole,
    }
}

fn name(text: &str) -> Segment {
    Segment::Literal(text.as_bytes().into())
}

fn join(dir: &[u8], name: &str) -> Vec<u8> {
    let slash: &[u8] = if name.starts_with('/') || dir.ends_with(b"/") { b"" } else { b"/" };
    [dir, slash, name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_environment() {
        let vars = Vars {
            home: b"/home/u".into(),
            workdir: b"/src".into(),
            env: vec![("XDG_CONFIG_HOME".into(), "/cfg".into()), ("ZDOTDIR".into(), "/z".into())],
            state_dirs: vec![b"/state".into()],
            ..Vars::default()
        };
        let all = protections(&vars);
        let find = |path: &str| {
            all.iter().filter(|p| p.pattern.covers(path.as_bytes())).map(|p| (p.label, p.access)).collect::<Vec<_>>()
        };
        assert_eq!(find("/state/x"), [(OWN, Protected::Everything)]);
        assert_eq!(find("/cfg/fish/config.fish"), [(SHELL, Protected::Write)]);
        assert_eq!(find("/home/u/.config/fish/x"), [(SHELL, Protected::Write)]);
        assert_eq!(find("/z/.zshrc"), [(SHELL, Protected::Write)]);
        assert_eq!(find("/etc/crontab"), [(LOGIN, Protected::Write)]);
        let deep = protections(&Vars { workdir: b"/src/a/b".into(), ..vars });
        let held = |path: &[u8]| deep.iter().any(|p| p.label == PROJECT && p.pattern.covers(path));
        assert!(held(b"/src/a/b/.govsh/x") && held(b"/src/a/.govsh") && held(b"/src/.govsh/policy.toml"));
        assert!(!held(b"/.govsh") && !held(b"/src/a/b/c/.govsh"));
    }

    #[test]
    fn leaves_the_working_directory_usable() {
        let vars = Vars { workdir: b"/src".into(), tmp: b"/tmp".into(), ..Vars::default() };
        assert!(own(b"/src", &vars).matches(b"/src/x.cast.zst") && !own(b"/src", &vars).matches(b"/src/main.rs"));
        assert!(own(b"/src/logs", &vars).matches(b"/src/logs/x"));
        // But the key is never the agent's, also where it works beside it.
        let all = protections(&Vars { state_dirs: vec![b"/src".into()], ..vars });
        let covers = |path: &[u8]| all.iter().any(|p| p.access == Protected::Everything && p.pattern.covers(path));
        assert!(covers(b"/src/signing.key") && !covers(b"/src/main.rs"));
    }
}
