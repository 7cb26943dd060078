//! What control characters and sequences do to a [`Glass`].
//!
//! Invariant: as avt does it, cell for cell; sequences without effect on text are left out.
//! Leaves to others: parsing (avt), the cells (`grid`).

use avt::Charset;
use avt::parser::{AnsiMode, CtcOp, DecMode, EdScope, ElScope, Function, TbcScope};

use super::grid::Grid;
use super::{Charsets, Eye, Glass, Saved};

/// `given`, where 0 stands for the default.
fn number(given: u16, default: usize) -> usize {
    if given == 0 { default } else { usize::from(given) }
}

impl Glass {
    pub(super) fn execute(&mut self, function: &Function, eye: &mut impl Eye) {
        match *function {
            Function::Print(ch) => self.print(ch, eye),
            Function::Lf => self.line_feed(eye),
            Function::Cr => self.col = 0,
            Function::Nel => {
                self.down_with_scroll(eye);
                self.col = 0;
            }
            Function::Ri => self.reverse(eye),
            Function::Rep(times) => self.repeat(times, eye),
            Function::Ris => self.reset(eye),
            Function::Decset(ref modes) => modes.as_slice().iter().for_each(|mode| self.private(*mode, true, eye)),
            Function::Decrst(ref modes) => modes.as_slice().iter().for_each(|mode| self.private(*mode, false, eye)),
            Function::Ed(_) | Function::El(_) | Function::Ech(_) => self.erase(function, eye),
            Function::Il(_) | Function::Dl(_) | Function::Su(_) | Function::Sd(_) => self.scroll(function, eye),
            Function::Ich(_) | Function::Dch(_) | Function::Decaln => self.change(function, eye),
            Function::Sm(ref modes) => modes.as_slice().iter().for_each(|mode| self.ansi(*mode, true)),
            Function::Rm(ref modes) => modes.as_slice().iter().for_each(|mode| self.ansi(*mode, false)),
            Function::Decsc | Function::Scosc => self.save(),
            Function::Decrc | Function::Scorc => self.restore(),
            Function::Decstr => self.soft_reset(),
            Function::Gzd4(charset) => self.charsets.drawing[0] = charset == Charset::Drawing,
            Function::G1d4(charset) => self.charsets.drawing[1] = charset == Charset::Drawing,
            Function::So => self.charsets.shifted = true,
            Function::Si => self.charsets.shifted = false,
            _ => self.travel(function),
        }
    }

    pub(super) fn look(&mut self, row: usize, eye: &mut impl Eye) {
        if self.grid.row(row).is_some_and(|row| row.dirty) {
            eye.look(&mut self.grid, row);
        }
    }

    pub(super) fn print(&mut self, ch: char, eye: &mut impl Eye) {
        let set = usize::from(self.charsets.shifted);
        let drawing = self.charsets.drawing.get(set).is_some_and(|drawing| *drawing);
        let ch = if drawing { Charset::Drawing.translate(ch) } else { ch };
        let mut printed = None;
        if self.col < self.cols {
            if self.insert {
                self.grid.shift_right(self.row, self.col, 1);
            }
            printed = self.grid.put(self.row, self.col, ch);
        }
        match printed {
            Some(width) => {
                self.col += width;
                if self.col == self.cols && !self.autowrap {
                    self.col = self.cols - 1;
                }
            }
            None if self.autowrap => {
                self.wrap(eye);
                self.col = self.grid.put(self.row, 0, ch).unwrap_or(0);
            }
            None => {
                if self.col > 0 {
                    let col = self.col - 1;
                    if self.grid.put(self.row, col, ch).is_none() && col > 0 {
                        self.grid.put(self.row, col - 1, ch);
                    }
                }
                self.col = self.cols - 1;
            }
        }
    }

    fn wrap(&mut self, eye: &mut impl Eye) {
        if self.row == self.bottom {
            self.grid.wrap(self.row, true);
            self.grid.up(self.top..self.bottom + 1, 1, eye);
        } else if self.row < self.rows - 1 {
            self.grid.wrap(self.row, true);
            self.row += 1;
        }
    }

    pub(super) fn line_feed(&mut self, eye: &mut impl Eye) {
        self.down_with_scroll(eye);
        if self.newline {
            self.col = 0;
        }
    }

    fn down_with_scroll(&mut self, eye: &mut impl Eye) {
        if self.row == self.bottom {
            self.scroll_up(self.top..self.bottom + 1, 1, eye);
        } else if self.row < self.rows - 1 {
            self.to(self.row + 1);
        }
    }

    fn scroll_up(&mut self, range: std::ops::Range<usize>, count: usize, eye: &mut impl Eye) {
        if range.end < self.rows {
            self.grid.wrap(range.end - 1, false);
        }
        self.grid.up(range, count, eye);
    }

    fn reverse(&mut self, eye: &mut impl Eye) {
        if self.row == self.top {
            self.grid.down(self.top..self.bottom + 1, 1, eye);
        } else if self.row > 0 {
            self.go_to_row(self.row - 1);
        }
    }

