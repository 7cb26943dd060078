//! A line being typed.
//!
//! Invariant: the cursor lies between characters; control characters are never in the text.
//! Leaves to others: what the line is for (`app`).

use super::keys::{Chord, Press};

/// Longest line, in characters.
const LONGEST: usize = 1_000;

/// Text and cursor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    text: Vec<char>,
    cursor: usize,
}

/// What a key did to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    Changed,
    Nothing,
    /// Enter.
    Done,
    /// Escape, or backspace in an empty line.
    Gone,
}

impl Line {
    /// With `text` in it and the cursor at its end.
    pub fn new(text: &str) -> Self {
        let text: Vec<char> = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        Self { cursor: text.len(), text }
    }

    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Characters in front of the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    pub fn paste(&mut self, text: &str) {
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).for_each(|c| self.insert(c));
    }

    fn insert(&mut self, character: char) {
        if self.text.len() < LONGEST && !character.is_control() {
            self.text.insert(self.cursor, character);
            self.cursor += 1;
        }
    }

    pub fn key(&mut self, chord: Chord) -> Typed {
        let before = (self.cursor, self.text.len());
        match (chord.press, chord.ctrl || chord.alt) {
            (Press::Enter, _) => return Typed::Done,
            (Press::Escape, _) | (Press::Char('c' | 'g'), true) => return Typed::Gone,
            (Press::Backspace, _) if self.text.is_empty() => return Typed::Gone,
            (Press::Backspace, _) => self.remove(self.cursor.checked_sub(1)),
            (Press::Delete, _) => self.remove(Some(self.cursor)),
            (Press::Left, _) => self.cursor = self.cursor.saturating_sub(1),
            (Press::Right, _) => self.cursor = (self.cursor + 1).min(self.text.len()),
            (Press::Home, _) | (Press::Char('a'), true) => self.cursor = 0,
            (Press::End, _) | (Press::Char('e'), true) => self.cursor = self.text.len(),
            (Press::Char('u'), true) => self.cut(0),
            (Press::Char('w'), true) => self.cut(self.word()),
            (Press::Char(character), false) => self.insert(character),
            _ => {}
        }
        if before == (self.cursor, self.text.len()) { Typed::Nothing } else { Typed::Changed }
    }

    fn remove(&mut self, at: Option<usize>) {
        if let Some(at) = at.filter(|at| *at < self.text.len()) {
            self.text.remove(at);
            self.cursor = at;
        }
    }

    /// Removes from `from` to the cursor.
    fn cut(&mut self, from: usize) {
        self.text.drain(from.min(self.cursor)..self.cursor);
        self.cursor = from.min(self.cursor);
    }

    /// Where the word in front of the cursor begins.
    fn word(&self) -> usize {
        let before = self.text.get(..self.cursor).unwrap_or_default();
        let end = before.iter().rposition(|c| *c != ' ').map_or(0, |at| at + 1);
        before.get(..end).unwrap_or_default().iter().rposition(|c| *c == ' ').map_or(0, |at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_as_in_a_shell() {
        let mut line = Line::new("denied net");
        line.key(Chord::ctrl('w'));
        assert_eq!(line.text(), "denied ");
        line.paste("a\nb");
        line.key(Chord::plain(Press::Home));
        line.key(Chord::char('-'));
        assert_eq!((line.text().as_str(), line.cursor()), ("-denied a b", 1));
        line.key(Chord::plain(Press::Delete));
        line.key(Chord::plain(Press::End));
        line.key(Chord::plain(Press::Backspace));
        assert_eq!(line.text(), "-enied a ");
        line.key(Chord::ctrl('u'));
        assert_eq!(line.key(Chord::plain(Press::Backspace)), Typed::Gone);
        assert_eq!(line.key(Chord::plain(Press::Enter)), Typed::Done);
    }
}
