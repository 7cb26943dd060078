//! Rows of characters: the cells of a [`Glass`](super::Glass).
//!
//! Invariant: every row has the same length; behind `used` a row is blank. What is asked of a place outside is nothing.
//! Leaves to others: the cursor and its margins.

use std::collections::VecDeque;
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

use super::Eye;

/// The right half of a wide character.
const TAIL: char = '\0';
/// First character that can be of no width.
const FIRST_COMBINING: char = '\u{300}';

/// Takes no cell: left out, as by `Screen`.
pub(in super::super) fn is_combining(ch: char) -> bool {
    ch >= FIRST_COMBINING && ch.width() == Some(0)
}

/// Cells that a character takes.
pub(super) fn width(ch: char) -> usize {
    if ch <= '\u{7e}' || ch.width().unwrap_or(1) != 2 { 1 } else { 2 }
}

/// A match that stands on the screen, by its own text and by that of its line up to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Standing {
    pub own: u64,
    pub line: u64,
}

#[derive(Debug, Clone, Default)]
pub(in super::super) struct Row {
    cells: Vec<char>,
    used: usize,
    /// There may be characters that take two cells.
    wide: bool,
    /// It goes on in the next row.
    pub wrapped: bool,
    /// It has changed since it was looked at.
    pub dirty: bool,
    /// Matches that begin in it.
    pub standing: Vec<Standing>,
}

impl Row {
    fn blank(cols: usize) -> Self {
        Row { cells: vec![' '; cols], ..Row::default() }
    }

    /// Appends its characters, up to the last that was written.
    pub(in super::super) fn text(&self, out: &mut String) {
        const LANE: usize = 32;
        let used = self.cells.get(..self.used).unwrap_or_default();
        out.reserve(used.len());
        for piece in used.chunks(LANE) {
            // Without early ends the compiler takes the lane at once.
            if piece.iter().fold(true, |all, ch| all & (u32::from(*ch).wrapping_sub(1) < 0x7f)) {
                let mut lane = [b' '; LANE];
                lane.iter_mut().zip(piece).for_each(|(byte, ch)| *byte = *ch as u8);
                out.push_str(std::str::from_utf8(lane.get(..piece.len()).unwrap_or_default()).unwrap_or_default());
            } else {
                out.extend(piece.iter().filter(|ch| **ch != TAIL));
            }
        }
    }

    /// Whether it holds this character.
    pub(in super::super) fn holds(&self, ch: char) -> bool {
        const LANE: usize = 32;
        let used = self.cells.get(..self.used).unwrap_or_default();
        used.chunks(LANE).any(|lane| lane.iter().fold(false, |any, cell| any | (*cell == ch)))
    }

    fn reset(&mut self) {
        if let Some(used) = self.cells.get_mut(..self.used) {
            used.fill(' ');
        }
        (self.used, self.wide, self.wrapped, self.dirty) = (0, false, false, false);
        self.standing.clear();
    }

    fn at(&self, col: usize) -> char {
        self.cells.get(col).copied().unwrap_or(' ')
    }

    fn set(&mut self, col: usize, ch: char) {
        if let Some(cell) = self.cells.get_mut(col) {
            *cell = ch;
        }
    }

    fn touch(&mut self, used: usize) {
        self.dirty = true;
        self.used = self.used.max(used.min(self.cells.len()));
    }

    fn is_tail(&self, col: usize) -> bool {
        self.at(col) == TAIL
    }

    fn is_head(&self, col: usize) -> bool {
        self.is_tail(col + 1)
    }

    /// Writes a character over what is there; its width, or None when a wide one does not fit.
    fn put(&mut self, col: usize, ch: char) -> Option<usize> {
        let width = width(ch);
        if width == 2 && col + 1 >= self.cells.len() {
            return None;
        }
        if self.wide {
            if self.is_tail(col) {
                self.set(col - 1, ' ');
            } else if width == 1 && self.is_head(col) {
                self.set(col + 1, ' ');
            }
            if width == 2 && !self.is_tail(col + 1) && self.is_head(col + 1) {
                self.set(col + 2, ' ');
            }
        }
        self.set(col, ch);
        if width == 2 {
            self.set(col + 1, TAIL);
            self.wide = true;
        }
        self.touch(col + width);
        Some(width)
    }

    fn clear(&mut self, range: Range<usize>) {
        let cols = self.cells.len();
        if range.start >= cols {
            return;
        }
        let start = range.start - usize::from(self.is_tail(range.start));
        let end = (range.end + usize::from(range.end < cols && self.is_tail(range.end))).min(cols);
        if let Some(cells) = self.cells.get_mut(start..end) {
            cells.fill(' ');
        }
        self.dirty = true;
        if end >= self.used {
            self.used = self.used.min(start);
        }
    }

    /// Makes room for `count` cells; what they hold then is to be written over.
    fn shift_right(&mut self, col: usize, count: usize) {
        let cols = self.cells.len();
        let col = col.min(cols - 1);
        if self.is_tail(col) {
            self.set(col, ' ');
            self.set(col - 1, ' ');
        }
        if let Some(cells) = self.cells.get_mut(col..) {
            cells.rotate_right(count.min(cells.len()));
        }
        if self.is_tail(col) {
            self.set(col, ' ');
            self.set(cols - 1, ' ');
        }
        self.touch(cols);
    }

    fn delete(&mut self, col: usize, count: usize) {
        let cols = self.cells.len();
        if self.is_tail(col) {
            self.set(col - 1, ' ');
        }
        if let Some(cells) = self.cells.get_mut(col..) {
            cells.rotate_left(count.min(cells.len()));
        }
        if self.is_tail(col) {
            self.set(col, ' ');
        }
        if let Some(cells) = self.cells.get_mut(cols - count..) {
            cells.fill(' ');
        }
        self.touch(cols);
        self.wrapped = false;
    }
}

