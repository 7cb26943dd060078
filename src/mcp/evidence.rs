//! What the relay tells, as events: values of arguments become digests, or stay where the policy keeps them in full.
//!
//! Invariant: without `[record] mcp = "full"` no value of an argument and no part of a result is in any event; a digest says
//! nothing of its value to whoever has no key, and the key is kept nowhere. Bounded, whatever either side sends.
//! Leaves to others: when something is told (`relay`), publishing it (`session`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use super::message::Id;
use super::relay::{Side, Told};
use crate::event::{Mcp, McpCall, McpKey, McpResult, McpSide, McpWhat};
use crate::policy::mcp::Value;
use crate::policy::{Depth, Layer, Verdict};

/// Arguments that are told of one call.
const KEYS: usize = 64;
/// Bytes of names, methods, keys and reasons that are kept.
const NAME: usize = 256;
/// Bytes of arguments, and of a result, that are kept in full.
const ARGUMENTS: usize = 64 << 10;
const RESULT: usize = 256 << 10;

/// One for each connection; all of a session share its key.
#[derive(Clone)]
pub struct Evidence {
    key: [u8; 32],
    depth: Depth,
    server: Arc<str>,
    connection: u64,
    /// Of the server's process; 0 where there is none, or none yet.
    pid: Arc<AtomicI32>,
}

/// What the relay cannot say by itself.
#[derive(Debug, Clone)]
pub struct Why {
    /// As `Rule::name`.
    pub rule: Arc<str>,
    pub layer: Layer,
}

impl Evidence {
    /// `key` is drawn once for the session.
    pub fn new(key: [u8; 32], depth: Depth, server: &str, connection: u64) -> Evidence {
        Evidence { key, depth, server: cut(server, NAME).into(), connection, pid: Arc::default() }
    }

    /// The server runs as this process: of events from now on, and of all clones.
    pub fn runs_as(&self, pid: i32) {
        self.pid.store(pid, Ordering::Relaxed);
    }

    /// Whether arguments and results are kept as they are.
    pub fn keeps_all(&self) -> bool {
        self.depth == Depth::Full
    }

    /// An event of this connection.
    pub fn of(&self, what: McpWhat) -> Mcp {
        let pid = self.pid.load(Ordering::Relaxed);
        Mcp { server: Arc::clone(&self.server), connection: self.connection, pid, what }
    }

    /// A request that was judged, or its answer. `arguments` are the request's; `message` the answer's bytes.
    pub fn told(&self, told: &Told, why: &Why, arguments: Option<&Value>, message: Option<&[u8]>) -> Mcp {
        self.of(match told.verdict {
            Some(verdict) => McpWhat::Call(self.call(told, verdict, why, arguments)),
            None => McpWhat::Result(self.result(told, message)),
        })
    }

    fn call(&self, told: &Told, verdict: Verdict, why: &Why, arguments: Option<&Value>) -> McpCall {
        let fields: &[(String, Value)] = match arguments {
            Some(Value::Object(fields)) => fields,
            _ => &[],
        };
        let key = |(key, value): &(String, Value)| McpKey { key: cut(key, NAME), digest: self.digest(value) };
        McpCall {
            side: side(told.side),
            id: id(&told.id),
            method: cut(&told.method, NAME),
            name: cut(&told.name, NAME),
            verdict,
            rule: Arc::clone(&why.rule),
            layer: why.layer,
            argument: told.argument.as_ref().map(|argument| cut(argument, NAME)),
            keys: fields.iter().take(KEYS).map(key).collect(),
            arguments: arguments.filter(|_| self.keeps_all()).map(|all| cut(&json(all), ARGUMENTS)),
        }
    }

    fn result(&self, told: &Told, message: Option<&[u8]>) -> McpResult {
        let kept = message.filter(|_| self.keeps_all());
        McpResult {
            side: side(told.side),
            id: id(&told.id),
            method: cut(&told.method, NAME),
            name: cut(&told.name, NAME),
            duration: told.duration,
            size: told.size as u64,
            hidden: told.hidden as u64,
            error: told.error.as_ref().map(|error| cut(error, NAME)),
            result: kept.map(|bytes| {
                let head = bytes.get(..RESULT + 4).unwrap_or(bytes);
                cut(String::from_utf8_lossy(head).trim_end(), RESULT)
            }),
        }
    }

    /// Of a value, whatever the order of the keys within.
    pub fn digest(&self, value: &Value) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        feed(&mut hasher, value);
        let mut digest = [0; 16];
        hasher.finalize_xof().fill(&mut digest);
        digest
    }
}

