//! Over several files and a disk with links: what adds up, what is lifted, what is followed.

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
    assert!(matches!(policy.network(), Network::List(rules) if rules.len() == 1));
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
    let (message, _) = refusal("[network]\nallow = ['x.org:443']");
    assert!(
        message.starts_with("policy 'p.toml' line 3, column 10: host name 'x.org' cannot be enforced"),
        "{message}"
    );
    let (message, _) = refusal("[exec]\ndeny = ['** push']");
    assert_eq!(message, "policy 'p.toml' line 3, column 9: '**' in the place of the program");
}

/// A profile and what is laid over it.
fn lay(profile: &str, layers: &[(Layer, &str)], trusted: bool) -> Result<Policy, PolicyError> {
    let layers =
        layers.iter().enumerate().map(|(n, (layer, text))| source(&format!("{n}.toml"), text, *layer)).collect();
    let disk = Disk { layers, trusted, files: HashMap::from([("wide", "[files]\nread = ['/**']")]), ..Disk::default() };
    Policy::load(source("p.toml", profile, Layer::User), &disk, &vars())
}

const PROFILE: &str = "[files]\nread = ['/a/**', '/b/**']\n[network]\nallow = ['10.0.0.0/8']";

#[test]
fn an_untrusted_project_takes_away_and_gives_nothing() {
    let text = "extends = ['wide']\n[files]\nread = ['/c']\nwrite = ['/a/**']\ndeny = ['/a/x']\nask = ['/b/x', '/d']\n\
                [network]\nallow = 'all'\nask = ['10.1.0.0/16', '11.0.0.0/8']\ndeny = ['10.2.0.0/16']\n\
                [sockets]\nallow = ['/run/s']\n[environment]\npass = ['X']";
    let policy = lay(PROFILE, &[(Layer::Project, text)], false).unwrap();
    let read = |path: &str| policy.decide_file(path.as_bytes(), Access::READ).verdict;
    assert_eq!(["/a/y", "/a/x", "/b/x", "/c", "/d", "/z"].map(read), {
        use Verdict::{Allow, Ask, Deny};
        [Allow, Deny, Ask, Deny, Deny, Deny]
    });
    assert!(!may(&policy, "/a/y", Access::WRITE));
    let net = |addr: &str| policy.decide_net(NetOp::Connect, &addr.parse().unwrap()).verdict;
    assert_eq!(["10.0.0.1:1", "10.1.0.1:1", "10.2.0.1:1", "11.0.0.1:1"].map(net), {
        use Verdict::{Allow, Ask, Deny};
        [Allow, Ask, Deny, Deny]
    });
    assert_eq!(policy.decide_unix(UnixAddr::Path(b"/run/s")).verdict, Verdict::Deny);
    assert!(policy.asked_grants().iter().all(|grant| grant.path != b"/d"));
    let [withheld] = policy.withheld() else { panic!("{:?}", policy.withheld()) };
    let texts: Vec<&str> = withheld.rules.iter().map(|rule| &*rule.text).collect();
    assert_eq!((withheld.source.as_str(), texts), ("0.toml", vec!["/**", "/c", "/a/**", "/run/s", "all", "X"]));
    // Once it is trusted, all of it counts.
    let policy = lay(PROFILE, &[(Layer::Project, text)], true).unwrap();
    assert!(may(&policy, "/c", Access::READ) && may(&policy, "/z", Access::READ) && policy.withheld().is_empty());
    assert_eq!(policy.decide_file(b"/d", Access::WRITE).verdict, Verdict::Ask);
    assert!(!may(&policy, "/a/x", Access::READ));
}