#[derive(Debug, Clone)]
pub(in super::super) struct Grid {
    rows: VecDeque<Row>,
    cols: usize,
}

impl Grid {
    pub(super) fn new(cols: usize, rows: usize) -> Self {
        Grid { rows: (0..rows).map(|_| Row::blank(cols)).collect(), cols }
    }

    pub(in super::super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(in super::super) fn row(&self, row: usize) -> Option<&Row> {
        self.rows.get(row)
    }

    pub(in super::super) fn row_mut(&mut self, row: usize) -> Option<&mut Row> {
        self.rows.get_mut(row)
    }

    /// First and last row of the line that `row` is part of.
    pub(in super::super) fn line(&self, row: usize) -> (usize, usize) {
        let wrapped = |row: usize| self.rows.get(row).is_some_and(|row| row.wrapped);
        let (mut first, mut last) = (row, row);
        while first > 0 && wrapped(first - 1) {
            first -= 1;
        }
        while last + 1 < self.rows.len() && wrapped(last) {
            last += 1;
        }
        (first, last)
    }

    /// All rows count as changed.
    pub(super) fn soil(&mut self) {
        self.rows.iter_mut().for_each(|row| row.dirty = true);
    }

    /// Nothing was written below `row`.
    pub(super) fn is_blank_below(&self, row: usize) -> bool {
        self.rows.iter().skip(row + 1).all(|row| row.used == 0)
    }

    /// Writes printable ASCII, if it fits.
    pub(super) fn put_ascii(&mut self, row: usize, col: usize, text: &[u8]) -> bool {
        let Some(row) = self.rows.get_mut(row) else { return false };
        let end = col + text.len();
        if row.wide && end <= row.cells.len() {
            // What is left of characters that are written over in half.
            if row.is_tail(col) && col > 0 {
                row.set(col - 1, ' ');
            }
            if row.is_tail(end) {
                row.set(end, ' ');
            }
        }
        let Some(cells) = row.cells.get_mut(col..end) else { return false };
        for (cell, byte) in cells.iter_mut().zip(text) {
            *cell = char::from(*byte);
        }
        row.touch(end);
        true
    }

    pub(super) fn put(&mut self, row: usize, col: usize, ch: char) -> Option<usize> {
        self.rows.get_mut(row)?.put(col, ch)
    }

    /// The character at the cursor's left.
    pub(super) fn before(&self, row: usize, col: usize) -> char {
        let Some(row) = self.rows.get(row) else { return ' ' };
        let mut at = col.saturating_sub(1);
        while at > 0 && row.is_tail(at) {
            at -= 1;
        }
        row.at(at)
    }

    pub(super) fn wrap(&mut self, row: usize, wrapped: bool) {
        if let Some(row) = self.rows.get_mut(row) {
            row.wrapped = wrapped;
        }
    }

    pub(super) fn clear(&mut self, row: usize, range: Range<usize>) {
        if let Some(row) = self.rows.get_mut(row) {
            row.clear(range);
        }
    }

    pub(super) fn shift_right(&mut self, row: usize, col: usize, count: usize) {
        if let Some(row) = self.rows.get_mut(row) {
            row.shift_right(col, count);
        }
    }

    pub(super) fn delete(&mut self, row: usize, col: usize, count: usize) {
        if let Some(row) = self.rows.get_mut(row) {
            row.delete(col, count);
        }
    }

    /// Whole rows become blank.
    pub(super) fn erase(&mut self, rows: Range<usize>, eye: &mut impl Eye) {
        self.go(rows.clone(), true, eye);
        for row in self.rows.range_mut(rows) {
            row.reset();
            row.dirty = false;
        }
    }

    /// Tells the eye that rows go.
    fn go(&mut self, rows: Range<usize>, erased: bool, eye: &mut impl Eye) {
        for at in rows {
            if self.rows.get(at).is_some_and(|row| row.dirty) {
                eye.look(self, at);
            }
            if let Some(row) = self.rows.get_mut(at).filter(|row| !row.standing.is_empty() || !erased) {
                eye.gone(row, erased);
            }
        }
    }

    /// Rows of the range move up; those at its top go, blank ones come.
    pub(super) fn up(&mut self, range: Range<usize>, count: usize, eye: &mut impl Eye) {
        let count = count.min(range.len());
        self.go(range.start..range.start + count, range.start > 0, eye);
        if range.start > 0 {
            self.wrap(range.start - 1, false);
        }
        if range.start == 0 && range.end == self.rows.len() {
            self.rows.rotate_left(count);
        } else if let Some(rows) = self.rows.make_contiguous().get_mut(range.clone()) {
            rows.rotate_left(count);
        }
        self.rows.range_mut(range.end - count..range.end).for_each(Row::reset);
    }

    /// Rows of the range move down; those at its bottom go, blank ones come.
    pub(super) fn down(&mut self, range: Range<usize>, count: usize, eye: &mut impl Eye) {
        let count = count.min(range.len());
        self.go(range.end - count..range.end, true, eye);
        if let Some(rows) = self.rows.make_contiguous().get_mut(range.clone()) {
            rows.rotate_right(count);
        }
        self.rows.range_mut(range.start..range.start + count).for_each(Row::reset);
        if range.start > 0 {
            self.wrap(range.start - 1, false);
        }
        self.wrap(range.end - 1, false);
    }

    pub(super) fn cols(&self) -> usize {
        self.cols
    }
}
