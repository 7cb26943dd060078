//! What the terminal sends, into keys and mouse events.
//!
//! Invariant: any bytes are taken, split anywhere; what is not understood is dropped whole, and nothing is kept beyond 64 KiB.
//! Leaves to others: what a key does (`keys`), reading the terminal (`terminal`).
//!
//! ```text
//! ESC [ params final     keys with modifiers (xterm, VT220), mouse in SGR form: ESC [ < button ; column ; row M or m
//! ESC O final            application keys
//! ESC char               alt and the key
//! ESC [ 200 ~ … ESC [ 201 ~   pasted text
//! ```

use super::keys::{Chord, Press};

/// One thing that the person did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Key(Chord),
    /// Text as it was pasted; control characters are still in it.
    Paste(String),
    Mouse(Mouse),
}

/// A mouse event at a cell, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mouse {
    pub what: MouseWhat,
    pub column: u16,
    pub row: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MouseWhat {
    /// The left button.
    Down,
    Drag,
    Up,
    WheelUp,
    WheelDown,
}

/// Longest sequence that is waited for, and longest paste that is kept, in bytes.
const SEQUENCE: usize = 256;
const PASTE: usize = 64 << 10;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Bytes in, inputs out.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
    pasting: bool,
}

impl Decoder {
    /// Takes what was read.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Input> {
        let mut out = Vec::new();
        for byte in bytes {
            self.pending.push(*byte);
            self.step(false, &mut out);
        }
        out
    }

    /// Whether a sequence is under way: when nothing follows within some 30 ms, call [`Decoder::settle`].
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty() && !self.pasting
    }

    /// Nothing followed: an escape was the key of that name.
    pub fn settle(&mut self) -> Vec<Input> {
        let mut out = Vec::new();
        if self.is_waiting() {
            self.step(true, &mut out);
            self.pending.clear();
        }
        out
    }

    fn step(&mut self, over: bool, out: &mut Vec<Input>) {
        if self.pasting {
            return self.paste(out);
        }
        let taken = match self.pending.as_slice() {
            [0x1b] if over => Some(Some(Chord::plain(Press::Escape))),
            [0x1b] => None,
            [0x1b, 0x1b, ..] => {
                self.pending.remove(0);
                out.push(Input::Key(Chord::plain(Press::Escape)));
                return self.step(over, out);
            }
            [0x1b, b'['] | [0x1b, b'O'] if !over => None,
            [0x1b, b'[', rest @ ..] if !rest.is_empty() => return self.sequence(out),
            [0x1b, b'O', rest @ ..] if !rest.is_empty() => Some(letter(rest[0], 0)),
            [0x1b, rest @ ..] => single(rest).map(|chord| chord.map(|chord| Chord { alt: true, ..chord })),
            bytes => single(bytes),
        };
        if let Some(chord) = taken {
            self.pending.clear();
            out.extend(chord.map(Input::Key));
        }
    }

    fn sequence(&mut self, out: &mut Vec<Input>) {
        let Some((&last, body)) = self.pending.get(2..).and_then(<[u8]>::split_last) else { return };
        if !(0x40..=0x7e).contains(&last) || (body.is_empty() && last == b'[') {
            if self.pending.len() > SEQUENCE {
                self.pending.clear();
            }
            return;
        }
        if body == b"200" && last == b'~' {
            self.pending.clear();
            self.pasting = true;
            return;
        }
        let input = match body.split_first() {
            Some((b'<', report)) => mouse(report, last).map(Input::Mouse),
            _ => control(body, last).map(Input::Key),
        };
        self.pending.clear();
        out.extend(input);
    }

    fn paste(&mut self, out: &mut Vec<Input>) {
        if let Some(text) = self.pending.strip_suffix(PASTE_END) {
            out.push(Input::Paste(String::from_utf8_lossy(text).into_owned()));
            self.pending.clear();
            self.pasting = false;
        } else if self.pending.len() > PASTE + PASTE_END.len() {
            // What is beyond is dropped; the end is still seen.
            self.pending.remove(PASTE);
        }
    }
}

/// A key without an escape before it: None while bytes are missing, Some(None) when it means nothing.
fn single(bytes: &[u8]) -> Option<Option<Chord>> {
    let chord = match bytes {
        [] => return None,
        [b'\r' | b'\n'] => Chord::plain(Press::Enter),
        [b'\t'] => Chord::plain(Press::Tab),
        [8 | 0x7f] => Chord::plain(Press::Backspace),
        [0] => Chord::ctrl(' '),
        [byte @ 1..=26] => Chord::ctrl(char::from(byte + b'a' - 1)),
        [byte @ 27..=31] => Chord::ctrl(char::from(byte + b'A' - 1)),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => return Some(text.chars().next().map(Chord::char)),
            Err(error) if error.error_len().is_none() && bytes.len() < 4 => return None,
            Err(_) => return Some(None),
        },
    };
    Some(Some(chord))
}

fn control(body: &[u8], last: u8) -> Option<Chord> {
    let mut numbers = body.split(|byte| *byte == b';').map(number);
    let first = numbers.next().flatten().unwrap_or(1);
    let held = numbers.next().flatten().unwrap_or(1).saturating_sub(1);
    match last {
        b'Z' => Some(Chord::shift(Press::Tab)),
        b'~' => with(numbered(first)?, held),
        _ => letter(last, held),
    }
}

