//! The map of a session: density of output, a lane for each kind, denials and questions on a line of their own, and the ball.
//!
//! Invariant: all lanes share one axis, so that what stands above one another happened at the same time; a denial is never lost
//! for want of columns. Warm colours are on its own line alone.
//! Leaves to others: where figures come from (the frames' tallies), dragging (the app, by [`Scale`]).
//!
//! ```text
//!  out   ▁▂▃▂▁▁▁▅▇▅▂▁    ▂▃▁▁░░░░   4.1M   what is not known yet is ░, silence is blank
//!  exec  ┊ ┊┊  ┊  ┊┊│┊    ┊┊            41
//!  file  ▂▂▁▁▃▃▂▁▁▁
//!  net   ╷  ╷╷   ╷
//!  ✘ ?        ✘         ?             2 ?1
//!        ├────┼─────●──╌╌╌╌──◆──────┤       pauses are dotted, ◆ is a marker
//!        0:00      4:00      8:00            only where there is room
//! ```

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::edge::put;
use super::words::round;
use crate::recording::summary::clock;
use crate::tui::Theme;

mod columns;
mod scale;

pub use columns::{Column, Columns};
pub use scale::Scale;

/// What is known of a stretch of time: one for each frame, from its tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Time of its first and last event, in nanoseconds since the session's start.
    pub from: u64,
    pub to: u64,
    /// Bytes of output, or whatever grows with them.
    pub out: u64,
    pub exec: u64,
    pub file: u64,
    pub net: u64,
    pub mcp: u64,
    pub denied: u64,
    pub asked: u64,
}

/// A moment that is known exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// In nanoseconds since the session's start.
    pub t: u64,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    Denial,
    Question,
    Alert,
    Marker,
    /// Found by a search.
    Hit,
}

/// How the right end is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Edge {
    /// The session ended and the recording was closed.
    #[default]
    Closed,
    /// It goes on: the axis grows.
    Live,
    /// The recording stops without an end.
    Cut,
}

/// What the timeline shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimelineView<'a> {
    /// In order of time.
    pub spans: &'a [Span],
    /// Known up to here, in nanoseconds; what lies behind is drawn as unknown.
    pub known: u64,
    /// In any order. Where a span's denials are among them, the span should count none itself: else they are drawn at its beginning.
    pub ticks: &'a [Tick],
    /// The present time and the end, in nanoseconds since the session's start.
    pub now: u64,
    pub total: u64,
    pub edge: Edge,
    /// Denials and questions of the whole session, where that is known better than by `spans` and `ticks`.
    pub counts: Option<(u64, u64)>,
}

/// Columns of the labels, in front of the axis.
fn label_columns(width: u16) -> u16 {
    match width {
        50.. => 7,
        12.. => 3,
        _ => 0,
    }
}

/// Columns of the figures, behind it.
fn figure_columns(width: u16) -> u16 {
    match width {
        72.. => 7,
        _ => u16::from(width >= 12),
    }
}

/// The axis when the timeline is drawn into `area`: which column is which time. The mouse asks it.
pub fn scale(area: Rect, total: u64) -> Scale {
    let (label, figures) = (label_columns(area.width), figure_columns(area.width));
    Scale::new(area.x + label, area.width.saturating_sub(label + figures), total)
}

/// The lines from the top, for the height that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Out,
    Exec,
    File,
    Net,
    /// Only of sessions with MCP servers.
    Mcp,
    /// Exec, file, net and mcp in one.
    Acts,
    Wrong,
    Track,
    Clock,
}

fn lanes(height: u16, mcp: bool) -> &'static [Lane] {
    use Lane::{Acts, Clock, Exec, File, Mcp, Net, Out, Track, Wrong};
    match height {
        6 if mcp => &[Out, Exec, Net, Mcp, Wrong, Track],
        7 if mcp => &[Out, Exec, File, Net, Mcp, Wrong, Track],
        8.. if mcp => &[Out, Exec, File, Net, Mcp, Wrong, Track, Clock],
        0 => &[],
        1 => &[Track],
        2 => &[Wrong, Track],
        3 => &[Out, Wrong, Track],
        4 => &[Out, Acts, Wrong, Track],
        5 => &[Out, Acts, Wrong, Track, Clock],
        6 => &[Out, Exec, File, Net, Wrong, Track],
        _ => &[Out, Exec, File, Net, Wrong, Track, Clock],
    }
}

