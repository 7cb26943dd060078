//! A terminal of text alone: what [`Screen`](crate::screen::Screen) shows, without colours, several times as fast, telling
//! an [`Eye`] of every line before it changes or goes.
//!
//! Invariant: its rows' text is that of a `Screen` fed the same, whatever is fed (a property test); a line that is not
//! clean is shown to the eye before it is erased, scrolled away or begun anew.
//! Leaves to others: sizes that change (the glass is made anew from a `Screen`), what is looked for (`watch`).

mod act;
mod grid;
mod sequence;

#[cfg(test)]
mod tests;

use avt::parser::{Parser, State};

pub(super) use grid::{Grid, Row, Standing, is_combining};

use crate::screen::{Screen, Script};

/// Who looks at the lines.
pub(super) trait Eye {
    /// The line that `row` is part of has changed since it was last looked at, and is about to change again or to go.
    fn look(&mut self, grid: &mut Grid, row: usize);
    /// The row goes: it was erased, or has scrolled away.
    fn gone(&mut self, row: &mut Row, erased: bool);
}

/// Saved by DECSC, for each of the two screens.
#[derive(Debug, Clone, Copy)]
struct Saved {
    row: usize,
    col: usize,
    origin: bool,
    autowrap: bool,
    charsets: Charsets,
}

impl Default for Saved {
    fn default() -> Self {
        Saved { row: 0, col: 0, origin: false, autowrap: true, charsets: Charsets::default() }
    }
}

/// Whether G0 and G1 hold the line-drawing characters; G1 is in use.
#[derive(Debug, Clone, Copy, Default)]
struct Charsets {
    drawing: [bool; 2],
    shifted: bool,
}

/// See the module.
pub(super) struct Glass {
    cols: usize,
    rows: usize,
    /// The screen in use.
    grid: Grid,
    /// The primary screen, while the alternate one is in use.
    primary: Option<Grid>,
    row: usize,
    /// `cols` when the next character wraps.
    col: usize,
    top: usize,
    bottom: usize,
    origin: bool,
    autowrap: bool,
    insert: bool,
    newline: bool,
    charsets: Charsets,
    saved: [Saved; 2],
    tabs: Vec<usize>,
    parser: Parser,
    /// Bytes of an incomplete character.
    tail: Vec<u8>,
}

impl Glass {
    /// An empty one of a size that a `Screen` has.
    pub(super) fn new(cols: u16, rows: u16) -> Self {
        let (cols, rows) = (usize::from(cols.max(1)), usize::from(rows.max(1)));
        Glass {
            cols,
            rows,
            grid: Grid::new(cols, rows),
            primary: None,
            row: 0,
            col: 0,
            top: 0,
            bottom: rows - 1,
            origin: false,
            autowrap: true,
            insert: false,
            newline: false,
            charsets: Charsets::default(),
            saved: [Saved::default(); 2],
            tabs: (8..cols).step_by(8).collect(),
            parser: Parser::new(),
            tail: Vec::new(),
        }
    }

    /// One that goes on where the screen of a dump was, with all lines looked at by `eye`; None for what is no dump.
    pub(super) fn of(dump: &[u8], eye: &mut impl Eye) -> Option<Self> {
        let Script { size: (cols, rows), terminal, unfinished, saved } = Screen::script(dump)?;
        let mut glass = Glass::new(cols, rows);
        glass.feed(terminal.as_bytes(), &mut Blind);
        for (kept, (drawing, shifted)) in glass.saved.iter_mut().zip(saved) {
            kept.charsets = Charsets { drawing, shifted };
        }
        glass.feed(unfinished, &mut Blind);
        if let Some(grid) = &mut glass.primary {
            grid.soil();
            look_at_all(grid, eye);
        }
        glass.grid.soil();
        glass.settle(eye);
        Some(glass)
    }

    /// Text that comes now is added at the end of the last line, and line feeds scroll or go to blank rows; until there is
    /// a sequence that says otherwise.
    pub(super) fn only_scrolls(&self) -> bool {
        self.parser.state == State::Ground
            && self.tail.is_empty()
            && (self.top, self.bottom) == (0, self.rows - 1)
            && self.autowrap
            && !self.insert
            && !self.charsets.shifted
            && !self.charsets.drawing[0]
            && self.grid.is_blank_below(self.row)
    }

    /// Rows of the screen.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Shows the eye every line that has changed.
    pub(super) fn settle(&mut self, eye: &mut impl Eye) {
        look_at_all(&mut self.grid, eye);
    }

    /// Bytes as the terminal got them, split anywhere.
    pub(super) fn feed(&mut self, bytes: &[u8], eye: &mut impl Eye) {
        if self.tail.is_empty() {
            return self.decode(bytes, eye);
        }
        let mut joined = std::mem::take(&mut self.tail);
        joined.extend_from_slice(bytes);
        self.decode(&joined, eye);
    }

    fn decode(&mut self, mut rest: &[u8], eye: &mut impl Eye) {
        loop {
            match simdutf8::compat::from_utf8(rest) {
                Ok(text) => return self.text(text, eye),
                Err(error) => {
                    let (valid, other) = rest.split_at(error.valid_up_to());
                    self.text(std::str::from_utf8(valid).unwrap_or_default(), eye);
                    let Some(invalid) = error.error_len() else {
                        self.tail = other.to_vec();
                        return;
                    };
                    self.char(char::REPLACEMENT_CHARACTER, eye);
                    rest = other.get(invalid..).unwrap_or_default();
                }
            }
        }
    }

