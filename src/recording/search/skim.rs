//! Output that only scrolls by: which parts of it must be drawn to find all matches and to know the screen at its end.
//!
//! Invariant: drawing those parts alone, each from the beginning of a line, gives the same hits and leaves the same screen as
//! drawing everything (a property test).
//! Leaves to others: whether the terminal is in a state in which text only scrolls ([`Glass::only_scrolls`]), drawing (`unit`).
//!
//! Why it is so: in such a state text is added at the end of the last line and nowhere else, and a line that was ended does
//! not change. So what a line ever shows is a piece of its text, without the sequences, and a line can match only where the
//! pattern, freed of what looks around, matches in that text. What is left out is whole lines. Before a line that is drawn
//! for its match, and before the end, so many lines are drawn that all which stood before has scrolled away.
//!
//! [`Glass::only_scrolls`]: super::glass::Glass::only_scrolls

use std::collections::BTreeSet;
use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Capture, Hir, HirKind, Literal, Repetition};

use super::glass::is_combining;

/// Bytes looked at together.
const MOST: usize = 1 << 20;
/// Bytes of a sequence, at most; a longer one ends the stretch.
const LONGEST: usize = 2048;
/// Private modes that change nothing that is shown: cursor keys, blinking, visible cursor, mouse, focus, paste, synchronised output.
const QUIET: [&[u8]; 10] = [b"1", b"12", b"25", b"1000", b"1002", b"1003", b"1004", b"1006", b"2004", b"2026"];

/// A pattern that matches in a text wherever `pattern` matches in a line of it; None when it would match nothing at all.
pub(super) fn relaxed(pattern: &str, ignored: bool) -> Option<Regex> {
    let hir = ParserBuilder::new().case_insensitive(ignored).build().parse(pattern).ok()?;
    let regex = RegexBuilder::new(&free(&hir).to_string()).build().ok()?;
    (!regex.is_match(b"")).then_some(regex)
}

/// A character that every match of `pattern` holds, where there is one: the one that text has most rarely.
pub(super) fn needed(pattern: &str, ignored: bool) -> Option<char> {
    let hir = ParserBuilder::new().case_insensitive(ignored).build().parse(pattern).ok()?;
    let commonness = |ch: &char| match ch {
        'a'..='z' | ' ' => 3,
        '0'..='9' | '-' | '.' | '/' | '_' | ':' | '=' => 2,
        'A'..='Z' => 1,
        _ => 0,
    };
    held(&hir).into_iter().min_by_key(commonness)
}

/// The characters that every match holds.
fn held(hir: &Hir) -> BTreeSet<char> {
    match hir.kind() {
        HirKind::Literal(Literal(bytes)) => {
            std::str::from_utf8(bytes).map(|text| text.chars().collect()).unwrap_or_default()
        }
        HirKind::Repetition(repetition) if repetition.min > 0 => held(&repetition.sub),
        HirKind::Capture(capture) => held(&capture.sub),
        HirKind::Concat(parts) => parts.iter().flat_map(held).collect(),
        HirKind::Alternation(parts) => {
            let all = parts.iter().map(held);
            all.reduce(|one, other| one.intersection(&other).copied().collect()).unwrap_or_default()
        }
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) | HirKind::Repetition(_) => BTreeSet::new(),
    }
}

/// Without anchors and word boundaries.
fn free(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(_) => Hir::empty(),
        HirKind::Repetition(repetition) => {
            Hir::repetition(Repetition { sub: Box::new(free(&repetition.sub)), ..repetition.clone() })
        }
        HirKind::Capture(capture) => Hir::capture(Capture { sub: Box::new(free(&capture.sub)), ..capture.clone() }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(free).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(free).collect()),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => hir.clone(),
    }
}

/// The beginning of a line.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// In the text.
    text: usize,
    /// In the bytes.
    at: usize,
}

