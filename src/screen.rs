//! The terminal model: what a person saw after some bytes, cell by cell, with a dump that goes on where it was taken.
//!
//! Invariant: any bytes may be fed, split anywhere, with the same result as whole; `restore(dump(s))` behaves as `s` for
//! everything fed afterwards, even in the middle of an escape sequence or of a character. Nothing fed or restored can
//! panic or take more memory than the (clamped) size and the history asked for.
//! Leaves to others: where the bytes come from, what is drawn from the cells.
//!
//! ```text
//! bytes ─utf8→ chars ─┬─ plain run ── skip what scrolls away ─────────▶ terminal (avt): cells, cursor, margins, pen
//!                     └─ parser (avt) ─ function ─ corrected ─────────▶   ▲
//!                            └─ raw bytes of the sequence ─▶ tracker: modes avt does not model, title, charsets saved
//! ```

mod cells;
mod dump;
mod sgr;
mod skip;
mod tracker;

#[cfg(test)]
mod tests;

use std::str;

use avt::parser::{DecMode, Function, Parser, State};
use avt::{ScreenKind, Terminal};
use unicode_width::UnicodeWidthChar;

pub use cells::{Attrs, Cell, Colour, Cursor, Modes, Pen};
pub use dump::Script;
use tracker::Tracker;

/// Bytes of an unfinished string sequence (OSC, DCS, …) that are kept; what follows is skipped until its end.
const LONGEST_STRING: usize = 64 << 10;
/// Bytes of any other sequence, after which it is taken to be none.
const LONGEST_SEQUENCE: usize = 4 << 10;
/// Lines of history, at most.
const MOST_HISTORY: usize = 100_000;
/// First character that can be of no width.
const FIRST_COMBINING: char = '\u{300}';

/// See the module.
pub struct Screen {
    terminal: Terminal,
    parser: Parser,
    tracker: Tracker,
    /// The sequence under way, then `tail` bytes of an incomplete character.
    unfinished: Vec<u8>,
    tail: usize,
    history: usize,
}

impl Screen {
    /// Widest screen; wider ones are clamped.
    pub const MAX_COLS: u16 = 2048;
    /// Tallest screen.
    pub const MAX_ROWS: u16 = 1024;
    /// Most cells: the rows are clamped to stay within it.
    pub const MAX_CELLS: u32 = 1 << 18;

    /// An empty screen without history. Sizes are clamped to 1..=MAX.
    pub fn new(cols: u16, rows: u16) -> Self {
        Self::with_scrollback(cols, rows, 0)
    }

    /// An empty screen that keeps up to `lines` (at most 100,000) lines that scrolled off the primary screen.
    pub fn with_scrollback(cols: u16, rows: u16, lines: usize) -> Self {
        let (cols, rows) = clamped(cols, rows);
        let history = lines.min(MOST_HISTORY);
        #[allow(clippy::expect_used, reason = "avt refuses only a size of 0")]
        let terminal = Terminal::with_scrollback(usize::from(cols), usize::from(rows), Some(history))
            .expect("a clamped size is at least 1×1");
        Screen {
            terminal,
            parser: Parser::new(),
            tracker: Tracker::default(),
            unfinished: Vec::new(),
            tail: 0,
            history,
        }
    }