#[test]
fn an_enrolled_machine_hears_neither_project_nor_command_line() {
    let enrolled = (Layer::Machine, "[machine]\nenrolled = true\n[files]\nread = ['/m']");
    let project = (Layer::Project, "[files]\nread = ['/c']\ndeny = ['/a/x']");
    let policy = lay(PROFILE, &[enrolled, project, (Layer::CommandLine, "[files]\ndeny = ['/b']")], true).unwrap();
    assert_eq!(policy.enrolled(), Some("0.toml:3"));
    assert!(may(&policy, "/m", Access::READ) && may(&policy, "/a/y", Access::READ));
    assert!(["/c", "/a/x", "/b"].iter().all(|path| !may(&policy, path, Access::READ)));
    let line = (Layer::CommandLine, "[files]\nread = ['/c']");
    let error = lay(PROFILE, &[enrolled, line], true).unwrap_err().to_string();
    assert!(
        error.ends_with("this machine is enrolled (0.toml:3): the command line can only narrow, not grant"),
        "{error}"
    );
    assert!(may(&lay(PROFILE, &[line], false).unwrap(), "/c", Access::READ));
    // The command line still chooses a policy, and narrows it.
    let chosen = |text: &str| {
        let layers = vec![source("0.toml", enrolled.1, enrolled.0)];
        let disk = Disk { layers, files: HashMap::from([("wide", "[files]\nread = ['/**']")]), ..Disk::default() };
        Policy::load(source("x.toml", text, Layer::CommandLine), &disk, &vars())
    };
    assert!(chosen("[files]\nread = ['/x']").is_err());
    for layer in [Layer::User, Layer::Project, Layer::CommandLine] {
        assert!(lay(PROFILE, &[(layer, enrolled.1)], true).unwrap_err().to_string().contains("only the machine"));
    }
}

#[test]
fn what_a_layer_rules_out_stays_ruled_out() {
    let net = |profile: &str, layers: &[(Layer, &str)]| {
        let policy = lay(profile, layers, false).unwrap();
        policy.decide_net(NetOp::Connect, &"10.0.0.1:1".parse().unwrap()).verdict
    };
    let (none, list) =
        ((Layer::Machine, "[network]\nallow = 'none'"), (Layer::User, "[network]\nallow = ['10.0.0.0/8']"));
    assert_eq!(net("", &[list]), Verdict::Allow);
    assert_eq!(net("", &[none, list]), Verdict::Deny);
    assert_eq!(net("[network]\nallow = 'none'", &[list]), Verdict::Deny);
    assert_eq!(net("[network]\nallow = 'none'", &[(Layer::User, "[network]\nask = ['all']")]), Verdict::Deny);
    assert_eq!(net("[network]\nask = ['all']", &[(Layer::Project, "[network]\nallow = 'none'")]), Verdict::Deny);
    assert_eq!(net("[network]\nallow = 'all'", &[(Layer::Project, "[network]\ndeny = ['all']")]), Verdict::Deny);
    let socket =
        lay("[sockets]\nallow = ['/run/a']", &[(Layer::User, "[sockets]\ndeny = ['/run/**']")], false).unwrap();
    assert_eq!(socket.decide_unix(UnixAddr::Path(b"/run/a")).verdict, Verdict::Deny);
}

#[test]
fn settings_of_layers_only_tighten() {
    let profile =
        "[limits]\nprocesses = 50\nmemory = 7\n[record]\naudit = 'full'\ninput = false\non_failure = 'continue'";
    let machine = "[limits]\nprocesses = 90\nmemory = 5\nopen_files = 3\n[record]\naudit = 'writes'\ninput = true";
    let policy = lay(profile, &[(Layer::Machine, machine)], false).unwrap();
    assert_eq!(
        (policy.limits().processes, policy.limits().memory, policy.limits().open_files),
        (Some(50), Some(5), Some(3))
    );
    assert_eq!((policy.record().audit, policy.record().input), (Some(crate::policy::Audit::Full), true));
    let project = "[limits]\nprocesses = 10\n[record]\non_failure = 'stop'";
    let policy = lay(profile, &[(Layer::Project, project)], false).unwrap();
    assert_eq!((policy.limits().processes, policy.record().on_failure), (Some(10), crate::policy::OnFailure::Stop));
    let policy = lay("", &[(Layer::Project, "[record]\naudit = 'writes'")], false).unwrap();
    assert_eq!((policy.record().audit, policy.withheld().len()), (None, 1));
    for text in ["[record]\ninput = false", "[agent]\nmatch = ['x']", "[agent]\nappend_args = ['--yolo']"] {
        assert!(lay("", &[(Layer::Project, text)], true).is_err(), "{text}");
    }
}

