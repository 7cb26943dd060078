//! What the panel says: rows of styled text in a place on the screen.
//!
//! Invariant: it fits the screen, whatever its size; everything foreign in it is visible text.
//! Leaves to others: when it is shown, and the bytes that draw it (`paint`).

use std::sync::Arc;
use std::time::Duration;

use super::text::{cut, width};
use super::{menu, question};
use crate::event::Ask;

/// An open question.
#[derive(Debug, Clone)]
pub struct Question {
    pub ask: Arc<Ask>,
    /// The event at which the terminal was as the answerer sees it.
    pub seq: Option<u64>,
    /// Until it is denied.
    pub left: Duration,
    /// Calls that wait for it.
    pub calls: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Dim,
    Strong,
    /// What needs a person.
    Warm,
    /// A key to press.
    Key,
}

/// A piece of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub text: String,
    pub style: Style,
}

/// A row: text from the left, and text at the right edge where there is room for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    pub left: Vec<Span>,
    pub right: Vec<Span>,
    /// The higher, the sooner it is left out; 0 never is.
    pub spare: u8,
}

/// Columns and rows from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Area {
    pub row: u16,
    pub col: u16,
    pub cols: u16,
    pub rows: u16,
}

/// Ready to be painted: rows of spans, each exactly as wide as the area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel {
    pub area: Area,
    pub rows: Vec<Vec<Span>>,
    /// Where a text is being typed: the cursor stands there.
    pub cursor: Option<(u16, u16)>,
}

/// What is to be shown.
pub struct View<'a> {
    pub questions: &'a [Question],
    /// Index of the one in front.
    pub at: usize,
    /// Index of its chosen rule.
    pub choice: usize,
    /// Something to say.
    pub note: Option<&'a str>,
    /// Keys do not count yet.
    pub guarded: bool,
    pub home: &'a [u8],
    pub menu: Option<menu::Menu<'a>>,
}

/// Widest and narrowest panel with a frame, in columns.
const WIDEST: u16 = 78;
const FRAMED_COLS: u16 = 40;
const FRAMED_ROWS: u16 = 8;

pub fn span(text: impl Into<String>, style: Style) -> Span {
    Span { text: text.into(), style }
}

/// Lays out the view on a screen of that size. `plain`: nothing but ASCII in the frame.
pub fn compose(view: &View<'_>, cols: u16, rows: u16, plain: bool) -> Panel {
    let framed = cols >= FRAMED_COLS && rows >= FRAMED_ROWS;
    let across = if framed { (cols - 2).min(WIDEST) } else { cols };
    let inside = if framed { across - 4 } else { across };
    let (title, content) = match &view.menu {
        Some(menu) => menu::rows(menu, view, usize::from(inside)),
        None => question::rows(view, usize::from(inside)),
    };
    let room = usize::from(if framed { rows - 2 } else { rows });
    let content = fit(content, if framed { room } else { room.saturating_sub(1).max(1) });
    let mut painted: Vec<Vec<Span>> = Vec::new();
    if framed {
        painted.push(top(&title, usize::from(across), plain));
        let side = || span(if plain { "| " } else { "│ " }, Style::Dim);
        let other = || span(if plain { " |" } else { " │" }, Style::Dim);
        for row in &content {
            let inner = row.spans(usize::from(inside));
            painted.push([vec![side()], inner, vec![other()]].concat());
        }
        let (left, line, right) = if plain { ("+", "-", "+") } else { ("╰", "─", "╯") };
        painted.push(vec![span(format!("{left}{}{right}", line.repeat(usize::from(across) - 2)), Style::Dim)]);
    } else {
        if rows > 1 {
            painted.push(title.spans(usize::from(inside)));
        }
        painted.extend(content.iter().map(|row| row.spans(usize::from(inside))));
    }
    painted.truncate(usize::from(rows));
    let tall = painted.len() as u16;
    let area = Area { row: (rows - tall) / 2, col: (cols - across) / 2, cols: across, rows: tall };
    let typing = view.menu.as_ref().and_then(|menu| menu.typing);
    let cursor = typing.map(|text| {
        let col = area.col + if framed { 2 } else { 0 } + menu::PROMPT.len() as u16 + width(text) as u16;
        (area.row + if framed { tall.saturating_sub(2) } else { tall - 1 }, col.min(area.col + across - 1))
    });
    Panel { area, rows: painted, cursor }
}

/// Leaves out rows until the rest fits: those with the most to spare first, from the end.
fn fit(mut rows: Vec<Row>, room: usize) -> Vec<Row> {
    while rows.len() > room {
        let most = rows.iter().map(|row| row.spare).max().unwrap_or(0);
        match rows.iter().rposition(|row| row.spare == most) {
            Some(at) => rows.remove(at),
            None => break,
        };
    }
    rows
}

/// `╭─ title ───── 00:47 ─╮`
fn top(title: &Row, across: usize, plain: bool) -> Vec<Span> {
    let (left, line, right) = if plain { ("+", "-", "+") } else { ("╭", "─", "╮") };
    let dim = |text: String| span(text, Style::Dim);
    let words = |spans: &[Span]| spans.iter().map(|piece| width(&piece.text)).sum::<usize>();
    let mut row = vec![dim(format!("{left}{line} "))];
    row.extend(title.left.iter().cloned());
    let used = 3 + words(&title.left) + 1;
    let end = if title.right.is_empty() { 2 } else { words(&title.right) + 4 };
    row.push(dim(format!(" {}", line.repeat(across.saturating_sub(used + end)))));
    if title.right.is_empty() {
        row.push(dim(format!("{line}{right}")));
    } else {
        row.push(dim(" ".to_owned()));
        row.extend(title.right.iter().cloned());
        row.push(dim(format!(" {line}{right}")));
    }
    row
}

impl Row {
    pub fn left(spare: u8, left: Vec<Span>) -> Self {
        Row { left, right: Vec::new(), spare }
    }

    /// Exactly `across` columns: the right part only where both fit; what does not fit is cut in the middle.
    pub fn spans(&self, across: usize) -> Vec<Span> {
        let words = |spans: &[Span]| spans.iter().map(|piece| width(&piece.text)).sum::<usize>();
        let right = words(&self.right);
        let keeps_right = right > 0 && words(&self.left) + 1 + right <= across;
        let room = if keeps_right { across - right } else { across };
        let mut spans = Vec::new();
        let mut used = 0;
        for piece in &self.left {
            let text = cut(&piece.text, room - used);
            used += width(&text);
            spans.push(span(text, piece.style));
        }
        spans.push(span(" ".repeat(room - used), Style::Plain));
        if keeps_right {
            spans.extend(self.right.iter().cloned());
        }
        spans
    }
}
