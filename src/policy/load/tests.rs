//! Over several files and a disk with links: what adds up, what is lifted, what is followed.

mod layers;
mod network;
mod rights;

use std::collections::HashMap;

use crate::policy::{
    Access, Cover, Layer, Library, NetOp, Network, Policy, PolicyError, Source, UnixAddr, Vars, Verdict,
};

/// Files by name and links by path.
#[derive(Default)]
struct Disk {
    files: HashMap<&'static str, &'static str>,
    links: HashMap<&'static str, &'static str>,
    layers: Vec<Source>,
    trusted: bool,
}

impl Library for Disk {
    fn layers(&self) -> Result<Vec<Source>, PolicyError> {
        Ok(self.layers.clone())
    }

    fn trusts(&self, _: &Source) -> Result<bool, PolicyError> {
        Ok(self.trusted)
    }

    fn load(&self, name: &str, from: &Source) -> Result<Source, PolicyError> {
        let text = self.files.get(name).ok_or_else(|| PolicyError::whole(name, "no such file", None))?;
        Ok(source(name, text, if name == "wide" { Layer::Shipped } else { from.layer }))
    }

    /// Every path exists; links are absolute and followed once.
    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        let path = std::str::from_utf8(path).ok()?;
        for (link, to) in &self.links {
            if let Some(rest) = path.strip_prefix(link).filter(|rest| rest.is_empty() || rest.starts_with('/')) {
                return Some(format!("{to}{rest}").into_bytes());
            }
        }
        Some(path.into())
    }
}

fn source(name: &str, text: &str, layer: Layer) -> Source {
    Source {
        name: name.into(),
        text: format!("version = 1\n{text}"),
        layer,
        path: Some(format!("/etc/p/{name}").into()),
    }
}

fn vars() -> Vars {
    Vars {
        home: b"/home/u".into(),
        workdir: b"/w".into(),
        tmp: b"/tmp".into(),
        session: b"/run/govsh/x/scratch".into(),
        state_dirs: vec![b"/run/govsh".into()],
        ..Vars::default()
    }
}

fn load_on(disk: &Disk, text: &str) -> Policy {
    Policy::load(source("p.toml", text, Layer::User), disk, &vars()).unwrap_or_else(|error| panic!("{error}"))
}

fn load(text: &str) -> Policy {
    load_on(&Disk::default(), text)
}

/// Verdict and rule name for writing.
fn write<'p>(policy: &'p Policy, path: &str) -> (Verdict, &'p str) {
    let decision = policy.decide_file(path.as_bytes(), Access::WRITE);
    (decision.verdict, &policy.rule(decision.rule).name)
}

fn may(policy: &Policy, path: &str, access: Access) -> bool {
    policy.decide_file(path.as_bytes(), access).verdict == Verdict::Allow
}

#[test]
fn names_rule_file_line_and_layer() {
    let policy = load("[files]\nwrite = [\n  '/a/**',\n]\ndeny = ['/a/b']");
    assert_eq!(write(&policy, "/a/x"), (Verdict::Allow, "\"/a/**\" p.toml:4"));
    assert_eq!(write(&policy, "/a/b/c"), (Verdict::Deny, "\"/a/b\" p.toml:6"));
    assert_eq!(write(&policy, "/x"), (Verdict::Deny, "default"));
    let decision = policy.decide_file(b"/a/b", Access::READ);
    assert_eq!(policy.rule(decision.rule).layer, Layer::User);
    assert_eq!(policy.counts(), (1, 0));
}

#[test]
fn adds_up_over_files() {
    let base = "[files]\nread = ['/a/**']\ndeny = ['/a/x']\n[network]\nallow = 'all'\n[limits]\nprocesses = 5\nmemory = 7\n[require]\nlandlock_abi = 4";
    let disk = Disk { files: HashMap::from([("base", base)]), ..Disk::default() };
    let policy = load_on(
        &disk,
        "extends = ['base']\n[files]\nread = ['/b', '/a/x']\n[network]\nallow = ['10.0.0.0/8']\n[limits]\nprocesses = 9\n[require]\nlandlock_abi = 2",
    );
    assert!(may(&policy, "/a/y", Access::READ) && may(&policy, "/b", Access::READ));
    assert!(!may(&policy, "/a/x", Access::READ));
    assert!(matches!(policy.network(), Network::List(places) if places.entries().len() == 1));
    assert_eq!((policy.limits().processes, policy.limits().memory), (Some(9), Some(7)));
    assert_eq!(policy.require().landlock_abi, Some(4));
    assert_eq!(policy.sources(), ["base", "p.toml"]);
}