/// A stretch of output. Kept, so that its memory is used again.
#[derive(Debug, Default)]
pub(super) struct Skim {
    /// As it stands on the screen: without sequences, lines parted by line breaks.
    text: Vec<u8>,
    /// All lines but the first, which something may stand in already.
    lines: Vec<Line>,
    /// Bytes that it takes.
    length: usize,
    wanted: Vec<Range<usize>>,
}

impl Skim {
    /// Takes from `bytes` what only scrolls by; its length.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let bytes = bytes.get(..MOST).unwrap_or(bytes);
        self.text.clear();
        self.lines.clear();
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let plain = printable(rest);
            let (run, rest) = rest.split_at(plain);
            self.text.extend_from_slice(run);
            at += plain;
            let taken = match rest.first() {
                Some(b'\r') => self.line_break(rest, at),
                Some(0x1b) => silent(rest),
                Some(lead @ 0xc2..=0xf4) => self.letter(*lead, rest),
                _ => 0,
            };
            at += taken;
            if taken == 0 {
                self.length = at;
                return at;
            }
        }
    }

    fn line_break(&mut self, rest: &[u8], at: usize) -> usize {
        let returns = rest.iter().take_while(|byte| **byte == b'\r').count();
        if rest.get(returns) != Some(&b'\n') {
            return 0;
        }
        self.text.push(b'\n');
        self.lines.push(Line { text: self.text.len(), at: at + returns + 1 });
        returns + 1
    }

    /// A character that is not ASCII.
    fn letter(&mut self, lead: u8, rest: &[u8]) -> usize {
        let length = match lead {
            ..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        let Some(bytes) = rest.get(..length) else { return 0 };
        if let [0xc3..=0xcb, 0x80..0xc0] = bytes {
            // Letters of Latin scripts, none of which combines.
            self.text.extend_from_slice(bytes);
            return 2;
        }
        match std::str::from_utf8(bytes).ok().and_then(|text| text.chars().next()) {
            None | Some('\u{80}'..='\u{9f}') => 0,
            Some(ch) => {
                if !is_combining(ch) {
                    self.text.extend_from_slice(bytes);
                }
                length
            }
        }
    }

    /// The parts that must be drawn, in order; all but the first begin where a line begins. `ends`: where events end, from
    /// the beginning of the stretch. `above`: lines after which nothing of what stood before is to be seen.
    pub(super) fn wanted(&mut self, regex: &Regex, ends: &[usize], above: usize) -> &[Range<usize>] {
        let (lines, length) = (&self.lines, self.length);
        self.wanted.clear();
        // From `first` on, up to the end of the event in which `last` ends: only then what is found has its time.
        let mut want = |first: usize, last: usize| {
            let start = first.checked_sub(1).and_then(|first| lines.get(first)).map_or(0, |line| line.at);
            let end = lines.get(last).map_or(length, |next| next.at);
            let event = ends.get(ends.partition_point(|event| *event < end)).copied();
            let end = event.unwrap_or(length).min(length);
            match self.wanted.last_mut() {
                Some(before) if start <= before.end => before.end = before.end.max(end),
                _ => self.wanted.push(start..end),
            }
        };
        want(0, 0);
        let mut from = lines.first().map(|line| line.text);
        while let Some(found) = from.and_then(|from| regex.find_at(&self.text, from)) {
            // Line n begins at `lines[n - 1]`.
            let line = lines.partition_point(|line| line.text <= found.start());
            want(line.saturating_sub(above), line);
            from = lines.get(line).map(|next| next.text);
        }
        want(lines.len().saturating_sub(above), lines.len());
        &self.wanted
    }
}

