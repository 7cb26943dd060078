//! The keys, in groups, from the table that input is dispatched by.
//!
//! Invariant: every line of the table is shown, in as many columns as fit, or is reached by scrolling.
//! Leaves to others: what keys do (`keys`).

use ratatui::Frame;
use ratatui::layout::Rect;

use super::edge::{Title, over, put, rows};
use super::text::{front, width};
use crate::tui::{Key, Theme};

/// Columns of a key's words that are worth having.
const WORDS: usize = 34;

/// What the panel shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HelpView {
    /// Headings with their keys and words.
    pub groups: Vec<(&'static str, Vec<(String, &'static str)>)>,
    /// Lines scrolled away at the top.
    pub scroll: usize,
}

impl HelpView {
    /// All of `table`, in its order.
    pub fn of<A>(table: &[Key<A>], scroll: usize) -> Self {
        let mut groups: Vec<(&'static str, Vec<(String, &'static str)>)> = Vec::new();
        for key in table {
            let line = (key.shown(), key.words);
            match groups.iter_mut().find(|(group, _)| *group == key.group) {
                Some((_, lines)) => lines.push(line),
                None => groups.push((key.group, vec![line])),
            }
        }
        Self { groups, scroll }
    }

    fn key_columns(&self) -> usize {
        let keys = self.groups.iter().flat_map(|(_, lines)| lines).map(|(keys, _)| width(keys));
        keys.max().unwrap_or(0).min(16)
    }

    /// Groups over `columns`, one after the other, none parted, as even as they come.
    fn columns(&self, columns: usize) -> Vec<Vec<Line<'_>>> {
        let whole: usize = self.groups.iter().map(|(_, lines)| lines.len() + 2).sum();
        // The lowest height at which the groups in their order fill no more columns than there are.
        let heights = whole.div_ceil(columns.max(1))..=whole;
        heights.map(|height| self.filled(height)).find(|filled| filled.len() <= columns.max(1)).unwrap_or_default()
    }

    fn filled(&self, height: usize) -> Vec<Vec<Line<'_>>> {
        let mut filled: Vec<Vec<Line>> = vec![Vec::new()];
        for (group, lines) in &self.groups {
            let taken = filled.last().map_or(0, Vec::len);
            if taken > 0 && taken + lines.len() + 1 > height {
                filled.push(Vec::new());
            }
            if let Some(column) = filled.last_mut() {
                column.push(Line::Heading(group));
                column.extend(lines.iter().map(|(keys, words)| Line::Key(keys, words)));
                column.push(Line::Blank);
            }
        }
        filled
    }
}

enum Line<'a> {
    Heading(&'a str),
    Key(&'a str, &'a str),
    Blank,
}

/// Columns of text that fit beside each other.
fn beside(view: &HelpView, width: u16) -> usize {
    (usize::from(width) / (view.key_columns() + 2 + WORDS)).clamp(1, 4)
}

/// Columns and rows that it likes to have in a terminal of `width` columns.
pub fn size(view: &HelpView, width: u16) -> (u16, u16) {
    let columns = beside(view, width.saturating_sub(4));
    let height = view.columns(columns).iter().map(Vec::len).max().unwrap_or(0).saturating_sub(1);
    let wide = columns * (view.key_columns() + 4 + WORDS + 12) + 4;
    (u16::try_from(wide).unwrap_or(u16::MAX).min(width), u16::try_from(height + 2).unwrap_or(u16::MAX))
}

pub fn draw(frame: &mut Frame, area: Rect, view: &HelpView, theme: &Theme) {
    let columns = view.columns(beside(view, area.width.saturating_sub(4)));
    let height = columns.iter().map(Vec::len).max().unwrap_or(0).saturating_sub(1);
    let room = usize::from(area.height.saturating_sub(2));
    let scroll = view.scroll.min(height.saturating_sub(room));
    let more = if height > room {
        format!("{}–{} of {height}, ↑↓", scroll + 1, scroll + room)
    } else {
        "esc".to_owned()
    };
    let inner = over(frame, area, Title { left: "keys", right: &more, focus: true }, theme.focus, theme);
    let share = inner.width / u16::try_from(columns.len().max(1)).unwrap_or(1);
    let keys = view.key_columns();
    for (index, column) in (0..).zip(&columns) {
        let part = Rect { x: inner.x + share * index, width: share, ..inner };
        for (line, at) in column.iter().skip(scroll).zip(rows(part)) {
            draw_line(frame, at, line, keys, theme);
        }
    }
}

fn draw_line(frame: &mut Frame, at: Rect, line: &Line, keys: usize, theme: &Theme) {
    let buffer = frame.buffer_mut();
    match line {
        Line::Heading(words) => {
            put(buffer, at, 0, words, theme.strong);
        }
        Line::Key(chords, words) => {
            put(buffer, at, 1, &front(chords, keys), theme.accent);
            let room = usize::from(at.width).saturating_sub(keys + 4);
            put(buffer, at, keys + 3, &front(words, room), theme.plain);
        }
        Line::Blank => {}
    }
}