#[test]
fn lifts_only_what_is_named() {
    let policy = load("[files]\nwrite = ['/w/**', '${workdir}/.vscode/**', '~/.bashrc']");
    assert_eq!(write(&policy, "/w/.vscode/tasks.json").0, Verdict::Allow);
    assert_eq!(write(&policy, "/home/u/.bashrc").0, Verdict::Allow);
    assert_eq!(write(&policy, "/w/.git/hooks/x"), (Verdict::Deny, "built-in: git hooks and configuration"));
    assert_eq!(write(&policy, "/w/.git"), (Verdict::Deny, "built-in: git hooks and configuration"));
    let wide = load("[files]\nwrite = ['/**', '/home/u/**', '**/.bashrc']");
    assert_eq!(write(&wide, "/home/u/.bashrc"), (Verdict::Deny, "built-in: shell start-up files"));
}

#[test]
fn lifts_nothing_by_a_file_that_the_agent_may_write() {
    let text = "[files]\nwrite = ['/etc/p/**', '~/.bashrc']";
    assert_eq!(write(&load(text), "/home/u/.bashrc").0, Verdict::Deny);
    let text = "[files]\nwrite = ['~/.bashrc']";
    assert_eq!(write(&load(text), "/home/u/.bashrc").0, Verdict::Allow);
    let disk = Disk { trusted: true, ..Disk::default() };
    let project = Policy::load(source("p.toml", text, Layer::Project), &disk, &vars()).unwrap();
    assert_eq!(write(&project, "/home/u/.bashrc").0, Verdict::Deny);
}

#[test]
fn protects_its_own() {
    let policy = load("[files]\nwrite = ['/**', '/run/govsh/**', '/etc/p/p.toml']");
    assert_eq!(write(&policy, "/run/govsh/y"), (Verdict::Deny, "built-in: govsh's own files"));
    assert_eq!(write(&policy, "/run/govsh/x/scratch/y").0, Verdict::Allow);
    assert_eq!(write(&policy, "/etc/p/p.toml"), (Verdict::Deny, "built-in: the policy in use"));
    assert!(policy.carves_reads() && policy.carves_beneath(b"/run") && policy.carves_beneath(b"/run/govsh/x"));
    assert!(!policy.carves_beneath(b"/run/govsh/x/scratch/y"));
    assert!(!load("[files]\nwrite = ['${session}/**']\nread = ['/usr/**']").carves_reads());
}

#[test]
fn means_real_paths_too() {
    let links = HashMap::from([("/bin", "/usr/bin"), ("/home/u/.ssh", "/data/ssh"), ("/home/u/.cache", "/data/cache")]);
    let disk = Disk { links, ..Disk::default() };
    let policy = load_on(
        &disk,
        "[files]\nexec = ['/bin/**']\nread = ['/data/**']\nwrite = ['~/.cache/uv/**']\ndeny = ['~/.ssh/**']",
    );
    assert!(may(&policy, "/bin/ls", Access::EXEC) && may(&policy, "/usr/bin/ls", Access::EXEC));
    assert!(!may(&policy, "/data/ssh/id_rsa", Access::READ) && !may(&policy, "/home/u/.ssh/id_rsa", Access::READ));
    assert!(may(&policy, "/data/cache/uv/x", Access::WRITE));
    let denied = ["/data/ssh", "/home/u/.ssh", "/run/govsh", "/run/govsh/signing.key"];
    assert_eq!(policy.denied_exact(), denied.map(|path| path.as_bytes().to_vec()));
    let roots = ["/data/cache/uv", "/home/u/.cache/uv"];
    assert!(roots.iter().all(|root| policy.carves_beneath(root.as_bytes())));
    let grants: Vec<(&[u8], Cover)> =
        policy.grants().iter().map(|grant| (grant.path.as_slice(), grant.cover)).collect();
    assert!(
        grants.contains(&(b"/usr/bin".as_slice(), Cover::Tree)) && grants.contains(&(b"/bin".as_slice(), Cover::Tree))
    );
}

#[test]
fn follows_no_link_that_the_agent_could_have_made() {
    let links = HashMap::from([("/w/cache", "/etc/cron.d"), ("/home/u/.state", "/etc/shadow")]);
    let disk = Disk { links, ..Disk::default() };
    let policy = load_on(&disk, "[files]\nwrite = ['/w/**', '/w/cache/**', '~/.state']\nread = ['/w/cache/x']");
    assert!(may(&policy, "/w/cache/x", Access::WRITE));
    assert!(!may(&policy, "/etc/cron.d/x", Access::READ) && !may(&policy, "/etc/shadow", Access::READ));
}

#[test]
fn what_a_command_keeps_under_its_own_name() {
    let text = "[files]\nwrite = ['${command}/**']\ndeny = ['${command}/keys/**']";
    let own = Vars { command: vec![b"/h/.pi".into(), b"/h/.config/pi".into()], ..vars() };
    let policy = Policy::load(source("p.toml", text, Layer::User), &Disk::default(), &own).unwrap();
    for (path, allowed) in [("/h/.pi", true), ("/h/.config/pi/a/b", true), ("/h/.pi/keys/x", false), ("/h/.pix", false)]
    {
        assert_eq!(may(&policy, path, Access::WRITE), allowed, "{path}");
    }
    // without a command it stands for nothing
    assert!(!may(&load(text), "/h/.pi", Access::WRITE));
}

