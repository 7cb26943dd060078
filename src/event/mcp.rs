//! What goes between the agent and MCP servers: each connection from its start to its end, and what was judged on it.
//!
//! Invariant: values of arguments and results stand in here only where `[record] mcp = "full"` says so; otherwise they are
//! digests under a key that is nowhere kept. What came from either side is text that nobody made visible yet.
//! Leaves to others: deciding (`policy::mcp`), relaying (`mcp`), making these of it (`mcp::evidence`).

use std::sync::Arc;

use crate::policy::{Layer, Verdict};

/// A moment in the life of a connection between the agent and a server. Kind `mcp`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mcp {
    /// As the policy names it; what the agent called it, where the policy names none such.
    pub server: Arc<str>,
    /// Counts the session's connections to servers from 1; the same in all events of one.
    pub connection: u64,
    /// The server's process; 0 before it runs, and for a server that is reached by URL.
    pub pid: i32,
    pub what: McpWhat,
}

/// Which moment.
#[derive(Debug, Clone, PartialEq)]
pub enum McpWhat {
    /// The agent asked for the server: it was started or reached, or was refused. The first of each connection.
    Start(McpStart),
    /// A request was judged. One that was asked about is told twice: when it was asked, and as what was answered.
    Call(McpCall),
    /// A request was answered by the side it was passed on to.
    Result(McpResult),
    /// A message was not passed on.
    Dropped {
        /// Who sent it.
        side: McpSide,
        why: String,
    },
    /// What the server says of itself was compared with what was pinned.
    Pin(McpPin),
    /// The server's process wrote to its standard error: bytes that may be anything, at most 64 KiB in one event.
    Stderr { bytes: Vec<u8> },
    /// The last of each connection.
    End {
        /// Of the server's process, as `govsh run` returns it; None for one that was reached by URL.
        status: Option<i32>,
        /// `closed`, `server ended`, `killed`, …
        why: String,
    },
}

/// Who sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum McpSide {
    /// The agent.
    Client,
    Server,
}

/// How a server was had.
#[derive(Debug, Clone, PartialEq)]
pub struct McpStart {
    /// Words of its command, or one URL.
    pub launch: Vec<String>,
    /// BLAKE3 of its program's bytes; None for a URL, and where they could not be read.
    pub digest: Option<[u8; 32]>,
    /// The policy it runs under; empty for a URL.
    pub policy: String,
    pub verdict: Verdict,
    /// As `Rule::name`.
    pub rule: Arc<str>,
    pub layer: Layer,
}

/// A request and what was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct McpCall {
    /// Who made it.
    pub side: McpSide,
    /// JSON: a number or a string.
    pub id: String,
    /// Of the protocol: `tools/call`, `resources/read`, …
    pub method: String,
    /// The tool, prompt or resource; the method's own name where there is none.
    pub name: String,
    pub verdict: Verdict,
    /// As `Rule::name`.
    pub rule: Arc<str>,
    pub layer: Layer,
    /// The argument that decided, where one did: a key, a JSON pointer, or `*` for those that no condition speaks of.
    pub argument: Option<String>,
    /// At most 64 of its arguments.
    pub keys: Vec<McpKey>,
    /// All arguments as JSON, at most 64 KiB, then `…`; None unless they are recorded in full.
    pub arguments: Option<String>,
}

/// An argument, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpKey {
    pub key: String,
    /// Under the session's key: the same value, the same digest, within one session.
    pub digest: [u8; 16],
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct McpResult {
    /// Who answered.
    pub side: McpSide,
    /// Of the request, with its method and name.
    pub id: String,
    pub method: String,
    pub name: String,
    /// Nanoseconds from the request to its answer.
    pub duration: u64,
    /// Bytes of the message.
    pub size: u64,
    /// Elements of a list that the other side was not shown.
    pub hidden: u64,
    /// What went wrong, where something did.
    pub error: Option<String>,
    /// The message as JSON, at most 256 KiB, then `…`; None unless it is recorded in full.
    pub result: Option<String>,
}

/// A comparison with what was pinned.
#[derive(Debug, Clone, PartialEq)]
pub struct McpPin {
    /// Nothing was pinned before: now it is.
    pub first: bool,
    /// What changed, a line each; at most 64.
    pub changes: Vec<String>,
    pub verdict: Verdict,
}

impl Mcp {
    /// What was decided. A message of the agent's that was not passed on was refused; one of the server's decides nothing.
    pub fn verdict(&self) -> Option<Verdict> {
        match &self.what {
            McpWhat::Start(start) => Some(start.verdict),
            McpWhat::Call(call) => Some(call.verdict),
            McpWhat::Pin(pin) => Some(pin.verdict),
            McpWhat::Dropped { side: McpSide::Client, .. } => Some(Verdict::Deny),
            McpWhat::Dropped { .. } | McpWhat::Result(_) | McpWhat::Stderr { .. } | McpWhat::End { .. } => None,
        }
    }

    /// The rule behind the decision, and its layer.
    pub fn rule(&self) -> Option<(&Arc<str>, Layer)> {
        match &self.what {
            McpWhat::Start(start) => Some((&start.rule, start.layer)),
            McpWhat::Call(call) => Some((&call.rule, call.layer)),
            _ => None,
        }
    }

    /// Bytes of memory behind it, near enough for a bound.
    pub fn weight(&self) -> usize {
        let own = match &self.what {
            McpWhat::Start(start) => start.launch.iter().map(String::len).sum::<usize>() + start.policy.len(),
            McpWhat::Call(call) => {
                let keys: usize = call.keys.iter().map(|key| key.key.len() + size_of::<McpKey>()).sum();
                call.method.len() + call.name.len() + keys + call.arguments.as_ref().map_or(0, String::len)
            }
            McpWhat::Result(result) => result.name.len() + result.result.as_ref().map_or(0, String::len),
            McpWhat::Dropped { why, .. } | McpWhat::End { why, .. } => why.len(),
            McpWhat::Stderr { bytes } => bytes.len(),
            McpWhat::Pin(pin) => pin.changes.iter().map(String::len).sum(),
        };
        size_of::<Mcp>() + own
    }
}
