//! Keys as terminals send them: bytes, `CSI u` (kitty), modifyOtherKeys; and what is no key.
//!
//! Invariant: pasted text and mouse reports are never keys; what a terminal replies to the agent is passed on to it.
//! Leaves to others: what a key means.

/// A key that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// With no modifier but shift.
    Char(char),
    /// With control alone; the letter in lower case.
    Control(char),
    Up,
    Down,
    Left,
    Right,
    Enter,
    Escape,
    Backspace,
    Other,
}

/// What stands in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Key(Key),
    /// A key let go, a modifier alone, a mouse report.
    Nothing,
    /// A report that the agent has asked for, or a change of focus.
    Report,
    /// Pasted text begins.
    Paste,
}

/// Longest sequence that is waited for, in bytes.
const LONGEST: usize = 4096;
/// Ends pasted text.
const PASTED: &[u8] = b"\x1b[201~";

/// The first token and its length; None while it is incomplete.
pub fn token(bytes: &[u8]) -> Option<(usize, Token)> {
    let (first, rest) = bytes.split_first()?;
    match *first {
        0x1b => escape(rest).map(|(length, token)| (length + 1, token)).or_else(|| {
            // Too long to be anything: the ESC was a key.
            (bytes.len() > LONGEST).then_some((1, Token::Key(Key::Escape)))
        }),
        b'\r' | b'\n' => Some((1, Token::Key(Key::Enter))),
        0x7f | 0x08 => Some((1, Token::Key(Key::Backspace))),
        0 => Some((1, Token::Key(Key::Control(' ')))),
        control @ 1..0x20 => Some((1, Token::Key(Key::Control(char::from(control | 0x40).to_ascii_lowercase())))),
        ascii @ 0x20..0x7f => Some((1, Token::Key(Key::Char(char::from(ascii))))),
        lead => {
            let length = match lead {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => 1,
            };
            let text = std::str::from_utf8(bytes.get(..length)?);
            let key = text.ok().and_then(|text| text.chars().next()).map_or(Key::Other, Key::Char);
            Some((length, Token::Key(key)))
        }
    }
}

/// After an ESC.
fn escape(rest: &[u8]) -> Option<(usize, Token)> {
    match *rest.first()? {
        b'[' => csi(rest.get(1..)?).map(|(length, token)| (length + 1, token)),
        b'O' => {
            let key = arrow(*rest.get(1)?).unwrap_or(Key::Other);
            Some((2, Token::Key(key)))
        }
        // OSC, DCS, APC: replies.
        b']' | b'P' | b'_' => {
            let end = rest.windows(2).position(|two| two == b"\x1b\\").map(|at| at + 2);
            let bell = rest.iter().position(|byte| *byte == 7).map(|at| at + 1);
            let end = [end, bell].into_iter().flatten().min()?;
            Some((end, Token::Report))
        }
        0x1b => Some((0, Token::Key(Key::Escape))),
        // With alt.
        _ => token(rest).map(|(length, _)| (length, Token::Key(Key::Other))),
    }
}

fn arrow(last: u8) -> Option<Key> {
    Some(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'M' => Key::Enter,
        _ => return None,
    })
}

/// After `ESC [`.
fn csi(rest: &[u8]) -> Option<(usize, Token)> {
    let end = rest.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
    let (body, last) = (rest.get(..end)?, *rest.get(end)?);
    let length = end + 1;
    let is_private = body.first().is_some_and(|first| matches!(first, b'<' | b'>' | b'?' | b'='));
    let token = match last {
        // X10 mouse: three bytes follow.
        b'M' if body.is_empty() => return (rest.len() >= length + 3).then_some((length + 3, Token::Nothing)),
        b'M' | b'm' => Token::Nothing,
        b'u' if !is_private => pressed(body, 0, 1),
        b'~' if body == b"200" => Token::Paste,
        b'~' if body.starts_with(b"27;") => modified(body),
        b'A' | b'B' | b'C' | b'D' if !is_private => match modifiers(body, 1) {
            (_, true) => Token::Nothing,
            (0, false) => Token::Key(arrow(last).unwrap_or(Key::Other)),
            _ => Token::Key(Key::Other),
        },
        b'~' | b'F' | b'H' | b'P' | b'Q' | b'S' | b'Z' | b'E' if !is_private => Token::Key(Key::Other),
        _ => Token::Report,
    };
    Some((length, token))
}

/// The `at`th field, and of it the `part`th after colons.
fn number(body: &[u8], at: usize, part: usize) -> Option<u32> {
    let field = body.split(|byte| *byte == b';').nth(at)?;
    std::str::from_utf8(field.split(|byte| *byte == b':').nth(part)?).ok()?.parse().ok()
}

/// Modifiers without shift and locks, and whether the key was let go.
fn modifiers(body: &[u8], at: usize) -> (u32, bool) {
    const SHIFT_AND_LOCKS: u32 = 1 | 64 | 128;
    let held = number(body, at, 0).unwrap_or(1).saturating_sub(1) & !SHIFT_AND_LOCKS;
    (held, number(body, at, 1) == Some(3))
}

