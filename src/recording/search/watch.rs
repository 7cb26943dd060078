//! Matches in the lines of a terminal: each is told once while it stands.
//!
//! Invariant: a match that moves with its line, is drawn again at its place, or comes back within [`MEMORY`] is the same one.
//! Memory is bounded. Leaves to others: the terminal (`glass`).

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::LazyLock;

use super::glass::{Eye, Grid, Row, Standing};
use super::{Hit, Place, Query};

/// For so long what was erased may be drawn again, in nanoseconds of the session.
const MEMORY: u64 = 2_000_000_000;
/// Matches that are remembered so.
const MOST: usize = 4096;
/// Matches of one line that are told apart.
const MOST_IN_LINE: usize = 1000;

/// The same for all threads, so that frames agree.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Matches that were erased: by what stood in their line, when, and how many.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(HashMap<u64, (u64, u32)>);

impl Memory {
    fn keep(&mut self, line: u64, t: u64) {
        if self.0.len() >= MOST {
            self.0.retain(|_, (then, _)| t.saturating_sub(*then) <= MEMORY);
            if self.0.len() >= MOST {
                self.0.clear();
            }
        }
        let entry = self.0.entry(line).or_default();
        *entry = (t, entry.1.saturating_add(1));
    }

    /// Whether it stood a moment before `t`; if so it is forgotten.
    pub(super) fn take(&mut self, line: u64, t: u64) -> bool {
        let Some((then, count)) = self.0.get_mut(&line) else { return false };
        if t.saturating_sub(*then) > MEMORY {
            self.0.remove(&line);
            return false;
        }
        *count -= 1;
        if *count == 0 {
            self.0.remove(&line);
        }
        true
    }

    /// Takes over what a later frame had erased.
    pub(super) fn join(&mut self, later: Memory) {
        if self.0.len() + later.0.len() > MOST {
            self.0.clear();
        }
        self.0.extend(later.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Looks for the matches of a query.
pub(super) struct Watch<'q> {
    query: &'q Query,
    /// Time and number of the event that is being drawn.
    pub t: u64,
    pub seq: u64,
    pub memory: Memory,
    /// What was found, with the hash of its line.
    pub hits: Vec<(Hit, u64)>,
    /// Nothing is told: all of it stood before.
    pub silent: bool,
    text: String,
    /// Where in the text each row of the line begins.
    starts: Vec<usize>,
    /// The last lines that scrolled away.
    above: VecDeque<String>,
}

impl<'q> Watch<'q> {
    pub(super) fn new(query: &'q Query) -> Self {
        Watch {
            query,
            t: 0,
            seq: 0,
            memory: Memory::default(),
            hits: Vec::new(),
            silent: false,
            text: String::new(),
            starts: Vec::new(),
            above: VecDeque::new(),
        }
    }

    /// The line's matches, where there are any; those that are new go to `hits`.
    fn search(&mut self, grid: &mut Grid, first: usize, last: usize, mut old: Vec<Standing>) {
        let text = std::mem::take(&mut self.text);
        let mut fresh = Vec::new();
        let mut line = 0;
        for found in self.query.regex.find_iter(&text).filter(|found| !found.is_empty()).take(MOST_IN_LINE) {
            let own = KEYS.hash_one(found.as_str());
            let standing = Standing { own, line: KEYS.hash_one(text.get(..found.end()).unwrap_or_default()) };
            let known = match old.iter().position(|old| old.own == own) {
                Some(at) => {
                    old.swap_remove(at);
                    true
                }
                None => self.silent || self.memory.take(standing.line, self.t),
            };
            if !known {
                line = standing.line;
                fresh.push(found.range());
            }
            let row = first + self.starts.partition_point(|start| *start <= found.start()).saturating_sub(1);
            if let Some(row) = grid.row_mut(row) {
                row.standing.push(standing);
            }
        }
        for gone in old {
            self.memory.keep(gone.line, self.t);
        }
        if !fresh.is_empty() {
            let hit = self.hit(grid, first, last, &text, fresh);
            self.hits.push((hit, line));
        }
        self.text = text;
    }

    fn hit(&self, grid: &Grid, first: usize, last: usize, text: &str, ranges: Vec<Range<usize>>) -> Hit {
        let context = self.query.context;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut at = first;
        while before.len() < context && at > 0 {
            let (top, _) = grid.line(at - 1);
            before.push(line_text(grid, top, at - 1));
            at = top;
        }
        before.extend(self.above.iter().rev().take(context - before.len()).cloned());
        before.reverse();
        at = last + 1;
        while after.len() < context && at < grid.len() {
            let (_, bottom) = grid.line(at);
            after.push(line_text(grid, at, bottom));
            at = bottom + 1;
        }
        while after.last().is_some_and(String::is_empty) {
            after.pop();
        }
        let row = u16::try_from(first).ok();
        Hit { t: self.t, seq: self.seq, place: Place::Output, text: text.to_owned(), ranges, row, before, after }
    }
}

fn line_text(grid: &Grid, first: usize, last: usize) -> String {
    let mut text = String::new();
    (first..=last).filter_map(|row| grid.row(row)).for_each(|row| row.text(&mut text));
    text.truncate(text.trim_end().len());
    text
}

impl Eye for Watch<'_> {
    fn look(&mut self, grid: &mut Grid, row: usize) {
        let (first, last) = grid.line(row);
        if let Some(needed) = self.query.needed {
            let empty = |row: &Row| row.standing.is_empty() && !row.holds(needed);
            if (first..=last).all(|at| grid.row(at).is_none_or(empty)) {
                // No match stood there, none does now.
                (first..=last).for_each(|at| grid.row_mut(at).into_iter().for_each(|row| row.dirty = false));
                return;
            }
        }
        self.text.clear();
        self.starts.clear();
        let mut old = Vec::new();
        for at in first..=last {
            let Some(row) = grid.row_mut(at) else { continue };
            self.starts.push(self.text.len());
            row.text(&mut self.text);
            row.dirty = false;
            old.append(&mut row.standing);
        }
        self.text.truncate(self.text.trim_end().len());
        if old.is_empty() && !self.query.regex.is_match(&self.text) {
            return;
        }
        self.search(grid, first, last, old);
    }

    fn gone(&mut self, row: &mut Row, erased: bool) {
        let standing = std::mem::take(&mut row.standing);
        if erased {
            standing.iter().for_each(|standing| self.memory.keep(standing.line, self.t));
        } else if self.query.context > 0 {
            let mut text = String::new();
            row.text(&mut text);
            text.truncate(text.trim_end().len());
            self.above.push_back(text);
            if self.above.len() > self.query.context {
                self.above.pop_front();
            }
        }
    }
}
