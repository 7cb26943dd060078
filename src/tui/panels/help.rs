//! The keys, in groups, from the table that input is dispatched by.
//!
//! Invariant: every line of the table is shown, in as many columns as fit, or is reached by scrolling.
//! Leaves to others: what keys do (`keys`).

use ratatui::Frame;
use ratatui::layout::Rect;

use super::edge::{Title, over, put, rows};
use super::text::{front, width, wrap};
use crate::tui::{Key, Theme};

/// Columns of a key's words that are worth having.
const WORDS: usize = 40;

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

    /// Groups over `columns`, one after the other, none parted, as even as they come; words take at most `room` cells.
    fn columns(&self, columns: usize, room: usize) -> Vec<Vec<Line<'_>>> {
        let groups: Vec<_> = self.groups.iter().map(|(group, lines)| block(group, lines, room)).collect();
        let whole: usize = groups.iter().map(|lines| lines.len() + 1).sum();
        // The lowest height at which the groups in their order fill no more columns than there are.
        let heights = whole.div_ceil(columns.max(1))..=whole;
        let filled = heights.map(|height| filled(&groups, height)).find(|filled| filled.len() <= columns.max(1));
        filled.unwrap_or_default()
    }
}

#[derive(Clone)]
enum Line<'a> {
    Heading(&'a str),
    /// Keys are empty where the words of the line above go on.
    Key(&'a str, String),
    Blank,
}

fn block<'a>(group: &'a str, lines: &'a [(String, &'static str)], room: usize) -> Vec<Line<'a>> {
    let mut block = vec![Line::Heading(group)];
    for (keys, words) in lines {
        let wrapped = wrap(words, room).into_iter().enumerate();
        block.extend(wrapped.map(|(at, words)| Line::Key(if at == 0 { keys } else { "" }, words)));
    }
    block
}

fn filled<'a>(groups: &[Vec<Line<'a>>], height: usize) -> Vec<Vec<Line<'a>>> {
    let mut filled: Vec<Vec<Line>> = vec![Vec::new()];
    for block in groups {
        let taken = filled.last().map_or(0, Vec::len);
        if taken > 0 && taken + block.len() + 1 > height {
            filled.push(Vec::new());
        }
        if let Some(column) = filled.last_mut() {
            column.extend((!column.is_empty()).then_some(Line::Blank));
            column.extend(block.iter().cloned());
        }
    }
    filled
}

/// Columns of text that fit beside each other, and cells of words in each.
fn beside(view: &HelpView, width: u16) -> (usize, usize) {
    let (width, keys) = (usize::from(width.saturating_sub(4)), view.key_columns() + 5);
    let columns = (width / (keys + WORDS)).clamp(1, 4);
    (columns, (width / columns).saturating_sub(keys).clamp(8, 64))
}

/// Columns and rows that it likes to have in a terminal of `width` columns.
pub fn size(view: &HelpView, width: u16) -> (u16, u16) {
    let (columns, room) = beside(view, width);
    let height = view.columns(columns, room).iter().map(Vec::len).max().unwrap_or(0);
    let wide = columns * (view.key_columns() + 5 + room) + 4;
    (u16::try_from(wide).unwrap_or(u16::MAX).min(width), u16::try_from(height + 2).unwrap_or(u16::MAX))
}

pub fn draw(frame: &mut Frame, area: Rect, view: &HelpView, theme: &Theme) {
    let (columns, room) = beside(view, area.width);
    let columns = view.columns(columns, room);
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
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
            put(buffer, at, keys + 3, words, theme.plain);
        }
        Line::Blank => {}
    }
}
