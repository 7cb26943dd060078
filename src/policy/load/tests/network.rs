//! Hosts, requests, repositories, registries and secrets, over several files.

use super::*;
use crate::policy::registries::{Form, Registry, Setting};
use crate::policy::{GitCall, GitRef, GitService, Host, HttpCall, Reach};

fn host(name: &str) -> Host {
    Host::parse(name).unwrap()
}

fn named(policy: &Policy, name: &str, port: u16) -> Verdict {
    policy.decide_reach(&Reach::named(&host(name), port)).verdict
}

fn at(policy: &Policy, name: &str, addr: &str) -> (Verdict, String) {
    let decision = policy.decide_reach(&Reach::at(&host(name), addr.parse().unwrap()));
    (decision.verdict, policy.rule(decision.rule).text.to_string())
}

fn refused(text: &str, layer: Layer) -> String {
    let error = Policy::load(source("p.toml", text, layer), &Disk::default(), &vars()).map(|_| "it loads").unwrap_err();
    error.reason().to_owned()
}

#[test]
fn names_and_addresses_are_judged_together() {
    let policy = load(
        "[network]\nallow = ['*.x.org', 'db.corp:5432', '10.2.0.0/16:5432']\nask = ['y.org', '**']\ndeny = ['bad.x.org', '192.0.2.0/24']\nprivate = ['in.x.org']",
    );
    use Verdict::{Allow, Ask, Deny};
    assert_eq!([named(&policy, "a.x.org", 443), named(&policy, "a.x.org", 80)], [Allow, Allow]);
    assert_eq!(
        [named(&policy, "bad.x.org", 443), named(&policy, "y.org", 22), named(&policy, "z.org", 1)],
        [Deny, Ask, Ask]
    );
    // The address is a floor for every name.
    assert_eq!(at(&policy, "a.x.org", "192.0.2.1:443"), (Deny, "192.0.2.0/24".into()));
    // What a name stands for must not lead home, unless an address rule or `private` says so.
    let private = "private addresses reached by a name".to_owned();
    for addr in ["127.0.0.1:443", "10.0.0.1:443", "[::1]:443", "[64:ff9b::7f00:1]:443", "100.64.0.1:443"] {
        assert_eq!(at(&policy, "a.x.org", addr), (Deny, private.clone()), "{addr}");
        assert_eq!(at(&policy, "in.x.org", addr).0, Allow, "{addr}");
        assert_eq!(at(&policy, "z.org", addr).0, Deny, "{addr}");
    }
    assert_eq!(at(&policy, "in.x.org", "169.254.169.254:443"), (Deny, "cloud metadata".into()));
    assert_eq!(at(&policy, "in.x.org", "[fe80::1]:443").0, Deny);
    assert_eq!(at(&policy, "db.corp", "10.2.0.1:5432").0, Allow);
    let forbids = |name: &str, ip: &str| policy.forbids_answer(&host(name), ip.parse().unwrap()).is_some();
    assert!(forbids("a.x.org", "127.0.0.1") && forbids("a.x.org", "192.0.2.9") && !forbids("a.x.org", "1.1.1.1"));
    assert!(!forbids("db.corp", "10.2.0.1") && !forbids("in.x.org", "10.0.0.1"));
    let may = |name: &str| policy.may_name(&host(name)).verdict;
    assert_eq!([may("a.x.org"), may("db.corp"), may("bad.x.org"), may("q.org")], [Allow, Allow, Deny, Ask]);
    assert!(!policy.is_open() && policy.names_hosts() && policy.names_outside() && policy.asks_network());
}

#[test]
fn an_open_network_has_what_is_never_reached() {
    let policy = load("[network]\nallow = 'all'");
    assert!(policy.is_open());
    assert_eq!(named(&policy, "any.where", 1), Verdict::Allow);
    let to = |addr: &str| policy.decide_net(NetOp::Connect, &addr.parse().unwrap()).verdict;
    assert_eq!([to("1.1.1.1:1"), to("127.0.0.1:1"), to("10.0.0.1:1")], [Verdict::Allow; 3]);
    let never = [
        "169.254.169.254:80",
        "[fd00:ec2::254]:80",
        "169.254.1.1:1",
        "[ff02::1]:1",
        "0.0.0.0:1",
        "[64:ff9b::a9fe:a9fe]:80",
    ];
    assert!(never.iter().all(|addr| to(addr) == Verdict::Deny));
    assert_eq!(at(&policy, "any.where", "127.0.0.1:1").0, Verdict::Deny);
    assert_eq!(at(&policy, "localhost", "127.0.0.1:1").0, Verdict::Allow);
    let linked = load("[network]\nallow = ['169.254.0.0/16', '0.0.0.0/0']");
    let to = |addr: &str| linked.decide_net(NetOp::Connect, &addr.parse().unwrap()).verdict;
    assert_eq!(
        [to("169.254.1.1:1"), to("169.254.169.254:80"), to("224.0.0.1:1")],
        [Verdict::Allow, Verdict::Deny, Verdict::Deny]
    );
}

