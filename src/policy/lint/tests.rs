//! One policy a finding, and the shipped profiles, which have none that is not accounted for.

use super::*;
use crate::policy::shipped;

struct Shelf;

impl Library for Shelf {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        shipped::source(name).ok_or_else(|| PolicyError::whole(name, "no such profile", None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

fn look(text: &str) -> Vec<Finding> {
    let text = format!("version = 1\n{text}");
    let source = Source { name: "t.toml".into(), text, layer: Layer::User, path: None };
    let vars = Vars { home: b"/home/u".into(), workdir: b"/home/u/w".into(), tmp: b"/tmp".into(), ..Vars::default() };
    check(&source, &Shelf, &vars).expect("a policy")
}

fn found(text: &str) -> Vec<(&'static str, String)> {
    look(text).into_iter().map(|finding| (finding.code, finding.text)).collect()
}

fn one(code: &'static str, text: &str) -> Vec<(&'static str, String)> {
    vec![(code, text.to_owned())]
}

#[test]
fn rules_that_never_decide() {
    assert_eq!(found("[files]\nread = ['/a/**', '/a/b']"), one("dead", "/a/b"));
    assert_eq!(found("[files]\nread = ['/a/b']\nexec = ['/a/**']"), one("dead", "/a/b"));
    assert_eq!(found("[files]\nread = ['/a/b', '/a/b']"), one("dead", "/a/b"));
    assert_eq!(found("[files]\nwrite = ['/a/**']\nexec = ['/a/**']"), []);
    assert_eq!(
        found("[files]\nread = ['/a/b/**']\ndeny = ['/a/**']"),
        [("shadowed", "/a/b/**".to_owned()), ("slow", "/a/**".to_owned())]
    );
    assert_eq!(found("[files]\nread = ['/a']\nreadonly = ['/b/**', '/b/c']"), one("dead", "/b/c"));
    assert_eq!(found("[files]\nwrite = ['/a/b']\nreadonly = ['/a/**']"), one("shadowed", "/a/b"));
    assert_eq!(found("[files]\nread = ['${tmp}/**', '/tmp/**']"), [], "only where ${{tmp}} is /tmp");
    assert_eq!(found("[files]\nread = ['/a/*', '/a/b']"), [], "the kernel knows no patterns");
}

#[test]
fn an_exception_keeps_rules_alive() {
    let with = "[files]\nread = ['/a/b']\ndeny = [{ path = '/a/**', except = ['/a/b'] }]";
    assert_eq!(found(with), one("slow", "/a/**"));
    assert_eq!(found("[files]\ndeny = [{ path = '/a/**', except = ['/a/b'] }, '/a/b', '/a/c']"), one("dead", "/a/c"));
}

#[test]
fn trees_secrets_and_speed() {
    let wide = look("[files]\nread = ['~/**']");
    let codes: Vec<&str> = wide.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["secret", "wide"]);
    assert!(wide.iter().all(|finding| (finding.line, finding.column) == (3, 9)), "{wide:?}");
    assert_eq!(found("[files]\nread = ['~/.aws/**']"), one("secret", "~/.aws/**"));
    assert_eq!(found("extends = ['secrets']\n[files]\nread = ['~/.aws/**']"), one("shadowed", "~/.aws/**"));
    let slow = look("[files]\nread = ['/a/**']\ndeny = ['**/.env']");
    assert_eq!(slow.iter().map(|f| (f.code, f.severity)).collect::<Vec<_>>(), [("slow", Severity::Note)]);
    let unusable = look("[files]\nread = ['/a/**']\ndeny = ['**/.env']\n[record]\naudit = 'writes'");
    assert_eq!(unusable.iter().map(|f| (f.code, f.severity)).collect::<Vec<_>>(), [("slow", Severity::Error)]);
}

#[test]
fn programs_and_addresses() {
    assert_eq!(found("[files]\nexec = ['/usr/**']\n[exec]\ndeny = ['su', 'su']"), one("dead", "su"));
    assert_eq!(
        found("[files]\nexec = ['/usr/**']\n[exec]\ndeny = ['git']\nask = ['git push']"),
        one("shadowed", "git push")
    );
    assert_eq!(found("[files]\nexec = ['/usr/**']\n[exec]\nask = ['/opt/x y']"), one("unasked", "/opt/x y"));
    assert_eq!(found("[files]\nread = ['/usr/**']\n[exec]\nask = ['git push']"), one("unasked", "git push"));
    assert_eq!(found("[network]\nallow = ['10.0.0.0/8', '10.1.0.0/16:80']"), one("dead", "10.1.0.0/16:80"));
    assert_eq!(found("[network]\nallow = ['10.1.0.0/16']\nask = ['10.0.0.0/8']"), one("shadowed", "10.1.0.0/16"));
}

#[test]
fn hosts_and_requests() {
    let net = |text: &str| found(&format!("[network]\n{text}"));
    assert_eq!(net("allow = ['**.x.org:443', 'a.x.org:443']"), one("dead", "a.x.org:443"));
    assert_eq!(net("allow = ['*.x.org:443', '**.x.org:443']"), one("dead", "*.x.org:443"));
    assert_eq!(net("allow = ['x.org']\ndeny = ['x.org']"), one("shadowed", "x.org"));
    assert_eq!(net("allow = ['*.github.io']"), one("wide", "*.github.io"));
    assert_eq!(net("allow = ['dns.google']"), one("wide", "dns.google"));
    assert_eq!(net("allow = ['0.0.0.0/0:443']"), one("wide", "0.0.0.0/0:443"));
    assert_eq!(net("private = ['**']"), one("wide", "**"));
    assert_eq!(net("http = [{ host = 'x.org', methods = ['GET'] }]"), one("dead", "GET x.org"));
    assert_eq!(net("allow = ['x.org']\nhttp = [{ host = 'x.org', methods = ['GET'] }]"), []);
    assert_eq!(net("allow = ['x.org']\nask = ['**']"), []);
    assert_eq!(found("[credentials.k]\nsource = 'env:K'\nhost = 'x.org'"), one("dead", "k"));
    let reached = "[network]\nallow = ['x.org']\n[credentials.k]\nsource = 'env:K'\nhost = 'x.org'";
    assert_eq!(found(reached), []);
}

#[test]
fn what_is_meant_so_is_a_note_with_its_reason() {
    let found = look("# check: wide: the whole home is the point\n[files]\nread = ['~/x', '/**']\n");
    let wide: Vec<&Finding> = found.iter().filter(|finding| finding.code == "wide").collect();
    assert_eq!(wide.len(), 1);
    assert_eq!(wide[0].severity, Severity::Note);
    assert_eq!(wide[0].hint.as_deref(), Some("meant so: the whole home is the point"));
}

#[test]
fn shipped_profiles_are_clean() {
    let vars = placeholders();
    let mut wrong = Vec::new();
    for (name, _) in shipped::all() {
        let found = check(&shipped::source(name).unwrap(), &Shelf, &vars).unwrap();
        wrong.extend(found.into_iter().filter(|finding| finding.severity != Severity::Note));
    }
    let lines: Vec<String> = wrong
        .iter()
        .map(|finding| {
            format!("{}:{}:{} {} {}", finding.source, finding.line, finding.column, finding.text, finding.says)
        })
        .collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}
