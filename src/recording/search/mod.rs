//! Finding text in a recording: what was on the screen, typed, run, opened and reached.
//!
//! Invariant: what is told is in the order of the session, each match once while it stands; memory is bounded whatever the
//! file holds; a frame that is damaged hides only itself.
//! Leaves to others: which files (`cmd::search`), how hits look.
//!
//! ```text
//!            ┌ worker: frame ─events─▶ glass ─lines that changed─▶ watch ─▶ hits ┐
//! unit ──────┤                        └ other events ─▶ words ──────▶ hits ├─▶ in order ─▶ typed lines ─▶ told
//! (from a    └ worker: …                                                          ┘
//!  keyframe to the next)
//! ```

use std::io::{self, Read, Seek};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use regex::{Regex, RegexBuilder};

use super::ReadError;
use super::archive::Archive;

mod crew;
mod glass;
mod skim;
mod typed;
mod unit;
mod watch;
mod words;

#[cfg(test)]
mod tests;

bitflags::bitflags! {
    /// Where to look.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Places: u8 {
        /// What the terminal showed, and what went into pipes.
        const OUTPUT = 1;
        const INPUT = 2;
        /// Programs with their arguments.
        const ARGV = 4;
        const PATH = 8;
        /// Addresses.
        const HOST = 16;
        /// Markers, notes and alerts.
        const MARKER = 32;
        /// Servers, tools and arguments.
        const MCP = 64;
    }
}

/// Where something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    Output,
    Input,
    Argv,
    Path,
    Host,
    Marker,
    Mcp,
}

impl Place {
    pub const ALL: [(Place, Places, &'static str); 7] = [
        (Place::Output, Places::OUTPUT, "output"),
        (Place::Input, Places::INPUT, "input"),
        (Place::Argv, Places::ARGV, "argv"),
        (Place::Path, Places::PATH, "path"),
        (Place::Host, Places::HOST, "host"),
        (Place::Marker, Places::MARKER, "marker"),
        (Place::Mcp, Places::MCP, "mcp"),
    ];

    pub fn word(self) -> &'static str {
        Place::ALL.iter().find(|entry| entry.0 == self).map_or("", |entry| entry.2)
    }
}

/// How letters compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    /// Exactly, if the pattern has a capital letter; else as they come.
    #[default]
    Smart,
    Exact,
    Ignored,
}

/// What to look for.
#[derive(Debug, Clone)]
pub struct Query {
    pub(self) regex: Regex,
    /// Matches in a text wherever the pattern matches in a line of it; None when that says nothing.
    pub(self) relaxed: Option<regex::bytes::Regex>,
    /// A character that every match holds, where there is one.
    pub(self) needed: Option<char>,
    pub(self) places: Places,
    /// Lines before and after a hit in output.
    pub(self) context: usize,
}

impl Query {
    /// A regular expression, or with `literal` the text itself. `context` is in lines.
    pub fn new(
        pattern: &str,
        literal: bool,
        case: Case,
        places: Places,
        context: usize,
    ) -> Result<Query, regex::Error> {
        let ignored = match case {
            Case::Smart => !has_capital(pattern, literal),
            Case::Exact => false,
            Case::Ignored => true,
        };
        let pattern = if literal { regex::escape(pattern) } else { pattern.to_owned() };
        let regex = RegexBuilder::new(&pattern).case_insensitive(ignored).build()?;
        let (relaxed, needed) = (skim::relaxed(&pattern, ignored), skim::needed(&pattern, ignored));
        Ok(Query { regex, relaxed, needed, places, context })
    }
}

/// A capital letter that means itself: not the `S` of `\S`.
fn has_capital(pattern: &str, literal: bool) -> bool {
    let mut escaped = false;
    pattern.chars().any(|ch| {
        let counts = ch.is_uppercase() && !escaped;
        escaped = !literal && ch == '\\' && !escaped;
        counts
    })
}

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// When it was first to be seen, in nanoseconds since the session's start.
    pub t: u64,
    /// The event that it came with.
    pub seq: u64,
    pub place: Place,
    /// The whole line, as it stood on the screen; its control characters are made visible where it is no output or input.
    pub text: String,
    /// What matches in it, in bytes.
    pub ranges: Vec<Range<usize>>,
    /// The row of the screen that the line began in, from 0.
    pub row: Option<u16>,
    /// Lines around it on the screen.
    pub before: Vec<String>,
    pub after: Vec<String>,
}

/// How far a search is; to be looked at, and stopped, from any thread.
#[derive(Debug, Default)]
pub struct Progress {
    /// Frames that were searched, of how many.
    pub done: AtomicU64,
    pub total: AtomicU64,
    pub stop: AtomicBool,
}

impl Progress {
    pub(self) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Searches a recording with `threads` threads; each opens it for itself. Calls `found` in order, until it returns false.
/// What is damaged is skipped: the first such error is returned at the end.
pub fn search<R: Read + Seek>(
    open: impl Fn() -> io::Result<R> + Sync,
    query: &Query,
    threads: usize,
    progress: &Progress,
    found: &mut dyn FnMut(Hit) -> bool,
) -> Result<(), ReadError> {
    let archive = Archive::open(open()?)?;
    let damage = archive.damage().map(str::to_owned);
    crew::search(archive, &open, query, threads, progress, found)?;
    match damage {
        Some(what) => Err(ReadError::Damaged { at: 0, what }),
        None => Ok(()),
    }
}
