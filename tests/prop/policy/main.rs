//! Laws of the policy: it decides as a matcher that knows nothing of it would, denies only ever take away,
//! and no text makes the reader panic.

mod asks;
mod layers;
mod network;

use govsh::policy::{
    Access, Class, Decision, Layer, Library, NetOp, Policy, PolicyError, RuleId, Source, UnixAddr, Vars, Verdict,
    shipped,
};
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A disk without symbolic links; `extends` knows the shipped profiles.
struct Plain;

impl Library for Plain {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        shipped::source(name).ok_or_else(|| PolicyError::whole(name, "no such profile", None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

fn load(text: &str) -> Result<Policy, PolicyError> {
    let vars = Vars {
        home: b"/home/u".into(),
        workdir: b"/work".into(),
        tmp: b"/tmp".into(),
        session: b"/run/s".into(),
        ..Vars::default()
    };
    Policy::load(Source { name: "x.toml".into(), text: text.into(), layer: Layer::User, path: None }, &Plain, &vars)
}

/// One rule of a generated policy: list, pattern, exceptions.
type Line = (&'static str, String, Vec<String>);

fn render(lines: &[Line]) -> String {
    let mut text = "version = 1\n[files]\n".to_owned();
    for key in ["read", "write", "exec", "deny", "readonly"] {
        let of_key = lines.iter().filter(|line| line.0 == key);
        let rule = |(_, path, except): &Line| format!("{{ path = {path:?}, except = {except:?} }}");
        let plain = |(_, path, _): &Line| format!("{path:?}");
        let rules: Vec<String> = of_key.map(|line| if line.2.is_empty() { plain(line) } else { rule(line) }).collect();
        text.push_str(&format!("{key} = [{}]\n", rules.join(", ")));
    }
    text
}

/// The oracle: one pattern against one path, by the book.
fn matches(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], _) => path.is_empty(),
        (["**", rest @ ..], _) => {
            rest.is_empty() || matches(rest, path) || (!path.is_empty() && matches(pattern, &path[1..]))
        }
        ([first, rest @ ..], [name, below @ ..]) => wild(first.as_bytes(), name.as_bytes()) && matches(rest, below),
        (_, []) => false,
    }
}

fn wild(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([b'*', rest @ ..], _) => wild(rest, name) || (!name.is_empty() && wild(pattern, &name[1..])),
        ([p, rest @ ..], [n, below @ ..]) => p == n && wild(rest, below),
        _ => pattern.is_empty() && name.is_empty(),
    }
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

fn hits(pattern: &str, path: &str) -> bool {
    matches(&parts(pattern), &parts(path))
}

/// It or something above it.
fn covers(pattern: &str, path: &str) -> bool {
    let path = parts(path);
    (0..=path.len()).any(|end| matches(&parts(pattern), &path[..end]))
}

/// Some deny or readonly forbids it.
fn forbidden(lines: &[Line], path: &str, access: Access) -> bool {
    lines.iter().any(|(key, pattern, except)| {
        let judged = *key == "deny" || (*key == "readonly" && access.changes());
        judged && covers(pattern, path) && !except.iter().any(|except| covers(except, path))
    })
}

fn allowed(lines: &[Line], path: &str, access: Access) -> bool {
    let some = |keys: &[&str]| lines.iter().any(|(key, pattern, _)| keys.contains(key) && hits(pattern, path));
    (!access.contains(Access::READ) || some(&["read", "write", "exec"]))
        && (!access.changes() || some(&["write"]))
        && (!access.contains(Access::EXEC) || some(&["exec"]))
}

fn segment() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "ab", ".env", "*", "*b", "a*", "*a*", "**"]).prop_map(str::to_owned)
}

fn pattern() -> impl Strategy<Value = String> {
    (any::<bool>(), vec(segment(), 1..5)).prop_map(|(floats, segments)| {
        let rest = segments.join("/");
        // '**' alone is refused, and needs something behind it
        if floats && !segments.iter().all(|s| s == "**") { format!("**/{rest}") } else { format!("/{rest}") }
    })
}

fn line() -> impl Strategy<Value = Line> {
    let narrow = (select(vec!["deny", "readonly"]), pattern(), vec(pattern(), 0..2));
    let wide = (select(vec!["read", "write", "exec"]), pattern(), Just(Vec::new()));
    prop_oneof![narrow, wide]
}

fn path() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "ab", "ba", ".env", "aba"]), 0..6).prop_map(|names| format!("/{}", names.join("/")))
}

fn access() -> impl Strategy<Value = Access> {
    (1u8..=127).prop_map(Access::from_bits_truncate)
}

