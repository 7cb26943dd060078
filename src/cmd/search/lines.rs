//! Hits as lines for people, or as JSON.
//!
//! Invariant: what was found is made visible before it is printed; every hit ends in something to type.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::json as print;
use super::super::paint::Paint;
use super::super::show::typed;
use super::ticker::Ticker;
use crate::cli::Search;
use crate::recording::search::{Hit, Place};
use crate::recording::visible;

/// Different paths, arguments and hosts of one session that are told apart; beyond, they are printed again.
const MOST_KNOWN: usize = 100_000;
/// Characters kept of a line on either side of what was found, on a terminal.
const AROUND: usize = 60;

pub(super) struct Printer<'a> {
    options: &'a Search,
    ticker: &'a Ticker,
    out: io::BufWriter<io::Stdout>,
    paint: Paint,
    on_terminal: bool,
    path: PathBuf,
    /// What to type for the recording.
    session: String,
    /// Paths, arguments and hosts that were printed for it.
    known: HashSet<u64>,
    keys: RandomState,
    count: u64,
    failure: Option<io::Error>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(options: &'a Search, ticker: &'a Ticker) -> Self {
        let on_terminal = io::stdout().is_terminal();
        Printer {
            options,
            ticker,
            out: io::BufWriter::with_capacity(64 << 10, io::stdout()),
            paint: Paint::stdout(),
            on_terminal,
            path: PathBuf::new(),
            session: String::new(),
            known: HashSet::new(),
            keys: RandomState::new(),
            count: 0,
            failure: None,
        }
    }

    /// Prints a hit in the recording `path`; false when nobody reads any more.
    pub(super) fn hit(&mut self, path: &Path, hit: &Hit) -> bool {
        if self.path != path {
            self.path = path.to_owned();
            self.session = quoted(&typed(path));
            self.known.clear();
        }
        self.count += 1;
        if !self.options.json && self.is_known(hit) {
            return true;
        }
        let ticker = self.ticker;
        let outcome = ticker.clear(|| if self.options.json { self.object(hit) } else { self.lines(hit) });
        match outcome {
            Ok(()) => true,
            Err(error) => {
                self.failure = Some(error);
                false
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self.failure.take() {
            Some(error) => {
                self.failure = Some(io::ErrorKind::BrokenPipe.into());
                Err(error)
            }
            None => self.out.flush(),
        }
    }

    /// A build opens the same file a thousand times: people are told once.
    fn is_known(&mut self, hit: &Hit) -> bool {
        if !matches!(hit.place, Place::Argv | Place::Path | Place::Host) {
            return false;
        }
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        !self.known.insert(self.keys.hash_one((hit.place, &hit.text)))
    }

    fn command(&self, hit: &Hit) -> String {
        format!("govsh replay {} --at {}", self.session, moment(hit.t))
    }

    fn lines(&mut self, hit: &Hit) -> io::Result<()> {
        let (paint, at) = (self.paint, moment(hit.t));
        let lead = format!("{}  {at:>9}  {:<6}  ", self.session, hit.place.word());
        let context = self.options.context > 0;
        let indent = " ".repeat(lead.chars().count());
        if context && self.count > 1 {
            writeln!(self.out, "{}", paint.dim("--"))?;
        }
        for line in &hit.before {
            writeln!(self.out, "{indent}{}", paint.dim(&self.cut(line, 0..0)))?;
        }
        let text = self.marked(hit);
        writeln!(self.out, "{}{text}  {}", paint.dim(&lead), paint.dim(&self.command(hit)))?;
        for line in &hit.after {
            writeln!(self.out, "{indent}{}", paint.dim(&self.cut(line, 0..0)))?;
        }
        if self.on_terminal { self.out.flush() } else { Ok(()) }
    }

    /// The line with what was found in colour; on a terminal without what is far from it.
    fn marked(&self, hit: &Hit) -> String {
        let text = &hit.text;
        let (first, last) = (hit.ranges.first(), hit.ranges.last());
        let (from, to) = match (first, last) {
            (Some(first), Some(last)) if self.on_terminal => {
                (back(text, first.start, AROUND), forth(text, last.end.min(first.end + 4 * AROUND), AROUND))
            }
            _ => (0, text.len()),
        };
        let mut line = String::new();
        if from > 0 {
            line.push('…');
        }
        let mut done = from;
        for range in &hit.ranges {
            if range.start < done || range.end > to {
                continue;
            }
            line.push_str(&visible(text.get(done..range.start).unwrap_or_default().as_bytes()));
            let found = visible(text.get(range.clone()).unwrap_or_default().as_bytes());
            line.push_str(&self.paint.warm(&found));
            done = range.end;
        }
        line.push_str(&visible(text.get(done..to).unwrap_or_default().as_bytes()));
        if to < text.len() {
            line.push('…');
        }
        line.trim_start().to_owned()
    }

    fn cut(&self, line: &str, around: std::ops::Range<usize>) -> String {
        let to = if self.on_terminal { forth(line, around.end, 2 * AROUND) } else { line.len() };
        visible(line.get(..to).unwrap_or_default().as_bytes())
    }

    fn object(&mut self, hit: &Hit) -> io::Result<()> {
        let matches: Vec<_> = hit
            .ranges
            .iter()
            .map(|range| json!({ "start": range.start, "end": range.end, "text": hit.text.get(range.clone()) }))
            .collect();
        let object = json!({
            "session": self.session,
            "file": self.path.to_string_lossy(),
            "t": hit.t as f64 / 1e9,
            "seq": hit.seq,
            "in": hit.place.word(),
            "text": hit.text,
            "matches": matches,
            "row": hit.row,
            "before": hit.before,
            "after": hit.after,
            "replay": self.command(hit),
        });
        print::line(&mut self.out, &object)
    }
}

/// `3:12.345` or `1:03:12.345`: the first millisecond at which it had happened, as `--at` takes it.
fn moment(nanos: u64) -> String {
    let millis = nanos.div_ceil(1_000_000);
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    match seconds {
        0..3_600 => format!("{}:{:02}.{millis:03}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}.{millis:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    }
}

/// `count` characters before the byte `at`.
fn back(text: &str, at: usize, count: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.char_indices().rev().take(count).last().map_or(at, |(first, _)| first)
}

/// `count` characters behind the byte `at`.
fn forth(text: &str, at: usize, count: usize) -> usize {
    text.get(at..).and_then(|after| after.char_indices().nth(count)).map_or(text.len(), |(more, _)| at + more)
}

/// As a shell takes it as one word.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "_./-+:=@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_never_before_the_hit() {
        assert_eq!(moment(0), "0:00.000");
        assert_eq!(moment(192_344_000_001), "3:12.345");
        assert_eq!(moment(3_792_345_000_000), "1:03:12.345");
    }

    #[test]
    fn words_for_the_shell() {
        assert_eq!(quoted("k3f9"), "k3f9");
        assert_eq!(quoted("a b's"), "'a b'\\''s'");
    }

    #[test]
    fn cuts_lie_between_characters() {
        let text = "grüße an alle";
        assert_eq!((back(text, 7, 3), forth(text, 2, 2)), (2, 6));
        assert_eq!((back(text, 1, 9), forth(text, 12, 9)), (0, text.len()));
    }
}
