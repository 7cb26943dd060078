//! What is answered in the place of the other side (MCP, §Tools, error handling; JSON-RPC 2.0 §5.1).
//!
//! Invariant: no value of an argument is in an answer: it would go into the model's context, and into logs.
//! Leaves to others: when (`relay`).

use serde_json::{Value as Json, json};

use super::message::Id;
use crate::policy::mcp::McpDecision;

/// JSON-RPC's own codes, and one of ours that lies outside of what it reserves.
const UNREADABLE: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const INTERNAL: i64 = -32603;
const DENIED: i64 = 403;

/// Under which key of `_meta` a denial says what decided.
const DECISION: &str = "dev.govsh/decision";
/// Longest name that is said back, in bytes.
const LONGEST_NAME: usize = 256;

/// What decided against something: what the model may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The rule's own id.
    pub rule: String,
    /// May be empty.
    pub reason: String,
    pub argument: Option<String>,
}

impl Why {
    pub fn new(rule: &str, reason: impl Into<String>) -> Why {
        Why { rule: rule.to_owned(), reason: reason.into(), argument: None }
    }

    /// Of what the rules decided: an allowing rule that did not match has no reason to give.
    pub fn of(decision: &McpDecision<'_>) -> Why {
        let reason = decision.rule.filter(|rule| rule.effect == decision.verdict).map(|rule| rule.reason.clone());
        Why {
            rule: decision.rule.map_or("default", |rule| rule.id.as_str()).to_owned(),
            reason: reason.unwrap_or_default(),
            argument: decision.argument.map(str::to_owned),
        }
    }

    fn text(&self) -> String {
        let mut text = match self.reason.as_str() {
            "" => format!("Denied by policy {}.", self.rule),
            reason => format!("Denied by policy {}: {}.", self.rule, reason.trim_end_matches('.')),
        };
        match self.argument.as_deref() {
            Some("*") => text.push_str(" Decided by an argument it does not name."),
            Some(argument) => text.push_str(&format!(" Decided by argument '{argument}'.")),
            None => {}
        }
        text.push_str(" Do not retry; ask the user.");
        text
    }

    fn json(&self, number: u64) -> Json {
        json!({ "rule": self.rule, "argument": self.argument, "event_id": number })
    }
}

fn line(message: &Json) -> Vec<u8> {
    let mut bytes = message.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

fn id_of(id: &Id) -> Json {
    match id {
        Id::Number(number) => {
            i64::try_from(*number).map_or_else(|_| json!(u64::try_from(*number).unwrap_or(0)), |n| json!(n))
        }
        Id::Text(text) => json!(text),
    }
}

fn error(id: Option<&Id>, code: i64, message: &str, about: Option<Json>) -> Vec<u8> {
    let mut error = json!({ "code": code, "message": message });
    if let (Some(about), Some(fields)) = (about, error.as_object_mut()) {
        fields.insert("data".to_owned(), about);
    }
    line(&json!({ "jsonrpc": "2.0", "id": id.map(id_of), "error": error }))
}

/// A tool that no rule lets be called: as if it did not exist.
pub fn unknown_tool(id: &Id, name: &str) -> Vec<u8> {
    let mut end = name.len().min(LONGEST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    error(Some(id), INVALID_PARAMS, &format!("Unknown tool: {}", name.get(..end).unwrap_or_default()), None)
}

/// A tool that may be called, but not so. `number` is that of what was told of it.
pub fn denied_tool(id: &Id, why: &Why, number: u64, modern: bool) -> Vec<u8> {
    let mut result = json!({
        "content": [{ "type": "text", "text": why.text() }],
        "isError": true,
        "_meta": { DECISION: why.json(number) },
    });
    if let (true, Some(fields)) = (modern, result.as_object_mut()) {
        fields.insert("resultType".to_owned(), json!("complete"));
    }
    line(&json!({ "jsonrpc": "2.0", "id": id_of(id), "result": result }))
}

/// Anything else that is denied.
pub fn denied(id: &Id, why: &Why, number: u64) -> Vec<u8> {
    error(Some(id), DENIED, &why.text(), Some(why.json(number)))
}

/// To the server, whose request the policy does not let through.
pub fn declined(id: &Id, method: &str) -> Vec<u8> {
    if method == "elicitation/create" {
        return line(&json!({ "jsonrpc": "2.0", "id": id_of(id), "result": { "action": "decline" } }));
    }
    error(Some(id), NOT_FOUND, "Method not found", None)
}

/// The line was no JSON that has one meaning.
pub fn unreadable() -> Vec<u8> {
    error(None, UNREADABLE, "invalid JSON", None)
}

/// The line was no message, or one that may not come now.
pub fn invalid(id: Option<&Id>, what: &str) -> Vec<u8> {
    error(id, INVALID_REQUEST, what, None)
}

/// A request that does not say what it must.
pub fn invalid_params(id: &Id, what: &str) -> Vec<u8> {
    error(Some(id), INVALID_PARAMS, what, None)
}

/// We failed: the call does not go on.
pub fn failed(id: &Id, what: &str) -> Vec<u8> {
    error(Some(id), INTERNAL, what, None)
}

/// That a call still waits for somebody's answer; `step` counts from 1. In small steps, so that what the server says of its
/// progress afterwards is more.
pub fn waiting(token: &Json, step: u64) -> Vec<u8> {
    let progress = step as f64 / 1_000_000.0;
    let params = json!({ "progressToken": token, "progress": progress, "message": "waiting for the user's answer" });
    line(&json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params }))
}

/// That a list is another one now; within a subscription where there is one.
pub fn list_changed(kind: &str, subscription: Option<&Id>) -> Vec<u8> {
    let mut message = json!({ "jsonrpc": "2.0", "method": format!("notifications/{kind}/list_changed") });
    if let (Some(id), Some(fields)) = (subscription, message.as_object_mut()) {
        fields.insert("params".to_owned(), json!({ "_meta": { "io.modelcontextprotocol/subscriptionId": id_of(id) } }));
    }
    line(&message)
}
