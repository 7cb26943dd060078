//! What the views are made of: one panel, one function, one file, each over a plain structure that the app fills.
//!
//! Invariant: a panel decides nothing and reads nothing; the same structure draws the same cells, whether it came from a running
//! session or from a file. Untrusted text passed `recording::visible` before it is in a view (`text` does it while it bounds it).
//! Leaves to others: keys and state (`app`), where events come from (`source`).
//!
//! ```text
//! events ─fold─▶ rows ─┐
//! event ──detail::of──▶ ├─ views ─draw─▶ cells ─ascii::replace, where the locale is not UTF-8─▶ terminal
//! tallies ─spans───────┘        ▲ layout::areas
//! ```

use ratatui::style::Style;

use super::Theme;

pub mod ascii;
pub mod confirm;
pub mod detail;
pub mod edge;
pub mod events;
pub mod fold;
pub mod foot;
pub mod header;
pub mod help;
pub mod layout;
pub mod mcp;
pub mod net;
pub mod question;
pub mod text;
pub mod timeline;
pub mod tree;
pub mod words;

#[cfg(test)]
mod tests;

pub use confirm::ConfirmView;
pub use detail::DetailView;
pub use edge::{Edge, Title, framed};
pub use events::EventsView;
pub use fold::EventRow;
pub use foot::FootView;
pub use header::HeaderView;
pub use help::HelpView;
pub use layout::{Areas, Form, Wanted, areas};
pub use mcp::McpView;
pub use net::NetView;
pub use question::QuestionView;
pub use timeline::TimelineView;
pub use tree::TreeView;
pub use words::Bearings;

/// What a piece of text is, for the theme to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tone {
    #[default]
    Plain,
    Dim,
    Strong,
    Accent,
    Deny,
    Ask,
    Allow,
    Exec,
    File,
    Net,
}

impl Tone {
    pub fn style(self, theme: &Theme) -> Style {
        match self {
            Tone::Plain => theme.plain,
            Tone::Dim => theme.dim,
            Tone::Strong => theme.strong,
            Tone::Accent => theme.accent,
            Tone::Deny => theme.deny,
            Tone::Ask => theme.ask,
            Tone::Allow => theme.allow,
            Tone::Exec => theme.exec,
            Tone::File => theme.file,
            Tone::Net => theme.net,
        }
    }
}
