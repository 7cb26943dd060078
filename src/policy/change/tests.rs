//! Each proposal, as its files would then say it.

use super::*;
use crate::policy::{NetOp, Reach};

struct Shelf;

impl Library for Shelf {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        let text = "version = 1\n[files]\nwrite = ['/work/**']\ndeny = [\"**/.env\"]\nask = ['/work/ask/**']\n\
                    exec = ['/usr/**']\n[exec]\ndeny = [\"su\", \"sudo\"]\nask = ['git push **']\n\
                    [network]\nallow = ['192.0.2.1:80']\n";
        let layer = if name == "machine" { Layer::Machine } else { Layer::Shipped };
        Ok(Source { name: format!("{name}.toml"), text: text.into(), layer, path: None })
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

fn propose(base: &str, request: Request<'_>) -> Result<Vec<Change>, Unchangeable> {
    let vars = Vars { home: b"/home/u".into(), state_dirs: vec![b"/state".into()], ..Vars::default() };
    let from = Source { name: "x".into(), text: String::new(), layer: Layer::User, path: None };
    let source = Shelf.load(base, &from).unwrap();
    let policy = Policy::load(source.clone(), &Shelf, &vars).unwrap();
    let desk = Desk {
        source: &source,
        library: &Shelf,
        vars: &vars,
        own: "/own",
        answers: &|key| format!("/answers/{key}.toml"),
        writable: &|_| false,
        exists: &|_| false,
    };
    narrowest(&desk, &policy, &request, policy.decide(&request))
}

fn file(path: &str, access: Access) -> Request<'_> {
    Request::File { path: path.as_bytes(), access }
}

fn steps(changes: &[Change]) -> Vec<(&str, &str, &str)> {
    changes.iter().map(|change| (&*change.file, &*change.what, &*change.text)).collect()
}

#[test]
fn what_nothing_grants_is_granted_by_name() {
    let read = propose("base", file("/data/x", Access::READ)).unwrap();
    assert_eq!(steps(&read), [("/own/base.toml", "add to files.read", "read = [\"/data/x\"]")]);
    let whole = read.first().and_then(|change| change.whole.as_deref()).unwrap();
    assert!(whole.contains("extends = [\"base\"]\n\n[files]\nread = [\"/data/x\"]\n"), "{whole}");
    let run = propose("base", Request::Exec { path: b"/opt/tool", argv: &[b"tool".to_vec()] }).unwrap();
    assert_eq!(steps(&run), [("/own/base.toml", "add to files.exec", "exec = [\"/opt/tool\"]")]);
    let both = propose("base", file("/data/x", Access::WRITE | Access::EXEC)).unwrap();
    assert_eq!(both.len(), 2, "{both:?}");
}

#[test]
fn a_deny_gets_an_exception_in_a_copy() {
    let changes = propose("base", file("/work/.env", Access::READ)).unwrap();
    let line = "deny = [{ path = \"**/.env\", except = [\"/work/.env\"] }]";
    assert_eq!(steps(&changes), [("/own/base.toml", "except it from **/.env", line)]);
    assert_eq!(changes.first().and_then(|change| change.copy_of.as_deref()), Some("base"));
    let run = propose("base", Request::Exec { path: b"/usr/bin/su", argv: &[b"su".to_vec()] }).unwrap();
    assert_eq!(steps(&run), [("/own/base.toml", "remove \"su\" from exec.deny", "deny = [\"sudo\"]")]);
}

#[test]
fn a_question_gets_an_answer() {
    let argv: Vec<Vec<u8>> = ["git", "push", "x"].map(|word| word.as_bytes().to_vec()).to_vec();
    let changes = propose("base", Request::Exec { path: b"/usr/bin/git", argv: &argv }).unwrap();
    assert_eq!(changes.len(), 1);
    let change = changes.first().unwrap();
    assert_eq!(change.file, "/answers/base.toml");
    assert!(change.entry.contains("match = \"git push x\"\nprogram = \"/usr/bin/git\"\n"), "{}", change.entry);
}

#[test]
fn what_is_allowed_is_denied_by_name() {
    let changes = propose("base", file("/work/x", Access::WRITE)).unwrap();
    assert_eq!(steps(&changes), [("/own/base.toml", "add to files.readonly", "readonly = [\"/work/x\"]")]);
    let read = propose("base", file("/work/x", Access::READ)).unwrap();
    assert_eq!(steps(&read), [("/own/base.toml", "add to files.deny", "deny = [\"/work/x\"]")]);
}

#[test]
fn an_address_joins_the_list() {
    let to = |addr: &str| Request::Net(Reach::to(NetOp::Connect, addr.parse().unwrap()));
    let changes = propose("base", to("192.0.2.9:443")).unwrap();
    assert_eq!(steps(&changes), [("/own/base.toml", "add to network.allow", "allow = [\"192.0.2.9:443\"]")]);
}

#[test]
fn what_others_decided_is_theirs() {
    assert_eq!(propose("base", file("/state/key", Access::READ)), Err(Unchangeable::BuiltIn));
    assert_eq!(propose("machine", file("/work/.env", Access::READ)), Err(Unchangeable::Above("machine")));
    let shell = propose("base", file("/home/u/.bashrc", Access::WRITE)).unwrap();
    assert_eq!(steps(&shell), [("/own/base.toml", "add to files.write", "write = [\"/home/u/.bashrc\"]")]);
}
