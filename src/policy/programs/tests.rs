//! Rules on programs, decided: each list, each way to read a command line.

use crate::policy::{Carried, Layer, Library, Policy, PolicyError, Source, Vars, Verdict, carried};

struct Disk;

impl Library for Disk {
    fn load(&self, name: &str, by: &Source) -> Result<Source, PolicyError> {
        Err(PolicyError::whole(&by.name, format!("no {name}"), None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(if path == b"/usr/local/bin/git" { b"/usr/bin/git".to_vec() } else { path.to_vec() })
    }
}

const FILES: &str =
    "version = 1\n[files]\nexec = ['/usr/**', '/w/**']\nwrite = ['/w/**']\ndeny = ['/usr/secret/**']\n[exec]\n";

fn try_load(rules: &str) -> Result<Policy, PolicyError> {
    let source = Source { name: "p.toml".into(), text: format!("{FILES}{rules}"), layer: Layer::User, path: None };
    Policy::load(source, &Disk, &Vars { home: b"/home/u".to_vec(), workdir: b"/w".to_vec(), ..Vars::default() })
}

fn load(rules: &str) -> Policy {
    try_load(rules).unwrap_or_else(|error| panic!("{rules}: {error}"))
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').filter(|word| !word.is_empty()).map(|word| word.as_bytes().to_vec()).collect()
}

/// Verdict on `path` called with `line`, the first word of which is argv[0].
fn run(policy: &Policy, path: &str, line: &str) -> Verdict {
    policy.decide_exec(path.as_bytes(), &words(line)).verdict
}

fn rule(policy: &Policy, path: &str, line: &str) -> String {
    policy.rule(policy.decide_exec(path.as_bytes(), &words(line)).rule).text.to_string()
}

#[test]
fn a_denied_command_line_is_known_behind_options() {
    let policy = load("deny = ['git push **']");
    for line in [
        "git push",
        "git push origin main",
        "git -C dir push",
        "git --no-pager push",
        "git -c user.name=x -C /tmp push origin",
        "git --git-dir=/x push",
        "/usr/bin/git push",
        "ls push",
        "-git push",
    ] {
        assert_eq!(run(&policy, "/usr/bin/git", line), Verdict::Deny, "{line}");
        assert_eq!(rule(&policy, "/usr/bin/git", line), "git push **", "{line}");
    }
    for line in ["git", "git pull", "git commit -m push", "git log push"] {
        assert_eq!(run(&policy, "/usr/bin/git", line), Verdict::Allow, "{line}");
    }
    assert_eq!(run(&policy, "/usr/lib/other", "git push"), Verdict::Deny);
    assert_eq!(run(&policy, "/usr/bin/ls", "ls push"), Verdict::Allow);
    let exact = load("deny = ['git push']");
    assert_eq!(run(&exact, "/usr/bin/git", "git push -q --force"), Verdict::Deny);
    assert_eq!(run(&exact, "/usr/bin/git", "git push origin"), Verdict::Allow);
}

#[test]
fn deny_beats_ask_beats_allow() {
    let policy = load("allow = ['git', '/usr/lib/**']\nask = ['git push **', 'npm']\ndeny = ['git push --force **']");
    assert_eq!(run(&policy, "/usr/bin/git", "git status"), Verdict::Allow);
    assert_eq!(rule(&policy, "/usr/bin/git", "git status"), "git");
    assert_eq!(run(&policy, "/usr/bin/git", "git push"), Verdict::Ask);
    assert_eq!(run(&policy, "/usr/bin/git", "git push -q --force"), Verdict::Deny);
    assert_eq!(run(&policy, "/usr/bin/npm", "npm ci"), Verdict::Ask);
    assert_eq!(run(&policy, "/usr/lib/x/y", "y"), Verdict::Allow);
    let unlisted = policy.decide_exec(b"/usr/bin/ls", &words("ls"));
    assert_eq!(unlisted.verdict, Verdict::Deny);
    assert_eq!(&*policy.rule(unlisted.rule).name, "not in exec.allow p.toml:7");
    // Never more than files.exec, and never what files.deny takes away.
    assert_eq!(run(&policy, "/opt/git", "git status"), Verdict::Deny);
    assert_eq!(rule(&policy, "/usr/secret/git", "git status"), "/usr/secret/**");
    // The interpreter of an allowed script need not be listed; what denies it holds.
    assert_eq!(policy.decide_interpreter(b"/usr/bin/bash", &words("bash /w/x")).verdict, Verdict::Allow);
    assert_eq!(load("allow = ['x']\ndeny = ['bash']").decide_interpreter(b"/usr/bin/bash", &[]).verdict, Verdict::Deny);
    assert_eq!(run(&load("allow = []"), "/usr/bin/ls", "ls"), Verdict::Deny);
}

#[test]
fn what_the_caller_chooses_permits_nothing() {
    let policy = load("allow = ['git status **', 'ls', '/usr/bin/make']");
    assert_eq!(run(&policy, "/usr/bin/git", "git status -s"), Verdict::Allow);
    for (path, line) in [
        ("/usr/bin/git", "git -C x status"),
        ("/usr/bin/git", "git push"),
        ("/usr/bin/curl", "git status"),
        ("/usr/bin/curl", "ls"),
        ("/usr/bin/bash", "bash ls"),
        ("/usr/bin/busybox", "wget"),
        ("/usr/bin/busybox", "busybox wget"),
        ("/usr/bin/busybox", "busybox busybox wget ls"),
        ("/w/make", "/usr/bin/make"),
    ] {
        assert_eq!(run(&policy, path, line), Verdict::Deny, "{path} as {line}");
    }
    // There argv[0] chooses the program, truly.
    assert_eq!(run(&policy, "/usr/bin/busybox", "/bin/ls -l"), Verdict::Allow);
    assert_eq!(run(&policy, "/usr/bin/busybox", "busybox ls -l"), Verdict::Allow);
    assert_eq!(run(&policy, "/usr/bin/coreutils", "coreutils --coreutils-prog=ls -l"), Verdict::Allow);
}

#[test]
fn applets_scripts_and_loaders_are_programs_too() {
    let policy = load("deny = ['wget', 'deploy.sh prod **', 'sudo', '/usr/bin/at']");
    for (path, line) in [
        ("/usr/bin/busybox", "busybox wget -q x"),
        ("/usr/bin/busybox", "wget -q x"),
        ("/usr/bin/busybox", "busybox busybox wget"),
        ("/w/renamed", "busybox wget"),
        ("/usr/bin/bash", "bash /w/deploy.sh prod now"),
        ("/usr/bin/bash", "bash -x -o pipefail ./deploy.sh prod"),
        ("/usr/bin/busybox", "busybox sh deploy.sh prod"),
        ("/usr/bin/python3.11", "python3 deploy.sh prod"),
        ("/usr/lib/ld-linux-x86-64.so.2", "ld.so --argv0 x /usr/bin/sudo id"),
        ("/usr/lib/ld-musl-x86_64.so.1", "ld-musl -- /usr/bin/sudo"),
    ] {
        assert_eq!(run(&policy, path, line), Verdict::Deny, "{path} as {line}");
    }
    for (path, line) in [
        ("/usr/bin/bash", "bash deploy.sh test"),
        ("/usr/bin/bash", "bash other.sh deploy.sh prod"),
        ("/usr/bin/echo", "echo wget"),
        ("/usr/bin/busybox", "busybox ls wget"),
    ] {
        assert_eq!(run(&policy, path, line), Verdict::Allow, "{path} as {line}");
    }
    let script = |line: &str| policy.decide_script(b"/w/deploy.sh", &words(line)).map(|decision| decision.verdict);
    assert_eq!([script("/w/deploy.sh prod"), script("/w/deploy.sh test")], [Some(Verdict::Deny), None]);
    assert_eq!(policy.decide_script(b"/usr/bin/at", &[]).map(|decision| decision.verdict), Some(Verdict::Deny));
}

#[test]
fn arguments_that_are_programs_are_found() {
    let find = |path: &str, line: &str| carried(path.as_bytes(), &words(line));
    assert_eq!(find("/usr/lib/ld-2.31.so", "x --library-path /a --list ./prog y"), [Carried::Program(4)]);
    assert_eq!(find("/usr/lib/ld-linux-x86-64.so.2", "x --help"), []);
    assert_eq!(find("/usr/bin/bash", "bash a.sh b.sh"), [Carried::Script(1)]);
    assert_eq!(find("/usr/bin/bash", "bash -x a.sh b.sh"), [Carried::Script(2), Carried::Script(3)]);
    assert_eq!(find("/usr/bin/busybox", "busybox ash -e a.sh"), [Carried::Script(3)]);
    assert_eq!(find("/usr/bin/ls", "ls a"), []);
}

#[test]
fn paths_take_arguments_variables_and_links() {
    let policy = load(
        "deny = ['/usr/local/bin/git push **', '${workdir}/bin/**', '~/x y']\nask = ['/usr/bin/make install **', '/usr/bin/tar']",
    );
    assert_eq!(run(&policy, "/usr/bin/git", "git -C a push"), Verdict::Deny);
    assert_eq!(run(&policy, "/usr/bin/git", "git pull"), Verdict::Allow);
    assert_eq!(run(&policy, "/usr/libexec/git", "git push"), Verdict::Allow);
    assert_eq!(run(&policy, "/w/bin/a", "a"), Verdict::Deny);
    assert_eq!(run(&policy, "/usr/bin/make", "make install all"), Verdict::Ask);
    assert_eq!(run(&policy, "/usr/bin/make", "make"), Verdict::Allow);
    assert_eq!(run(&policy, "/usr/bin/tar", "tar x"), Verdict::Ask);
    let argv = words("make install all");
    let wanted = crate::policy::Wanted::Exec { path: b"/usr/bin/make", argv: &argv };
    let decision = policy.decide_exec(b"/usr/bin/make", &argv);
    let texts: Vec<String> = policy.choices(decision.rule, &wanted).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["make install all", "make install *", "/usr/bin/make install **"]);
}

#[test]
fn an_allow_does_not_follow_what_the_agent_could_place() {
    struct Placed;
    impl Library for Placed {
        fn load(&self, name: &str, by: &Source) -> Result<Source, PolicyError> {
            Disk.load(name, by)
        }
        fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
            let real = path.strip_prefix(b"/w/tools").map(|rest| [b"/usr/bin", rest].concat());
            Some(real.unwrap_or_else(|| path.to_vec()))
        }
    }
    let text = format!("{FILES}allow = ['/w/tools/**']");
    let source = Source { name: "p.toml".into(), text, layer: Layer::User, path: None };
    let policy = Policy::load(source, &Placed, &Vars::default()).expect("a policy");
    assert_eq!(run(&policy, "/usr/bin/curl", "curl"), Verdict::Deny);
    assert_eq!(run(&policy, "/w/tools/x", "x"), Verdict::Allow);
}

#[test]
fn digests_are_read_strictly() {
    let hash = blake3::hash(b"program");
    let policy = load(&format!("deny = ['sudo', {{ digest = 'blake3:{}' }}]", hash.to_hex()));
    assert!(policy.denies_digests());
    let denied = policy.decide_digest(hash.as_bytes()).expect("a decision");
    assert_eq!((denied.verdict, policy.rule(denied.rule).key), (Verdict::Deny, "exec.deny"));
    assert_eq!(policy.decide_digest(&[0; 32]), None);
    for wrong in [
        "deny = [{ digest = 'sha256:00' }]",
        "deny = [{ digest = 'blake3:00' }]",
        "deny = [{ name = 'x' }]",
        "deny = [7]",
        "deny = ['']",
        "deny = ['** x']",
        "allow = 'git'",
        "allow = ['\"/usr/bin/git\" x']",
        "deny = ['relative/git push']",
    ] {
        assert!(try_load(wrong).is_err(), "{wrong}");
    }
}