pub fn draw(frame: &mut Frame, area: Rect, view: &TimelineView, theme: &Theme) {
    let area = area.intersection(frame.area());
    let scale = scale(area, view.total);
    let columns = Columns::new(view, &scale);
    let buffer = frame.buffer_mut();
    let lanes = lanes(area.height, view.spans.iter().any(|span| span.mcp > 0));
    for (lane, line) in lanes.iter().zip(super::edge::rows(area)) {
        let pen = &mut Pen { buffer, line, axis: scale.x - area.x, alone: lanes.len() == 1 };
        label(pen, *lane, theme);
        figures(pen, *lane, (&columns, view), theme);
        match lane {
            Lane::Track => track(pen, &columns, view, theme),
            Lane::Clock => times(pen, &scale, theme),
            _ => lane_cells(pen, *lane, &columns, theme),
        }
    }
}

/// One line of the timeline under way.
struct Pen<'b> {
    buffer: &'b mut Buffer,
    line: Rect,
    /// Columns in front of the axis.
    axis: u16,
    /// The track is the only line: denials and questions stand on it.
    alone: bool,
}

impl Pen<'_> {
    fn cell(&mut self, column: usize, symbol: &str, style: Style) {
        put(self.buffer, self.line, usize::from(self.axis) + column, symbol, style);
    }
}

fn label(pen: &mut Pen, lane: Lane, theme: &Theme) {
    let words = match lane {
        Lane::Out => ["out", "o"],
        Lane::Exec => ["exec", "x"],
        Lane::File => ["file", "f"],
        Lane::Net => ["net", "n"],
        Lane::Mcp => ["mcp", "m"],
        Lane::Acts => ["acts", "a"],
        Lane::Wrong => ["✘ ?", "✘"],
        Lane::Track | Lane::Clock => return,
    };
    let word = if pen.axis >= 7 { words[0] } else { words[1] };
    if pen.axis > 0 {
        put(pen.buffer, pen.line, 1, word, theme.dim);
    }
}

fn figures(pen: &mut Pen, lane: Lane, (columns, view): (&Columns, &TimelineView), theme: &Theme) {
    let width = pen.line.width;
    if figure_columns(width) < 7 {
        return;
    }
    let sum = |of: fn(&Span) -> u64| view.spans.iter().map(of).fold(0, u64::saturating_add);
    let (text, style) = match lane {
        Lane::Out => (round(sum(|span| span.out)), theme.dim),
        Lane::Exec => (round(sum(|span| span.exec)), theme.dim),
        Lane::File => (round(sum(|span| span.file)), theme.dim),
        Lane::Net => (round(sum(|span| span.net)), theme.dim),
        Lane::Mcp => (round(sum(|span| span.mcp)), theme.dim),
        Lane::Acts => (round(sum(|span| span.exec + span.file + span.net + span.mcp)), theme.dim),
        Lane::Wrong => return wrong_figures(pen, view.counts.unwrap_or(columns.wrong), theme),
        Lane::Track | Lane::Clock => return,
    };
    put(pen.buffer, pen.line, usize::from(width).saturating_sub(1 + text.len()), &text, style);
}

fn wrong_figures(pen: &mut Pen, (denied, asked): (u64, u64), theme: &Theme) {
    let part = |sign: &str, count: u64| if count == 0 { String::new() } else { format!("{sign}{}", round(count)) };
    let (denied, asked) = (part("✘", denied), part("?", asked));
    let length = denied.chars().count() + asked.chars().count();
    let both = !denied.is_empty() && !asked.is_empty();
    let from = usize::from(pen.line.width).saturating_sub(1 + length + usize::from(both && length < 6));
    let at = put(pen.buffer, pen.line, from, &denied, theme.deny);
    put(pen.buffer, pen.line, at + usize::from(both && length < 6), &asked, theme.ask);
}

