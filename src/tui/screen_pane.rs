//! The agent's terminal as cells of ours: what it drew, and nothing that it could do with it.
//!
//! Invariant: each cell becomes one character of its recorded width, and one that moves, hides or reorders others becomes a
//! mark; no recorded byte reaches the viewer's terminal.
//! Leaves to others: which moment is shown (`player`), keys and the mouse (`app`).
//!
//! ```text
//! smaller than the pane: framed        larger: the part with the cursor, or where it was moved to
//! ┌ screen 60×10 ────────────┐         ┌ screen 200×50 ─────────── 81–160, 9–32 ┐
//! │$ make             ┊      │         │                                        │
//! │╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┘      │         │                                        │
//! └──────────────────────────┘         └────────────────────────────────────────┘
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthChar;

use super::Theme;
use crate::recording::hides;
use crate::screen::{Attrs, Cell, Colour, Screen};

/// Stands for a character that is not drawn as itself.
const MARK: char = '\u{fffd}';

/// A cell of the recorded screen, counted from 0. With history, row 0 is its oldest line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Spot {
    pub row: usize,
    pub col: u16,
}

/// Text from one cell to another, in reading order, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    pub from: Spot,
    pub to: Spot,
}

impl Selection {
    /// Both ends in order.
    pub fn ends(&self) -> (Spot, Spot) {
        (self.from.min(self.to), self.from.max(self.to))
    }

    fn holds(&self, spot: Spot) -> bool {
        let (from, to) = self.ends();
        (from..=to).contains(&spot)
    }
}

/// Cells of a row that a search has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub row: usize,
    pub from: u16,
    /// One behind the last.
    pub to: u16,
}

/// What is drawn.
pub struct ScreenView<'a> {
    pub screen: &'a Screen,
    /// Lines above the screen's first that are in sight; 0 shows the screen as it was.
    pub back: usize,
    /// Where the part begins that is shown of a larger screen; None for where the cursor is.
    pub pan: Option<(u16, u16)>,
    pub selection: Option<Selection>,
    pub found: &'a [Found],
}

/// Which cells of the recorded screen stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Cells of our terminal that show cells of the recorded one.
    pub area: Rect,
    /// The recorded cell in its upper left corner.
    pub origin: Spot,
}

impl Placement {
    /// Where `view` stands within `inner`.
    pub fn of(inner: Rect, view: &ScreenView) -> Self {
        let (cols, rows) = view.screen.size();
        let (width, height) = (cols.min(inner.width), rows.min(inner.height));
        let cursor = view.screen.cursor();
        let most = (cols - width, rows - height);
        let (left, top) = match view.pan {
            Some((left, top)) => (left, top),
            // A little of what stands beneath the cursor belongs to it.
            None => (beyond(cursor.col, width).next_multiple_of(8), beyond(cursor.row + height / 4, height)),
        };
        let history = view.screen.scrollback();
        let first = history.saturating_sub(view.back) + usize::from(top.min(most.1));
        Self { area: Rect { width, height, ..inner }, origin: Spot { row: first, col: left.min(most.0) } }
    }

    /// The recorded cell that stands at this place of our terminal; the nearest one for places outside.
    pub fn spot(&self, column: u16, row: u16) -> Spot {
        let (right, bottom) = (self.area.right().saturating_sub(1), self.area.bottom().saturating_sub(1));
        let x = column.clamp(self.area.x, right.max(self.area.x)) - self.area.x;
        let y = row.clamp(self.area.y, bottom.max(self.area.y)) - self.area.y;
        Spot { row: self.origin.row + usize::from(y), col: self.origin.col + x }
    }
}

/// How far a window of `size` has to move for `at` to lie in it.
fn beyond(at: u16, size: u16) -> u16 {
    (at + 1).saturating_sub(size)
}

