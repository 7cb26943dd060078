//! What is known of the whole session, gathered beside the view: programs, places, questions, and the moments that matter.
//!
//! Invariant: bounded whatever the recording holds; frames whose figures rule them out are not read; what is gathered so far can be
//! asked at any time.
//! Leaves to others: drawing it (`panels`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::filter::is_denial;
use super::panels::detail::Doer;
use super::panels::mcp::Calls;
use super::panels::net::Places;
use super::panels::timeline::{Tick, What};
use super::panels::words::Bearings;
use super::source::Source;
use crate::event::{Ask, Event, Stamped};
use crate::recording::Tally;
use crate::recording::summary::Programs;

/// Moments that are kept; later ones are told by the figures of their frames.
const TICKS: usize = 20_000;
/// Questions that are kept for the answers to them.
const ASKED: usize = 2_000;
/// How often a recording that grows is looked at.
const PAUSE: Duration = Duration::from_millis(250);

/// What was found so far.
#[derive(Default)]
pub struct Surveyed {
    pub programs: Programs,
    pub places: Places,
    pub calls: Calls,
    pub ticks: Vec<Tick>,
    asked: HashMap<u64, Ask>,
    /// Frames of which something is in here, the last perhaps not whole; those behind are only known by their figures.
    pub frames: usize,
    /// All that there was has been read.
    pub whole: bool,
    /// Changes with every addition.
    pub version: u64,
    /// Frames that could not be read.
    pub damaged: usize,
}

impl Surveyed {
    fn add(&mut self, stamped: &Stamped, bearings: &Bearings) {
        let what = match &stamped.event {
            Event::Proc(proc) => {
                self.programs.add(stamped.t, proc);
                None
            }
            Event::Alert { .. } => Some(What::Alert),
            Event::Ask(ask) => {
                if self.asked.len() < ASKED {
                    self.asked.insert(ask.id, Ask::clone(ask));
                }
                Some(What::Question)
            }
            Event::Marker { .. } => Some(What::Marker),
            event => is_denial(event).then_some(What::Denial),
        };
        self.places.add(stamped, bearings);
        self.calls.add(stamped);
        if let Some(what) = what.filter(|_| self.ticks.len() < TICKS) {
            self.ticks.push(Tick { t: stamped.t, what });
        }
    }

    /// The question with this number.
    pub fn asked(&self, id: u64) -> Option<&Ask> {
        self.asked.get(&id)
    }

    /// What process `pid` ran at `t`, and what started it.
    pub fn doer(&self, pid: i32, t: u64) -> Doer {
        let kept = self.programs.kept();
        let mut at = kept.iter().rposition(|program| program.pid == pid && program.from <= t);
        let mut line = Vec::new();
        // Parents come before their children: this ends.
        while let Some(program) = at.and_then(|at| kept.get(at)).filter(|_| line.len() < 256) {
            line.push(program.argv.clone());
            at = program.parent;
        }
        line.reverse();
        Doer { line }
    }
}

/// The thread that gathers; it ends with this.
pub struct Survey {
    found: Arc<Mutex<Surveyed>>,
    over: Arc<AtomicBool>,
}

impl Survey {
    /// Reads `source` from its beginning. With `grows` it goes on until the session has ended.
    pub fn start(source: Box<dyn Source>, bearings: Bearings, grows: bool) -> Self {
        let survey = Self { found: Arc::default(), over: Arc::default() };
        let (found, over) = (Arc::clone(&survey.found), Arc::clone(&survey.over));
        let reader = Reader { source, bearings, found, over, frame: 0, index: 0 };
        // Without a thread the view goes on with what it knows.
        let _ = std::thread::Builder::new().name("survey".to_owned()).spawn(move || reader.run(grows));
        survey
    }

    pub fn look(&self) -> MutexGuard<'_, Surveyed> {
        self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Survey {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

struct Reader {
    source: Box<dyn Source>,
    bearings: Bearings,
    found: Arc<Mutex<Surveyed>>,
    over: Arc<AtomicBool>,
    /// The next event.
    frame: usize,
    index: usize,
}

impl Reader {
    fn run(mut self, grows: bool) {
        while !self.over.load(Ordering::Relaxed) {
            if self.frame < self.source.len() && self.step() {
                continue;
            }
            let over = !grows || self.source.end().is_some();
            self.look().whole = true;
            if over {
                return;
            }
            std::thread::sleep(PAUSE);
            // A file that cannot be read now may be readable later.
            let _ = self.source.refresh();
        }
    }

    fn look(&self) -> MutexGuard<'_, Surveyed> {
        self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Reads what there is of a frame; false when more has to come first.
    fn step(&mut self) -> bool {
        let complete = self.frame < self.source.frames().len();
        if self.source.frames().get(self.frame).is_some_and(|index| !matters(&index.tally)) {
            self.next_frame();
            return true;
        }
        let events = self.source.events(self.frame);
        let mut found = self.look();
        match &events {
            Ok(events) => {
                let fresh = events.get(self.index..).unwrap_or_default();
                fresh.iter().for_each(|stamped| found.add(stamped, &self.bearings));
                found.frames = self.frame + 1;
                found.version += u64::from(!fresh.is_empty());
            }
            Err(_) => found.damaged += 1,
        }
        drop(found);
        if complete {
            self.next_frame();
        } else {
            self.index = events.map_or(self.index, |events| events.len());
        }
        complete
    }

    fn next_frame(&mut self) {
        (self.frame, self.index) = (self.frame + 1, 0);
        let mut found = self.look();
        found.frames = found.frames.max(self.frame);
        found.version += 1;
    }
}

/// Whether a frame with these figures holds anything that is gathered.
fn matters(tally: &Tally) -> bool {
    tally.denied > 0 || ["proc", "net", "mcp", "ask", "marker", "alert"].iter().any(|kind| tally.count(kind) > 0)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::tui::sample::{self, SECOND};
    use crate::tui::source::memory::Memory;

    fn until(survey: &Survey, holds: impl Fn(&Surveyed) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !holds(&survey.look()) {
            assert!(Instant::now() < deadline, "not within ten seconds");
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
    }

    #[test]
    fn programs_places_and_moments_are_gathered() {
        let survey = Survey::start(Box::new(Memory::new(sample::session())), Bearings::default(), false);
        until(&survey, |found| found.whole);
        let found = survey.look();
        assert_eq!(found.ticks.iter().map(|tick| tick.t / SECOND).collect::<Vec<_>>(), [21, 41, 51]);
        assert_eq!(found.doer(4183, 30 * SECOND).line.len(), 3);
        assert!(found.doer(4183, SECOND).line.is_empty());
        assert_eq!(found.places.rows_at(61 * SECOND).len(), 2);
    }

    #[test]
    fn what_comes_later_is_gathered_too() {
        let events = sample::session();
        let whole = events.len();
        let source = Memory::growing(events, 5);
        let survey = Survey::start(source.again().unwrap(), Bearings::default(), true);
        until(&survey, |found| found.whole);
        assert_eq!(survey.look().ticks, []);
        source.let_in(whole);
        until(&survey, |found| found.ticks.len() == 3);
    }
}
