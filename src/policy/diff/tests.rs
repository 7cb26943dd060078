//! Differences of small policies, each in words.

use super::*;
use crate::policy::{Layer, Library, PolicyError, Source, Vars};

struct Bare;

impl Library for Bare {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        Err(PolicyError::whole(name, "no such policy", None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

fn load(text: &str) -> Policy {
    let source = Source { name: "t.toml".into(), text: format!("version = 1\n{text}"), layer: Layer::User, path: None };
    Policy::load(source, &Bare, &Vars { home: b"/home/u".into(), ..Vars::default() }).expect(text)
}

fn told(a: &str, b: &str) -> Vec<String> {
    let all = compare(&load(a), &load(b));
    let line = |d: &Difference| format!("{:?} {} {}: {} {} to {}", d.side, d.kind, d.what, d.access, d.from, d.to);
    all.found.iter().map(line).collect()
}

#[test]
fn the_same_policy_differs_in_nothing() {
    let text = "[files]\nread = ['/a/**']\ndeny = ['**/.env']\n[network]\nallow = 'all'\n[limits]\nprocesses = 3";
    assert_eq!(told(text, text), [""; 0]);
    assert_eq!(told("[files]\nread = ['/a/**', '/a/b']", "[files]\nread = ['/a/**']"), [""; 0], "it says nothing more");
}

#[test]
fn grants_and_denies_are_told_by_region() {
    let a = "[files]\nread = ['/a/**']\n";
    assert_eq!(told(a, "[files]\nread = ['/a/**', '/b/**']\n"), ["Grows files /b/**: read deny to allow"]);
    assert_eq!(
        told(a, "[files]\nread = ['/a/**']\ndeny = ['**/.env']\n"),
        ["Shrinks files **/.env in /a/**: read allow to deny"]
    );
    assert_eq!(
        told("[files]\nwrite = ['/a/**']\n", a),
        ["Shrinks files /a/**: write create delete rename change allow to deny"]
    );
    let excepted = "[files]\nread = ['/a/**']\ndeny = [{ path = '/a/b/**', except = ['/a/b/c'] }]";
    let whole = "[files]\nread = ['/a/**']\ndeny = ['/a/b/**']";
    assert_eq!(told(whole, excepted), ["Grows files /a/b/c: read deny to allow"]);
    let asked = "[files]\nread = ['/a/**']\nask = [{ path = '/a/b', access = 'read' }]";
    assert_eq!(told(asked, a), ["Grows files /a/b: read ask to allow"]);
}

#[test]
fn the_rest_is_told_by_name() {
    let net = |allow: &str| format!("[network]\nallow = {allow}");
    assert_eq!(told(&net("'none'"), &net("['10.0.0.0/8:80']")), ["Grows network 10.0.0.0/8:80: connect deny to allow"]);
    assert_eq!(
        told(&net("['10.0.0.0/8']"), &net("['10.0.0.0/9']")),
        ["Shrinks network 10.0.0.0/8: connect allow to deny"]
    );
    assert_eq!(
        told(&net("['*.x.org']"), &net("['**.x.org', 'y.org:1']")),
        ["Grows network y.org:1: connect deny to allow"]
    );
    assert_eq!(told(&net("['x.org']"), &net("['x.org:443']")), ["Shrinks network x.org: connect allow to deny"]);
    assert_eq!(
        told(&net("['x.org']"), &format!("{}\nhttp = [{{ host = 'x.org', methods = ['GET'] }}]", net("['x.org']"))),
        ["Changes requests network.http GET x.org:  not said to said"]
    );
    let exec = "[files]\nexec = ['/usr/**']\n[exec]\n";
    assert_eq!(
        told(&format!("{exec}deny = ['su']"), &format!("{exec}ask = ['git push **']")),
        ["Grows programs su: run deny to allow", "Shrinks programs git push **: run allow to ask"]
    );
    assert_eq!(
        told("[environment]\ndeny = ['*_TOKEN']", ""),
        ["Grows environment *_TOKEN: variable withheld to passed"]
    );
    assert_eq!(
        told("[limits]\nprocesses = 3", "[limits]\nprocesses = 2"),
        ["Shrinks limits limits.processes:  3 to 2"]
    );
    assert_eq!(told("[sockets]\nallow = ['@x']", ""), ["Shrinks sockets @x: connect allow to deny"]);
}
