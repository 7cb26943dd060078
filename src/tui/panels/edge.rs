//! What parts the panels, and rows of text drawn into them.
//!
//! Invariant: nothing is drawn outside the area that was given; the right end of a row goes before the left one is cut.
//! Leaves to others: what the words are; they are safe already.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::border;
use ratatui::symbols::merge::MergeStrategy;
use ratatui::widgets::{Block, Borders, Clear, Widget};

use super::text::{front, width};
use crate::tui::Theme;

/// How a panel is parted from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Edge {
    /// A border on all sides, which neighbours share.
    #[default]
    Box,
    /// A line above it, with the title.
    Line,
}

/// What stands in the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Title<'a> {
    pub left: &'a str,
    pub right: &'a str,
    /// The panel has the keys.
    pub focus: bool,
}

/// Draws the edge of a panel and gives back what is inside.
pub fn framed(frame: &mut Frame, area: Rect, title: Title, edge: Edge, theme: &Theme) -> Rect {
    let area = area.intersection(frame.area());
    let lines = if title.focus { theme.focus } else { theme.border };
    let borders = if edge == Edge::Box { Borders::ALL } else { Borders::TOP };
    let block = Block::new().borders(borders).border_style(lines).merge_borders(MergeStrategy::Exact);
    let inner = block.inner(area);
    block.render(area, frame.buffer_mut());
    let inset = u16::from(edge == Edge::Box);
    let row =
        Rect { x: area.x + inset, width: area.width.saturating_sub(2 * inset), height: area.height.min(1), ..area };
    titles(frame.buffer_mut(), row, title, if title.focus { theme.focus } else { theme.dim }, theme);
    inner
}

/// A box of its own over what is there; gives back what is inside.
pub fn over(frame: &mut Frame, area: Rect, title: Title, lines: Style, theme: &Theme) -> Rect {
    let area = area.intersection(frame.area());
    Clear.render(area, frame.buffer_mut());
    let block = Block::bordered().border_set(border::ROUNDED).border_style(lines);
    let inner = block.inner(area);
    block.render(area, frame.buffer_mut());
    let row = Rect { x: area.x + 1, width: area.width.saturating_sub(2), height: area.height.min(1), ..area };
    titles(frame.buffer_mut(), row, title, lines, theme);
    // A cell of air on both sides, where there is room for it.
    let air = u16::from(inner.width > 30);
    Rect { x: inner.x + air, width: inner.width.saturating_sub(2 * air), ..inner }
}

fn titles(buffer: &mut Buffer, row: Rect, title: Title, style: Style, theme: &Theme) {
    let room = usize::from(row.width);
    let right = if title.right.is_empty() { String::new() } else { format!(" {} ", title.right) };
    let right = if width(&right) + 8 > room { String::new() } else { right };
    let left = if title.left.is_empty() { String::new() } else { format!(" {} ", title.left) };
    let left = front(&left, room.saturating_sub(width(&right) + 1));
    let style = if title.focus { style.patch(theme.strong) } else { style };
    // One cell of the line stays visible before a title, so that it reads as part of it.
    put(buffer, row, usize::from(room > 6 && !left.is_empty()), &left, style);
    put(buffer, row, room.saturating_sub(width(&right) + usize::from(!right.is_empty())), &right, style);
}

/// Pieces of a row, each with its style.
pub type Pieces<'a> = [(&'a str, Style)];

/// Writes `text` into the first row of `area` from column `at` on, as far as there is room; gives back where it ends.
pub fn put(buffer: &mut Buffer, area: Rect, at: usize, text: &str, style: Style) -> usize {
    let Some(room) = usize::from(area.width).checked_sub(at).filter(|room| *room > 0 && area.height > 0) else {
        return at;
    };
    let x = area.x.saturating_add(u16::try_from(at).unwrap_or(u16::MAX));
    let (end, _) = buffer.set_stringn(x, area.y, text, room, style);
    usize::from(end.saturating_sub(area.x))
}

/// Writes `left` from the left and `right` up to the right end; where both have no room, `right` is left out.
pub fn row(buffer: &mut Buffer, area: Rect, left: &Pieces, right: &Pieces) {
    let wide = |pieces: &Pieces| pieces.iter().map(|(text, _)| width(text)).sum::<usize>();
    let room = usize::from(area.width);
    let ends = wide(right);
    if ends > 0 && wide(left) + ends < room {
        right.iter().fold(room - ends, |at, (text, style)| put(buffer, area, at, text, *style));
    }
    left.iter().fold(0, |at, (text, style)| put(buffer, area, at, text, *style));
}

/// The rows of `area`, from the top.
pub fn rows(area: Rect) -> impl Iterator<Item = Rect> {
    (0..area.height).map(move |index| Rect { y: area.y + index, height: 1, ..area })
}
