//! The list of events: time, kind, what, and what became of it. The row of the present time is marked, what is to come is dim.
//!
//! Invariant: no more rows are looked at than there is room for; a click is answered by the same arithmetic that drew the row.
//! Leaves to others: folding (`fold`), filtering (the app).

use std::ops::Range;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::edge::{Edge, Title, framed, put, rows};
use super::fold::Cut;
use super::text::{front, middle, program_and_end, width};
use super::words::tenths;
use super::{EventRow, Tone};
use crate::recording::summary::clock as seconds;
use crate::tui::Theme;

/// What the list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventsView<'a> {
    /// Around the present time, oldest first.
    pub rows: &'a [EventRow],
    /// The last row at or before the present time; None before the first.
    pub present: Option<usize>,
    /// What is shown: `all`, `denied`, `path:src`; visible already.
    pub filter: &'a str,
    /// What the empty list says instead: `looking …`, `nothing like that`.
    pub empty: &'a str,
    pub focus: bool,
    pub edge: Edge,
}

/// The rows that are drawn in `height` lines: the present one at two thirds, so that what led to it is seen and a little of
/// what follows.
pub fn window(count: usize, present: Option<usize>, height: usize) -> Range<usize> {
    let above = height.saturating_sub(1) * 2 / 3;
    let from = present.unwrap_or(0).saturating_sub(above).min(count.saturating_sub(height));
    from..count.min(from + height)
}

/// The row at line `y` of the terminal when the list is drawn into `area`.
pub fn row_at(area: Rect, view: &EventsView, y: u16) -> Option<usize> {
    let inner = inside(area, view.edge);
    let line = usize::from(y.checked_sub(inner.y).filter(|line| *line < inner.height)?);
    let shown = window(view.rows.len(), view.present, usize::from(inner.height));
    shown.clone().nth(line)
}

fn inside(area: Rect, edge: Edge) -> Rect {
    match edge {
        Edge::Box => area.inner(ratatui::layout::Margin::new(1, 1)),
        Edge::Line => Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area },
    }
}

pub fn draw(frame: &mut Frame, area: Rect, view: &EventsView, theme: &Theme) {
    let filter = format!("{} ▾", view.filter);
    let title = Title { left: "events", right: &filter, focus: view.focus };
    let inner = framed(frame, area, title, view.edge, theme);
    let buffer = frame.buffer_mut();
    if view.rows.is_empty() {
        put(buffer, inner, 1, view.empty, theme.dim);
        return;
    }
    let shown = window(view.rows.len(), view.present, usize::from(inner.height));
    let clock = view.rows.get(shown.clone()).unwrap_or_default().iter().map(|row| tenths(row.t[0]).len()).max();
    for (index, line) in shown.zip(rows(inner)) {
        if let Some(row) = view.rows.get(index) {
            let when = match view.present {
                Some(present) if index == present => When::Now,
                Some(present) if index < present => When::Past,
                _ => When::Ahead,
            };
            draw_row(buffer, line, row, (when, clock.unwrap_or(7)), theme);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Past,
    Now,
    Ahead,
}

fn draw_row(buffer: &mut Buffer, line: Rect, row: &EventRow, (when, clock): (When, usize), theme: &Theme) {
    if when == When::Now {
        buffer.set_style(line, theme.chosen);
    }
    let calm = |tone: Tone| match when {
        // What was denied or asked stands out even ahead of the time.
        When::Ahead if !matches!(tone, Tone::Deny | Tone::Ask) => theme.dim,
        When::Now if matches!(tone, Tone::Plain | Tone::Dim) => theme.chosen,
        _ => tone.style(theme),
    };
    let body = match row.tone {
        warm @ (Tone::Deny | Tone::Ask) => calm(warm),
        _ => calm(Tone::Plain),
    };
    let mut at = put(buffer, line, 0, if when == When::Now { "▸" } else { " " }, theme.accent);
    // On a narrow list the tenths go first, then the kind: its colour and the verb tell it as well.
    let time = match line.width {
        48.. => format!("{:>clock$}  ", tenths(row.t[0])),
        26.. => format!("{:>1$} ", seconds(row.t[0]), clock.saturating_sub(2)),
        _ => String::new(),
    };
    at = put(buffer, line, at, &time, calm(Tone::Dim));
    if line.width >= 34 {
        at = put(buffer, line, at, &format!("{:<4} ", row.kind), calm(row.tone));
    }
    if !row.verb.is_empty() {
        at = put(buffer, line, at, &format!("{} ", row.verb), calm(row.tone));
    }
    let count = if row.count > 1 { format!("({}) ", row.count) } else { String::new() };
    let end = usize::from(line.width).saturating_sub(2);
    let room = end.saturating_sub(at + width(&count) + usize::from(!count.is_empty() || !row.sign.is_empty()));
    let text = match row.cut {
        Cut::Middle => middle(&row.text, room),
        Cut::Arguments => program_and_end(&row.text, room),
        Cut::End => front(&row.text, room),
    };
    put(buffer, line, at, &text, body);
    put(buffer, line, end.saturating_sub(width(&count)), &count, calm(Tone::Dim));
    put(buffer, line, end, row.sign, calm(row.sign_tone));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_row_stays_in_sight() {
        assert_eq!(window(100, Some(50), 10), 44..54);
        assert_eq!(window(100, Some(2), 10), 0..10);
        assert_eq!(window(100, Some(99), 10), 90..100);
        assert_eq!(window(3, Some(2), 10), 0..3);
        assert_eq!(window(100, None, 3), 0..3);
        assert_eq!(window(100, Some(7), 0), 7..7);
    }
}