/// Bytes of printable ASCII.
fn printable(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;

    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let delete = word ^ (ONES * 0x7f);
        let delete = delete.wrapping_sub(ONES) & !delete & HIGH;
        // The lowest mark is right; those above it may be its borrow.
        let marks = (word & HIGH) | control | delete;
        if marks != 0 {
            return at * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8 + rest.iter().take_while(|byte| byte.wrapping_sub(0x20) < 0x5f).count()
}

/// Length of a sequence that changes no text of a line which is only added to; 0 for any other.
fn silent(rest: &[u8]) -> usize {
    match rest.get(1) {
        Some(b'[') => {
            let body = rest.get(2..rest.len().min(LONGEST)).unwrap_or_default();
            let private = body.first() == Some(&b'?');
            let numbers = body.get(usize::from(private)..).unwrap_or_default();
            let count = numbers.iter().take_while(|byte| matches!(byte, b'0'..=b';')).count();
            let (numbers, last) = numbers.split_at(count);
            let is_silent = match last.first() {
                Some(b'm') => !private,
                // To the right of the cursor nothing stands.
                Some(b'K') => !private && matches!(numbers, b"" | b"0"),
                Some(b'h' | b'l') => private && QUIET.contains(&numbers),
                _ => false,
            };
            if is_silent { 3 + usize::from(private) + count } else { 0 }
        }
        // A title or link.
        Some(b']') => {
            let body = rest.get(2..rest.len().min(LONGEST)).unwrap_or_default();
            let count = printable(body);
            match body.get(count..).unwrap_or_default() {
                [7, ..] => 3 + count,
                [0x1b, b'\\', ..] => 4 + count,
                _ => 0,
            }
        }
        Some(b'(') if rest.get(2) == Some(&b'B') => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_taken_as_it_will_stand() {
        let mut skim = Skim::default();
        let taken = "one \x1b[31mred\x1b[m\x1b[K\r\ntw\u{301}ö 客\r\r\n\x1b]0;t\x07\x1b[?25l";
        assert_eq!(skim.take(format!("{taken}\x1b[Hno").as_bytes()), taken.len());
        assert_eq!(String::from_utf8_lossy(&skim.text), "one red\ntwö 客\n");
        for other in ["\rno", "\nno", "\tno", "\x1b[2Kno", "\x1b[", "\u{85}", "\x7f", "\x1b[?6h", "\x1b(0"] {
            assert_eq!(skim.take(format!("yes{other}").as_bytes()), 3, "{other:?}");
        }
    }

    #[test]
    fn printable_bytes_are_those_of_ascii_without_controls() {
        for place in 0..17 {
            for byte in 0..=255u8 {
                let mut bytes = [b'a'; 17];
                bytes[place] = byte;
                assert_eq!(printable(&bytes), if (0x20..0x7f).contains(&byte) { 17 } else { place }, "{byte}");
            }
        }
    }

    #[test]
    fn what_looks_around_is_left_out() {
        let relaxed = |pattern| relaxed(pattern, true);
        assert!(relaxed("^a+b$|\\bc").is_some_and(|regex| regex.is_match(b"xAAB") && !regex.is_match(b"xb")));
        assert!(relaxed("x*|y").is_none() && relaxed("^$").is_none());
    }

    #[test]
    fn the_rarest_character_is_needed() {
        assert_eq!(needed("error\\[E\\d+\\]", false), Some('['));
        assert_eq!((needed("ab|cb", false), needed("ab|cd", false), needed("a?b*", false)), (Some('b'), None, None));
        assert_eq!(
            (needed("(xY)+z{0}", false), needed("xy", true), needed("^7\\b", true)),
            (Some('Y'), None, Some('7'))
        );
    }

    #[test]
    fn lines_around_matches_and_at_the_end_are_wanted() {
        let mut skim = Skim::default();
        let bytes: Vec<u8> = (0..100).flat_map(|n| format!("line{n:04}\r\n").into_bytes()).collect();
        assert_eq!(skim.take(&bytes), 1000);
        let regex = relaxed("0050|0051", false).expect("it matches something");
        let ends: Vec<_> = (1..=40).map(|n| n * 25).collect();
        assert_eq!(skim.wanted(&regex, &ends, 3), [0..25, 470..525, 970..1000]);
    }
}
