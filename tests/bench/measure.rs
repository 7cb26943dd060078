//! Samples: runs the cases of an item in rounds, each round in a new random order, and keeps what came out.
//!
//! Invariant: every round runs every case that has not failed exactly once. The first round warms caches and is thrown away.
//! Leaves to others: what a case does (`launch`, `opens`, …) and what is printed (`table`).

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use anyhow::Result;

/// One run of one case.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// What the item is about, in its unit.
    pub value: f64,
    /// The same with launch and end of the wrapper included, where that differs.
    pub whole: Option<f64>,
}

impl From<f64> for Sample {
    fn from(value: f64) -> Sample {
        Sample { value, whole: None }
    }
}

/// What the issue asks of a case; checked against the medians of its item.
#[derive(Debug, Clone)]
#[allow(clippy::enum_variant_names, reason = "each is read after a case: at most 10")]
pub enum Bound {
    /// In the item's unit.
    AtMost(f64),
    /// Times the median of the named case.
    AtMostTimes(f64, &'static str),
    AtLeastTimes(f64, &'static str),
    /// More than the median of the named case, in the item's unit.
    Adds(f64, &'static str),
}

/// One thing to measure: a name, a way to measure it once, and what is asked of it.
pub struct Case<'a> {
    pub name: String,
    pub bounds: Vec<Bound>,
    pub run: Box<dyn FnMut() -> Result<Sample> + 'a>,
}

impl<'a> Case<'a> {
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Result<Sample> + 'a) -> Case<'a> {
        Case { name: name.into(), bounds: Vec::new(), run: Box::new(run) }
    }

    pub fn bounds(mut self, bounds: impl IntoIterator<Item = Bound>) -> Case<'a> {
        self.bounds.extend(bounds);
        self
    }
}

/// A case after its runs.
#[derive(Debug)]
pub struct Measured {
    pub name: String,
    pub bounds: Vec<Bound>,
    pub samples: Vec<Sample>,
    /// Why there are no samples.
    pub failure: Option<String>,
}

/// Cases that are compared with each other.
#[derive(Debug)]
pub struct Item {
    pub name: String,
    pub unit: &'static str,
    pub cases: Vec<Measured>,
}

impl Item {
    /// Median value of the case called `name`, when it ran.
    pub fn median(&self, name: &str) -> Option<f64> {
        self.cases.iter().find(|case| case.name == name).and_then(Measured::median)
    }
}

impl Measured {
    pub fn median(&self) -> Option<f64> {
        middle(self.samples.iter().map(|sample| sample.value).collect())
    }

    pub fn whole(&self) -> Option<f64> {
        middle(self.samples.iter().filter_map(|sample| sample.whole).collect())
    }

    /// Lowest and highest value.
    pub fn spread(&self) -> Option<(f64, f64)> {
        let values = || self.samples.iter().map(|sample| sample.value);
        Some((values().reduce(f64::min)?, values().reduce(f64::max)?))
    }
}

/// Median; of an even number of values the mean of the middle two.
pub fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[half]),
        _ => Some((values[half - 1] + values[half]) / 2.0),
    }
}

/// How much to run, and in which order.
pub struct Pace {
    pub quick: bool,
    runs: Option<usize>,
    state: u64,
}

impl Pace {
    pub fn new(quick: bool, runs: Option<usize>, seed: u64) -> Pace {
        Pace { quick, runs, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// Runs of each case: what the user asked for, or `usual`, or a third of it with `--quick`.
    fn rounds(&self, usual: usize) -> usize {
        self.runs.unwrap_or(if self.quick { usual.div_ceil(3) } else { usual })
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (xorshift(&mut self.state) % (last as u64 + 1)) as usize);
        }
    }

    /// Runs `cases` `usual` times each, interleaved, after one round for warming up if `warm`.
    pub fn interleave(
        &mut self,
        name: &str,
        unit: &'static str,
        usual: usize,
        warm: bool,
        mut cases: Vec<Case<'_>>,
    ) -> Item {
        let rounds = self.rounds(usual);
        let mut samples: Vec<Vec<Sample>> = cases.iter().map(|_| Vec::with_capacity(rounds)).collect();
        let mut failures: Vec<Option<String>> = cases.iter().map(|_| None).collect();
        let start = Instant::now();
        for round in 0..rounds + usize::from(warm) {
            progress(&format!("{name}: round {} of {rounds}", (round + usize::from(!warm)).max(1)), false);
            let mut order: Vec<usize> = (0..cases.len()).filter(|&case| failures[case].is_none()).collect();
            self.shuffle(&mut order);
            for case in order {
                match (cases[case].run)() {
                    Ok(_) if warm && round == 0 => {}
                    Ok(sample) => samples[case].push(sample),
                    Err(error) => {
                        progress(&format!("{name}, {}: {error:#}", cases[case].name), true);
                        failures[case] = Some(format!("{error:#}"));
                    }
                }
            }
        }
        progress(&format!("{name}: {rounds} rounds in {:.1} s", start.elapsed().as_secs_f64()), true);
        let results = cases.into_iter().zip(samples).zip(failures);
        let cases = results
            .map(|((case, samples), failure)| Measured {
                name: case.name,
                bounds: case.bounds,
                samples: if failure.is_some() { Vec::new() } else { samples },
                failure,
            })
            .collect();
        Item { name: name.into(), unit, cases }
    }
}

/// Says on stderr how far we are: lines that stay, and between them, on a terminal, one that is written over.
pub fn progress(line: &str, stays: bool) {
    let mut stderr = std::io::stderr();
    let shown = match (stderr.is_terminal(), stays) {
        (true, true) => writeln!(stderr, "\r\x1b[K{line}"),
        (true, false) => write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush()),
        (false, true) => writeln!(stderr, "{line}"),
        (false, false) => Ok(()),
    };
    let _ = shown; // progress only
}

/// Next number of a xorshift64 sequence; `state` must not be 0.
pub fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
