//! Events of MCP as objects, both ways.
//!
//! Invariant: what is read back equals what was written. JSON of either side stands in strings: what was cut is none.
//! Leaves to others: the vocabulary (`event`), questions (`encode`).

use std::sync::Arc;

use serde::Deserialize;

use super::json::{Object, array, string};
use super::parse::{Fault, exact, micros, word};
use super::summary::{cut, lasted, size};
use super::visible::visible;
use super::words::Word;
use crate::event::{Event, Mcp, McpCall, McpKey, McpPin, McpResult, McpSide, McpStart, McpWhat};
use crate::policy::{Layer, Verdict};

impl McpWhat {
    /// `start`, `call`, `result`, `dropped`, `pin` or `end`.
    pub fn op(&self) -> &'static str {
        match self {
            McpWhat::Start(_) => "start",
            McpWhat::Call(_) => "call",
            McpWhat::Result(_) => "result",
            McpWhat::Dropped { .. } => "dropped",
            McpWhat::Pin(_) => "pin",
            McpWhat::Stderr { .. } => "stderr",
            McpWhat::End { .. } => "end",
        }
    }
}

/// What was refused, in a few words.
pub(super) fn label(mcp: &Mcp) -> String {
    let server = visible(mcp.server.as_bytes());
    match &mcp.what {
        McpWhat::Call(call) => format!("mcp {server} {}", called(call.side, &call.method, &call.name)),
        McpWhat::Dropped { why, .. } => format!("mcp {server} message: {}", visible(why.as_bytes())),
        what => format!("mcp {server} {}", what.op()),
    }
}

/// A request in a few words: a tool by its name alone, everything else with its method; visible.
pub fn called(side: McpSide, method: &str, name: &str) -> String {
    let (shown, name) = (visible(method.as_bytes()), visible(name.as_bytes()));
    match (side, method) {
        (McpSide::Client, "tools/call") => name,
        (_, same) if name.is_empty() || name == same => shown,
        _ => format!("{shown} {name}"),
    }
}

/// Characters of a text of either side within a phrase.
const LONGEST: usize = 400;

/// What happened, for a line of a list; visible, and bounded.
pub fn phrase(mcp: &Mcp) -> String {
    let server = shown(&mcp.server);
    match &mcp.what {
        McpWhat::Start(start) => format!("{server}: {}", shown(&start.launch.join(" "))),
        McpWhat::Call(call) => {
            let name = shown(&called(call.side, &call.method, &call.name));
            let asks = if call.side == McpSide::Server { " asks" } else { "" };
            format!("{server}{asks} {name}{}", handed(call))
        }
        McpWhat::Result(result) => {
            let name = shown(&called(opposite(result.side), &result.method, &result.name));
            let hidden = if result.hidden == 0 { String::new() } else { format!(", {} not shown", result.hidden) };
            let error = result.error.as_ref().map_or_else(String::new, |error| format!(", {}", shown(error)));
            format!("{server} {name} → {} in {}{hidden}{error}", size(result.size), lasted(result.duration))
        }
        McpWhat::Dropped { side, why } => format!("{server}: a message of the {}'s: {}", side.word(), shown(why)),
        McpWhat::Pin(pin) if pin.first => format!("{server}: seen for the first time, pinned"),
        McpWhat::Pin(pin) => format!("{server}: is not what was pinned: {}", shown(&pin.changes.join("; "))),
        McpWhat::Stderr { bytes } => {
            format!("{server} says {}", cut(&visible(bytes.get(..1024).unwrap_or(bytes)), LONGEST))
        }
        McpWhat::End { status, why } => {
            format!(
                "{server}: {}{}",
                shown(why),
                status.map_or_else(String::new, |status| format!(", status {status}"))
            )
        }
    }
}

/// The arguments: as they were, or by their keys; empty for none.
pub fn handed(call: &McpCall) -> String {
    match &call.arguments {
        Some(arguments) => format!(" {}", shown(arguments)),
        None if call.keys.is_empty() => String::new(),
        None => {
            let keys: Vec<_> = call.keys.iter().map(|key| cut(&visible(key.key.as_bytes()), 60)).collect();
            format!("({})", cut(&keys.join(", "), LONGEST))
        }
    }
}

fn opposite(side: McpSide) -> McpSide {
    match side {
        McpSide::Client => McpSide::Server,
        McpSide::Server => McpSide::Client,
    }
}

fn shown(text: &str) -> String {
    cut(&visible(text.as_bytes()), LONGEST)
}

pub(super) fn write(object: &mut Object<'_>, mcp: &Mcp) {
    object.text("op", mcp.what.op());
    object.text("server", &mcp.server);
    object.number("connection", mcp.connection);
    if mcp.pid != 0 {
        object.number("pid", mcp.pid);
    }
    match &mcp.what {
        McpWhat::Start(start) => self::start(object, start),
        McpWhat::Call(call) => self::call(object, call),
        McpWhat::Result(result) => self::result(object, result),
        McpWhat::Dropped { side, why } => {
            object.text("side", side.word());
            object.text("why", why);
        }
        McpWhat::Pin(pin) => {
            object.text("verdict", pin.verdict.word());
            object.flag("first", pin.first);
            object.text_list("changes", &pin.changes);
        }
        McpWhat::Stderr { bytes } => object.bytes("data", "data_bytes", bytes),
        McpWhat::End { status, why } => {
            object.some_number("status", *status);
            object.text("why", why);
        }
    }
}