#[test]
fn requirements_name_who_makes_them() {
    let machine = (Layer::Machine, "[require]\naudit = 'full'\npolicies = ['wide']");
    let error = lay(PROFILE, &[machine], false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "policy '0.toml' line 4, column 13: require.policies: policy 'p' is not made of 'wide', required by the machine layer"
    );
    // Not one of that name that the user wrote.
    let files = HashMap::from([("wide", "")]);
    let layers = vec![source("0.toml", machine.1, machine.0)];
    let disk = Disk { files, layers, ..Disk::default() };
    assert!(Policy::load(source("wide.toml", "", Layer::User), &disk, &vars()).is_err());
    let policy = Policy::load(source("wide.toml", "", Layer::Shipped), &disk, &vars()).unwrap();
    let rule = policy.required_by("require.audit").unwrap();
    assert_eq!((&*rule.source, rule.line, rule.layer), ("0.toml", 3, Layer::Machine));
}

#[test]
fn a_denial_of_an_untrusted_file_makes_no_link_believed() {
    let links = HashMap::from([("/w/cache", "/etc/cron.d")]);
    for deny in ["", "[files]\nreadonly = ['/w/cache']\ndeny = ['/etc/p/**']"] {
        let layers = vec![source("0.toml", deny, Layer::Project)];
        let disk = Disk { links: links.clone(), layers, ..Disk::default() };
        let policy = load_on(&disk, "[files]\nwrite = ['/w/**', '/w/cache/**', '/etc/p/**', '~/.bashrc']");
        assert!(!may(&policy, "/etc/cron.d/x", Access::READ), "{deny}");
        assert!(!may(&policy, "/home/u/.bashrc", Access::WRITE), "{deny}");
    }
}

#[test]
fn each_layer_may_leave_programs_out() {
    let profile = "[files]\nexec = ['/usr/**']\n[exec]\nallow = ['git', 'ls', 'cat']\nask = ['make']";
    let run = |layers: &[(Layer, &str)], name: &str| {
        let policy = lay(profile, layers, false).unwrap();
        policy.decide_exec(format!("/usr/bin/{name}").as_bytes(), &[name.as_bytes().to_vec()]).verdict
    };
    let (machine, project) = (
        (Layer::Machine, "[exec]\nallow = ['git', 'ls', 'make', 'vi']"),
        (Layer::Project, "[exec]\nallow = ['git', '/usr/bin/vi']\nask = ['git', 'tar']"),
    );
    assert_eq!(["git", "ls", "cat", "make", "vi"].map(|name| run(&[machine], name)), {
        use Verdict::{Allow, Ask, Deny};
        [Allow, Allow, Deny, Ask, Deny]
    });
    assert_eq!(["git", "ls", "make", "vi", "tar"].map(|name| run(&[project], name)), {
        use Verdict::{Ask, Deny};
        [Ask, Deny, Deny, Deny, Deny]
    });
}

fn rights(policy: &Policy, path: &str) -> &'static str {
    let granted = |right: &Access| may(policy, path, *right);
    Access::all().iter().filter(granted).collect::<Access>().words()
}

#[test]
fn rights_are_granted_one_by_one() {
    let policy = load(
        "[files]\nallow = [{ path = '/a/**', access = ['read', 'create'] }, { path = '/b', access = 'write' }, { path = '/c', access = ['exec'] }]",
    );
    assert_eq!([rights(&policy, "/a/x"), rights(&policy, "/c")], ["read create", "read exec"]);
    assert_eq!(rights(&policy, "/b"), "write create delete rename change");
    // Together they are one request: what is missing refuses it.
    assert!(!may(&policy, "/a/x", Access::CREATE | Access::DELETE));
}