    fn repeat(&mut self, times: u16, eye: &mut impl Eye) {
        if self.col == 0 {
            return;
        }
        let ch = self.grid.before(self.row, self.col);
        // As `Screen` bounds it: a line is all that it is for.
        let most = u16::try_from(2 * self.cols).unwrap_or(u16::MAX);
        for _ in 0..number(times.min(most), 1) {
            self.print(ch, eye);
        }
    }

    /// Straight to a row.
    fn to(&mut self, row: usize) {
        self.col = self.col.min(self.cols - 1);
        self.row = row;
    }

    /// To a row of the region, in origin mode.
    fn go_to_row(&mut self, row: usize) {
        let (top, bottom) = if self.origin { (self.top, self.bottom) } else { (0, self.rows - 1) };
        self.to((top + row).clamp(top, bottom));
    }

    fn go_to_col(&mut self, col: usize) {
        self.col = col.min(self.cols - 1);
    }

    fn home(&mut self) {
        self.col = 0;
        self.to(if self.origin { self.top } else { 0 });
    }

    fn up(&mut self, count: usize) {
        let least = if self.row < self.top { 0 } else { self.top };
        self.to(self.row.saturating_sub(count).max(least));
    }

    fn down(&mut self, count: usize) {
        let most = if self.row > self.bottom { self.rows - 1 } else { self.bottom };
        self.to((self.row + count).min(most));
    }

    /// The cursor, and the stops it goes to.
    fn travel(&mut self, function: &Function) {
        match *function {
            Function::Bs => self.col = self.col.saturating_sub(1 + usize::from(self.col == self.cols)),
            Function::Cub(count) => {
                let pending = usize::from(self.col == self.cols);
                self.col = self.col.saturating_sub(number(count, 1) + pending);
            }
            Function::Cuf(count) => self.go_to_col(self.col + number(count, 1)),
            Function::Cuu(count) => self.up(number(count, 1)),
            Function::Cud(count) | Function::Vpr(count) => self.down(number(count, 1)),
            Function::Cnl(count) => {
                self.down(number(count, 1));
                self.col = 0;
            }
            Function::Cpl(count) => {
                self.up(number(count, 1));
                self.col = 0;
            }
            Function::Cha(col) => self.go_to_col(number(col, 1) - 1),
            Function::Vpa(row) => self.go_to_row(number(row, 1) - 1),
            Function::Cup(row, col) => {
                self.go_to_col(number(col, 1) - 1);
                self.go_to_row(number(row, 1) - 1);
            }
            Function::Decstbm(top, bottom) => {
                let (top, bottom) = (number(top, 1) - 1, number(bottom, self.rows) - 1);
                if top < bottom && bottom < self.rows {
                    (self.top, self.bottom) = (top, bottom);
                }
                self.home();
            }
            Function::Ht => self.tab(1),
            Function::Cht(count) => self.tab(number(count, 1)),
            Function::Cbt(count) => {
                let before = self.tabs.iter().rev().skip_while(|stop| self.col <= **stop);
                let stop = before.copied().nth(number(count, 1) - 1);
                self.go_to_col(stop.unwrap_or(0));
            }
            Function::Hts | Function::Ctc(CtcOp::Set) => self.set_stop(),
            Function::Tbc(TbcScope::CurrentColumn) | Function::Ctc(CtcOp::ClearCurrentColumn) => {
                self.tabs.retain(|stop| *stop != self.col);
            }
            Function::Tbc(TbcScope::All) | Function::Ctc(CtcOp::ClearAll) => self.tabs.clear(),
            _ => {}
        }
    }

    fn tab(&mut self, count: usize) {
        let stop = self.tabs.iter().skip_while(|stop| self.col >= **stop).copied().nth(count - 1);
        self.go_to_col(stop.unwrap_or(self.cols - 1));
    }

    fn set_stop(&mut self) {
        if 0 < self.col
            && self.col < self.cols
            && let Err(place) = self.tabs.binary_search(&self.col)
        {
            self.tabs.insert(place, self.col);
        }
    }

    fn erase(&mut self, function: &Function, eye: &mut impl Eye) {
        self.look(self.row, eye);
        let (row, col, cols) = (self.row, self.col, self.grid.cols());
        match function {
            Function::Ed(EdScope::Below) => {
                self.grid.clear(row, col..cols);
                self.grid.wrap(row, false);
                self.grid.erase(row + 1..self.rows, eye);
            }
            Function::Ed(EdScope::Above) => {
                self.grid.clear(row, 0..(col + 1).min(cols));
                self.grid.erase(0..row, eye);
            }
            Function::Ed(EdScope::All) => self.grid.erase(0..self.rows, eye),
            Function::El(ElScope::ToRight) => {
                self.grid.clear(row, col..cols);
                self.grid.wrap(row, false);
            }
            Function::El(ElScope::ToLeft) => self.grid.clear(row, 0..(col + 1).min(cols)),
            Function::El(ElScope::All) => {
                self.grid.clear(row, 0..cols);
                self.grid.wrap(row, false);
            }
            Function::Ech(count) => {
                let end = col + number(*count, 1).min(cols - col);
                self.grid.clear(row, col..end);
                if end == cols {
                    self.grid.wrap(row, false);
                }
            }
            _ => {}
        }
    }