fn decision(object: &mut Object<'_>, verdict: Verdict, rule: &str, layer: Layer) {
    object.text("verdict", verdict.word());
    object.text("rule", rule);
    object.text("layer", layer.word());
}

fn some_text(object: &mut Object<'_>, name: &str, text: Option<&String>) {
    if let Some(text) = text {
        object.text(name, text);
    }
}

fn start(object: &mut Object<'_>, start: &McpStart) {
    object.text_list("launch", &start.launch);
    if let Some(digest) = start.digest {
        object.text("digest", &blake3::Hash::from(digest).to_hex());
    }
    if !start.policy.is_empty() {
        object.text("policy", &start.policy);
    }
    decision(object, start.verdict, &start.rule, start.layer);
}

fn about(object: &mut Object<'_>, side: McpSide, id: &str, method: &str, name: &str) {
    object.text("side", side.word());
    object.text("id", id);
    object.text("method", method);
    object.text("name", name);
}

fn call(object: &mut Object<'_>, call: &McpCall) {
    about(object, call.side, &call.id, &call.method, &call.name);
    decision(object, call.verdict, &call.rule, call.layer);
    some_text(object, "argument", call.argument.as_ref());
    if !call.keys.is_empty() {
        object.list("keys", &call.keys, |out, key| {
            array(out, &[&key.key, &hex(key.digest)], |out, text| string(out, text));
        });
    }
    some_text(object, "arguments", call.arguments.as_ref());
}

fn result(object: &mut Object<'_>, result: &McpResult) {
    about(object, result.side, &result.id, &result.method, &result.name);
    object.number("size", result.size);
    if result.hidden != 0 {
        object.number("hidden", result.hidden);
    }
    some_text(object, "error", result.error.as_ref());
    some_text(object, "result", result.result.as_ref());
    object.micros("dur", result.duration);
}

fn hex(digest: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(digest))
}

fn unhex(text: &str) -> Result<[u8; 16], Fault> {
    let plain = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = plain.then(|| u128::from_str_radix(text, 16).ok()).flatten();
    number.map(u128::to_be_bytes).ok_or_else(|| "digest is not 32 hexadecimal digits".to_owned())
}

/// All members of all moments.
#[derive(Deserialize)]
pub(super) struct McpLine {
    op: String,
    server: String,
    #[serde(default)]
    connection: u64,
    #[serde(default)]
    pid: i32,
    #[serde(default)]
    launch: Vec<String>,
    digest: Option<String>,
    #[serde(default)]
    policy: String,
    verdict: Option<String>,
    #[serde(default)]
    rule: String,
    layer: Option<String>,
    side: Option<String>,
    #[serde(default)]
    id: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    name: String,
    argument: Option<String>,
    #[serde(default)]
    keys: Vec<(String, String)>,
    arguments: Option<String>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    hidden: u64,
    error: Option<String>,
    result: Option<String>,
    #[serde(default)]
    dur: f64,
    #[serde(default)]
    why: String,
    #[serde(default)]
    first: bool,
    #[serde(default)]
    changes: Vec<String>,
    status: Option<i32>,
    #[serde(default)]
    data: String,
    data_bytes: Option<String>,
}

/// A word that this moment cannot be without.
fn needed<T: Word>(text: Option<&String>, member: &str) -> Result<T, Fault> {
    word(text.ok_or_else(|| format!("no '{member}'"))?)
}

/// None for a moment that only a later version knows.
pub(super) fn read(line: McpLine) -> Result<Option<Event>, Fault> {
    let verdict = || needed(line.verdict.as_ref(), "verdict");
    let layer = || needed(line.layer.as_ref(), "layer");
    let side = || needed(line.side.as_ref(), "side");
    let what = match line.op.as_str() {
        "start" => McpWhat::Start(McpStart {
            digest: line.digest.as_ref().map(digest).transpose()?,
            verdict: verdict()?,
            layer: layer()?,
            rule: Arc::from(line.rule),
            launch: line.launch,
            policy: line.policy,
        }),
        "call" => McpWhat::Call(McpCall {
            side: side()?,
            verdict: verdict()?,
            layer: layer()?,
            id: line.id,
            method: line.method,
            name: line.name,
            rule: Arc::from(line.rule),
            argument: line.argument,
            keys: line.keys.into_iter().map(key).collect::<Result<_, _>>()?,
            arguments: line.arguments,
        }),
        "result" => McpWhat::Result(McpResult {
            side: side()?,
            id: line.id,
            method: line.method,
            name: line.name,
            duration: micros(line.dur),
            size: line.size,
            hidden: line.hidden,
            error: line.error,
            result: line.result,
        }),
        "dropped" => McpWhat::Dropped { side: side()?, why: line.why },
        "pin" => McpWhat::Pin(McpPin { verdict: verdict()?, first: line.first, changes: line.changes }),
        "stderr" => McpWhat::Stderr { bytes: exact(line.data.into(), line.data_bytes)? },
        "end" => McpWhat::End { status: line.status, why: line.why },
        _ => return Ok(None),
    };
    let (server, connection, pid) = (Arc::from(line.server), line.connection, line.pid);
    Ok(Some(Event::Mcp(Box::new(Mcp { server, connection, pid, what }))))
}

fn key((key, digest): (String, String)) -> Result<McpKey, Fault> {
    Ok(McpKey { digest: unhex(&digest)?, key })
}

fn digest(text: &String) -> Result<[u8; 32], Fault> {
    let hash = blake3::Hash::from_hex(text).map_err(|_| "digest is not 64 hexadecimal digits".to_owned());
    hash.map(|hash| *hash.as_bytes())
}