#[test]
fn closed_means_closed() {
    let closed = load("[network]\nallow = 'none'\nregistries = ['npm']\ngit = [{ repo = 'git.test/a/**' }]");
    assert_eq!(named(&closed, "git.test", 443), Verdict::Deny);
    let names: Vec<String> = Registry::Npm.origins(&[]).iter().map(|origin| origin.host.to_string()).collect();
    assert!(!names.is_empty() && names.iter().all(|name| named(&closed, name, 443) == Verdict::Deny));
    assert_eq!(named(&load(""), "x.org", 443), Verdict::Deny);
}

fn call<'r>(host: &'r Host, method: &'r str, path: &'r str) -> HttpCall<'r> {
    HttpCall { host, port: 443, method, path, query: "", upgrade: false }
}

#[test]
fn requests_are_carved_out_of_what_the_host_allows() {
    let policy = load(
        "[network]\nallow = ['api.x.org', 'y.org']\nhttp = [\n{ host = 'api.x.org', methods = ['GET'], path = '/repos/acme/**' },\n\
         { host = 'api.x.org', path = '/repos/acme/secret/**', effect = 'deny' },\n{ host = 'api.x.org', methods = ['POST'], path = '/ask', effect = 'ask' },\n\
         { host = 'api.x.org', path = '/ws', upgrade = true },\n{ host = 'closed.org' },\n]",
    );
    use Verdict::{Allow, Ask, Deny};
    let (api, other, closed) = (host("api.x.org"), host("y.org"), host("closed.org"));
    let http = |method: &str, path: &str| policy.decide_http(&call(&api, method, path)).verdict;
    assert_eq!(
        [http("GET", "/repos/acme/x"), http("POST", "/repos/acme/x"), http("GET", "/else")],
        [Allow, Deny, Deny]
    );
    assert_eq!(
        [http("GET", "/repos/acme/secret/x"), http("GET", "/repos/acme/secret%2Fx"), http("POST", "/ask")],
        [Deny, Deny, Ask]
    );
    let upgrade = |path: &str| policy.decide_http(&HttpCall { upgrade: true, ..call(&api, "GET", path) }).verdict;
    assert_eq!([upgrade("/ws"), upgrade("/repos/acme/x")], [Allow, Deny]);
    assert_eq!(policy.decide_http(&call(&other, "DELETE", "/any")).verdict, Allow);
    assert_eq!(policy.decide_http(&call(&closed, "GET", "/")).verdict, Deny, "the network is the ceiling");
    assert!(policy.inspects(&api, 443) && policy.inspects(&api, 80) && !policy.inspects(&other, 443));
    let rule = policy.rule(policy.decide_http(&call(&api, "GET", "/repos/acme/x")).rule);
    assert_eq!((&*rule.text, rule.key, rule.line), ("GET api.x.org /repos/acme/**", "network.http", 5));
}

#[test]
fn a_file_that_narrows_permits_nothing_more() {
    let profile = "[network]\nallow = ['api.x.org', 'git.test']\nhttp = [{ host = 'api.x.org', methods = ['GET'] }]";
    let project = "[network]\nhttp = [{ host = 'api.x.org', path = '/a/**' }, { host = 'api.x.org', methods = ['POST'] }]\n\
                   git = [{ repo = 'git.test/acme/**' }, { repo = 'more.test/x/**' }]";
    let disk = Disk { layers: vec![source("q.toml", project, Layer::Project)], ..Disk::default() };
    let policy = load_on(&disk, profile);
    let (api, git) = (host("api.x.org"), host("git.test"));
    let http = |method: &str, path: &str| policy.decide_http(&call(&api, method, path)).verdict;
    assert_eq!(
        [http("GET", "/a/b"), http("GET", "/b"), http("POST", "/a/b")],
        [Verdict::Allow, Verdict::Deny, Verdict::Deny]
    );
    let fetch =
        |repo: &str, service| policy.decide_git(&GitCall { host: &git, port: 443, repo, service, refs: None }).verdict;
    assert_eq!(fetch("git.test/acme/x", GitService::Fetch), Verdict::Allow);
    assert_eq!(
        [fetch("git.test/other/x", GitService::Fetch), fetch("git.test/acme/x", GitService::Push)],
        [Verdict::Deny; 2]
    );
    assert_eq!(named(&policy, "more.test", 443), Verdict::Deny);
    for key in ["private = ['x.org']", "splice = ['x.org']", "resolvers = ['192.0.2.1']"] {
        assert!(refused(&format!("[network]\n{key}"), Layer::Project).starts_with("a project cannot say"), "{key}");
    }
    assert_eq!(
        refused("[credentials.x]\nsource = 'env:X'\nhost = 'x.org'", Layer::Project),
        "a project cannot hand out secrets"
    );
}