/// Each value with its type and length before it, so that no two have the same bytes.
fn feed(hasher: &mut blake3::Hasher, value: &Value) {
    let mut text = |tag: &[u8], text: &[u8]| {
        hasher.update(tag);
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    match value {
        Value::Null => text(b"n", b""),
        Value::Bool(value) => text(b"b", &[u8::from(*value)]),
        Value::Int(value) => text(b"i", &value.to_le_bytes()),
        Value::Real(value) => text(b"r", &value.to_le_bytes()),
        Value::Text(value) => text(b"t", value.as_bytes()),
        Value::List(items) => {
            text(b"l", &(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| feed(hasher, item));
        }
        Value::Object(fields) => {
            text(b"o", &(fields.len() as u64).to_le_bytes());
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            for (key, value) in sorted {
                hasher.update(&(key.len() as u64).to_le_bytes());
                hasher.update(key.as_bytes());
                feed(hasher, value);
            }
        }
    }
}

/// A value as JSON in one line, its keys in their order.
pub fn json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    let string = |text: &str| serde_json::Value::from(text).to_string();
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Real(value) => out.push_str(&serde_json::Value::from(*value).to_string()),
        Value::Text(text) => out.push_str(&string(text)),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (index, (key, value)) in fields.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(&string(key));
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// What a question shows: the server, what is called, and each argument, as `Ask::argv` wants them.
pub fn asked(server: &str, name: &str, arguments: Option<&Value>) -> Vec<Vec<u8>> {
    let mut words = vec![server.as_bytes().to_vec(), name.as_bytes().to_vec()];
    match arguments {
        Some(Value::Object(fields)) => {
            words.extend(fields.iter().map(|(key, value)| format!("{key}={}", json(value)).into_bytes()));
        }
        Some(other) => words.push(json(other).into_bytes()),
        None => {}
    }
    words
}

fn side(side: Side) -> McpSide {
    match side {
        Side::Client => McpSide::Client,
        Side::Server => McpSide::Server,
    }
}

fn id(id: &Id) -> String {
    cut(&id.to_string(), NAME)
}

/// At most `most` bytes, then an ellipsis.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(key: u8, depth: Depth) -> Evidence {
        Evidence::new([key; 32], depth, "github", 1)
    }

    fn value(text: &str) -> Value {
        Value::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn digests_tell_values_apart_by_a_key() {
        let (one, two) = (evidence(1, Depth::Digest), evidence(2, Depth::Digest));
        let same = |a: &str, b: &str| one.digest(&value(a)) == one.digest(&value(b));
        assert!(same(r#"{"a": 1, "b": [true]}"#, r#"{"b": [true], "a": 1}"#));
        for (a, b) in [("1", "\"1\""), ("1", "1.0"), ("[[1],2]", "[[1,2]]"), ("[]", "{}"), ("null", "false")] {
            assert!(!same(a, b), "{a} {b}");
        }
        assert_ne!(one.digest(&value("\"x\"")), two.digest(&value("\"x\"")));
    }

    #[test]
    fn events_name_the_process_once_it_runs() {
        let evidence = evidence(1, Depth::Digest);
        let other = evidence.clone();
        let pid = |evidence: &Evidence| evidence.of(McpWhat::Stderr { bytes: Vec::new() }).pid;
        assert_eq!(pid(&other), 0);
        evidence.runs_as(7);
        assert_eq!((pid(&evidence), pid(&other)), (7, 7));
    }

    #[test]
    fn values_are_in_events_only_where_they_are_kept() {
        let told = Told {
            number: 1,
            side: Side::Client,
            id: Id::read(&value("\"a\"")).unwrap(),
            method: "tools/call".into(),
            name: "create".into(),
            verdict: Some(Verdict::Deny),
            rule: "r".into(),
            rule_id: None,
            argument: Some("repo".into()),
            keys: vec!["repo".into()],
            arguments: None,
            duration: 0,
            size: 0,
            hidden: 0,
            error: None,
            answer: None,
        };
        let why = Why { rule: "\"r\" p.toml:3".into(), layer: Layer::User };
        let arguments = value(r#"{"repo": "geheim\u0007", "n": 1e3}"#);
        let quiet = evidence(1, Depth::Digest).told(&told, &why, Some(&arguments), None);
        assert!(!format!("{quiet:?}").contains("geheim"));
        let McpWhat::Call(call) = evidence(1, Depth::Full).told(&told, &why, Some(&arguments), None).what else {
            unreachable!("a call was told")
        };
        assert_eq!(call.arguments.as_deref(), Some(r#"{"repo":"geheim\u0007","n":1000.0}"#));
        assert_eq!((call.id.as_str(), call.keys.len()), ("\"a\"", 2));
        let long = format!("{{\"x\": \"{}\"}}", "é".repeat(ARGUMENTS));
        let McpWhat::Call(call) = evidence(1, Depth::Full).told(&told, &why, Some(&value(&long)), None).what else {
            unreachable!("a call was told")
        };
        assert!(call.arguments.is_some_and(|text| text.len() <= ARGUMENTS + 3 && text.ends_with('…')));
    }

    #[test]
    fn questions_show_every_argument() {
        let words = asked("github", "create", Some(&value(r#"{"repo": "a/b", "n": [1]}"#)));
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        assert_eq!(words, ["github", "create", "repo=\"a/b\"", "n=[1]"]);
    }
}