    /// Bytes as the terminal got them. What is not UTF-8 is taken as U+FFFD.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = self.finish_char(bytes);
        while !rest.is_empty() {
            match str::from_utf8(rest) {
                Ok(text) => return self.feed_text(text),
                Err(error) => {
                    let (valid, other) = rest.split_at(error.valid_up_to());
                    self.feed_text(str::from_utf8(valid).unwrap_or_default());
                    let Some(invalid) = error.error_len() else {
                        self.tail = other.len();
                        self.unfinished.extend_from_slice(other);
                        return;
                    };
                    self.feed_char(char::REPLACEMENT_CHARACTER);
                    rest = other.get(invalid..).unwrap_or_default();
                }
            }
        }
    }

    /// The terminal has another size. Clamped as in `new`.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        let (cols, rows) = clamped(cols, rows);
        // avt gives every piece of a line room for all that was left of it: a wide line made narrow at once takes gigabytes.
        loop {
            let (now, height) = self.terminal.size();
            if usize::from(cols) >= now / 2 {
                break;
            }
            self.terminal.resize(now / 2, height);
        }
        self.terminal.resize(usize::from(cols), usize::from(rows));
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        let (cols, rows) = self.terminal.size();
        (narrow(cols), narrow(rows))
    }

    /// Where the next character goes; with a pending wrap that is still the last column.
    pub fn cursor(&self) -> Cursor {
        let (cols, cursor) = (self.terminal.size().0, self.terminal.cursor());
        Cursor { row: narrow(cursor.row), col: narrow(cursor.col.min(cols - 1)), visible: cursor.visible }
    }

    pub fn is_alternate(&self) -> bool {
        self.terminal.active_screen_kind() == ScreenKind::Alternate
    }

    /// As set by OSC 0 or 2: untrusted, without control characters.
    pub fn title(&self) -> &str {
        self.tracker.title()
    }

    /// Blank outside of the screen.
    pub fn cell(&self, row: u16, col: u16) -> Cell {
        let line = self.terminal.screen().line(usize::from(row));
        line.and_then(|line| line.cells().get(usize::from(col))).map_or_else(Cell::default, Cell::from_avt)
    }

    /// All cells of a row, from the left.
    pub fn row(&self, row: u16) -> impl Iterator<Item = Cell> + '_ {
        let line = self.terminal.screen().line(usize::from(row));
        line.map(|line| line.cells()).unwrap_or_default().iter().map(Cell::from_avt)
    }

    /// The row goes on in the next one: the line was too long for the screen.
    pub fn is_wrapped(&self, row: u16) -> bool {
        self.terminal.screen().line(usize::from(row)).is_some_and(avt::Line::is_wrapped)
    }

    /// A row's characters, without the blanks at its end.
    pub fn row_text(&self, row: u16) -> String {
        let line = self.terminal.screen().line(usize::from(row));
        line.map(|line| line.chars().collect::<String>().trim_end().to_owned()).unwrap_or_default()
    }

    /// All rows as `row_text`.
    pub fn text(&self) -> Vec<String> {
        (0..self.size().1).map(|row| self.row_text(row)).collect()
    }

    /// The keyframe: everything but the history, self-contained and versioned; see `restore`.
    pub fn dump(&self) -> Vec<u8> {
        dump::dump(self)
    }

    /// The screen whose dump this is, with an empty history; None for what is no dump.
    pub fn restore(dump: &[u8]) -> Option<Self> {
        dump::restore(dump, None)
    }

    /// As `restore`; from now on it keeps up to `lines` of what scrolls off.
    pub fn restore_with_scrollback(dump: &[u8], lines: usize) -> Option<Self> {
        dump::restore(dump, Some(lines))
    }

    /// What sets up an empty terminal of a dump's size to be as the dumped one, for another model of its text (`recording::search`).
    pub fn script(dump: &[u8]) -> Option<Script<'_>> {
        dump::script(dump)
    }

    /// Lines of history that are there now.
    pub fn scrollback(&self) -> usize {
        let all = self.terminal.primary_screen().all_lines().count();
        all.saturating_sub(self.terminal.size().1)
    }

    /// A cell of the history; line 0 is the oldest.
    pub fn scrollback_cell(&self, line: usize, col: u16) -> Cell {
        if line >= self.scrollback() {
            return Cell::default();
        }
        let line = self.terminal.primary_screen().all_lines().nth(line);
        line.and_then(|line| line.cells().get(usize::from(col))).map_or_else(Cell::default, Cell::from_avt)
    }

    /// The cells of a line of the history, from the left.
    pub fn scrollback_row(&self, line: usize) -> impl Iterator<Item = Cell> + '_ {
        let line = self.terminal.primary_screen().all_lines().nth(line).filter(|_| line < self.scrollback());
        line.map(|line| line.cells()).unwrap_or_default().iter().map(Cell::from_avt)
    }

    /// The text of the history from line `from` on, as `row_text`.
    pub fn scrollback_text(&self, from: usize) -> impl Iterator<Item = String> + '_ {
        let lines = self.terminal.primary_screen().all_lines().take(self.scrollback()).skip(from);
        lines.map(|line| line.chars().collect::<String>().trim_end().to_owned())
    }

    /// Everything else that decides how the next bytes act. Costs about a dump.
    pub fn modes(&self) -> Modes {
        dump::modes(self)
    }

    /// Neither an escape sequence nor a character is under way.
    pub fn is_ground(&self) -> bool {
        self.unfinished.is_empty()
    }

    /// The bytes of what is under way; of a string of more than 64 KiB only its beginning.
    pub fn unfinished(&self) -> &[u8] {
        &self.unfinished
    }

    /// Completes the character that the last feed left, or gives it up; returns what is still to be fed.
    fn finish_char<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        while self.tail > 0
            && let Some((next, after)) = rest.split_first()
        {
            let from = self.unfinished.len() - self.tail;
            self.unfinished.push(*next);
            let read = str::from_utf8(self.unfinished.get(from..).unwrap_or_default());
            let ch = match read {
                Ok(text) => text.chars().next(),
                Err(error) if error.error_len().is_none() => {
                    self.tail += 1;
                    rest = after;
                    continue;
                }
                Err(_) => None,
            };
            self.unfinished.truncate(from);
            self.tail = 0;
            if ch.is_some() {
                rest = after;
            }
            self.feed_char(ch.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        rest
    }

    fn feed_text(&mut self, text: &str) {
        let mut rest = text;
        // Up to here it is known that nothing can be skipped.
        let mut looked_at = rest.len();
        while let Some(first) = rest.chars().next() {
            if self.parser.state == State::Ground {
                if rest.len() <= looked_at {
                    (rest, looked_at) = self.skip_flood(rest);
                }
                let (run, after) = rest.split_at(skip::plain_length(rest));
                if !run.is_empty() {
                    self.feed_plain(run);
                    rest = after;
                    continue;
                }
            }
            self.feed_char(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }

    /// Leaves out what scrolls away; returns what is still to be fed, and how much of the text lies behind the flood.
    fn skip_flood<'a>(&mut self, text: &'a str) -> (&'a str, usize) {
        let lines = 2 * self.terminal.size().1 + 1 + self.history;
        if text.len() <= lines || self.tracker.margins {
            return (text, 0);
        }
        let flood = skip::flood_length(text);
        let (flood, behind) = (text.get(..flood).unwrap_or_default(), text.len() - flood);
        let Some(tail) = skip::visible_tail(flood, lines) else {
            return (text, behind.saturating_sub(1));
        };
        self.terminal.execute(Function::Cr);
        for rendition in skip::last_renditions(flood.get(..tail).unwrap_or_default()) {
            rendition.chars().for_each(|ch| self.feed_char(ch));
        }
        (text.get(tail..).unwrap_or_default(), behind.saturating_sub(1))
    }

    /// Printable characters, CR, LF and TAB, outside of any sequence.
    fn feed_plain(&mut self, run: &str) {
        if run.is_ascii() {
            self.terminal.feed(run);
        } else {
            run.split(is_combining).for_each(|piece| self.terminal.feed(piece));
        }
    }

    fn feed_char(&mut self, ch: char) {
        let before = self.parser.state;
        if before == State::Ground && (ch == '\u{7f}' || is_combining(ch)) {
            return;
        }
        let mut function = self.parser.feed(ch);
        let after = self.parser.state;
        let ended = before == State::OscString && (ch == '\u{1b}' || ch == '\u{9c}' || ch == '\u{7}');
        if ended {
            self.tracker.osc(&self.unfinished);
        }
        if is_introducer(ch) {
            self.unfinished.clear();
            self.keep(ch);
        } else if after == State::Ground {
            if before != State::Ground && !ended && !is_cancel(ch) {
                self.keep(ch);
                function = self.sequence(function);
            }
            self.unfinished.clear();
        } else if !ch.is_control() || after == State::DcsPassthrough {
            self.keep(ch);
            self.bound();
        }
        if let Some(function) = function {
            self.execute(function);
        }
    }

    fn keep(&mut self, ch: char) {
        if self.unfinished.len() < LONGEST_STRING {
            self.unfinished.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// A sequence with no end in sight is none.
    fn bound(&mut self) {
        use State::{DcsIgnore, DcsPassthrough, OscString, SosPmApcString};
        let string = matches!(self.parser.state, OscString | DcsPassthrough | DcsIgnore | SosPmApcString);
        if !string && self.unfinished.len() > LONGEST_SEQUENCE {
            self.parser = Parser::new();
            self.unfinished.clear();
        }
    }

    /// A complete sequence lies in `unfinished`: what avt makes of it, put right where it knows less than terminals do.
    fn sequence(&mut self, function: Option<Function>) -> Option<Function> {
        self.tracker.sequence(&self.unfinished, self.is_alternate());
        match function {
            Some(Function::Sgr(_)) => match sgr::corrected(&self.unfinished) {
                Some(corrected) => corrected,
                None => function,
            },
            other => other,
        }
    }

    fn execute(&mut self, function: Function) {
        let (cols, rows) = self.terminal.size();
        let function = match function {
            Function::Rep(times) => Function::Rep(times.min(narrow(2 * cols))),
            other => other,
        };
        let restores = match &function {
            Function::Decrc | Function::Scorc => true,
            Function::Decrst(modes) => modes.as_slice().iter().any(saves),
            _ => false,
        };
        self.tracker.before(&function, self.is_alternate(), rows);
        self.terminal.execute(function);
        if restores {
            let functions = self.tracker.restore_charsets(self.is_alternate());
            self.terminal.execute(functions);
        }
    }
}

/// Cell for cell, with cursor, modes and title; not the history.
impl PartialEq for Screen {
    fn eq(&self, other: &Self) -> bool {
        self.size() == other.size()
            && self.cursor() == other.cursor()
            && self.is_alternate() == other.is_alternate()
            && self.title() == other.title()
            && (0..self.size().1).all(|row| self.row(row).eq(other.row(row)))
            && self.modes() == other.modes()
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (cols, rows) = self.size();
        writeln!(f, "{cols}×{rows} {:?} {:?}", self.cursor(), self.modes())?;
        self.text().iter().try_for_each(|row| writeln!(f, "|{row}"))
    }
}

fn saves(mode: &DecMode) -> bool {
    matches!(mode, DecMode::SaveCursor | DecMode::SaveCursorAltScreenBuffer)
}

fn clamped(cols: u16, rows: u16) -> (u16, u16) {
    let cols = cols.clamp(1, Screen::MAX_COLS);
    let most = u16::try_from(Screen::MAX_CELLS / u32::from(cols)).unwrap_or(u16::MAX);
    (cols, rows.clamp(1, Screen::MAX_ROWS.min(most)))
}

fn narrow(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Begins a sequence, whatever came before: ESC and the C1 forms of CSI, DCS, OSC, SOS, PM, APC.
fn is_introducer(ch: char) -> bool {
    matches!(ch, '\u{1b}' | '\u{90}' | '\u{98}' | '\u{9b}' | '\u{9d}' | '\u{9e}' | '\u{9f}')
}

/// Ends a sequence without effect.
fn is_cancel(ch: char) -> bool {
    matches!(ch, '\u{18}' | '\u{1a}' | '\u{80}'..='\u{9f}')
}

/// Takes no cell: terminals draw it over the character before, the model leaves it out.
fn is_combining(ch: char) -> bool {
    ch >= FIRST_COMBINING && ch.width() == Some(0)
}