#[test]
fn rights_are_taken_away_one_by_one() {
    let policy = load(
        "[files]\nwrite = ['/a/**']\ndeny = [{ path = '/a/log/**', access = ['delete', 'write'], except = ['/a/log/tmp'] }, { path = '/a/r', access = 'write' }, { path = '/a/h', hide = true }]",
    );
    assert_eq!(rights(&policy, "/a/log/x"), "read create rename change");
    assert_eq!([rights(&policy, "/a/log/tmp"), rights(&policy, "/a/r")], [rights(&policy, "/a/x"), "read"]);
    assert_eq!(policy.refused_rights(b"/a/log/x"), Access::WRITE | Access::DELETE);
    assert!(policy.hides(b"/a/h/x") && !policy.hides(b"/a/r") && rights(&policy, "/a/h/x").is_empty());
    // Reading is not touched: the kernel may do it. What hides is no such rule.
    assert!(policy.carves_reads() && policy.tells_changes_apart());
    let text = "[files]\nread = ['/a/**']\ndeny = [{ path = '/a/x', access = ['delete'] }]";
    assert!(!load(text).carves_reads());
}

#[test]
fn rights_are_asked_about_one_by_one() {
    let policy = load("[files]\nwrite = ['/a/**']\nask = [{ path = '/a/x', access = ['delete'], once = 'directory' }]");
    let asked = |right| policy.decide_file(b"/a/x", right).verdict == Verdict::Ask;
    assert!(asked(Access::DELETE) && !asked(Access::WRITE) && !asked(Access::READ));
    let rule = policy.decide_file(b"/a/x", Access::DELETE).rule;
    let kept = policy.holds_once(rule, b"/a/x", Access::DELETE).expect("it asks once");
    let covers =
        |path: &str| kept.covers(&crate::policy::Wanted::File { path: path.as_bytes(), access: Access::DELETE });
    assert!(covers("/a/x") && covers("/a/y") && !covers("/a") && !covers("/a/d/x"));
    assert!(policy.reason(rule).contains("directory until the session ends"));
}

#[test]
fn rights_that_say_nothing_are_refused() {
    for wrong in [
        "allow = ['/a']",
        "allow = [{ path = '/a' }]",
        "allow = [{ path = '/a', access = [] }]",
        "allow = [{ path = '/a', access = ['all'] }]",
        "allow = [{ path = '/a', access = 'read', hide = true }]",
        "read = [{ path = '/a', access = 'read' }]",
        "deny = [{ path = '/a', access = 'write', hide = true }]",
        "ask = [{ path = '/a', once = 'day' }]",
    ] {
        let source = source("x.toml", &format!("[files]\n{wrong}"), Layer::User);
        assert!(Policy::load(source, &Disk::default(), &vars()).is_err(), "{wrong}");
    }
}

#[test]
fn names_that_a_directory_may_take_for_a_protected_one_are_doubtful() {
    let policy = load("[files]\nwrite = ['/w/**']\ndeny = ['**/.env', '/w/Keys/*.Pem']");
    let doubtful = |path: &str| policy.is_doubtful(path.as_bytes());
    assert!(doubtful("/w/.ENV") && doubtful("/W/.Env") && doubtful("/w/keys/A.PEM") && doubtful("/w/.Git/config"));
    assert!(doubtful("/w/\u{212a}eys/x.pem"));
    assert!(
        !policy.is_doubtful(b"/w/src/main.rs")
            && !policy.is_doubtful(b"/w/.env")
            && !policy.is_doubtful(b"/w/Keys/x.Pem")
    );
}

#[test]
fn directories_within_the_reach_of_the_same_rules_are_alike() {
    let policy = load(
        "[files]\nwrite = ['/w/**']\ndeny = ['**/.env', { path = '**/*.key', except = ['**/fixtures/**'] }, '/w/a/*/x']",
    );
    assert!(policy.alike(b"/w/b/c", b"/w/d") && policy.alike(b"/w/b/node_modules/.x-1", b"/w/b/node_modules/x"));
    assert!(
        !policy.alike(b"/w/b/fixtures", b"/w/d") && !policy.alike(b"/w/a/c", b"/w/d") && !policy.alike(b"/w/d", b"/x")
    );
    assert!(!policy.alike(b"/w/d/.git", b"/w/d/x"));
}
