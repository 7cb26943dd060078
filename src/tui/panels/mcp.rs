//! What was called of MCP servers up to the present time, each call with its arguments and, folded into its line, its result.
//!
//! Invariant: bounded; what was refused is never left out for what was allowed. Every text is visible.
//! Leaves to others: which events there are (the app feeds them in order).

use std::collections::HashMap;

use ratatui::Frame;
use ratatui::layout::Rect;

use super::Tone;
use super::edge::{Edge, Title, framed, put, rows};
use super::text::{bounded, front, width};
use crate::event::{Event, Mcp, McpSide, McpWhat, Stamped};
use crate::policy::Verdict;
use crate::recording::summary::{clock, lasted, size};
use crate::recording::{called, handed, mcp_phrase};
use crate::tui::Theme;

/// Lines that are kept, and of those that were refused as many again.
const KEPT: usize = 4_000;
/// Bytes of a line.
const LONGEST: usize = 600;

/// All that was called in a session, for any time in it.
#[derive(Debug, Default)]
pub struct Calls {
    kept: Vec<Call>,
    /// Requests that wait for their result: connection, who asked, id.
    open: HashMap<(u64, McpSide, String), usize>,
    refused: usize,
    beyond: u64,
}

#[derive(Debug)]
struct Call {
    t: u64,
    what: String,
    verdict: Verdict,
    /// Of no call: the start of a server, a pin, a message that was dropped.
    aside: bool,
    answer: Option<(u64, String)>,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRow {
    /// Nanoseconds since the session's start.
    pub t: u64,
    /// Visible already: `github create_issue {"repo":"acme/x"}`.
    pub what: String,
    pub sign: &'static str,
    pub tone: Tone,
    /// What came of it; empty for what is not answered yet.
    pub answer: String,
}

/// What the panel shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct McpView<'a> {
    pub rows: &'a [CallRow],
    /// Says that the list is not whole yet; empty when it is.
    pub progress: &'a str,
    /// Rows scrolled away at the top.
    pub scroll: usize,
    pub focus: bool,
    pub edge: Edge,
}

impl Calls {
    /// Takes in one event; those that are not of MCP are left alone.
    pub fn add(&mut self, stamped: &Stamped) {
        let Event::Mcp(mcp) = &stamped.event else { return };
        match &mcp.what {
            McpWhat::Call(call) => {
                let key = (mcp.connection, call.side, call.id.clone());
                let asks = if call.side == McpSide::Server { " asks" } else { "" };
                let name = called(call.side, &call.method, &call.name);
                let what = format!("{}{asks} {name}{}", mcp.server, handed(call));
                self.call(stamped.t, key, &what, call.verdict);
            }
            McpWhat::Result(result) => {
                let asker = if result.side == McpSide::Server { McpSide::Client } else { McpSide::Server };
                let at = self.open.remove(&(mcp.connection, asker, result.id.clone()));
                if let Some(call) = at.and_then(|at| self.kept.get_mut(at)) {
                    let hidden =
                        if result.hidden == 0 { String::new() } else { format!(", {} not shown", result.hidden) };
                    let failed = if result.error.is_some() { " failed," } else { "" };
                    let answer = format!("→{failed} {} {}{hidden}", size(result.size), lasted(result.duration));
                    call.answer = Some((stamped.t, answer));
                }
            }
            _ => self.aside(stamped.t, mcp),
        }
    }

    /// What is no call, where it says something.
    fn aside(&mut self, t: u64, mcp: &Mcp) {
        let what = format!("{} {}", mcp.what.op(), mcp_phrase(mcp));
        self.keep(t, &what, mcp.verdict().unwrap_or(Verdict::Allow), true);
    }

    fn call(&mut self, t: u64, key: (u64, McpSide, String), what: &str, verdict: Verdict) {
        // What was asked about, and now is answered: one line.
        if let Some(call) = self.open.get(&key).and_then(|at| self.kept.get_mut(*at))
            && call.verdict == Verdict::Ask
        {
            let said = if verdict == Verdict::Allow { "allowed" } else { "denied" };
            call.answer = Some((t, format!("→ {said}")));
            return;
        }
        if let Some(at) = self.keep(t, what, verdict, false)
            && verdict != Verdict::Deny
        {
            if self.open.len() >= KEPT {
                self.open.clear();
            }
            self.open.insert(key, at);
        }
    }

    fn keep(&mut self, t: u64, what: &str, verdict: Verdict, aside: bool) -> Option<usize> {
        let refused = verdict != Verdict::Allow;
        let full = if refused { self.refused >= KEPT } else { self.kept.len() - self.refused >= KEPT };
        if full {
            self.beyond += 1;
            return None;
        }
        self.refused += usize::from(refused);
        self.kept.push(Call { t, what: bounded(what.as_bytes(), LONGEST), verdict, aside, answer: None });
        Some(self.kept.len() - 1)
    }

    /// Those up to `t`, the latest first, each with its result if that was there by then.
    pub fn rows_at(&self, t: u64) -> Vec<CallRow> {
        let up_to = self.kept.partition_point(|call| call.t <= t);
        self.kept.iter().take(up_to).rev().map(|call| call.row(t)).collect()
    }

    /// Calls that are not kept.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }
}

impl Call {
    fn row(&self, t: u64) -> CallRow {
        let (sign, tone) = match self.verdict {
            Verdict::Deny => ("✘", Tone::Deny),
            Verdict::Ask => ("?", Tone::Ask),
            Verdict::Allow if self.aside => ("·", Tone::Dim),
            Verdict::Allow => ("✔", Tone::Allow),
        };
        let answer = self.answer.as_ref().filter(|(at, _)| *at <= t).map(|(_, answer)| answer.clone());
        CallRow { t: self.t, what: self.what.clone(), sign, tone, answer: answer.unwrap_or_default() }
    }
}

pub fn draw(frame: &mut Frame, area: Rect, view: &McpView, theme: &Theme) {
    let of = |sign: &str| view.rows.iter().filter(|row| row.sign == sign).count();
    let (calls, refused) = (of("✔") + of("?"), of("✘"));
    let mut state = format!("{calls} called");
    if refused > 0 {
        state.push_str(&format!(", {refused} denied"));
    }
    if !view.progress.is_empty() {
        view.progress.clone_into(&mut state);
    }
    let inner = framed(frame, area, Title { left: "mcp", right: &state, focus: view.focus }, view.edge, theme);
    let buffer = frame.buffer_mut();
    if view.rows.is_empty() {
        put(buffer, inner, 1, "no MCP server was called", theme.dim);
    }
    for (row, line) in view.rows.iter().skip(view.scroll).zip(rows(inner)) {
        let line = Rect { x: line.x + line.width.min(1), width: line.width.saturating_sub(2), ..line };
        let at = clock(row.t);
        // Of a narrow line it is the call that is wanted.
        let answer = if line.width < 50 { "" } else { row.answer.as_str() };
        let end = usize::from(line.width).saturating_sub(width(answer));
        let from = width(&at) + 3;
        put(buffer, line, 0, &at, theme.dim);
        put(buffer, line, width(&at) + 1, row.sign, row.tone.style(theme));
        let body = match row.tone {
            Tone::Deny => theme.deny,
            Tone::Dim => theme.dim,
            _ => theme.plain,
        };
        put(buffer, line, from, &front(&row.what, end.saturating_sub(from + 1)), body);
        put(buffer, line, end, answer, theme.dim);
    }
}