/// `CSI code:shifted:base;modifiers:event u`
fn pressed(body: &[u8], code: usize, held: usize) -> Token {
    const CONTROL: u32 = 4;
    const MODIFIERS: std::ops::RangeInclusive<u32> = 57441..=57454;
    let Some(plain) = number(body, code, 0) else { return Token::Nothing };
    let (modifiers, is_release) = modifiers(body, held);
    if is_release || MODIFIERS.contains(&plain) || (57358..=57360).contains(&plain) {
        return Token::Nothing;
    }
    let has_shift = number(body, held, 0).unwrap_or(1).saturating_sub(1) & 1 != 0;
    let shifted = number(body, code, 1).filter(|_| has_shift);
    let character = char::from_u32(shifted.unwrap_or(plain)).filter(|_| !(57344..=63743).contains(&plain));
    Token::Key(match (plain, modifiers, character) {
        (13 | 57414, 0, _) => Key::Enter,
        (27, 0, _) => Key::Escape,
        (127 | 8, 0, _) => Key::Backspace,
        (32.., 0, Some(character)) => Key::Char(character),
        (32.., CONTROL, Some(character)) => Key::Control(character.to_ascii_lowercase()),
        _ => Key::Other,
    })
}

/// `CSI 27;modifiers;code ~`
fn modified(body: &[u8]) -> Token {
    pressed(body, 2, 1)
}

/// `CSI row ; column R`: both from 0.
pub fn cursor_report(piece: &[u8]) -> Option<(u16, u16)> {
    let body = std::str::from_utf8(piece.strip_prefix(b"\x1b[")?.strip_suffix(b"R")?).ok()?;
    let (row, col) = body.split_once(';')?;
    Some((row.parse::<u16>().ok()?.checked_sub(1)?, col.parse::<u16>().ok()?.checked_sub(1)?))
}

/// What was read, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    Key(Key),
    /// For the agent.
    Report(Vec<u8>),
}

/// Input that comes in pieces.
#[derive(Debug, Default)]
pub struct Keys {
    waiting: Vec<u8>,
    paste: bool,
}

impl Keys {
    /// Takes the next piece. Several characters in one piece come from no finger: they are left out, unless `text` is typed.
    pub fn read(&mut self, bytes: &[u8], text: bool) -> Vec<Read> {
        self.waiting.extend_from_slice(bytes);
        let mut read = Vec::new();
        let mut from = 0;
        while let Some(rest) = self.waiting.get(from..).filter(|rest| !rest.is_empty()) {
            if self.paste {
                match rest.windows(PASTED.len()).position(|six| six == PASTED) {
                    Some(at) => from += at + PASTED.len(),
                    None => {
                        from += rest.len().saturating_sub(PASTED.len() - 1);
                        break;
                    }
                }
                self.paste = false;
                continue;
            }
            let Some((length, token)) = token(rest) else { break };
            match token {
                Token::Key(key) => read.push(Read::Key(key)),
                Token::Report => read.push(Read::Report(rest.get(..length).unwrap_or_default().to_vec())),
                Token::Paste => self.paste = true,
                Token::Nothing => {}
            }
            from += length.max(1);
        }
        self.waiting.drain(..from.min(self.waiting.len()));
        let typed = |read: &&Read| matches!(read, Read::Key(Key::Char(_)));
        if !text && read.iter().filter(typed).count() > 1 {
            read.retain(|read| !typed(&read));
        }
        read
    }

    /// A lone ESC was the key, since nothing has followed it for a while.
    pub fn give_up(&mut self) -> Option<Key> {
        (std::mem::take(&mut self.waiting) == b"\x1b").then_some(Key::Escape)
    }

    /// Something incomplete waits.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &[u8]) -> Vec<Read> {
        Keys::default().read(text, false)
    }

    #[test]
    fn letters_in_every_encoding() {
        for form in ["o", "\x1b[111u", "\x1b[111;1u", "\x1b[111;1:1u", "\x1b[111;129:2u", "\x1b[27;1;111~"] {
            assert_eq!(keys(form.as_bytes()), [Read::Key(Key::Char('o'))], "{form:?}");
        }
        assert_eq!(keys(b"\x1b[111:79;2u"), [Read::Key(Key::Char('O'))]);
        assert_eq!(keys(b"\x1b[99;5u"), [Read::Key(Key::Control('c'))]);
        assert_eq!(keys(b"\x1c"), [Read::Key(Key::Control('\\'))]);
        assert_eq!(keys(b"\x1b[A\x1bOB"), [Read::Key(Key::Up), Read::Key(Key::Down)]);
    }

    #[test]
    fn what_is_no_key_answers_nothing() {
        for form in
            ["\x1b[111;1:3u", "\x1b[57442;5u", "\x1b[<0;3;4M", "\x1b[Mooo", "\x1b[200~o\x1b[201~", "oo", "\x1b[200~o"]
        {
            assert_eq!(keys(form.as_bytes()), [], "{form:?}");
        }
        assert_eq!(keys(b"\x1bo"), [Read::Key(Key::Other)]);
        assert_eq!(keys(b"\x1b[111;3u"), [Read::Key(Key::Other)]);
    }

    #[test]
    fn replies_are_the_agents() {
        for reply in ["\x1b[3;4R", "\x1b[?62;22c", "\x1b]11;rgb:0/0/0\x1b\\", "\x1bP1$r0m\x1b\\", "\x1b[I"] {
            assert_eq!(keys(reply.as_bytes()), [Read::Report(reply.as_bytes().to_vec())], "{reply:?}");
        }
    }

    #[test]
    fn pieces_come_together() {
        let mut keys = Keys::default();
        assert_eq!(keys.read(b"\x1b[1", false), []);
        assert_eq!(keys.read(b"11u", false), [Read::Key(Key::Char('o'))]);
        assert_eq!(keys.read(b"\x1b", false), []);
        assert!(keys.is_waiting());
        assert_eq!(keys.give_up(), Some(Key::Escape));
        assert_eq!(keys.read(b"\x1b[200~ooo\x1b[20", false), []);
        assert_eq!(keys.read(b"1~d", false), [Read::Key(Key::Char('d'))]);
    }
}
