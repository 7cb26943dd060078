//! A recording made of a few events, for tests: the same answers as a file, from memory.
//!
//! Invariant: what has not been let in yet is not there, as in a session that runs.

use std::sync::{Arc, Mutex};

use super::Source;
use crate::event::{Event, PolicyUsed, Stamped, Start};
use crate::recording::{End, Index, ReadError, Tally, draw};
use crate::screen::Screen;

/// Events of one frame, at most.
const FRAME: usize = 10;

/// See the module. Clones see what is let in later.
#[derive(Clone)]
pub struct Memory {
    all: Arc<Vec<Stamped>>,
    /// How many of them are there.
    there: Arc<Mutex<usize>>,
    seen: usize,
    /// Frame by frame; the last one is complete only with the session.
    cut: Vec<Arc<Vec<Stamped>>>,
    frames: Vec<Index>,
    start: Option<Start>,
    policy: Option<PolicyUsed>,
    end: Option<End>,
}

impl Memory {
    /// The whole session at once.
    pub fn new(events: Vec<Stamped>) -> Self {
        let there = events.len();
        Self::growing(events, there)
    }

    /// At first only `there` of its events.
    pub fn growing(events: Vec<Stamped>, there: usize) -> Self {
        let find = |wanted: fn(&Event) -> bool| events.iter().map(|stamped| &stamped.event).find(|event| wanted(event));
        let start = match find(|event| matches!(event, Event::Start(_))) {
            Some(Event::Start(start)) => Some(Start::clone(start)),
            _ => None,
        };
        let policy = match find(|event| matches!(event, Event::Policy(_))) {
            Some(Event::Policy(policy)) => Some(PolicyUsed::clone(policy)),
            _ => None,
        };
        let mut memory = Self {
            all: Arc::new(events),
            there: Arc::new(Mutex::new(there)),
            seen: 0,
            cut: Vec::new(),
            frames: Vec::new(),
            start,
            policy,
            end: None,
        };
        memory.cut_again();
        memory
    }

    /// Lets in more of the events.
    pub fn let_in(&self, there: usize) {
        *self.there.lock().expect("no test has failed inside") = there.min(self.all.len());
    }

    fn cut_again(&mut self) {
        self.seen = *self.there.lock().expect("no test has failed inside");
        let there = &self.all[..self.seen];
        self.cut = there.chunks(FRAME).map(|chunk| Arc::new(chunk.to_vec())).collect();
        let whole = self.seen == self.all.len();
        let complete = if whole { self.cut.len() } else { self.seen / FRAME };
        self.frames = self.cut[..complete].iter().enumerate().map(|(at, events)| index(at, events)).collect();
        self.end = match there.last() {
            Some(Stamped { t, event: Event::Exit { status, signal }, .. }) => {
                let mut tally = Tally::default();
                self.frames.iter().for_each(|frame| tally.merge(&frame.tally));
                let frames = self.frames.len() as u64;
                Some(End { frames, ns: *t, status: Some(*status), signal: *signal, tally, ..End::default() })
            }
            _ => None,
        };
    }
}

fn index(frame: usize, events: &[Stamped]) -> Index {
    let mut index = Index { frame: frame as u64, ..Index::default() };
    events.iter().for_each(|stamped| index.add(stamped));
    index
}

impl Source for Memory {
    fn start(&self) -> Option<&Start> {
        self.start.as_ref()
    }

    fn policy(&self) -> Option<&PolicyUsed> {
        self.policy.as_ref()
    }

    fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    fn frames(&self) -> &[Index] {
        &self.frames
    }

    fn len(&self) -> usize {
        self.cut.len()
    }

    fn duration(&self) -> u64 {
        self.all[..self.seen].last().map_or(0, |stamped| stamped.t)
    }

    fn events(&mut self, frame: usize) -> Result<Arc<Vec<Stamped>>, ReadError> {
        Ok(self.cut.get(frame).cloned().unwrap_or_default())
    }

    fn screen_before(&mut self, frame: usize) -> Result<Screen, ReadError> {
        let (cols, rows) = self.start.as_ref().map_or((80, 24), |start| (start.cols, start.rows));
        let mut screen = Screen::new(cols, rows);
        for stamped in self.cut.iter().take(frame).flat_map(|events| events.iter()) {
            draw(&mut screen, &stamped.event);
        }
        Ok(screen)
    }

    fn frame_at(&self, t: u64) -> usize {
        self.cut.partition_point(|events| events.first().is_some_and(|first| first.t <= t)).saturating_sub(1)
    }

    fn refresh(&mut self) -> Result<bool, ReadError> {
        let before = self.seen;
        self.cut_again();
        Ok(self.seen > before)
    }

    fn again(&self) -> Result<Box<dyn Source>, ReadError> {
        Ok(Box::new(self.clone()))
    }
}
