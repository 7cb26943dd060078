//! The profiles that come with govsh, compiled in.
//!
//! Invariant: every one of them loads (a test says so), so a session can always fall back to `agent`.
//! Leaves to others: profiles of the machine and the user (`cmd::library`).

use super::{Layer, Source};

/// Name, one line for people, text.
const PROFILES: &[(&str, &str, &str)] = &[
    ("agent", "works in a project: toolchains, caches, network; no secrets", include_str!("../../policies/agent.toml")),
    ("base", "the system's programs, reading; what 'govsh learn' builds on", include_str!("../../policies/base.toml")),
    ("claude", "agent, for Claude Code: its state and API keys", include_str!("../../policies/claude.toml")),
    ("codex", "agent, for Codex: its state and API keys", include_str!("../../policies/codex.toml")),
    (
        "learn",
        "everything but secrets and the built-in protections: for 'govsh learn'",
        include_str!("../../policies/learn.toml"),
    ),
    (
        "locked-down",
        "the working directory and the system's programs, no network",
        include_str!("../../policies/locked-down.toml"),
    ),
    (
        "observe",
        "everything but the built-in protections, everything recorded",
        include_str!("../../policies/observe.toml"),
    ),
    (
        "secrets",
        "grants nothing, takes away keys, tokens and what was typed",
        include_str!("../../policies/secrets.toml"),
    ),
];

/// The profile for programs that no other one matches.
pub const DEFAULT: &str = "agent";

/// A profile's source.
pub fn source(name: &str) -> Option<Source> {
    let (name, _, text) = PROFILES.iter().find(|(known, _, _)| *known == name)?;
    Some(Source { name: format!("{name}.toml"), text: (*text).to_owned(), layer: Layer::Shipped, path: None })
}

/// Name and one line for people of each profile.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROFILES.iter().map(|(name, line, _)| (*name, *line))
}

#[cfg(test)]
mod tests {
    use super::super::{Access, Library, NetOp, Policy, PolicyError, UnixAddr, Vars, Verdict};
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

    fn load(name: &str) -> Policy {
        let vars = Vars {
            home: b"/home/u".into(),
            workdir: b"/home/u/src/shop".into(),
            tmp: b"/tmp".into(),
            session: b"/run/user/1000/govsh/x/scratch".into(),
            uid: 1000,
            env: Vec::new(),
            state_dirs: vec![b"/home/u/.local/state/govsh".into(), b"/run/user/1000/govsh".into()],
            ..Vars::default()
        };
        Policy::load(source(name).unwrap(), &Shipped, &vars).unwrap_or_else(|error| panic!("{error}"))
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
                "+w /home/u/src/shop/sub/.git/config",
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
        assert_eq!(codex.sources(), ["secrets.toml", "agent.toml", "codex.toml"]);
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

    #[test]
    fn locked_down_has_no_network_and_no_carve_out() {
        let policy = load("locked-down");
        check(
            &policy,
            &["+rwx /home/u/src/shop/x", "-r /home/u/.bashrc", "+rx /usr/bin/ls", "-r /etc/shadow", "+r /etc/passwd"],
        );
        assert!(!policy.carves_reads() && !policy.names_outside());
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
}