/// Draws into `inner`, the inside of the pane's border.
pub fn draw(buffer: &mut Buffer, inner: Rect, view: &ScreenView, theme: &Theme) -> Placement {
    let inner = inner.intersection(buffer.area);
    let placement = Placement::of(inner, view);
    let (area, origin) = (placement.area, placement.origin);
    let history = view.screen.scrollback();
    for y in 0..area.height {
        let row = origin.row + usize::from(y);
        let cells = cells_of(view.screen, history, row);
        let mut x = 0;
        while x < area.width {
            let spot = Spot { row, col: origin.col + x };
            let cell = cells.get(usize::from(spot.col)).copied().unwrap_or_default();
            let wide = cell.width == 2;
            let room = area.width - x;
            let style = style(&cell, view, spot, theme);
            let text = drawn(&cell, room);
            if let Some(target) = buffer.cell_mut((area.x + x, area.y + y)) {
                target.set_char(text).set_style(style);
            }
            if wide && room > 1 {
                if let Some(second) = buffer.cell_mut((area.x + x + 1, area.y + y)) {
                    second.set_char(' ').set_style(style);
                }
                x += 1;
            }
            x += 1;
        }
    }
    let cursor = view.screen.cursor();
    let row = (history + usize::from(cursor.row)).checked_sub(origin.row);
    if let (true, Some(row), Some(col)) = (cursor.visible, row, cursor.col.checked_sub(origin.col))
        && row < usize::from(area.height)
        && col < area.width
        && let Some(cell) = buffer.cell_mut((area.x + col, area.y + row as u16))
    {
        cell.modifier.toggle(Modifier::REVERSED);
    }
    frame_smaller(buffer, inner, area, theme);
    placement
}

/// The edge of a screen that leaves room.
fn frame_smaller(buffer: &mut Buffer, inner: Rect, area: Rect, theme: &Theme) {
    let (right, bottom) = (area.right() < inner.right(), area.bottom() < inner.bottom());
    let mut put = |x, y, symbol| {
        if let Some(cell) = buffer.cell_mut((x, y)) {
            cell.set_symbol(symbol).set_style(theme.border);
        }
    };
    if right {
        (area.y..area.bottom()).for_each(|y| put(area.right(), y, "┊"));
    }
    if bottom {
        (area.x..area.right()).for_each(|x| put(x, area.bottom(), "╌"));
    }
    if right && bottom {
        put(area.right(), area.bottom(), "┘");
    }
}

/// A whole row at once: a line deep in the history is looked for once, not for each of its cells.
fn cells_of(screen: &Screen, history: usize, row: usize) -> Vec<Cell> {
    match row.checked_sub(history) {
        Some(row) => u16::try_from(row).map(|row| screen.row(row).collect()).unwrap_or_default(),
        None => screen.scrollback_row(row).collect(),
    }
}

/// What stands in our cell for the recorded one, with `room` cells left in the row.
fn drawn(cell: &Cell, room: u16) -> char {
    let text = cell.text;
    if text.is_ascii() {
        return if text.is_ascii_control() { MARK } else { text };
    }
    let wanted = usize::from(cell.width.max(1));
    if hides(text) || text.width() != Some(wanted) {
        return if wanted == 2 { ' ' } else { MARK };
    }
    // Half of a wide character cannot be drawn.
    if wanted == 2 && room < 2 { '›' } else { text }
}

fn style(cell: &Cell, view: &ScreenView, spot: Spot, theme: &Theme) -> Style {
    let own = Style { fg: Some(colour(cell.fg, theme)), bg: Some(colour(cell.bg, theme)), ..Style::new() };
    let mut style = own.add_modifier(modifiers(cell.attrs));
    if view.found.iter().any(|found| found.row == spot.row && (found.from..found.to).contains(&spot.col)) {
        style = style.remove_modifier(Modifier::REVERSED).patch(theme.found);
    }
    if view.selection.is_some_and(|selection| selection.holds(spot)) {
        style = style.remove_modifier(Modifier::REVERSED).patch(theme.chosen);
    }
    style
}

fn colour(colour: Colour, theme: &Theme) -> Color {
    theme.depth.shown(match colour {
        Colour::Default => Color::Reset,
        Colour::Indexed(index) => Color::Indexed(index),
        Colour::Rgb(r, g, b) => Color::Rgb(r, g, b),
    })
}

fn modifiers(attrs: Attrs) -> Modifier {
    const SAME: [(Attrs, Modifier); 6] = [
        (Attrs::BOLD, Modifier::BOLD),
        (Attrs::DIM, Modifier::DIM),
        (Attrs::ITALIC, Modifier::ITALIC),
        (Attrs::UNDERLINE, Modifier::UNDERLINED),
        (Attrs::INVERSE, Modifier::REVERSED),
        (Attrs::STRIKE, Modifier::CROSSED_OUT),
    ];
    SAME.iter().filter(|(attr, _)| attrs.contains(*attr)).fold(Modifier::empty(), |all, (_, modifier)| all | *modifier)
}

