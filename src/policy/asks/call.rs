//! Answers about calls of MCP servers: `github tool "create_issue" {"repo":"acme/x"}`.
//!
//! ```text
//! SERVER KIND "NAME" {"KEY":VALUE,…}         these arguments have exactly these values, others any
//! SERVER KIND "NAME" {"KEY":VALUE,…} only    and there are no others
//! ```
//! Invariant: a call whose arguments cannot be read is covered by none. Leaves to others: rules that ask (`policy::mcp`).

use std::collections::BTreeMap;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::policy::mcp::Value;
use crate::policy::pattern::Fault;

/// Longest text of an answer, in bytes.
const LONGEST: usize = 4096;
/// Longest text that is proposed with all arguments in it, and longest argument that is proposed.
const READABLE: usize = 400;
const SHORT: usize = 100;

/// A call, or many.
#[derive(Debug, Clone, PartialEq)]
pub struct CallPattern {
    server: String,
    kind: String,
    name: String,
    arguments: Vec<(String, Value)>,
    only: bool,
}

// Numbers that are not equal to themselves are not JSON.
impl Eq for CallPattern {}

impl CallPattern {
    pub fn parse(text: &str) -> Result<CallPattern, Fault> {
        if text.len() > LONGEST {
            return Err(fault("no call this long is judged"));
        }
        let wrong = || fault("no call of an MCP server");
        let (server, rest) = text.split_once(' ').ok_or_else(wrong)?;
        let (kind, rest) = rest.split_once(' ').ok_or_else(wrong)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let mut next = || values.next().and_then(Result::ok).and_then(|raw| Value::parse(raw.get().as_bytes()).ok());
        let (name, arguments) = (next().ok_or_else(wrong)?, next().ok_or_else(wrong)?);
        let only = match rest.get(values.byte_offset()..).map(str::trim) {
            Some("") => false,
            Some("only") => true,
            _ => return Err(wrong()),
        };
        match (name, arguments) {
            (Value::Text(name), Value::Object(arguments)) => {
                Ok(CallPattern { server: server.to_owned(), kind: kind.to_owned(), name, arguments, only })
            }
            _ => Err(wrong()),
        }
    }

    /// Whether it covers a call: server, kind, name, and the arguments as JSON or nothing.
    pub fn covers(&self, call: &[Vec<u8>]) -> bool {
        let [server, kind, name, arguments] = call else { return false };
        let same = self.server.as_bytes() == server && self.kind.as_bytes() == kind && self.name.as_bytes() == name;
        let given = match arguments.as_slice() {
            [] => Ok(Value::Object(Vec::new())),
            text => Value::parse(text),
        };
        let Ok(Value::Object(given)) = given else { return false };
        let has = |(key, value): &(String, Value)| given.iter().any(|(other, got)| other == key && got == value);
        same && self.arguments.iter().all(has) && (!self.only || given.len() == self.arguments.len())
    }
}

fn fault(reason: &str) -> Fault {
    Fault { reason: reason.to_owned(), hint: Some("github tool \"create_issue\" {\"repo\":\"acme/x\"}".to_owned()) }
}

/// What answers could say about this call, the narrowest first: all its arguments, those that people can take in at once,
/// the first of these that is text, any. None where the arguments cannot be read: what covers the call would say nothing of it.
pub fn texts(call: &[Vec<u8>]) -> Vec<String> {
    let [server, kind, name, arguments] = call else { return Vec::new() };
    let (server, kind) = (String::from_utf8_lossy(server), String::from_utf8_lossy(kind));
    let name = Json::from(String::from_utf8_lossy(name).into_owned());
    // In one order, whatever that of the call: it is a rule that people read.
    let all: BTreeMap<String, Json> = match arguments.as_slice() {
        [] => BTreeMap::new(),
        text => match serde_json::from_slice(text) {
            Ok(all) => all,
            Err(_) => return Vec::new(),
        },
    };
    let written = |fields: BTreeMap<String, Json>, only: &str| {
        format!("{server} {kind} {name} {}{only}", Json::Object(fields.into_iter().collect()))
    };
    let is_short = |value: &Json| match value {
        Json::String(text) => text.len() <= SHORT && !text.contains(char::is_control),
        Json::Number(_) | Json::Bool(_) => true,
        Json::Null | Json::Array(_) | Json::Object(_) => false,
    };
    let short: BTreeMap<_, _> = all.iter().filter(|(_, value)| is_short(value)).map(owned).collect();
    let first: BTreeMap<_, _> = short.iter().filter(|(_, value)| value.is_string()).take(1).map(owned).collect();
    let mut texts = vec![written(all, " only")];
    texts.retain(|text| text.len() <= READABLE);
    texts.extend([short, first].into_iter().filter(|fields| !fields.is_empty()).map(|fields| written(fields, "")));
    texts.push(written(BTreeMap::new(), ""));
    texts
}

fn owned((key, value): (&String, &Json)) -> (String, Json) {
    (key.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &str) -> Vec<Vec<u8>> {
        ["github", "tool", name, arguments].iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn what_is_proposed_covers_the_call_and_less_and_less_of_it_is_said() {
        let asked = call("create_issue", r#"{"repo":"acme/x","body":"a\nb","n":3,"o":{}}"#);
        let texts = texts(&asked);
        assert_eq!(
            texts,
            [
                r#"github tool "create_issue" {"body":"a\nb","n":3,"o":{},"repo":"acme/x"} only"#,
                r#"github tool "create_issue" {"n":3,"repo":"acme/x"}"#,
                r#"github tool "create_issue" {"repo":"acme/x"}"#,
                r#"github tool "create_issue" {}"#,
            ]
        );
        let covers = |text: &str, call: &[Vec<u8>]| CallPattern::parse(text).expect(text).covers(call);
        assert!(texts.iter().all(|text| covers(text, &asked)));
        let more = call("create_issue", r#"{"repo":"acme/x","body":"a\nb","n":3,"o":{},"more":1}"#);
        assert!(!covers(&texts[0], &more) && covers(&texts[1], &more));
        let other = call("create_issue", r#"{"repo":"acme/y","n":3}"#);
        assert_eq!([1, 2, 3].map(|at| covers(&texts[at], &other)), [false, false, true]);
        assert!(!covers(&texts[3], &call("delete_repo", "{}")) && covers(&texts[3], &call("create_issue", "")));
    }

    #[test]
    fn what_cannot_be_read_covers_nothing() {
        let any = CallPattern::parse(r#"github tool "x" {}"#).unwrap();
        assert_eq!(texts(&call("x", "")).last().map(String::as_str), Some(r#"github tool "x" {}"#));
        for arguments in ["[]", "{", "1", "null"] {
            assert_eq!(texts(&call("x", arguments)), [""; 0], "nothing wider is proposed: {arguments}");
        }
        for arguments in ["[]", "{", r#"{"a":1,"A":2}"#, "1"] {
            assert!(!any.covers(&call("x", arguments)), "{arguments}");
        }
        for text in [
            "",
            "github",
            r#"github tool "x""#,
            r#"github tool x {}"#,
            r#"github tool "x" {} more"#,
            r#"github tool "x" []"#,
        ] {
            assert!(CallPattern::parse(text).is_err(), "{text}");
        }
        // An argument of another type is another argument.
        assert!(!CallPattern::parse(r#"github tool "x" {"n":1}"#).unwrap().covers(&call("x", r#"{"n":"1"}"#)));
    }
}
