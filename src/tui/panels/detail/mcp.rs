//! Everything about a moment between the agent and an MCP server.
//!
//! Invariant: as of the panel; what was refused comes first, in its colour.

use super::super::Tone;
use super::super::text::{MOST, WHOLE, bounded};
use super::super::words::took;
use super::network::{head, why};
use super::{Doer, Page};
use crate::event::{Mcp, McpCall, McpPin, McpResult, McpSide, McpStart, McpWhat};
use crate::policy::Verdict;
use crate::recording::summary::size;
use crate::recording::{Word, called};

/// Keys and changes that are shown.
const KEYS: usize = 64;

pub(super) fn tell(page: &mut Page<'_>, mcp: &Mcp, doer: &Doer) {
    let server = bounded(mcp.server.as_bytes(), MOST);
    match &mcp.what {
        McpWhat::Start(start) => self::start(page, start, &server, (mcp.pid, doer)),
        McpWhat::Call(call) => self::call(page, call, &server, (mcp.pid, doer)),
        McpWhat::Result(result) => self::result(page, result, &server),
        McpWhat::Dropped { side, why } => {
            let verdict = mcp.verdict().unwrap_or(Verdict::Allow);
            let what = format!("a message of the {} of {server} was not passed on", side.word());
            head(page, verdict, &what, (mcp.pid, doer));
            page.say(Tone::Plain, bounded(why.as_bytes(), WHOLE));
        }
        McpWhat::Pin(pin) => self::pin(page, pin, &server),
        McpWhat::Stderr { bytes } => {
            page.say(Tone::Strong, format!("{server} wrote {} bytes to its standard error", bytes.len()));
            page.say(Tone::Dim, bounded(bytes, MOST));
        }
        McpWhat::End { status, why } => {
            let status = status.map_or_else(String::new, |status| format!(", status {status}"));
            page.say(Tone::Strong, format!("the connection to {server} is over"));
            page.say(Tone::Plain, format!("{}{status}", bounded(why.as_bytes(), MOST)));
        }
    }
    page.say(Tone::Dim, format!("connection {}", mcp.connection));
}

fn start(page: &mut Page<'_>, start: &McpStart, server: &str, by: (i32, &Doer)) {
    let what = if start.verdict == Verdict::Deny { "asks for" } else { "connects to" };
    head(page, start.verdict, &format!("{what} MCP server {server}"), by);
    why(page, start.verdict, &start.rule, start.layer);
    if !start.launch.is_empty() {
        page.say(Tone::Plain, format!("is {}", bounded(start.launch.join(" ").as_bytes(), WHOLE)));
    }
    if let Some(digest) = start.digest {
        page.say(Tone::Dim, format!("blake3:{}", blake3::Hash::from(digest).to_hex()));
    }
    if !start.policy.is_empty() {
        page.say(Tone::Dim, format!("under policy {}", bounded(start.policy.as_bytes(), MOST)));
    }
}

fn call(page: &mut Page<'_>, call: &McpCall, server: &str, by: (i32, &Doer)) {
    let name = bounded(called(call.side, &call.method, &call.name).as_bytes(), WHOLE);
    let what = match call.side {
        McpSide::Client => format!("call {name} of {server}"),
        McpSide::Server => format!("{server} asks the agent for {name}"),
    };
    head(page, call.verdict, &what, by);
    why(page, call.verdict, &call.rule, call.layer);
    if let Some(argument) = &call.argument {
        page.say(Tone::Plain, format!("by argument '{}'", bounded(argument.as_bytes(), MOST)));
    }
    if let Some(arguments) = &call.arguments {
        page.say(Tone::Plain, bounded(arguments.as_bytes(), WHOLE));
    }
    for key in call.keys.iter().take(KEYS) {
        let digest: String = key.digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        page.say(Tone::Dim, format!("{} #{digest}", bounded(key.key.as_bytes(), MOST)));
    }
    page.say(Tone::Dim, format!("{} {}", bounded(call.method.as_bytes(), MOST), bounded(call.id.as_bytes(), 100)));
}

fn result(page: &mut Page<'_>, result: &McpResult, server: &str) {
    let asker = if result.side == McpSide::Server { McpSide::Client } else { McpSide::Server };
    let name = bounded(called(asker, &result.method, &result.name).as_bytes(), WHOLE);
    page.say(Tone::Strong, format!("{name} of {server} answered"));
    if let Some(error) = &result.error {
        page.say(Tone::Ask, bounded(error.as_bytes(), WHOLE));
    }
    page.say(Tone::Plain, format!("{} after {}", size(result.size), took(result.duration)));
    if result.hidden != 0 {
        page.say(Tone::Plain, format!("{} were not shown to the agent: no rule allows them", result.hidden));
    }
    if let Some(text) = &result.result {
        page.say(Tone::Dim, bounded(text.as_bytes(), WHOLE));
    }
    page.say(Tone::Dim, format!("{} {}", bounded(result.method.as_bytes(), MOST), bounded(result.id.as_bytes(), 100)));
}

fn pin(page: &mut Page<'_>, pin: &McpPin, server: &str) {
    let what = match pin.first {
        true => format!("{server} was seen for the first time and pinned"),
        false => format!("{server} is not what was pinned"),
    };
    head(page, pin.verdict, &what, (0, &Doer::default()));
    for change in pin.changes.iter().take(KEYS) {
        page.say(Tone::Plain, bounded(change.as_bytes(), MOST));
    }
}