/// The text of a selection, or of the whole screen: lines as drawn, without blanks at their ends and empty lines at its end.
/// Control characters cannot be in it.
pub fn text(screen: &Screen, selection: Option<Selection>) -> String {
    let history = screen.scrollback();
    let (cols, rows) = screen.size();
    let last = Spot { row: history + usize::from(rows - 1), col: cols - 1 };
    let (from, to) = selection.map_or((Spot { row: history, col: 0 }, last), |selection| selection.ends());
    let mut lines = Vec::new();
    for row in from.row..=to.row.min(last.row) {
        let first = if row == from.row { from.col } else { 0 };
        let end = if row == to.row { to.col.min(last.col) } else { last.col };
        let cells = cells_of(screen, history, row);
        let within = cells.get(usize::from(first)..=usize::from(end).min(cells.len().saturating_sub(1)));
        let drawn = within.unwrap_or_default().iter().filter(|cell| cell.width > 0);
        let line: String = drawn.map(|cell| cell.text).filter(|text| !text.is_control()).collect();
        lines.push(line.trim_end().to_owned());
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::Depth;

    fn drawn_rows(screen: &Screen, width: u16, height: u16, pan: Option<(u16, u16)>) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let view = ScreenView { screen, back: 0, pan, selection: None, found: &[] };
        draw(&mut buffer, area, &view, &Theme::new(Depth::True));
        let cell = |x, y| buffer[(x, y)].symbol().to_owned();
        (0..height).map(|y| (0..width).map(|x| cell(x, y)).collect::<String>()).collect()
    }

    fn fed(cols: u16, rows: u16, bytes: &str) -> Screen {
        let mut screen = Screen::new(cols, rows);
        screen.feed(bytes.as_bytes());
        screen
    }

    #[test]
    fn a_smaller_screen_is_framed() {
        let screen = fed(4, 2, "abcd\r\nef");
        assert_eq!(drawn_rows(&screen, 6, 4, None), ["abcd┊ ", "ef  ┊ ", "╌╌╌╌┘ ", "      "]);
    }

    #[test]
    fn a_larger_screen_is_shown_where_the_cursor_is_or_where_it_was_moved() {
        let screen = fed(20, 6, "one\r\ntwo\r\nthree\r\nfour\r\nfive\r\n0123456789abc");
        assert_eq!(drawn_rows(&screen, 10, 2, None), ["          ", "89abc     "]);
        assert_eq!(drawn_rows(&screen, 10, 2, Some((0, 0))), ["one       ", "two       "]);
        assert_eq!(drawn_rows(&screen, 10, 2, Some((99, 99)))[1], "abc       ");
    }

    #[test]
    fn wide_characters_keep_their_columns() {
        let screen = fed(6, 1, "a漢字b");
        assert_eq!(drawn_rows(&screen, 6, 1, None), ["a漢 字 b"]);
        assert_eq!(drawn_rows(&screen, 4, 1, Some((0, 0))), ["a漢 ›"]);
    }

    #[test]
    fn colours_and_attributes_come_over() {
        let screen = fed(4, 1, "\x1b[1;38;2;1;2;3;48;5;7mx\x1b[0;7my");
        let area = Rect::new(0, 0, 4, 1);
        let mut buffer = Buffer::empty(area);
        let view = ScreenView { screen: &screen, back: 0, pan: None, selection: None, found: &[] };
        draw(&mut buffer, area, &view, &Theme::new(Depth::True));
        let first = &buffer[(0, 0)];
        assert_eq!((first.fg, first.bg, first.modifier), (Color::Rgb(1, 2, 3), Color::Indexed(7), Modifier::BOLD));
        assert_eq!(buffer[(1, 0)].modifier, Modifier::REVERSED);
        draw(&mut buffer, area, &view, &Theme::new(Depth::None));
        assert_eq!((buffer[(0, 0)].fg, buffer[(0, 0)].modifier), (Color::Reset, Modifier::BOLD));
    }

    #[test]
    fn nothing_hidden_is_drawn_as_itself() {
        let screen = fed(20, 1, "a\u{202e}b\u{ad}c\u{200b}d\u{85}e\u{feff}f");
        let row = drawn_rows(&screen, 20, 1, None).concat();
        assert!(!row.chars().any(|c| c.is_control() || hides(c)), "{row:?}");
    }

    #[test]
    fn text_is_copied_as_it_is_read() {
        let screen = fed(8, 3, "one 漢  \r\n  two\r\n");
        assert_eq!(text(&screen, None), "one 漢\n  two");
        let part = Selection { from: Spot { row: 1, col: 3 }, to: Spot { row: 0, col: 4 } };
        assert_eq!(text(&screen, Some(part)), "漢\n  tw");
    }
}
