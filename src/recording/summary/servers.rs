//! What was called of MCP servers: servers × what was called × calls × denials.
//!
//! Invariant: bounded; beyond it calls are counted only. A call that was asked about counts once, by its answer.

use std::collections::BTreeMap;

use super::phrase::cut;
use crate::event::{Mcp, McpCall, McpResult, McpSide, McpWhat};
use crate::policy::Verdict;
use crate::recording::mcp::called;

/// Servers, and tools of each, that are told apart.
const SERVERS: usize = 200;
const TOOLS: usize = 500;

#[derive(Debug, Default)]
pub struct Servers {
    kept: BTreeMap<String, Server>,
    calls: u64,
    beyond: u64,
}

/// One server of the policy, or what the agent took for one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// Connections to it, and how many were refused.
    pub starts: u64,
    pub refused: u64,
    /// Messages that were not passed on.
    pub dropped: u64,
    /// What changed since it was pinned, a line each, and the verdicts on that.
    pub changes: Vec<String>,
    /// The first time, in nanoseconds since the session's start.
    pub first: u64,
    /// By name: tools alone, everything else with its method.
    pub tools: BTreeMap<String, Tool>,
}

/// What was called of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tool {
    /// Calls that were passed on.
    pub calls: u64,
    pub asked: u64,
    pub denied: u64,
    /// Answers that were errors.
    pub failed: u64,
    /// Bytes of answers, and nanoseconds of all of them together.
    pub size: u64,
    pub spent: u64,
    /// The first and the last call, in nanoseconds since the session's start.
    pub first: u64,
    pub last: u64,
    /// The first that was denied.
    pub first_denied: Option<u64>,
}

impl Servers {
    pub(super) fn add(&mut self, t: u64, mcp: &Mcp) {
        let name = cut(&mcp.server, 64);
        if self.kept.len() >= SERVERS && !self.kept.contains_key(&name) {
            self.beyond += 1;
            return;
        }
        if let McpWhat::Call(call) = &mcp.what {
            self.calls += u64::from(call.verdict != Verdict::Ask);
        }
        let fresh = || Server { first: t, ..Server::default() };
        let beyond = self.kept.entry(name).or_insert_with(fresh).add(t, &mcp.what);
        self.beyond += u64::from(beyond);
    }

    pub fn kept(&self) -> impl Iterator<Item = (&str, &Server)> {
        self.kept.iter().map(|(name, server)| (name.as_str(), server))
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Calls that were judged.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Events that are not told apart.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }
}

impl Server {
    /// Whether it was too much to be kept.
    fn add(&mut self, t: u64, what: &McpWhat) -> bool {
        match what {
            McpWhat::Start(start) if start.verdict == Verdict::Deny => self.refused += 1,
            McpWhat::Start(_) => self.starts += 1,
            McpWhat::Call(call) => return self.call(t, call),
            McpWhat::Result(result) => self.result(result),
            McpWhat::Dropped { .. } => self.dropped += 1,
            McpWhat::Pin(pin) => {
                let room = 16usize.saturating_sub(self.changes.len());
                self.changes.extend(pin.changes.iter().take(room).map(|change| cut(change, 200)));
            }
            McpWhat::Stderr { .. } | McpWhat::End { .. } => {}
        }
        false
    }

    fn tool(&mut self, name: String) -> Option<&mut Tool> {
        if self.tools.len() >= TOOLS && !self.tools.contains_key(&name) {
            return None;
        }
        Some(self.tools.entry(name).or_default())
    }

    fn call(&mut self, t: u64, call: &McpCall) -> bool {
        let Some(tool) = self.tool(name(call.side, &call.method, &call.name)) else { return true };
        if tool.calls + tool.denied + tool.asked == 0 {
            tool.first = t;
        }
        tool.last = t;
        match call.verdict {
            Verdict::Allow => tool.calls += 1,
            Verdict::Ask => tool.asked += 1,
            Verdict::Deny => {
                tool.denied += 1;
                tool.first_denied.get_or_insert(t);
            }
        }
        false
    }

    fn result(&mut self, result: &McpResult) {
        let asker = if result.side == McpSide::Server { McpSide::Client } else { McpSide::Server };
        // Lists and handshakes are answered, too: only what was judged is told.
        let name = name(asker, &result.method, &result.name);
        if let Some(tool) = self.tools.get_mut(&name) {
            tool.failed += u64::from(result.error.is_some());
            tool.size = tool.size.saturating_add(result.size);
            tool.spent = tool.spent.saturating_add(result.duration);
        }
    }
}

fn name(asker: McpSide, method: &str, name: &str) -> String {
    let called = called(asker, method, name);
    cut(&if asker == McpSide::Server { format!("asks {called}") } else { called }, 120)
}
