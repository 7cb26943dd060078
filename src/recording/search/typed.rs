//! What was typed, line by line.
//!
//! Invariant: a line is searched when it is ended, wherever events and frames split it; at most [`LONGEST`] bytes are held.
//! Leaves to others: what the screen showed of it (`watch`).

use avt::parser::{Function, Parser};

use super::{Hit, Place, Query};

/// Bytes of one line; a longer one is searched in parts.
const LONGEST: usize = 1 << 20;

/// The line under way.
#[derive(Debug, Default)]
pub(super) struct Typed {
    line: Vec<u8>,
    /// Time and number of the last event that added to it.
    last: (u64, u64),
}

impl Typed {
    /// Goes on with what an event added; lines that this ends are searched.
    pub(super) fn push(&mut self, query: &Query, t: u64, seq: u64, data: &[u8], hits: &mut Vec<Hit>) {
        self.last = (t, seq);
        for piece in data.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\r") || piece.ends_with(b"\n") || self.line.len() > LONGEST {
                self.end(query, hits);
            }
        }
    }

    /// Searches what there is.
    pub(super) fn end(&mut self, query: &Query, hits: &mut Vec<Hit>) {
        let text = meant(&std::mem::take(&mut self.line));
        let found = query.regex.find_iter(&text).map(|found| found.range()).filter(|range| !range.is_empty());
        let ranges: Vec<_> = found.take(1000).collect();
        if !ranges.is_empty() {
            let ((t, seq), before, after) = (self.last, Vec::new(), Vec::new());
            hits.push(Hit { t, seq, place: Place::Input, text, ranges, row: None, before, after });
        }
    }
}

/// The text of a line: keys that are none gone, what was erased gone.
fn meant(line: &[u8]) -> String {
    let mut parser = Parser::new();
    let mut text = String::new();
    let line = String::from_utf8_lossy(line);
    let mut chars = line.chars();
    while let Some(ch) = chars.next() {
        // SS3 and a letter: a key, which terminals never send to be drawn.
        if ch == '\u{1b}' && chars.as_str().starts_with('O') {
            chars.nth(1);
            continue;
        }
        let erases = ch == '\u{7f}' || ch == '\u{8}';
        match if erases { Some(Function::Bs) } else { parser.feed(ch) } {
            Some(Function::Print(ch)) => text.push(ch),
            Some(Function::Ht) => text.push(' '),
            Some(Function::Bs) => {
                text.pop();
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::search::tests::query;

    #[test]
    fn text_is_what_was_meant() {
        assert_eq!(meant(b"gti\x7f\x7f\x7fgit\x1b[D push\r"), "git push");
        assert_eq!(meant("gr\u{fc}\u{df}e\x1bOA\tx".as_bytes()), "gr\u{fc}\u{df}e x");
    }

    #[test]
    fn lines_are_found_however_they_are_typed() {
        let (query, mut typed, mut hits) = (query("git push"), Typed::default(), Vec::new());
        for (t, key) in (1..).zip(b"ls\rgit push\r") {
            typed.push(&query, t, t, &[*key], &mut hits);
        }
        typed.push(&query, 20, 20, b"git push\rgit push\r:", &mut hits);
        typed.end(&query, &mut hits);
        assert_eq!(hits.iter().map(|hit| hit.t).collect::<Vec<_>>(), [12, 20, 20]);
    }
}
