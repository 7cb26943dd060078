//! A line as a JSON-RPC message, or why it is none (JSON-RPC 2.0 §4–§6, as MCP narrows it).
//!
//! Invariant: what is read here is read the same way by every reader: see `policy::mcp::Value`; beyond that no key of the
//! envelope or of `params` is one that a careless reader takes for `method`, `name` or `arguments`.
//! Leaves to others: which methods there are (`relay`).

use std::fmt;

use crate::policy::mcp::{Value, folded};

/// Number or text: `1` and `"1"` are two ids. Never null.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    Number(i128),
    Text(String),
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Request {
        id: Id,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    Result {
        id: Id,
        result: Value,
    },
    /// None: the id of what it answers could not be read.
    Error {
        id: Option<Id>,
        error: Value,
    },
}

/// Why a line is no message. The words are for events and for the side that sent it: no part of the line is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    Json(String),
    #[error("a batch: this revision has none")]
    Batch,
    #[error("no JSON-RPC 2.0 message: {0}")]
    Envelope(&'static str),
}

/// Names that decide: a key that folds to one of them and is not it would be a disguise.
const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS: [&str; 10] =
    ["name", "arguments", "uri", "cursor", "taskid", "ref", "notifications", "inputresponses", "capabilities", "_meta"];
const RESULT: [&str; 10] = [
    "tools",
    "prompts",
    "resources",
    "resourcetemplates",
    "tasks",
    "task",
    "taskid",
    "inputrequests",
    "instructions",
    "iserror",
];
/// Those of them that are not written in lower case.
const MIXED: [&str; 5] = ["taskId", "resourceTemplates", "inputRequests", "inputResponses", "isError"];

/// Whole numbers beyond it are not the same to every reader.
const EXACT: i128 = 1 << 53;

/// Whether a number in it is not the same to every reader: one that takes whole numbers for fractions, and one that does not.
pub fn is_inexact(value: &Value) -> bool {
    match value {
        Value::Int(number) => number.abs() > EXACT,
        Value::Real(number) => number.abs() > EXACT as f64,
        Value::List(items) => items.iter().any(is_inexact),
        Value::Object(fields) => fields.iter().any(|(_, value)| is_inexact(value)),
        Value::Null | Value::Bool(_) | Value::Text(_) => false,
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Number(number) => number.fmt(f),
            Id::Text(text) => f.write_str(&serde_json::Value::from(text.as_str()).to_string()),
        }
    }
}

impl Id {
    pub fn read(value: &Value) -> Option<Id> {
        match value {
            Value::Int(number) if number.abs() <= EXACT => Some(Id::Number(*number)),
            Value::Text(text) => Some(Id::Text(text.clone())),
            _ => None,
        }
    }
}

impl Message {
    /// Reads one line without its end.
    pub fn parse(line: &[u8]) -> Result<Message, Fault> {
        let wrong = |what| Err(Fault::Envelope(what));
        if memchr::memchr(b'\r', line).is_some() {
            // Readers that take it for the end of a line read two messages.
            return Err(Fault::Json("a line break within".to_owned()));
        }
        let value = Value::parse(line).map_err(Fault::Json)?;
        let mut fields = match value {
            Value::Object(fields) => fields,
            Value::List(_) => return Err(Fault::Batch),
            _ => return wrong("no object"),
        };
        disguised(&fields, &ENVELOPE)?;
        let mut take =
            |key: &str| fields.iter().position(|(name, _)| name == key).map(|at| std::mem::take(&mut fields[at].1));
        if take("jsonrpc") != Some(Value::Text("2.0".into())) {
            return wrong("'jsonrpc' is not \"2.0\"");
        }
        let (id, method, params, result, error) =
            (take("id"), take("method"), take("params"), take("result"), take("error"));
        let null = id == Some(Value::Null);
        let id = match id.filter(|id| *id != Value::Null).as_ref().map(Id::read) {
            Some(None) => return wrong("'id' is neither a whole number nor a string"),
            id => id.flatten(),
        };
        match (method, result, error) {
            (Some(Value::Text(method)), None, None) => {
                let params = match params {
                    None => Value::Object(Vec::new()),
                    Some(params @ Value::Object(_)) => params,
                    Some(_) => return wrong("'params' is no object"),
                };
                if let Value::Object(fields) = &params {
                    disguised(fields, &PARAMS)?;
                }
                match id {
                    Some(id) => Ok(Message::Request { id, method, params }),
                    None if null => wrong("'id' is null"),
                    None => Ok(Message::Notification { method, params }),
                }
            }
            (Some(_), None, None) => wrong("'method' is no string"),
            _ if params.is_some() => wrong("'params' in a response"),
            (None, Some(result), None) => match id {
                Some(id) => {
                    if let Value::Object(fields) = &result {
                        disguised(fields, &RESULT)?;
                    }
                    Ok(Message::Result { id, result })
                }
                None => wrong("a result without 'id'"),
            },
            (None, None, Some(error @ Value::Object(_))) => Ok(Message::Error { id, error }),
            (None, None, Some(_)) => wrong("'error' is no object"),
            _ => wrong("not one of 'method', 'result' and 'error'"),
        }
    }
}

fn disguised(fields: &[(String, Value)], names: &[&str]) -> Result<(), Fault> {
    let is_disguise = |key: &str| {
        let fold = folded(key);
        let fold = fold.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}');
        names.contains(&fold) && !names.contains(&key) && !MIXED.contains(&key)
            || MIXED.iter().any(|mixed| mixed.to_ascii_lowercase() == key) && names.contains(&key)
    };
    match fields.iter().any(|(key, _)| is_disguise(key)) {
        true => Err(Fault::Envelope("a key that is nearly a known one")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Message, String> {
        Message::parse(line.as_bytes()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn messages_are_told_apart() {
        let none = || Value::Object(Vec::new());
        let id = || Id::Number(1);
        let cases = [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
                Message::Request { id: id(), method: "ping".into(), params: none() },
            ),
            (
                r#"{"jsonrpc":"2.0","method":"x","params":{}}"#,
                Message::Notification { method: "x".into(), params: none() },
            ),
            (r#"{"jsonrpc":"2.0","id":"1","result":{}}"#, Message::Result { id: Id::Text("1".into()), result: none() }),
            (r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, Message::Error { id: None, error: none() }),
        ];
        for (line, message) in cases {
            assert_eq!(read(line), Ok(message), "{line}");
        }
    }

    #[test]
    fn what_is_ambiguous_is_no_message() {
        for line in [
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            "1",
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}"#,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\r\"method\":\"ping\"}",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":1}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x","Params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x","param\u017f":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method ":"x","method":"y"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","ARGUMENTS":{}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskid":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"InputRequests":{}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"inputrequests":{}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"tool\u017f":[]}}"#,
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
