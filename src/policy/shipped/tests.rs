//! What the shipped profiles and parts grant and take away, path by path.

use super::super::{Access, Host, Library, NetOp, Policy, PolicyError, Reach, UnixAddr, Vars, Verdict};
use super::*;

/// A disk without symbolic links, and the shipped profiles.
struct Shipped;

impl Library for Shipped {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        source(name).ok_or_else(|| PolicyError::whole(name, "no such profile", None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

fn vars() -> Vars {
    Vars {
        home: b"/home/u".into(),
        workdir: b"/home/u/src/shop".into(),
        tmp: b"/tmp".into(),
        session: b"/run/user/1000/govsh/x/scratch".into(),
        uid: 1000,
        env: Vec::new(),
        state_dirs: vec![b"/home/u/.local/state/govsh".into(), b"/run/user/1000/govsh".into()],
        ..Vars::default()
    }
}

fn load(name: &str) -> Policy {
    Policy::load(source(name).unwrap(), &Shipped, &vars()).unwrap_or_else(|error| panic!("{error}"))
}

/// `+rw /path` is allowed, `-r /path` is not.
fn check(policy: &Policy, cases: &[&str]) {
    for case in cases {
        let (sign, rest) = case.split_at(1);
        let (bits, path) = rest.split_once(' ').unwrap();
        for bit in bits.chars() {
            let access = match bit {
                'r' => Access::READ,
                'w' => Access::CHANGES,
                _ => Access::EXEC,
            };
            let decision = policy.decide_file(path.as_bytes(), access);
            let rule = policy.rule(decision.rule);
            assert_eq!(decision.verdict == Verdict::Allow, sign == "+", "{case}: {bit} by {}", rule.name);
        }
    }
}

#[test]
fn agent_works_in_a_project() {
    let policy = load("agent");
    check(
        &policy,
        &[
            "+rwx /home/u/src/shop/src/main.rs",
            "+rwx /home/u/src/shop/.git/objects/x",
            "+rw /home/u/src/shop/.git/index",
            "-w /home/u/src/shop/.git/hooks/pre-commit",
            "+r /home/u/src/shop/.git/hooks/pre-commit",
            "-w /home/u/src/shop/.git/config",
            "-w /home/u/src/shop/.git",
            "-w /home/u/src/shop/.mcp.json",
            "-w /home/u/src/shop/.vscode/tasks.json",
            "-w /home/u/src/shop/.claude/settings.local.json",
            "+w /home/u/src/shop/.gitignore",
            "-w /home/u/src/shop/sub/.git/config",
            "-rw /home/u/src/shop/.env",
            "-rw /home/u/src/shop/a/.env.local",
            "+rw /home/u/src/shop/.env.example",
            "+rw /home/u/src/shop/.env.prod.example",
            "-r /home/u/src/shop/server.pem",
            "-r /home/u/src/shop/deploy/x.key",
            "+r /home/u/src/shop/tests/x.pem",
            "+r /home/u/src/shop/venv/lib/python3/site-packages/certifi/cacert.pem",
            "+r /etc/ssl/certs/x.pem",
            "+r /usr/share/x/y.pem",
            "+rx /usr/bin/ls",
            "-w /usr/bin/ls",
            "+rw /tmp/x/y",
            "-rw /home/u/.ssh/id_rsa",
            "+r /home/u/.ssh/known_hosts",
            "+r /home/u/.ssh/id_rsa.pub",
            "-w /home/u/.ssh/config",
            "-r /home/u/.ssh",
            "-r /home/u/.aws/credentials",
            "-r /home/u/Documents/x",
            "+r /home/u",
            "+r /home/u/.bashrc",
            "-w /home/u/.bashrc",
            "+rwx /home/u/.npm/_cacache/x",
            "+rw /home/u/.cargo/registry/x",
            "-r /home/u/.cargo/credentials.toml",
            "+rx /home/u/.cargo/bin/cargo",
            "-w /home/u/.cargo/bin/cargo",
            "+w /home/u/.cargo/.global-cache-journal",
            "-w /home/u/.cargo/config.toml",
            "-r /etc/shadow",
            "+r /etc/passwd",
            "-r /home/u/.local/state/govsh/recordings/x",
            "-r /run/user/1000/govsh/x/socket",
            "+rw /dev/null",
            "-r /dev/sda",
            "-r /home/u/.codex/auth.json",
        ],
    );
}

#[test]
fn agent_keeps_names_in_place_and_programs_in_bounds() {
    let policy = load("agent");
    assert!(policy.carves_reads());
    assert!(policy.carves_beneath(b"/home/u/src/shop/.git") && policy.carves_beneath(b"/home/u/src/shop"));
    assert!(policy.carves_beneath(b"/home/u/.npm") && !policy.carves_beneath(b"/home/u/.npm/_cacache"));
    assert!(!policy.carves_beneath(b"/home/u/src/shop/target/debug"));
    let sudo = policy.decide_exec(b"/usr/bin/sudo", &[b"sudo".to_vec()]);
    assert_eq!(policy.rule(sudo.rule).key, "exec.deny");
    assert_eq!(policy.decide_exec(b"/usr/bin/git", &[b"git".to_vec()]).verdict, Verdict::Allow);
    assert!(!policy.environment().keep(b"OPENAI_API_KEY") && policy.environment().keep(b"PATH"));
}

#[test]
fn agents_have_their_state_and_keys() {
    let codex = load("codex");
    check(
        &codex,
        &[
            "+rwx /home/u/.codex/auth.json",
            "-w /home/u/.codex/config.toml",
            "+r /home/u/.codex/config.toml",
            "-r /home/u/.claude/x",
        ],
    );
    assert!(codex.environment().keep(b"OPENAI_API_KEY") && !codex.environment().keep(b"GITHUB_TOKEN"));
    assert_eq!(codex.agent().append_args, ["-c", "sandbox_mode=danger-full-access"]);
    let (parts, files) = codex.sources().split_at(part_names(PartKind::Toolchain).count());
    assert!(parts.iter().all(|name| name.starts_with("toolchain/")), "{parts:?}");
    assert_eq!(files, ["secrets.toml", "agent.toml", "codex.toml"]);
    let claude = load("claude");
    check(
        &claude,
        &[
            "+rw /home/u/.claude/history.jsonl",
            "-w /home/u/.claude/settings.json",
            "+rw /home/u/.claude.json.tmp.12.34",
            "+rw /home/u/.claude.json.lock",
            "+rw /home/u/.claude.json",
        ],
    );
    assert!(claude.environment().keep(b"ANTHROPIC_API_KEY") && claude.agent().append_args.is_empty());
}

/// State that is the agent's, and settings of it that would take effect outside.
#[test]
fn every_agent_has_its_state_and_not_its_permissions() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("aider", "OPENAI_API_KEY", &["+rw ~/.aider/caches/x", "-w ~/.aider.conf.yml", "+r ~/.aider.conf.yml"]),
        ("amp", "AMP_API_KEY", &["+rw ~/.local/share/amp/secrets.json", "-w ~/.config/amp/settings.json"]),
        ("copilot", "COPILOT_GITHUB_TOKEN", &["+rwx ~/.copilot/pkg/x", "-w ~/.copilot/mcp-config.json"]),
        ("cursor-agent", "CURSOR_API_KEY", &["+rw ~/.cursor/chats/x", "-w ~/.cursor/hooks.json"]),
        ("gemini", "GEMINI_API_KEY", &["+rw ~/.gemini/tmp/x", "-w ~/.gemini/settings.json", "-w ~/.gemini/commands/x"]),
        ("goose", "OPENAI_API_KEY", &["+rw ~/.local/share/goose/sessions/x", "-w ~/.config/goose/config.yaml"]),
        ("opencode", "ANTHROPIC_API_KEY", &["+rw ~/.local/share/opencode/x", "-w ~/.config/opencode/opencode.json"]),
    ];
    for (name, key, paths) in cases {
        let policy = load(name);
        let paths: Vec<String> = paths.iter().map(|case| case.replace('~', "/home/u")).collect();
        check(&policy, &paths.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(policy.agent().matches.iter().any(|program| program == name), "{name}");
        assert!(policy.environment().keep(key.as_bytes()) && !policy.environment().keep(b"GITHUB_TOKEN"), "{name}");
    }
}

#[test]
fn without_a_project_nothing_of_it_is_read() {
    let outside = "10.1.0.7:993".parse().unwrap();
    let office = load("office");
    check(
        &office,
        &["-rwx /home/u/src/shop/x", "-r /home/u/.bashrc", "+rx /usr/bin/ls", "-w /tmp/x", "+rx /home/u/.nvm/x"],
    );
    check(&office, &["+rw /run/user/1000/govsh/x/scratch/draft", "-x /run/user/1000/govsh/x/scratch/draft"]);
    let mail = Host::parse("imap.example.org").unwrap();
    assert_eq!(office.decide_reach(&Reach::named(&mail, 993)).verdict, Verdict::Ask);
    assert_eq!(office.decide_net(NetOp::Connect, &outside).verdict, Verdict::Deny);
    assert!(office.require().recording && !office.environment().keep(b"CRM_URL"));
    let server = load("mcp-server");
    check(
        &server,
        &["-rwx /home/u/src/shop/x", "+rwx /home/u/.npm/_npx/x", "+rwx /home/u/.cache/uv/x", "-r /home/u/.cargo/x"],
    );
    assert_eq!(server.decide_net(NetOp::Connect, &outside).verdict, Verdict::Allow);
}

#[test]
fn parts_grant_nothing_that_is_protected() {
    for (kind, name, line) in parts() {
        let part = part(kind, name).unwrap();
        assert!(part.text.starts_with("# ") && !line.is_empty(), "{name}");
        let alone = Source { text: part.text.clone(), ..part };
        let vars = Vars { home: b"/home/u".into(), workdir: b"/w".into(), ..Vars::default() };
        let policy = Policy::load(alone, &Shipped, &vars).unwrap();
        let keys = ["files.read", "files.write", "files.exec", "files.allow"];
        let own = policy.rules().iter().filter(|rule| rule.line > 0);
        assert!(own.clone().count() > 0 && own.clone().all(|rule| keys.contains(&rule.key)), "{name}");
        let protected =
            ["~/.cargo/config.toml", "~/.npmrc", "~/.docker/config.json", "~/.config/pip/pip.conf", "~/.config/mise/x"];
        for path in protected.map(|path| path.replace('~', "/home/u")) {
            assert_eq!(policy.decide_file(path.as_bytes(), Access::WRITE).verdict, Verdict::Deny, "{name}: {path}");
        }
    }
}

#[test]
fn toolchains_and_devices_are_switched_one_by_one() {
    let with = |text: &str| {
        let text = format!("version = 1\nextends = ['codex']\n{text}");
        let source = Source { name: "mine.toml".into(), text, layer: Layer::User, path: None };
        Policy::load(source, &Shipped, &vars()).unwrap()
    };
    let rust = with("[toolchains]\nallow = ['rust']\n");
    check(
        &rust,
        &["+rw /home/u/.cargo/registry/x", "-r /home/u/.npm/x", "-r /home/u/go/pkg/x", "+rw /home/u/src/shop/x"],
    );
    check(&with(""), &["+rw /home/u/.npm/x", "-r /dev/dri/card0", "-r /dev/nvidia0", "-r /home/u/.Xauthority"]);
    check(
        &with("[devices]\nallow = ['gpu']\n"),
        &["+rw /dev/dri/card0", "+rw /dev/nvidia0", "+rw /dev/nvidiactl", "-r /dev/sda"],
    );
    let sockets = with("[sockets]\nallow = ['x11', 'gpg-agent']\n");
    check(
        &sockets,
        &["+r /home/u/.Xauthority", "+r /home/u/.gnupg/pubring.kbx", "-r /home/u/.gnupg/private-keys-v1.d/x"],
    );
}

#[test]
fn locked_down_has_no_network_and_no_secrets() {
    let policy = load("locked-down");
    check(
        &policy,
        &["+rwx /home/u/src/shop/x", "-r /home/u/.bashrc", "+rx /usr/bin/ls", "-r /etc/shadow", "+r /etc/passwd"],
    );
    check(
        &policy,
        &[
            "-r /home/u/src/shop/a/.env",
            "-r /home/u/src/shop/tls/x.key",
            "-r /home/u/src/shop/id_rsa",
            "-r /proc/kcore",
        ],
    );
    assert!(!policy.names_outside());
    let somewhere = "1.1.1.1:443".parse().unwrap();
    assert_eq!(policy.decide_net(NetOp::Connect, &somewhere).verdict, Verdict::Deny);
    assert_eq!(policy.decide_net(NetOp::Bind, &"127.0.0.1:80".parse().unwrap()).verdict, Verdict::Allow);
    assert_eq!(policy.decide_unix(UnixAddr::Path(b"/run/docker.sock")).verdict, Verdict::Deny);
}

#[test]
fn observe_allows_all_but_the_built_ins() {
    let policy = load("observe");
    check(
        &policy,
        &[
            "+rwx /home/u/x",
            "+r /home/u/.ssh/id_rsa",
            "-w /home/u/.bashrc",
            "-w /etc/cron.d/x",
            "-r /home/u/.local/state/govsh/x",
            "+rw /",
        ],
    );
    assert_eq!(policy.decide_unix(UnixAddr::Path(b"/run/docker.sock")).verdict, Verdict::Allow);
    assert_eq!(policy.decide_unix(UnixAddr::Abstract(b"x")).verdict, Verdict::Allow);
    assert_eq!(policy.decide_unix(UnixAddr::Path(b"/run/user/1000/govsh/x/socket")).verdict, Verdict::Deny);
    assert_eq!(policy.decide_net(NetOp::Connect, &"1.1.1.1:443".parse().unwrap()).verdict, Verdict::Allow);
    assert_eq!(policy.decide_net(NetOp::Connect, &"169.254.169.254:80".parse().unwrap()).verdict, Verdict::Deny);
}

#[test]
fn programs_are_named_as_those_who_look_for_them_expect() {
    for (name, _) in all() {
        let source = source(name).unwrap();
        for program in Policy::matches(&source).unwrap() {
            assert!(source.text.contains(&format!("\"{program}\"")), "{name}: {program}");
        }
    }
}