#[test]
fn repositories_are_a_rule_of_their_own() {
    let policy = load(
        "[network]\n[[network.git]]\nrepo = 'git.test/acme/**'\naccess = 'push'\nbranches = ['agent/**']\n[[network.git]]\nrepo = 'https://git.test/acme/open.git'\naccess = 'push'\ndelete = true\n[[network.git]]\nrepo = 'git.test/else/lib'",
    );
    let git = host("git.test");
    let refs = |name| [GitRef { name, deletes: false }];
    let push = |repo: &str, refs: Option<&[GitRef<'_>]>| {
        policy.decide_git(&GitCall { host: &git, port: 443, repo, service: GitService::Push, refs }).verdict
            == Verdict::Allow
    };
    assert!(push("git.test/acme/x", None) && push("git.test/acme/x", Some(&refs("refs/heads/agent/1"))));
    assert!(
        !push("git.test/acme/x", Some(&refs("refs/heads/main")))
            && !push("git.test/acme/x", Some(&refs("refs/tags/agent/1")))
    );
    let deletes = [GitRef { name: "refs/heads/agent/1", deletes: true }];
    assert!(!push("git.test/acme/x", Some(&deletes)) && push("git.test/acme/open", Some(&deletes)));
    let both = [refs("refs/heads/agent/1")[0], refs("refs/heads/main")[0]];
    assert!(!push("git.test/acme/x", Some(&both)) && push("git.test/acme/open", Some(&both)));
    assert!(!push("git.test/else/lib", None) && !push("git.testacme/x", None) && !push("other/acme/x", None));
    assert_eq!([named(&policy, "git.test", 443), named(&policy, "git.test", 80)], [Verdict::Allow, Verdict::Deny]);
    // The host is there for its repositories alone.
    let http = |method, path, query| policy.decide_http(&HttpCall { query, ..call(&git, method, path) }).verdict;
    assert_eq!(http("GET", "/acme/x.git/info/refs", "service=git-upload-pack"), Verdict::Allow);
    assert_eq!(http("POST", "/else/lib/git-upload-pack", ""), Verdict::Allow);
    for (method, path, query) in [
        ("POST", "/else/lib/git-receive-pack", ""),
        ("GET", "/else/lib/info/refs", "service=git-receive-pack"),
        ("GET", "/else/lib/info/refs", "service=git-upload-pack&service=git-receive-pack"),
        ("GET", "/evil/x/info/refs", "service=git-upload-pack"),
        ("GET", "/acme/x/info/refs", ""),
        ("GET", "/", ""),
    ] {
        assert_eq!(http(method, path, query), Verdict::Deny, "{method} {path} {query}");
    }
    assert_eq!(
        refused("[network]\ngit = [{ repo = 'git.test' }]", Layer::User),
        "'git.test' names no repository, only a host"
    );
    let short = "[network]\ngit = [{ repo = 'git.test/a', branches = ['x'] }]";
    assert_eq!(refused(short, Layer::User), "'branches' without access = \"push\"");
}

/// A machine whose tools have mirrors.
struct Mirrors;

impl Library for Mirrors {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        Err(PolicyError::whole(name, "no such policy", None))
    }
    fn registry(&self, which: Registry) -> Vec<Setting> {
        let text = match which {
            Registry::Npm => "registry=https://npm.corp:8443/x".to_owned(),
            _ => return Vec::new(),
        };
        vec![Setting { form: Form::Lines, text }]
    }
    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

