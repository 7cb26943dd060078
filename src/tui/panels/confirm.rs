//! A deed that needs a second key: ending a session, freezing it.
//!
//! Invariant: what will happen is said in whole; the way out stands first.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::edge::{Title, over, put, rows};
use super::text::wrap;
use crate::tui::Theme;

/// What the panel shows. Texts are visible already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfirmView<'a> {
    /// `end k3f9?`
    pub title: &'a str,
    /// What will happen, in sentences.
    pub says: &'a str,
    /// Keys and words for both ways.
    pub no: (&'a str, &'a str),
    pub yes: (&'a str, &'a str),
    /// It cannot be undone.
    pub grave: bool,
}

/// Columns and rows that it needs, in at most `width` columns.
pub fn size(view: &ConfirmView, width: u16) -> (u16, u16) {
    let columns = width.min(60);
    let lines = wrap(view.says, usize::from(columns).saturating_sub(4)).len();
    (columns, u16::try_from(lines + 4).unwrap_or(u16::MAX))
}

pub fn draw(frame: &mut Frame, area: Rect, view: &ConfirmView, theme: &Theme) {
    let lines = if view.grave { theme.deny } else { theme.focus };
    let inner = over(frame, area, Title { left: view.title, right: "", focus: true }, lines, theme);
    let buffer = frame.buffer_mut();
    let body = wrap(view.says, usize::from(inner.width));
    let keep = usize::from(inner.height).saturating_sub(2).max(1);
    for (text, line) in body.iter().take(keep).zip(rows(inner)) {
        put(buffer, line, 0, text, theme.plain);
    }
    let Some(last) = rows(inner).last() else { return };
    let at = put(buffer, last, 0, view.no.0, theme.accent);
    let at = put(buffer, last, at + 1, view.no.1, theme.plain);
    let at = put(buffer, last, at + 4, view.yes.0, if view.grave { theme.deny } else { theme.accent });
    put(buffer, last, at + 1, view.yes.1, theme.plain);
}