#[test]
fn knows_the_repository_around() {
    let text = "[files]\nread = ['${repo}/**']\nwrite = ['${workdir}/**', '${git}/**']\ndeny = ['${git}/x']";
    let around = Vars { git: vec![b"/r/.git".into()], repo: vec![b"/r".into()], workdir: b"/r/w".into(), ..vars() };
    let policy = Policy::load(source("p.toml", text, Layer::User), &Disk::default(), &around).unwrap();
    assert!(may(&policy, "/r/Cargo.toml", Access::READ) && !may(&policy, "/r/Cargo.toml", Access::WRITE));
    assert_eq!(write(&policy, "/r/.git/index"), (Verdict::Allow, "\"${git}/**\" p.toml:4"));
    assert_eq!(write(&policy, "/r/.git/x").1, "\"${git}/x\" p.toml:5");
    let held = ["/r/.git/hooks/pre-commit", "/r/.git/config", "/r/.git/worktrees/a/config.worktree"];
    assert!(held.iter().all(|path| write(&policy, path).1 == "built-in: git hooks and configuration"));
    assert!(policy.carves_beneath(b"/r/.git"));
    // and nothing where there is none
    assert!(!may(&load(text), "/r/Cargo.toml", Access::READ));
}

#[test]
fn judges_programs_by_name_and_path() {
    let policy = load("[files]\nexec = ['/usr/**']\n[exec]\ndeny = ['sudo', 'mkfs*', '/usr/sbin/at']");
    let run = |path: &str, name: &str| {
        let decision = policy.decide_exec(path.as_bytes(), &[name.as_bytes().to_vec()]);
        policy.rule(decision.rule).text.to_string()
    };
    assert_eq!(run("/usr/bin/ls", "ls"), "/usr/**");
    assert_eq!(run("/usr/bin/sudo", "x"), "sudo");
    assert_eq!(run("/usr/bin/busybox", "/x/sudo"), "sudo");
    assert_eq!(run("/usr/sbin/mkfs.ext4", "x"), "mkfs*");
    assert_eq!(run("/usr/sbin/at", "x"), "/usr/sbin/at");
    assert_eq!(run("/opt/x", "x"), "deny");
}

#[test]
fn judges_sockets_and_addresses() {
    let policy = load(
        "[files]\ndeny = ['/run/b']\n[sockets]\nallow = ['/run/a', '/run/b', '@x*']\n[network]\nallow = ['127.0.0.0/8:80', '169.254.169.254']",
    );
    let unix = |path: &str| policy.decide_unix(UnixAddr::Path(path.as_bytes())).verdict;
    assert_eq!([unix("/run/a"), unix("/run/b"), unix("/run/c")], [Verdict::Allow, Verdict::Deny, Verdict::Deny]);
    assert_eq!(policy.decide_unix(UnixAddr::Abstract(b"xy")).verdict, Verdict::Allow);
    let net = |op, address: &str| policy.decide_net(op, &address.parse().unwrap()).verdict;
    assert_eq!(net(NetOp::Connect, "127.0.0.1:80"), Verdict::Allow);
    assert_eq!(net(NetOp::Send, "127.0.0.1:81"), Verdict::Deny);
    assert_eq!(net(NetOp::Connect, "169.254.169.254:80"), Verdict::Allow);
    assert_eq!(net(NetOp::Bind, "0.0.0.0:9"), Verdict::Allow);
    assert_eq!(net(NetOp::Bind, "10.0.0.1:9"), Verdict::Deny);
    assert!(policy.names_outside());
}

#[test]
fn points_at_bad_patterns() {
    let refusal = |text: &str| {
        let error = Policy::load(source("p.toml", text, Layer::User), &Disk::default(), &vars()).unwrap_err();
        (error.to_string(), error.hint().unwrap_or_default().to_owned())
    };
    let (message, hint) = refusal("[files]\nread = ['/ok', 'src']");
    assert_eq!(message, "policy 'p.toml' line 3, column 16: pattern 'src' is relative");
    assert_eq!(hint, "a pattern begins with /, ~, ${workdir}, ${tmp}, ${session} or **/");
    let (message, hint) = refusal("[network]\nallow = ['*.org:443']");
    assert_eq!(message, "policy 'p.toml' line 3, column 10: '*.org' means every name under a top-level domain");
    assert_eq!(hint, "name the hosts: api.example.org, *.example.org");
    let (message, _) = refusal("[exec]\ndeny = ['** push']");
    assert_eq!(message, "policy 'p.toml' line 3, column 9: '**' in the place of the program");
}
