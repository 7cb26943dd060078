//! `[[test]]`: what a policy is expected to say, kept in it or beside it.
//!
//! Invariant: an expectation that is not understood rejects the whole file; loading a policy passes over them.
//! Leaves to others: the policy that they are held against (`cmd`), why it says what it says (`explain`).
//!
//! ```toml
//! policy = "agent"              # in a file of expectations alone: a profile, or a file beside this one
//!
//! [[test]]
//! file = "~/.ssh/id_rsa"        # resolved already; or exec = "git push x", connect = "example.org:443", bind, socket,
//!                               # mcp = "github/create_issue" with args = '{"repo": "acme/x"}'
//! access = "read write"         # words, or a list of them; without it: read
//! expect = "deny"
//! rule = "~/.ssh/**"            # optional: text or list of the rule that decides
//! ```

use std::net::SocketAddr;

use toml::de::{DeTable, DeValue};

use super::mcp::{self, Moment, Wanted};
use super::pattern::Pattern;
use super::request::rights;
use super::table::{Located, Table};
use super::{
    Access, Decision, Host, NetOp, Place, Policy, PolicyError, Reach, Request, RuleId, Source, UnixAddr, Vars, Verdict,
};

/// Expectations in one file.
const MOST: usize = 10_000;
/// When calls are made that are expected: Monday, 5 January 2026, at noon.
const NOON: Moment = Moment { unix: 1_767_614_400, weekday: 0, minute: 720 };
const KEYS: &[&str] =
    &["file", "access", "exec", "program", "connect", "bind", "socket", "mcp", "args", "expect", "rule", "because"];

/// What is asked, owned.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    File {
        path: Vec<u8>,
        access: Access,
    },
    Exec {
        path: Vec<u8>,
        argv: Vec<Vec<u8>>,
    },
    Net {
        op: NetOp,
        addr: SocketAddr,
    },
    Host {
        host: Host,
        port: u16,
    },
    Path(Vec<u8>),
    Abstract(Vec<u8>),
    /// Judged on Monday at noon.
    Mcp(Wanted),
}

/// One `[[test]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// From 1.
    pub line: usize,
    pub column: usize,
    /// The request as written, for people: `read ~/.ssh/id_rsa`.
    pub shown: String,
    pub wish: Wish,
    pub expect: Verdict,
    pub rule: Option<String>,
}

/// All of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expectations {
    /// The policy that they are about; None: the file itself.
    pub policy: Option<String>,
    pub tests: Vec<Expectation>,
}

impl Wish {
    /// None for a call of an MCP server, which is judged by rules of its own.
    pub fn request(&self) -> Option<Request<'_>> {
        Some(match self {
            Wish::Mcp(_) => return None,
            Wish::File { path, access } => Request::File { path, access: *access },
            Wish::Exec { path, argv } => Request::Exec { path, argv },
            Wish::Net { op, addr } => Request::Net(Reach::to(*op, *addr)),
            Wish::Host { host, port } => Request::Net(Reach::named(host, *port)),
            Wish::Path(path) => Request::Unix { addr: UnixAddr::Path(path) },
            Wish::Abstract(name) => Request::Unix { addr: UnixAddr::Abstract(name) },
        })
    }
}

impl Expectation {
    /// What the policy says, and whether that is what was expected.
    pub fn hold(&self, policy: &Policy) -> (Decision, bool) {
        let decision = match &self.wish {
            Wish::Mcp(wanted) => judged(policy, wanted),
            other => match other.request() {
                Some(request) => policy.decide(&request),
                None => Decision { verdict: Verdict::Deny, rule: RuleId::DEFAULT },
            },
        };
        let rule = policy.rule(decision.rule);
        let by = |wanted: &String| [&*rule.text, rule.key, &*rule.name].contains(&wanted.as_str());
        (decision, decision.verdict == self.expect && self.rule.as_ref().is_none_or(by))
    }
}

/// A rule that does not hold, but came nearest, decides nothing.
fn judged(policy: &Policy, wanted: &Wanted) -> Decision {
    let decision = mcp::decide(policy.mcp_rules(), &wanted.call(NOON));
    Decision { verdict: decision.verdict, rule: decision.decider().map_or(RuleId::DEFAULT, |rule| rule.rule) }
}

