//! What is laid over a profile: who may widen, who only narrows.

use super::*;

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