fn letter(letter: u8, held: u32) -> Option<Chord> {
    let press = match letter {
        b'A' => Press::Up,
        b'B' => Press::Down,
        b'C' => Press::Right,
        b'D' => Press::Left,
        b'H' => Press::Home,
        b'F' => Press::End,
        b'M' => Press::Enter,
        b'P'..=b'S' => Press::Function(letter - b'P' + 1),
        _ => return None,
    };
    with(press, held)
}

fn numbered(number: u32) -> Option<Press> {
    Some(match number {
        1 | 7 => Press::Home,
        3 => Press::Delete,
        4 | 8 => Press::End,
        5 => Press::PageUp,
        6 => Press::PageDown,
        11..=15 => Press::Function(u8::try_from(number - 10).ok()?),
        17..=21 => Press::Function(u8::try_from(number - 11).ok()?),
        23 | 24 => Press::Function(u8::try_from(number - 12).ok()?),
        _ => return None,
    })
}

/// Modifiers as xterm sends them, less one: shift 1, alt 2, ctrl 4.
fn with(press: Press, held: u32) -> Option<Chord> {
    Some(Chord { press, shift: held & 1 != 0, alt: held & 2 != 0, ctrl: held & 4 != 0 })
}

/// `button;column;row` of SGR mouse reports; only the left button and the wheel mean something.
fn mouse(report: &[u8], last: u8) -> Option<Mouse> {
    let mut numbers = report.split(|byte| *byte == b';').map(number);
    let button = numbers.next()??;
    let cell = |number: Option<u32>| u16::try_from(number?.checked_sub(1)?).ok();
    let (column, row) = (cell(numbers.next()?)?, cell(numbers.next()?)?);
    let what = match (button & 0b1110_0011, last) {
        (0, b'M') => MouseWhat::Down,
        (0, b'm') | (32, b'm') => MouseWhat::Up,
        (32, b'M') => MouseWhat::Drag,
        (64, b'M') => MouseWhat::WheelUp,
        (65, b'M') => MouseWhat::WheelDown,
        _ => return None,
    };
    Some(Mouse { what, column, row })
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8]) -> Vec<Input> {
        let mut decoder = Decoder::default();
        let mut out = decoder.feed(bytes);
        out.extend(decoder.settle());
        out
    }

    fn keys(bytes: &[u8]) -> Vec<String> {
        let name = |input: &Input| match input {
            Input::Key(chord) => chord.to_string(),
            other => format!("{other:?}"),
        };
        decoded(bytes).iter().map(name).collect()
    }

    #[test]
    fn keys_as_terminals_send_them() {
        assert_eq!(keys(b"dD \r\t\x7f\x03"), ["d", "D", "space", "enter", "tab", "backspace", "ctrl-c"]);
        assert_eq!(
            keys(b"\x1b[A\x1bOB\x1b[1;2C\x1b[1;5D\x1b[5~\x1b[H\x1b[4~"),
            ["↑", "↓", "shift-→", "ctrl-←", "pgup", "home", "end"]
        );
        assert_eq!(keys(b"\x1b[Z\x1bOP\x1b[15~\x1b[24~"), ["shift-tab", "F1", "F5", "F12"]);
        assert_eq!(keys("é漢\x1bx".as_bytes()), ["é", "漢", "alt-x"]);
        assert_eq!(keys(b"\x1b"), ["esc"]);
        assert_eq!(keys(b"\x1b\x1b[A"), ["esc", "↑"]);
        assert_eq!(keys(b"\xff\x1b[99;99Xq"), ["q"]);
    }

    #[test]
    fn mouse_and_paste() {
        let at = |what, column, row| Input::Mouse(Mouse { what, column, row });
        assert_eq!(
            decoded(b"\x1b[<0;10;5M\x1b[<32;11;5M\x1b[<0;11;5m\x1b[<64;1;1M\x1b[<2;1;1M"),
            [
                at(MouseWhat::Down, 9, 4),
                at(MouseWhat::Drag, 10, 4),
                at(MouseWhat::Up, 10, 4),
                at(MouseWhat::WheelUp, 0, 0),
            ]
        );
        assert_eq!(
            decoded(b"\x1b[200~a\x1b[Ab\nq\x1b[201~q"),
            [Input::Paste("a\x1b[Ab\nq".to_owned()), Input::Key(Chord::char('q'))]
        );
    }

    proptest! {
        #[test]
        fn split_anywhere_gives_the_same_and_stays_small(
            bytes in prop::collection::vec(prop_oneof![Just(0x1b), Just(b'['), Just(b'<'), any::<u8>()], 0..200),
            cut in 0usize..200,
        ) {
            let mut decoder = Decoder::default();
            let cut = cut.min(bytes.len());
            let mut parts = decoder.feed(&bytes[..cut]);
            parts.extend(decoder.feed(&bytes[cut..]));
            prop_assert!(decoder.pending.len() <= SEQUENCE + 1 || decoder.pasting);
            parts.extend(decoder.settle());
            prop_assert_eq!(parts, decoded(&bytes));
        }
    }
}