/// Reads the expectations of a policy, or of a file of expectations alone.
pub fn read(source: &Source, vars: &Vars) -> Result<Expectations, PolicyError> {
    let parsed = DeTable::parse(&source.text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        PolicyError::at(source, at, error.message().lines().collect::<Vec<_>>().join(", "), None)
    })?;
    let top = Table::top(source, parsed.get_ref());
    let policy = top.string("policy")?;
    if policy.is_some() {
        top.only(&["policy", "test"], &[])?;
    }
    let items = top.items("test")?;
    if items.len() > MOST {
        return Err(top.fault(0, format!("{} expectations", items.len()), Some(format!("at most {MOST}"))));
    }
    let mut tests = Vec::new();
    for item in items {
        let at = item.span().start;
        let Some(table) = top.item_table(item, "[[test]]") else {
            return Err(top.wrong("test", at, "an array of tables", item.get_ref()));
        };
        tests.push(one(source, &table, at, vars)?);
    }
    Ok(Expectations { policy: policy.map(|policy| policy.value), tests })
}

fn one(source: &Source, table: &Table<'_>, at: usize, vars: &Vars) -> Result<Expectation, PolicyError> {
    table.only(KEYS, &[])?;
    let verdicts = [("allow", Verdict::Allow), ("deny", Verdict::Deny), ("ask", Verdict::Ask)];
    let missing = || table.fault(at, "a test without 'expect'", Some("expect = \"allow\", \"deny\" or \"ask\"".into()));
    let expect = table.word("expect", &verdicts)?.ok_or_else(missing)?.value;
    let (wish, shown) = wish(table, at, vars)?;
    let (line, column) = super::error::place(&source.text, at);
    let rule = table.string("rule")?.map(|rule| rule.value);
    Ok(Expectation { line, column, shown: super::error::visible(&shown), wish, expect, rule })
}

fn wish(table: &Table<'_>, at: usize, vars: &Vars) -> Result<(Wish, String), PolicyError> {
    let given: Vec<&str> = ["file", "exec", "connect", "bind", "socket", "mcp"]
        .into_iter()
        .filter(|key| table.value(key).is_some())
        .collect();
    let [key] = given.as_slice() else {
        let hint = Some("one of: file, exec, connect, bind, socket, mcp".to_owned());
        return Err(table.fault(at, "a test asks one thing", hint));
    };
    for (other, owner) in [("access", "file"), ("program", "exec"), ("args", "mcp")] {
        if let (Some(place), true) = (table.place_of(other), owner != *key) {
            return Err(table.fault(place, format!("'{other}' belongs to '{owner}'"), None));
        }
    }
    if *key == "exec" {
        return exec(table, vars);
    }
    let Some(text) = table.string(key)? else { return Err(table.fault(at, "a test asks one thing", None)) };
    let address = || {
        let hint = Some("a host or an address and a port, such as \"example.org:443\" or \"192.0.2.1:443\"".to_owned());
        text.value.parse().map_err(|_| table.fault(text.at, format!("'{}' is no address", text.value), hint))
    };
    let shown = format!("{key} {}", text.value);
    let wish = match *key {
        "file" => {
            let access = access(table)?;
            let path = literal(table, &text, vars)?;
            return Ok((Wish::File { path, access }, format!("{} {}", access.words(), text.value)));
        }
        "connect" => match named(&text.value) {
            Some((host, port)) => Wish::Host { host, port },
            None => Wish::Net { op: NetOp::Connect, addr: address()? },
        },
        "mcp" => {
            let args = table.string("args")?.map(|args| args.value);
            let wanted = Wanted::parse(&text.value, args.as_deref());
            let hint = Some("mcp = \"SERVER/TOOL\", args = '{\"repo\": \"acme/x\"}'".to_owned());
            Wish::Mcp(wanted.map_err(|why| table.fault(text.at, why, hint))?)
        }
        "bind" => Wish::Net { op: NetOp::Bind, addr: address()? },
        _ => match text.value.strip_prefix('@') {
            Some(name) => Wish::Abstract(name.as_bytes().to_vec()),
            None => Wish::Path(literal(table, &text, vars)?),
        },
    };
    Ok((wish, shown))
}

/// `example.org:443`.
fn named(text: &str) -> Option<(Host, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    match Place::parse(host.as_bytes()) {
        Ok(Place::Name(host)) => Some((host, port.parse().ok().filter(|port| *port > 0)?)),
        _ => None,
    }
}

/// `exec = "git push x"` or `["git", "push", "x"]`; `program` where it is not in `/usr/bin`.
fn exec(table: &Table<'_>, vars: &Vars) -> Result<(Wish, String), PolicyError> {
    let words: Vec<String> = match table.value("exec").map(toml::Spanned::get_ref) {
        Some(DeValue::Array(_)) => table.strings("exec")?.into_iter().map(|word| word.value).collect(),
        _ => table.string("exec")?.iter().flat_map(|line| line.value.split_whitespace()).map(str::to_owned).collect(),
    };
    let at = table.place_of("exec").unwrap_or(0);
    let Some(first) = words.first() else { return Err(table.fault(at, "an empty command line", None)) };
    let path = match table.string("program")? {
        Some(program) => literal(table, &program, vars)?,
        None if first.contains('/') => literal(table, &Located { value: first.clone(), at }, vars)?,
        None => format!("/usr/bin/{first}").into_bytes(),
    };
    let shown = format!("run {}", words.join(" "));
    Ok((Wish::Exec { path, argv: words.into_iter().map(String::into_bytes).collect() }, shown))
}