    fn text(&mut self, text: &str, eye: &mut impl Eye) {
        let mut rest = text;
        while let Some(&first) = rest.as_bytes().first() {
            if self.parser.state != State::Ground {
                rest = self.in_sequence(rest, eye);
                continue;
            }
            let after = rest.as_bytes().get(1..).unwrap_or_default();
            match first {
                b'\n' => self.line_feed(eye),
                b'\r' => {
                    if after.first() != Some(&b'\n') {
                        self.look(self.row, eye);
                    }
                    self.col = 0;
                }
                0x1b => {
                    let length = match sequence::read(after) {
                        None => {
                            self.char('\u{1b}', eye);
                            0
                        }
                        Some((length, function)) => {
                            function.iter().for_each(|function| self.execute(function, eye));
                            length
                        }
                    };
                    rest = rest.get(1 + length..).unwrap_or_default();
                    continue;
                }
                0..0x20 | 0x7f | 0xc2 => {
                    let ch = rest.chars().next().unwrap_or_default();
                    self.char(ch, eye);
                    rest = rest.get(ch.len_utf8()..).unwrap_or_default();
                    continue;
                }
                _ => {
                    let (run, after) = rest.split_at(printable(rest));
                    self.run(run, eye);
                    rest = after;
                    continue;
                }
            }
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    /// A sequence is under way: up to its end.
    fn in_sequence<'t>(&mut self, text: &'t str, eye: &mut impl Eye) -> &'t str {
        for (at, ch) in text.char_indices() {
            self.char(ch, eye);
            if self.parser.state == State::Ground {
                return text.get(at + ch.len_utf8()..).unwrap_or_default();
            }
        }
        ""
    }

    fn char(&mut self, ch: char, eye: &mut impl Eye) {
        let ground = self.parser.state == State::Ground;
        if ground && (ch == '\u{7f}' || grid::is_combining(ch)) {
            return;
        }
        if let Some(function) = self.parser.feed(ch) {
            self.execute(&function, eye);
        }
    }

    /// Printable text.
    fn run(&mut self, run: &str, eye: &mut impl Eye) {
        let drawing = self.charsets.drawing.get(usize::from(self.charsets.shifted)).is_some_and(|drawing| *drawing);
        if self.insert || drawing {
            run.chars().filter(|ch| !grid::is_combining(*ch)).for_each(|ch| self.print(ch, eye));
            return;
        }
        let mut rest = run;
        while !rest.is_empty() {
            let (ascii, other) = rest.split_at(sequence::ascii(rest));
            self.ascii(ascii.as_bytes(), eye);
            let letters = other.find(|ch: char| ch.is_ascii()).unwrap_or(other.len());
            let (letters, after) = other.split_at(letters);
            letters.chars().filter(|ch| !grid::is_combining(*ch)).for_each(|ch| self.print(ch, eye));
            rest = after;
        }
    }

    /// Printable ASCII, which stands for itself.
    fn ascii(&mut self, mut rest: &[u8], eye: &mut impl Eye) {
        while let Some(&first) = rest.first() {
            let room = self.cols.saturating_sub(self.col);
            let taken = if room == 0 || rest.len() > room && !self.autowrap {
                0
            } else {
                let piece = rest.get(..room).unwrap_or(rest);
                if self.grid.put_ascii(self.row, self.col, piece) { piece.len() } else { 0 }
            };
            if taken == 0 {
                self.print(char::from(first), eye);
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            self.col += taken;
            if self.col == self.cols && !self.autowrap {
                self.col = self.cols - 1;
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    #[cfg(test)]
    fn row_text(&self, row: usize) -> String {
        let mut text = String::new();
        if let Some(row) = self.grid.row(row) {
            row.text(&mut text);
        }
        text.trim_end().to_owned()
    }
}

/// Looks at nothing.
pub(super) struct Blind;

impl Eye for Blind {
    fn look(&mut self, _: &mut Grid, _: usize) {}

    fn gone(&mut self, _: &mut Row, _: bool) {}
}

fn look_at_all(grid: &mut Grid, eye: &mut impl Eye) {
    for row in 0..grid.len() {
        if grid.row(row).is_some_and(|row| row.dirty) {
            eye.look(grid, row);
        }
    }
}

/// Bytes up to the first control character, or to what may be one.
fn printable(text: &str) -> usize {
    const LANE: usize = 16;
    let bytes = text.as_bytes();
    let plain = |byte: u8| byte >= 0x20 && byte != 0x7f && byte != 0xc2;
    // Without early ends the compiler takes a lane at a time.
    let lanes = bytes.chunks_exact(LANE).take_while(|lane| lane.iter().fold(true, |all, byte| all & plain(*byte)));
    let whole = lanes.count() * LANE;
    let rest = bytes.get(whole..).unwrap_or_default();
    whole + rest.iter().position(|byte| !plain(*byte)).unwrap_or(rest.len())
}
