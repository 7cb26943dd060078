//! The list drawn: a header, a row for each session, what the chosen one did last, the keys.
//!
//! Invariant: rows that need a person are the only thing in colour; what has no room goes in this order: the last event, the
//! output's bars, the place.
//! Leaves to others: what rows say (`rows`), where they are on the way (`app`).

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::rates::figure;
use super::rows::{Row, Urgency};
use crate::tui::Theme;
use crate::tui::panels::edge::{put, row, rows};
use crate::tui::panels::text::{front, middle, width};
use crate::tui::panels::{FootView, foot};

/// What the list shows. Texts are visible already.
pub struct ListView<'a> {
    pub rows: &'a [Row],
    /// Among `rows`.
    pub chosen: usize,
    /// The time of day.
    pub clock: &'a str,
    /// What rows are kept by; empty for all.
    pub filter: &'a str,
    /// Sessions that the filter hides.
    pub hidden: usize,
    pub foot: Foot<'a>,
}

pub type Foot<'a> = FootView<'a>;

/// Which column has how many cells; 0 where it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Columns {
    agent: usize,
    place: usize,
    events: usize,
    output: usize,
    last: usize,
}

const ID: usize = 5;
const AGE: usize = 4;
const STATE: usize = 8;
const DENIED: usize = 6;
const ASKS: usize = 4;
const FIGURE: usize = 4;

impl Columns {
    /// For so many cells in all.
    fn of(cells: usize) -> Self {
        let (agent, events) = if cells < 110 { (7, 5) } else { (10, if cells < 160 { 8 } else { 24 }) };
        let output = match cells {
            0..100 => 0,
            100..160 => 5,
            _ => 16,
        };
        let bars = |bars: usize| bars + usize::from(bars > 0) + FIGURE;
        let fixed =
            1 + ID + 1 + agent + 1 + AGE + 2 + STATE + 1 + DENIED + 1 + ASKS + 2 + bars(events) + 2 + bars(output);
        let left = cells.saturating_sub(fixed + 2);
        let (place, last) = match left {
            0..24 => (left, 0),
            24..60 => (left / 2, left - left / 2 - 2),
            _ => (left / 3, left - left / 3 - 2),
        };
        Columns { agent, place: place.min(40), events, output, last: if place > 40 { last + place - 40 } else { last } }
    }
}

/// Draws the whole list.
pub fn draw(frame: &mut Frame, area: Rect, view: &ListView, theme: &Theme) {
    let area = area.intersection(frame.area());
    let mut lines: Vec<Rect> = rows(area).collect();
    let Some(keys) = lines.pop() else { return };
    foot::draw(frame, keys, &view.foot, theme);
    let detail = if lines.len() > 4 { lines.pop() } else { None };
    let mut lines = lines.into_iter();
    if let Some(at) = lines.next() {
        header(frame, at, view, theme);
    }
    let columns = Columns::of(usize::from(area.width));
    if let Some(at) = lines.next() {
        put(frame.buffer_mut(), at, 0, &headings(columns), theme.dim);
    }
    let lines: Vec<Rect> = lines.collect();
    if view.rows.is_empty()
        && let Some(at) = lines.first()
    {
        let empty =
            if view.hidden > 0 { "no session has this text" } else { "no session runs; start one: govsh -- COMMAND" };
        put(frame.buffer_mut(), *at, 1, empty, theme.dim);
    }
    // The chosen row is always in sight.
    let first = (view.chosen + 1).saturating_sub(lines.len());
    for ((index, row), at) in view.rows.iter().enumerate().skip(first).zip(&lines) {
        let style = style(row, theme);
        let chosen = index == view.chosen;
        let style = if chosen { style.patch(theme.strong) } else { style };
        put(frame.buffer_mut(), *at, 0, if chosen { "▸" } else { " " }, style);
        put(frame.buffer_mut(), *at, 1, &cells(row, columns), style);
    }
    if let (Some(at), Some(row)) = (detail, view.rows.get(view.chosen)) {
        let text = told(row, usize::from(at.width));
        put(frame.buffer_mut(), at, 1, &text, if row.urgency == Urgency::Asks { theme.ask } else { theme.dim });
    }
}

fn style(row: &Row, theme: &Theme) -> Style {
    match row.urgency {
        Urgency::Asks => theme.ask,
        Urgency::None => theme.plain,
        Urgency::Over => theme.dim,
    }
}