#[test]
fn registries_are_read() {
    let load = |text: &str| Policy::load(source("p.toml", text, Layer::User), &Mirrors, &vars()).unwrap();
    let policy = load("[network]\nregistries = ['npm', { name = 'cargo', publish = true }]");
    let npm = host("npm.corp");
    let http = |method, path| policy.decide_http(&HttpCall { port: 8443, ..call(&npm, method, path) }).verdict;
    assert_eq!(
        [http("GET", "/x"), http("PUT", "/x"), http("POST", "/-/npm/v1/security/audits")],
        [Verdict::Allow, Verdict::Deny, Verdict::Allow]
    );
    assert!(policy.inspects(&npm, 8443) && !policy.inspects(&npm, 443));
    // The mirror of a company lies in its own network.
    assert_eq!(at(&policy, "npm.corp", "10.0.0.1:8443").0, Verdict::Allow);
    let cargo: Vec<_> = Registry::Cargo.origins(&[]).into_iter().map(|origin| host(&origin.host.to_string())).collect();
    assert!(cargo.iter().all(|host| policy.decide_http(&call(host, "PUT", "/api")).verdict == Verdict::Allow));
    assert!(cargo.iter().all(|host| !policy.inspects(host, 443)));
    let spliced = load("[network]\nregistries = ['npm']\nsplice = ['npm.corp']");
    assert!(!spliced.inspects(&npm, 8443) && spliced.splices(&npm, 8443));
}

#[test]
fn secrets_are_bound() {
    let text = "[credentials.gh]\nsource = 'env:GH'\nhost = 'api.x.org'\nenv = 'GITHUB_TOKEN'\nprefix = 'ghp_'\nmethods = ['GET']\npath = '/repos/**'\n\
                [credentials.cmd]\nsource = ['pass', 'show', 'x']\nhost = 'y.org:8443'\nheader = 'X-Key: {}'\ninject = 'placeholder'\n\
                [credentials.aws]\nsource = 'file:~/.aws/one'\nhost = '**.aws.test'\nsign = 'aws'";
    let policy = load(text);
    let [gh, cmd, aws] = policy.credentials() else { panic!("{:?}", policy.credentials().len()) };
    assert!(
        gh.binds(&host("api.x.org"), 443) && !gh.binds(&host("api.x.org"), 80) && !gh.binds(&host("b.api.x.org"), 443)
    );
    assert!(gh.covers("GET", "/repos/a") && !gh.covers("POST", "/repos/a") && !gh.covers("GET", "/user"));
    assert_eq!((&*gh.id, gh.env.as_deref(), gh.header.name.as_str()), ("gh", Some("GITHUB_TOKEN"), "authorization"));
    assert!(cmd.binds(&host("y.org"), 8443) && aws.binds(&host("s3.eu.aws.test"), 443));
    assert!(policy.inspects(&host("api.x.org"), 443));
    assert_eq!(aws.source, crate::policy::SecretSource::File(b"/home/u/.aws/one".to_vec()));
    // The machine's stands above one's own of the same name.
    let disk = Disk {
        layers: vec![source("m.toml", "[credentials.gh]\nsource = 'env:M'\nhost = 'm.org'", Layer::Machine)],
        ..Disk::default()
    };
    assert!(load_on(&disk, text).credentials().iter().any(|one| &*one.id == "gh" && one.binds(&host("m.org"), 443)));
    assert_eq!(
        refused("[credentials.x]\nsource = 'env:X'\nhost = '*.x.org'", Layer::User),
        "'*.x.org' is more than one host"
    );
}

#[test]
fn the_way_out_is_the_machines() {
    let text = "[network]\nresolvers = ['10.0.0.2', '[fd00::1]:5353']\n[network.upstream]\nproxy = 'http://proxy.corp:3128'\nauthorization = 'env:P'\ndirect = ['corp.test', '10.0.0.0/8']\nca = ['/etc/ssl/corp.pem']";
    let disk = Disk { layers: vec![source("m.toml", text, Layer::Machine)], ..Disk::default() };
    let policy = load_on(&disk, "");
    assert_eq!(
        policy.resolvers().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.2:53", "[fd00::1]:5353"]
    );
    let upstream = policy.upstream();
    assert_eq!(
        upstream.proxy.as_ref().map(|(host, port)| (host.to_string(), *port)),
        Some(("proxy.corp".into(), 3128))
    );
    assert_eq!((upstream.direct.len(), upstream.ca.len()), (2, 1));
    assert!(refused("[network.upstream]\nproxy = 'http://p:1'", Layer::User).contains("are the machine's to name"));
}