fn decide(policy: &Policy, path: &str, access: Access) -> Decision {
    policy.decide_file(path.as_bytes(), access)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decides_as_the_oracle(lines in vec(line(), 0..12), paths in vec(path(), 1..8), access in access()) {
        let policy = load(&render(&lines)).unwrap();
        for path in &paths {
            let decision = decide(&policy, path, access);
            let wanted = match (forbidden(&lines, path, access), allowed(&lines, path, access)) {
                (true, _) => (Verdict::Deny, true),
                (false, true) => (Verdict::Allow, true),
                (false, false) => (Verdict::Deny, false),
            };
            prop_assert_eq!((decision.verdict, decision.rule != RuleId::DEFAULT), wanted, "{}", path);
            let rule = policy.rule(decision.rule);
            prop_assert!(!wanted.1 || covers(&rule.text, path), "{} by {}", path, rule.name);
        }
    }

    #[test]
    fn a_deny_more_allows_nothing_new(
        lines in vec(line(), 0..10),
        key in select(vec!["deny", "readonly"]),
        more in pattern(),
        except in vec(pattern(), 0..2),
        paths in vec(path(), 1..8),
        access in access(),
    ) {
        let before = load(&render(&lines)).unwrap();
        let mut lines = lines;
        lines.push((key, more, except));
        let after = load(&render(&lines)).unwrap();
        for path in &paths {
            let denied = decide(&before, path, access).verdict == Verdict::Deny;
            prop_assert!(!denied || decide(&after, path, access).verdict == Verdict::Deny, "{}", path);
        }
    }

    #[test]
    fn carve_outs_are_never_overlooked(lines in vec(line(), 0..10), path in path()) {
        let policy = load(&render(&lines)).unwrap();
        let denied: Vec<Line> = lines.iter().filter(|line| line.0 == "deny").cloned().collect();
        let granted = allowed(&lines, &path, Access::READ);
        prop_assert!(!granted || !forbidden(&denied, &path, Access::READ) || policy.carves_reads());
        if policy.protected(path.as_bytes()) {
            let names = parts(&path);
            for end in 0..=names.len() {
                let dir = format!("/{}", names[..end].join("/"));
                let known = policy.carves_beneath(dir.as_bytes()) || policy.floating_beneath(dir.as_bytes());
                prop_assert!(known, "{} above {}", dir, path);
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = load(&text);
        let _ = load(&format!("version = 1\n{text}"));
        let _ = load(&format!("version = 1\n[files]\nread = [{text:?}]\n[network]\nallow = [{text:?}]"));
        let _ = load(&format!("version = 1\n[exec]\ndeny = [{text:?}]\n[sockets]\nallow = [{text:?}]"));
    }

    #[test]
    fn any_bytes_can_be_judged(path in vec(any::<u8>(), 0..80)) {
        static AGENT: LazyLock<Policy> = LazyLock::new(|| load("version = 1\nextends = ['agent']").unwrap());
        let policy = &*AGENT;
        let mut absolute = b"/".to_vec();
        absolute.extend(path.iter().filter(|byte| **byte != 0));
        let _ = policy.decide_file(&absolute, Access::all());
        let _ = policy.decide_exec(&absolute, std::slice::from_ref(&absolute));
        let _ = policy.decide_unix(UnixAddr::Abstract(&path));
        let _ = policy.carves_beneath(&absolute);
        let _ = policy.environment().keep(&path);
    }

    #[test]
    fn a_list_of_addresses_means_what_it_says(ip in any::<u32>(), prefix in 0u32..=32, other in any::<u32>(), port in 1u16..) {
        let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        let text = format!("version = 1\n[network]\nallow = ['{}/{prefix}:{port}']", std::net::Ipv4Addr::from(ip & mask));
        let policy = load(&text).unwrap();
        // half of the time an address that shares the prefix
        let near = if other % 2 == 0 { other } else { (ip & mask) | (other & !mask) };
        let address = std::net::SocketAddr::from((std::net::Ipv4Addr::from(near), port));
        let decided = policy.decide_net(NetOp::Connect, &address).verdict == Verdict::Allow;
        // What no general rule reaches has to be meant.
        let meant = match Class::of(address.ip(), Some(port)) {
            Class::Metadata => prefix == 32,
            Class::Special(bits) => prefix >= u32::from(bits),
            Class::Private(_) | Class::Global => true,
        };
        prop_assert_eq!(decided, near & mask == ip & mask && meant);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_to_a_policy_makes_the_reader_panic(at in 0usize..20_000, cut in 0usize..40, put in "[\\PC\n]{0,6}") {
        let whole = shipped::source("agent").unwrap().text;
        let near = |at: usize| (at..=whole.len()).find(|&at| whole.is_char_boundary(at)).unwrap();
        let (from, to) = (near(at.min(whole.len())), near((at + cut).min(whole.len())));
        match load(&[&whole[..from], &put, &whole[to..]].concat()) {
            Ok(_) => {}
            Err(PolicyError::At { line, column, .. }) => prop_assert!(line >= 1 && column >= 1),
            Err(PolicyError::Whole { reason, .. }) => prop_assert!(false, "no place: {}", reason),
        }
    }
}