fn access(table: &Table<'_>) -> Result<Access, PolicyError> {
    let words: Vec<Located<String>> = match table.value("access").map(toml::Spanned::get_ref) {
        None => return Ok(Access::READ),
        Some(DeValue::Array(_)) => table.strings("access")?,
        Some(_) => table.string("access")?.into_iter().collect(),
    };
    let mut access = Access::empty();
    for word in &words {
        let hint = Some("read, write, exec, create, delete, rename, change".to_owned());
        let unknown = || table.fault(word.at, format!("'{}' is no access", word.value), hint);
        access |= rights(&word.value).ok_or_else(unknown)?;
    }
    Ok(access)
}

/// A path with `~` and the other variables in it, but no wildcard.
fn literal(table: &Table<'_>, text: &Located<String>, vars: &Vars) -> Result<Vec<u8>, PolicyError> {
    let pattern = Pattern::parse(&text.value, vars).map_err(|fault| table.fault(text.at, fault.reason, fault.hint))?;
    if pattern.is_literal() && !pattern.tree {
        return Ok(pattern.literal_prefix().0);
    }
    Err(table.fault(text.at, "a test asks about one path", Some("without '*'".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Layer, Library};

    struct Bare;

    impl Library for Bare {
        fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
            Err(PolicyError::whole(name, "no such policy", None))
        }

        fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
            Some(path.to_vec())
        }
    }

    fn source(text: &str) -> Source {
        Source { name: "t.toml".into(), text: text.into(), layer: Layer::User, path: None }
    }

    fn home() -> Vars {
        Vars { home: b"/home/u".into(), ..Vars::default() }
    }

    const RULES: &str = "version = 1\n[files]\nread = ['~/a/**']\nexec = ['/usr/**']\ndeny = ['~/a/b']\n\
                         [exec]\nask = ['git push **']\n";

    #[test]
    fn expectations_are_held_against_their_policy() {
        let tests = "[[test]]\nfile = '~/a/x'\nexpect = 'allow'\n\
                     [[test]]\nfile = '~/a/b'\nexpect = 'deny'\nrule = '~/a/b'\n\
                     [[test]]\nfile = '~/a/x'\naccess = ['read', 'write']\nexpect = 'allow'\n\
                     [[test]]\nexec = 'git push x'\nexpect = 'ask'\nrule = 'exec.ask'\n\
                     [[test]]\nconnect = '192.0.2.1:1'\nexpect = 'deny'\nrule = 'exec.ask'\n";
        let source = source(&format!("{RULES}{tests}"));
        let policy = Policy::load(source.clone(), &Bare, &home()).unwrap();
        let read = read(&source, &home()).unwrap();
        let held: Vec<bool> = read.tests.iter().map(|test| test.hold(&policy).1).collect();
        assert_eq!(held, [true, true, false, true, false]);
        let first = read.tests.first().unwrap();
        assert_eq!((first.line, first.column, first.shown.as_str()), (8, 1, "read ~/a/x"));
        assert_eq!(read.policy, None);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "[[test]]\nexpect = 'deny'",
            "[[test]]\nfile = '/a'",
            "[[test]]\nfile = '/a'\nexec = 'x'\nexpect = 'deny'",
            "[[test]]\nfile = '/a/*'\nexpect = 'deny'",
            "[[test]]\nfile = '/a'\naccess = 'rites'\nexpect = 'deny'",
            "[[test]]\nconnect = 'example.org'\nexpect = 'deny'",
            "[[test]]\nconnect = '192.0.2.1:1'\naccess = 'read'\nexpect = 'deny'",
            "[[test]]\nexec = ''\nexpect = 'deny'",
            "[[test]]\nfile = '/a'\nexpect = 'yes'",
            "test = 1",
            "policy = 'agent'\nversion = 1",
        ] {
            assert!(read(&source(wrong), &home()).is_err(), "{wrong}");
        }
        let beside = read(&source("policy = 'agent'\n[[test]]\nfile = '/a'\nexpect = 'deny'"), &home()).unwrap();
        assert_eq!((beside.policy.as_deref(), beside.tests.len()), (Some("agent"), 1));
    }
}
