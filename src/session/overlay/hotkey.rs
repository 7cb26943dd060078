//! The key that opens the panel: a control key, and after it a letter.
//!
//! Invariant: whatever is not the whole hot key reaches the agent unchanged and in order, at the latest after [`PATIENCE`].
//! Leaves to others: what opens.

use std::str::FromStr;
use std::time::{Duration, Instant};

use super::keys::{Key, Token, token};

/// How long the letter may take.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// Which keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotKey {
    /// Pressed with control.
    prefix: char,
    /// Pressed after it; None: the prefix is all.
    then: Option<char>,
}

/// `ctrl-\ g`
impl Default for HotKey {
    fn default() -> Self {
        HotKey { prefix: '\\', then: Some('g') }
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "'{0}' is no hot key: it takes ctrl- and a letter or one of \\ ] ^ _, then perhaps a space and another letter, or off"
)]
pub struct HotKeyError(String);

impl FromStr for HotKey {
    type Err = HotKeyError;

    /// `ctrl-\ g`, `ctrl-]`, `C-o x`, `^\ g`.
    fn from_str(text: &str) -> Result<Self, HotKeyError> {
        let wrong = || HotKeyError(text.to_owned());
        let mut words = text.split_whitespace();
        let chord = words.next().ok_or_else(wrong)?;
        let lower = chord.to_lowercase();
        let prefixes = ["ctrl-", "ctrl+", "c-", "^"];
        let key = prefixes.iter().find_map(|prefix| lower.strip_prefix(prefix)).ok_or_else(wrong)?;
        let mut key = key.chars();
        let (Some(prefix), None) = (key.next(), key.next()) else { return Err(wrong()) };
        // Not Enter, Tab, Backspace, ESC, nor the keys that end and stop programs.
        let usable = matches!(prefix, 'a'..='z' | '\\' | ']' | '^' | '_') && !"cdhijmqsz".contains(prefix);
        let then = match words.next().map(|word| word.chars().collect::<Vec<_>>()) {
            None => None,
            Some(letter) => match letter.as_slice() {
                [letter] if letter.is_ascii_graphic() => Some(*letter),
                _ => return Err(wrong()),
            },
        };
        if !usable || words.next().is_some() {
            return Err(wrong());
        }
        Ok(HotKey { prefix, then })
    }
}

impl std::fmt::Display for HotKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ctrl-{}", self.prefix)?;
        self.then.map_or(Ok(()), |then| write!(f, " {then}"))
    }
}

/// Keys on their way to the agent.
#[derive(Debug)]
pub struct Watch {
    key: HotKey,
    /// The prefix, as it came, until it is known what follows.
    held: Vec<u8>,
    since: Option<Instant>,
    paste: bool,
}

/// What became of a piece of input.
#[derive(Debug, PartialEq, Eq)]
pub struct Passed {
    /// For the agent.
    pub forward: Vec<u8>,
    /// The hot key was pressed, and this followed it.
    pub pressed: Option<Vec<u8>>,
}

impl Watch {
    pub fn new(key: HotKey) -> Self {
        Watch { key, held: Vec::new(), since: None, paste: false }
    }

    /// Nothing in this piece is of interest, and nothing is held: it can go as it is.
    pub fn is_plain(&self, bytes: &[u8]) -> bool {
        let own = self.key.prefix as u8 & 0x1f;
        self.held.is_empty() && memchr::memchr2(own, 0x1b, bytes).is_none()
    }

    pub fn pass(&mut self, bytes: &[u8], now: Instant) -> Passed {
        let mut forward = Vec::with_capacity(bytes.len() + self.held.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let (length, token) = token(rest).unwrap_or((rest.len(), Token::Report));
            let (piece, after) = rest.split_at(length.clamp(1, rest.len()));
            rest = after;
            if self.paste {
                self.paste = piece != b"\x1b[201~";
                forward.extend_from_slice(piece);
                continue;
            }
            match token {
                Token::Key(key) if self.since.is_some() && self.key.then.is_some_and(|then| key == Key::Char(then)) => {
                    self.forget();
                    return Passed { forward, pressed: Some(rest.to_vec()) };
                }
                Token::Key(Key::Control(key)) if key == self.key.prefix => {
                    forward.append(&mut self.held);
                    if self.key.then.is_none() {
                        return Passed { forward, pressed: Some(rest.to_vec()) };
                    }
                    self.held.extend_from_slice(piece);
                    self.since = Some(now);
                }
                // Keys let go, mouse: they come between the two.
                Token::Nothing if self.since.is_some() => self.held.extend_from_slice(piece),
                other => {
                    self.paste = other == Token::Paste;
                    forward.append(&mut self.held);
                    self.since = None;
                    forward.extend_from_slice(piece);
                }
            }
        }
        Passed { forward, pressed: None }
    }

    /// When what is held must go on.
    pub fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + PATIENCE)
    }

    /// Nothing has followed in time: what was held is the agent's.
    pub fn give_up(&mut self, now: Instant) -> Vec<u8> {
        if self.deadline().is_some_and(|at| now >= at) {
            self.since = None;
            return std::mem::take(&mut self.held);
        }
        Vec::new()
    }

    fn forget(&mut self) {
        self.held.clear();
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(pieces: &[&[u8]]) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut watch = Watch::new(HotKey::default());
        let (mut forward, now) = (Vec::new(), Instant::now());
        for piece in pieces {
            let passed = watch.pass(piece, now);
            forward.extend(passed.forward);
            if passed.pressed.is_some() {
                return (forward, passed.pressed);
            }
        }
        forward.extend(watch.give_up(now + PATIENCE));
        (forward, None)
    }

    #[test]
    fn it_is_seen_in_every_encoding() {
        assert_eq!(pass(&[b"ab\x1cgcd"]), (b"ab".to_vec(), Some(b"cd".to_vec())));
        assert_eq!(pass(&[b"\x1c", b"g"]), (vec![], Some(vec![])));
        assert_eq!(pass(&[b"\x1b[92;5u\x1b[92;5:3u", b"\x1b[103u"]), (vec![], Some(vec![])));
        assert_eq!(pass(&[b"\x1b[27;5;92~g"]), (vec![], Some(vec![])));
    }

    #[test]
    fn everything_else_is_unchanged() {
        let pieces: [&[&[u8]]; 6] = [
            &[b"\x1c"],
            &[b"\x1c\x1c\x1cx"],
            &[b"g\x1cG", b"g"],
            &[b"\x1b[A\x1b[<0;1;1M\x1bOP\xc3\xa9\xff"],
            &[b"\x1b[200~a\x1cg\x1b[201~"],
            &[b"\x1b[92;5u", b"\x1b[A"],
        ];
        for pieces in pieces {
            assert_eq!(pass(pieces), (pieces.concat(), None), "{pieces:?}");
        }
    }

    #[test]
    fn keys_have_names() {
        assert_eq!("ctrl-\\ g".parse::<HotKey>().unwrap(), HotKey::default());
        assert_eq!("^] x".parse::<HotKey>().unwrap().to_string(), "ctrl-] x");
        assert_eq!("C-o".parse::<HotKey>().unwrap().to_string(), "ctrl-o");
        for wrong in ["", "g", "ctrl-c", "ctrl-[ g", "ctrl-\\ gg", "ctrl-\\ g h", "ctrl-"] {
            assert!(wrong.parse::<HotKey>().is_err(), "{wrong:?}");
        }
    }
}