fn header(frame: &mut Frame, at: Rect, view: &ListView, theme: &Theme) {
    let live = view.rows.iter().filter(|row| row.urgency != Urgency::Over).count();
    let (asks, denied) = (view.rows.iter().map(|row| row.asks), view.rows.iter().map(|row| row.denied));
    let mut counts = format!("{live} live · {} asks · {} denied", asks.sum::<u64>(), denied.sum::<u64>());
    if !view.filter.is_empty() {
        counts.push_str(&format!(" · filter {} ({} hidden)", front(view.filter, 20), view.hidden));
    }
    let clock = format!("{} ", view.clock);
    row(frame.buffer_mut(), at, &[(" govsh watch   ", theme.strong), (&counts, theme.plain)], &[(&clock, theme.dim)]);
}

fn headings(columns: Columns) -> String {
    let bars = |name: &str, bars: usize| {
        let cells = bars + usize::from(bars > 0) + FIGURE;
        right(name, cells)
    };
    let mut line = format!(
        " {} {} {}{} {} {} {}  {}  {}",
        left("ID", ID),
        left("AGENT", columns.agent),
        column("WHERE", columns.place),
        right("AGE", AGE),
        left(" STATE", STATE + 1),
        right("DENIED", DENIED),
        right("ASKS", ASKS),
        bars("EVENTS/s", columns.events),
        bars(if columns.output > 0 { "OUT/s" } else { "OUT" }, columns.output),
    );
    if columns.last > 0 {
        line.push_str("  LAST");
    }
    line
}

fn cells(row: &Row, columns: Columns) -> String {
    let bars = |rates: &super::Rates, bars: usize| {
        let figure = right(&figure(rates.now()), FIGURE);
        if bars > 0 { format!("{} {figure}", rates.bars(bars)) } else { figure }
    };
    let mut line = format!(
        "{} {} {}{} {} {} {}  {}  {}",
        left(&row.id, ID),
        left(&row.agent, columns.agent),
        column(&row.place, columns.place),
        right(&row.age, AGE),
        left(&format!(" {}", row.state), STATE + 1),
        right(&row.denied.to_string(), DENIED),
        right(&row.asks.to_string(), ASKS),
        bars(&row.events, columns.events),
        bars(&row.output, columns.output),
    );
    if columns.last > 0 {
        line.push_str(&format!("  {}", middle(&row.last, columns.last)));
    }
    line
}

/// The chosen session in a line of its own.
fn told(row: &Row, cells: usize) -> String {
    let who = if row.policy.is_empty() { row.id.clone() } else { format!("{} · policy {}", row.id, row.policy) };
    let last = if row.last.is_empty() { "nothing yet" } else { &row.last };
    let room = cells.saturating_sub(width(&who) + 5);
    format!("{who} · {}", middle(last, room))
}

/// A column that may be missing, with the blank behind it.
fn column(text: &str, cells: usize) -> String {
    if cells == 0 { String::new() } else { format!("{} ", left(&middle(text, cells), cells)) }
}

fn left(text: &str, cells: usize) -> String {
    let text = front(text, cells);
    let missing = cells.saturating_sub(width(&text));
    format!("{text}{}", " ".repeat(missing))
}

fn right(text: &str, cells: usize) -> String {
    let text = front(text, cells);
    format!("{}{text}", " ".repeat(cells.saturating_sub(width(&text))))
}

/// The list as plain text, for where there is no terminal.
pub fn text(rows: &[Row]) -> Vec<String> {
    let columns = Columns { agent: 10, place: 32, events: 0, output: 0, last: 0 };
    let title = "ID    AGENT      WHERE                             AGE  STATE    DENIED ASKS  LAST".to_owned();
    let line = |row: &Row| {
        format!(
            "{} {} {}{} {} {} {}  {}",
            left(&row.id, ID),
            left(&row.agent, columns.agent),
            column(&row.place, columns.place),
            right(&row.age, AGE),
            left(&format!(" {}", row.state), STATE + 1),
            right(&row.denied.to_string(), DENIED),
            right(&row.asks.to_string(), ASKS),
            row.last,
        )
    };
    std::iter::once(title).chain(rows.iter().map(line)).collect()
}
