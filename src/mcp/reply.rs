//! What is answered in the place of the other side (MCP, §Tools, error handling; JSON-RPC 2.0 §5.1).
//!
//! Invariant: no value of an argument is in an answer: it would go into the model's context, and into logs.
//! Leaves to others: when (`relay`).

use serde_json::{Value as Json, json};

use super::message::Id;
use crate::policy::mcp::McpDecision;

/// JSON-RPC's own codes, and one of ours that lies outside of what it reserves.
const INVALID_REQUEST: i64 = -32600;
const NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const INTERNAL: i64 = -32603;
const DENIED: i64 = 403;

/// Under which key of `_meta` a denial says what decided.
const DECISION: &str = "dev.govsh/decision";

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

/// Which rule, and which argument: what the model may be told.
fn why(decision: &McpDecision<'_>) -> (String, Json) {
    let id = decision.rule.map_or("default", |rule| rule.id.as_str());
    let mut text = match decision.rule.filter(|rule| rule.effect == decision.verdict && !rule.reason.is_empty()) {
        Some(rule) => format!("Denied by policy {id}: {}.", rule.reason.trim_end_matches('.')),
        None => format!("Denied by policy {id}."),
    };
    if let Some(argument) = decision.argument {
        let what =
            if argument == "*" { "an argument it does not name".to_owned() } else { format!("argument '{argument}'") };
        text.push_str(&format!(" Decided by {what}."));
    }
    text.push_str(" Do not retry; ask the user.");
    (text, json!({ "rule": id, "argument": decision.argument }))
}

/// A tool that no rule lets be called: as if it did not exist.
pub fn unknown_tool(id: &Id, name: &str) -> Vec<u8> {
    error(Some(id), INVALID_PARAMS, &format!("Unknown tool: {name}"), None)
}

/// A tool that may be called, but not so.
pub fn denied_tool(id: &Id, decision: &McpDecision<'_>, modern: bool) -> Vec<u8> {
    let (text, decision) = why(decision);
    let mut result =
        json!({ "content": [{ "type": "text", "text": text }], "isError": true, "_meta": { DECISION: decision } });
    if let (true, Some(fields)) = (modern, result.as_object_mut()) {
        fields.insert("resultType".to_owned(), json!("complete"));
    }
    line(&json!({ "jsonrpc": "2.0", "id": id_of(id), "result": result }))
}

/// Anything else that is denied.
pub fn denied(id: &Id, decision: &McpDecision<'_>) -> Vec<u8> {
    let (text, about) = why(decision);
    error(Some(id), DENIED, &text, Some(about))
}

/// To the server, whose request the policy does not let through.
pub fn declined(id: &Id, method: &str) -> Vec<u8> {
    if method == "elicitation/create" {
        return line(&json!({ "jsonrpc": "2.0", "id": id_of(id), "result": { "action": "decline" } }));
    }
    error(Some(id), NOT_FOUND, "Method not found", None)
}

/// The line was no message, or one that may not come now.
pub fn invalid(id: Option<&Id>, what: &str) -> Vec<u8> {
    error(id, INVALID_REQUEST, what, None)
}

/// We failed: the call does not go on.
pub fn failed(id: &Id, what: &str) -> Vec<u8> {
    error(Some(id), INTERNAL, what, None)
}

/// That a call still waits for somebody's answer; `step` counts from 1.
pub fn waiting(token: &Json, step: u64) -> Vec<u8> {
    let params = json!({ "progressToken": token, "progress": step, "message": "waiting for the user's answer" });
    line(&json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params }))
}