const LEVELS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// A figure among others as a bar. The square root lets a little be seen beside a lot.
fn level(figure: u64, most: u64) -> &'static str {
    if figure == 0 || most == 0 {
        return " ";
    }
    let share = (figure as f64 / most as f64).sqrt() * (LEVELS.len() as f64);
    LEVELS.get((share.ceil() as usize).clamp(1, LEVELS.len()) - 1).unwrap_or(&"█")
}

fn lane_cells(pen: &mut Pen, lane: Lane, columns: &Columns, theme: &Theme) {
    let most = |of: fn(&Column) -> u64| columns.cells.iter().map(of).max().unwrap_or(0);
    let (out, file, acts) = (most(|column| column.out), most(|column| column.file), most(Column::acts));
    for (at, column) in columns.cells.iter().enumerate() {
        let (symbol, style) = match lane {
            _ if !column.known => (if lane == Lane::Out { "░" } else { " " }, theme.dim),
            Lane::Out => (level(column.out, out), theme.plain),
            Lane::Exec => (few(column.exec, ["┊", "│"]), theme.exec),
            Lane::File => (level(column.file, file), theme.file),
            Lane::Net => (few(column.net, ["╷", "│"]), theme.net),
            Lane::Mcp => (few(column.mcp, ["╷", "│"]), theme.net),
            Lane::Acts if column.net + column.mcp > 0 => (level(column.acts(), acts), theme.net),
            Lane::Acts if column.exec > 0 => (level(column.acts(), acts), theme.exec),
            Lane::Acts => (level(column.acts(), acts), theme.file),
            Lane::Wrong if column.denied => ("✘", theme.deny),
            Lane::Wrong if column.asked => ("?", theme.ask),
            Lane::Wrong | Lane::Track | Lane::Clock => continue,
        };
        // What is still to come steps back; what was denied or asked never does.
        let style = if columns.ball.is_some_and(|ball| at > ball) && lane != Lane::Wrong { theme.dim } else { style };
        pen.cell(at, symbol, style);
    }
}

/// Some, or many.
fn few(figure: u64, [some, many]: [&'static str; 2]) -> &'static str {
    match figure {
        0 => " ",
        1 | 2 => some,
        _ => many,
    }
}

fn track(pen: &mut Pen, columns: &Columns, view: &TimelineView, theme: &Theme) {
    let last = columns.cells.len().saturating_sub(1);
    for (at, column) in columns.cells.iter().enumerate() {
        let line = match (at, view.edge) {
            (0, _) => "├",
            (at, Edge::Closed) if at == last => "┤",
            (at, Edge::Live) if at == last => "▷",
            (at, Edge::Cut) if at == last => "╳",
            _ if !column.known => "·",
            _ if column.idle => "╌",
            _ => "─",
        };
        let (symbol, style) = match column {
            _ if Some(at) == columns.ball => ("●", theme.accent),
            Column { denied: true, .. } if pen.alone => ("✘", theme.deny),
            Column { asked: true, .. } if pen.alone => ("?", theme.ask),
            Column { marker: true, .. } => ("◆", theme.accent),
            Column { hit: true, .. } => ("╿", theme.found),
            Column { denied: true, .. } | Column { asked: true, .. } if line == "─" || line == "╌" => {
                ("┴", theme.border)
            }
            _ => (line, theme.border),
        };
        pen.cell(at, symbol, style);
    }
}

/// Times beneath the track, as many as stay apart.
fn times(pen: &mut Pen, scale: &Scale, theme: &Theme) {
    let step = scale.step(12);
    let mut free = 0;
    for t in (0..).map(|index: u64| index.saturating_mul(step)).take_while(|t| *t <= scale.total).take(400) {
        let (at, text) = (usize::from(scale.column(t) - scale.x), clock(t));
        if at >= free && at + text.len() <= usize::from(scale.width) {
            pen.cell(at, &text, theme.dim);
            free = at + text.len() + 2;
        }
    }
}
