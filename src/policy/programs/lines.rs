//! Command-line patterns of one list, found by the program's name.
//!
//! Invariant: the lowest rule that matches is found, whatever the order of the patterns. Leaves to others: one pattern
//! (`asks::argv`), the readings of a command line (`calls`).

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::calls::{Reading, readings, true_names};
use crate::policy::asks::ArgvPattern;
use crate::policy::pattern::Pattern;

/// Patterns with their rules.
#[derive(Debug, Default)]
pub struct Lines {
    all: Vec<(u32, ArgvPattern)>,
    /// Places in `all`, by the literal name of the program.
    by_name: HashMap<Box<[u8]>, Vec<u32>, RandomState>,
    /// Those whose first word has wildcards.
    others: Vec<u32>,
    /// Programs by path, with their arguments.
    by_path: Vec<(u32, Pattern, ArgvPattern)>,
}

impl Lines {
    pub fn add(&mut self, rule: u32, pattern: ArgvPattern) {
        let place = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        match pattern.name() {
            Some(name) => self.by_name.entry(name.into()).or_default().push(place),
            None => self.others.push(place),
        }
        self.all.push((rule, pattern));
    }

    /// A program by its path, and the arguments behind it as they were written and read before.
    pub fn add_behind(&mut self, rule: u32, path: Pattern, arguments: &str) {
        if let Ok(line) = ArgvPattern::parse_rule(&format!("* {arguments}")) {
            self.by_path.push((rule, path, line));
        }
    }

    /// The lowest rule that means this command line in any reading, with options wherever they can stand.
    pub fn meant(&self, path: &[u8], argv: &[Vec<u8>]) -> Option<u32> {
        self.lowest(path, || readings(path, argv), ArgvPattern::means)
    }

    /// The lowest rule that names exactly this program and command line.
    pub fn named(&self, path: &[u8], argv: &[Vec<u8>]) -> Option<u32> {
        self.lowest(path, || true_names(path, argv), ArgvPattern::names)
    }

    fn lowest<'r>(
        &self,
        path: &[u8],
        readings: impl FnOnce() -> Vec<Reading<'r>>,
        fits: impl Fn(&ArgvPattern, &[u8], &[Vec<u8>]) -> bool,
    ) -> Option<u32> {
        if self.all.is_empty() && self.by_path.is_empty() {
            return None;
        }
        let readings = readings();
        let at = |place: &u32| self.all.get(*place as usize);
        let named = readings.iter().flat_map(|reading| {
            let places = self.by_name.get(reading.name).into_iter().flatten().chain(&self.others);
            places.filter_map(at).filter(|(_, pattern)| fits(pattern, reading.name, reading.arguments))
        });
        // The first reading is the program itself.
        let own = readings.first().map(|reading| reading.arguments).unwrap_or_default();
        let by_path = self.by_path.iter().filter(|(_, place, line)| place.matches(path) && fits(line, b"x", own));
        named.map(|(rule, _)| *rule).chain(by_path.map(|(rule, ..)| *rule)).min()
    }
}
