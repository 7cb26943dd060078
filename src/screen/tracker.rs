//! The state that avt does not model and a real terminal has: private modes, keyboard protocols, cursor style, title, and
//! the character sets that DECSC saves.
//!
//! Invariant: fed with complete sequences only; everything in it is bounded.
//! Leaves to others: cells, cursor, margins (avt).

use avt::Charset;
use avt::parser::{DecMode, Function};

use super::cells::bit;

/// Bytes of a title that are kept.
const LONGEST_TITLE: usize = 1024;
/// Bytes of a hyperlink; longer ones are taken to be closed.
pub(super) const LONGEST_LINK: usize = 2048;
/// Entries of the kitty keyboard stack, as the protocol's own implementation has them.
pub(super) const MOST_FLAGS: usize = 8;

/// G0, G1 hold the line-drawing characters; G1 is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Charsets {
    pub drawing: [bool; 2],
    pub shifted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tracker {
    pub set: u32,
    pub keypad: bool,
    pub cursor_style: u8,
    pub modify_other_keys: u8,
    /// For the primary and the alternate screen.
    pub kitty: [Vec<u8>; 2],
    pub charsets: Charsets,
    pub saved: [Charsets; 2],
    /// A scroll region smaller than the screen may be set.
    pub margins: bool,
    pub title: String,
    /// The open hyperlink, as OSC 8 gave it: parameters, semicolon, address.
    pub link: String,
}

impl Tracker {
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The body of an OSC, with its introducer, without its end.
    pub fn osc(&mut self, bytes: &[u8]) {
        let body = bytes.strip_prefix(b"\x1b]").or_else(|| bytes.strip_prefix("\u{9d}".as_bytes())).unwrap_or_default();
        if let Some(link) = body.strip_prefix(b"8;") {
            let link = std::str::from_utf8(link).ok().filter(|link| link.len() <= LONGEST_LINK && !link.ends_with(';'));
            self.link = link.filter(|link| !link.chars().any(char::is_control)).unwrap_or_default().to_owned();
            return;
        }
        let Some(title) = body.strip_prefix(b"0;").or_else(|| body.strip_prefix(b"2;")) else { return };
        let title = String::from_utf8_lossy(title.get(..LONGEST_TITLE).unwrap_or(title));
        self.title = title.chars().filter(|ch| !ch.is_control()).collect();
    }

    /// A complete ESC or CSI sequence.
    pub fn sequence(&mut self, bytes: &[u8], alternate: bool) {
        match bytes {
            b"\x1b=" => self.keypad = true,
            b"\x1b>" => self.keypad = false,
            [0x1b, b'[', body @ .., last] | [0xc2, 0x9b, body @ .., last] => self.csi(body, *last, alternate),
            _ => {}
        }
    }

    fn csi(&mut self, body: &[u8], last: u8, alternate: bool) {
        match (body, last) {
            ([b'?', numbers @ ..], b'h') => self.private(numbers, true),
            ([b'?', numbers @ ..], b'l') => self.private(numbers, false),
            ([kind @ (b'>' | b'<' | b'='), numbers @ ..], b'u') => self.keyboard(*kind, numbers, alternate),
            ([b'>', numbers @ ..], b'm') => {
                let mut numbers = parse(numbers);
                match (numbers.next(), numbers.next()) {
                    (Some(4), level) => self.modify_other_keys = small(level.unwrap_or(0)).min(3),
                    (None | Some(0), None) => self.modify_other_keys = 0,
                    _ => {}
                }
            }
            ([numbers @ .., b' '], b'q') => self.cursor_style = small(parse(numbers).next().unwrap_or(0)).min(6),
            _ => {}
        }
    }

    fn private(&mut self, numbers: &[u8], on: bool) {
        for bit in parse(numbers).map(bit) {
            self.set = if on { self.set | bit } else { self.set & !bit };
        }
    }

    /// Kitty keyboard protocol: push, pop, set.
    fn keyboard(&mut self, kind: u8, numbers: &[u8], alternate: bool) {
        let mut numbers = parse(numbers);
        let stack = &mut self.kitty[usize::from(alternate)];
        let first = numbers.next();
        match kind {
            b'>' => {
                if stack.len() == MOST_FLAGS {
                    stack.remove(0);
                }
                stack.push(small(first.unwrap_or(0)));
            }
            b'<' => {
                let gone = usize::from(first.unwrap_or(1).max(1));
                stack.truncate(stack.len().saturating_sub(gone));
            }
            _ => {
                let flags = small(first.unwrap_or(0));
                let now = stack.pop().unwrap_or(0);
                stack.push(match numbers.next() {
                    Some(2) => now | flags,
                    Some(3) => now & !flags,
                    _ => flags,
                });
            }
        }
    }

    /// Called with every function before avt executes it. `rows` is the screen's height.
    pub fn before(&mut self, function: &Function, alternate: bool, rows: usize) {
        let screen = usize::from(alternate);
        match function {
            Function::So => self.charsets.shifted = true,
            Function::Si => self.charsets.shifted = false,
            Function::Gzd4(charset) => self.charsets.drawing[0] = *charset == Charset::Drawing,
            Function::G1d4(charset) => self.charsets.drawing[1] = *charset == Charset::Drawing,
            Function::Decsc | Function::Scosc => self.saved[screen] = self.charsets,
            Function::Decset(modes) => {
                let saves = |mode: &DecMode| matches!(mode, DecMode::SaveCursor | DecMode::SaveCursorAltScreenBuffer);
                if modes.as_slice().iter().any(saves) {
                    self.saved[screen] = self.charsets;
                }
            }
            // When in doubt there is one: that only costs time.
            Function::Decstbm(top, bottom) => {
                self.margins = *top > 1 || (*bottom != 0 && usize::from(*bottom) != rows);
            }
            Function::Decstr => {
                self.charsets = Charsets::default();
                self.saved[screen] = Charsets::default();
                self.margins = false;
            }
            Function::Ris => *self = Tracker { title: std::mem::take(&mut self.title), ..Tracker::default() },
            _ => {}
        }
    }

    /// What puts back the character sets that were saved with the cursor, which avt leaves alone.
    pub fn restore_charsets(&mut self, alternate: bool) -> [Function; 3] {
        self.charsets = self.saved[usize::from(alternate)];
        let charset = |drawing: bool| if drawing { Charset::Drawing } else { Charset::Ascii };
        let [g0, g1] = self.charsets.drawing.map(charset);
        [Function::Gzd4(g0), Function::G1d4(g1), if self.charsets.shifted { Function::So } else { Function::Si }]
    }
}

/// Numbers between semicolons; what is none or too large is 0.
fn parse(numbers: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let number = |part: &[u8]| std::str::from_utf8(part).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let empty = numbers.is_empty();
    numbers.split(|byte| *byte == b';').filter(move |_| !empty).map(number)
}

fn small(number: u16) -> u8 {
    u8::try_from(number).unwrap_or(0)
}
