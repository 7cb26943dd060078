//! Rows of what goes between the agent and MCP servers.
//!
//! Invariant: every text is visible and bounded; results are told in a few words, whatever they hold.

use super::super::Tone;
use super::super::text::{MOST, bounded};
use super::{Cut, EventRow, Group, Place};
use crate::event::{Mcp, McpSide, McpWhat};
use crate::policy::{Access, Verdict};
use crate::recording::mcp_phrase;

pub(super) fn fill(row: &mut EventRow, mcp: &Mcp) {
    row.verb = match &mcp.what {
        McpWhat::Call(_) => String::new(),
        McpWhat::Result(_) => "←".to_owned(),
        what => what.op().to_owned(),
    };
    // Made visible by `phrase`, and once more bounded.
    row.text = bounded(mcp_phrase(mcp).as_bytes(), MOST);
    // Server and tool come first: of a narrow line they stay.
    row.cut = Cut::End;
    (row.tone, row.sign, row.sign_tone) = match (mcp.verdict(), &mcp.what) {
        (Some(Verdict::Deny), _) => (Tone::Deny, "✘", Tone::Deny),
        (Some(Verdict::Ask), _) => (Tone::Ask, "?", Tone::Ask),
        (_, McpWhat::Call(_)) => (Tone::Net, "✔", Tone::Allow),
        (_, McpWhat::Result(result)) if result.error.is_some() => (Tone::Dim, "·", Tone::Dim),
        (_, McpWhat::Dropped { side: McpSide::Server, .. }) => (Tone::Ask, "!", Tone::Ask),
        (_, McpWhat::Pin(pin)) if !pin.first => (Tone::Ask, "!", Tone::Ask),
        _ => (Tone::Dim, "", Tone::Plain),
    };
    // The same twice in a row is one row.
    row.group = Some(Group { access: Access::empty(), place: Place::Same });
}
