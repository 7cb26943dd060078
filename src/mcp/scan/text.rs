//! Strings (RFC 8259 §7) in pieces: escapes, surrogates in pairs, UTF-8, no controls.
//!
//! Invariant: takes what serde_json takes. Leaves to others: what they say (`scan`).

/// How far a string was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Text {
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    /// After a backslash.
    Escape,
    /// After `\u`: so many digits read, and what they are.
    Digits { count: u8, unit: u16, leading: bool },
    /// After a leading surrogate: a backslash must follow.
    Backslash,
    /// And `u`.
    SecondEscape,
    /// In a character of several bytes: so many to come, the next within these.
    Bytes { left: u8, least: u8, most: u8 },
}

/// What came of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    More,
    /// The closing quote is the last of so many bytes.
    Over(usize),
    Wrong,
}

impl Text {
    pub fn take(&mut self, bytes: &[u8]) -> Taken {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            if self.state == State::Plain {
                let rest = bytes.get(at..).unwrap_or_default();
                let plain = rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len());
                if plain > 0 {
                    at += plain;
                    continue;
                }
                if byte == b'"' {
                    return Taken::Over(at + 1);
                }
            }
            match self.next(byte) {
                Some(state) => self.state = state,
                None => return Taken::Wrong,
            }
            at += 1;
        }
        Taken::More
    }

    fn next(self, byte: u8) -> Option<State> {
        match self.state {
            State::Plain => match byte {
                b'\\' => Some(State::Escape),
                0xc2..=0xdf => Some(State::Bytes { left: 1, least: 0x80, most: 0xbf }),
                0xe0 => Some(State::Bytes { left: 2, least: 0xa0, most: 0xbf }),
                0xed => Some(State::Bytes { left: 2, least: 0x80, most: 0x9f }),
                0xe1..=0xef => Some(State::Bytes { left: 2, least: 0x80, most: 0xbf }),
                0xf0 => Some(State::Bytes { left: 3, least: 0x90, most: 0xbf }),
                0xf1..=0xf3 => Some(State::Bytes { left: 3, least: 0x80, most: 0xbf }),
                0xf4 => Some(State::Bytes { left: 3, least: 0x80, most: 0x8f }),
                _ => None,
            },
            State::Bytes { left, least, most } => match (byte >= least && byte <= most, left) {
                (false, _) => None,
                (true, 1) => Some(State::Plain),
                (true, left) => Some(State::Bytes { left: left - 1, least: 0x80, most: 0xbf }),
            },
            State::Escape => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(State::Plain),
                b'u' => Some(State::Digits { count: 0, unit: 0, leading: false }),
                _ => None,
            },
            State::Backslash => (byte == b'\\').then_some(State::SecondEscape),
            State::SecondEscape => (byte == b'u').then_some(State::Digits { count: 0, unit: 0, leading: true }),
            State::Digits { count, unit, leading } => {
                let unit = unit << 4 | u16::try_from(char::from(byte).to_digit(16)?).ok()?;
                match (count, leading, unit) {
                    (0..3, _, _) => Some(State::Digits { count: count + 1, unit, leading }),
                    (_, true, 0xdc00..=0xdfff) => Some(State::Plain),
                    (_, true, _) | (_, false, 0xdc00..=0xdfff) => None,
                    (_, false, 0xd800..=0xdbff) => Some(State::Backslash),
                    _ => Some(State::Plain),
                }
            }
        }
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7f) && !matches!(byte, b'"' | b'\\')
}