    fn scroll(&mut self, function: &Function, eye: &mut impl Eye) {
        let end = if self.row <= self.bottom { self.bottom + 1 } else { self.rows };
        match *function {
            Function::Il(count) => self.grid.down(self.row..end, number(count, 1), eye),
            Function::Dl(count) => self.scroll_up(self.row..end, number(count, 1), eye),
            Function::Su(count) => self.scroll_up(self.top..self.bottom + 1, number(count, 1), eye),
            Function::Sd(count) => self.grid.down(self.top..self.bottom + 1, number(count, 1), eye),
            _ => {}
        }
    }

    fn change(&mut self, function: &Function, eye: &mut impl Eye) {
        match *function {
            Function::Ich(count) => {
                self.col = self.col.min(self.cols - 1);
                let count = number(count, 1).min(self.cols - self.col);
                self.grid.shift_right(self.row, self.col, count);
                for col in self.col..self.col + count {
                    self.grid.put(self.row, col, ' ');
                }
            }
            Function::Dch(count) => {
                self.col = self.col.min(self.cols - 1);
                self.grid.delete(self.row, self.col, number(count, 1).min(self.cols - self.col));
            }
            Function::Decaln => {
                for row in 0..self.rows {
                    self.look(row, eye);
                    for col in 0..self.cols {
                        self.grid.put(row, col, 'E');
                    }
                }
            }
            _ => {}
        }
    }

    fn ansi(&mut self, mode: AnsiMode, on: bool) {
        match mode {
            AnsiMode::Insert => self.insert = on,
            AnsiMode::NewLine => self.newline = on,
        }
    }

    fn private(&mut self, mode: DecMode, on: bool, eye: &mut impl Eye) {
        match (mode, on) {
            (DecMode::Origin, _) => {
                self.origin = on;
                self.home();
            }
            (DecMode::AutoWrap, _) => self.autowrap = on,
            (DecMode::AltScreenBuffer, true) => self.enter_alternate(eye),
            (DecMode::AltScreenBuffer, false) => self.enter_primary(eye),
            (DecMode::SaveCursor, true) => self.save(),
            (DecMode::SaveCursor, false) => self.restore(),
            (DecMode::SaveCursorAltScreenBuffer, true) => {
                self.save();
                self.enter_alternate(eye);
            }
            (DecMode::SaveCursorAltScreenBuffer, false) => {
                self.enter_primary(eye);
                self.restore();
            }
            (DecMode::CursorKeys | DecMode::TextCursorEnable, _) => {}
        }
    }

    fn enter_alternate(&mut self, eye: &mut impl Eye) {
        if self.primary.is_none() {
            self.settle(eye);
            let grid = std::mem::replace(&mut self.grid, Grid::new(self.cols, self.rows));
            self.primary = Some(grid);
        }
    }

    fn enter_primary(&mut self, eye: &mut impl Eye) {
        if let Some(grid) = self.primary.take() {
            self.grid.erase(0..self.rows, eye);
            self.grid = grid;
        }
    }

    fn save(&mut self) {
        let saved = Saved {
            row: self.row,
            col: self.col.min(self.cols - 1),
            origin: self.origin,
            autowrap: self.autowrap,
            charsets: self.charsets,
        };
        self.saved[usize::from(self.primary.is_some())] = saved;
    }

    fn restore(&mut self) {
        let saved = self.saved[usize::from(self.primary.is_some())];
        (self.row, self.col, self.origin, self.autowrap) = (saved.row, saved.col, saved.origin, saved.autowrap);
        self.charsets = saved.charsets;
    }

    fn soft_reset(&mut self) {
        (self.top, self.bottom, self.insert, self.origin) = (0, self.rows - 1, false, false);
        self.charsets = Charsets::default();
        self.saved[usize::from(self.primary.is_some())] = Saved::default();
    }

    fn reset(&mut self, eye: &mut impl Eye) {
        self.grid.erase(0..self.rows, eye);
        if let Some(mut grid) = self.primary.take() {
            grid.erase(0..self.rows, eye);
            self.grid = grid;
        }
        let fresh = Glass::new(1, 1);
        (self.row, self.col, self.top, self.bottom) = (0, 0, 0, self.rows - 1);
        (self.origin, self.autowrap, self.insert, self.newline) =
            (fresh.origin, fresh.autowrap, fresh.insert, fresh.newline);
        (self.charsets, self.saved) = (fresh.charsets, fresh.saved);
        self.tabs = (8..self.cols).step_by(8).collect();
    }
}
