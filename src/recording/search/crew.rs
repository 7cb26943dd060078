//! The threads of a search, and what they find put in order.
//!
//! Invariant: nobody is more than [`AHEAD`] frames ahead of what was told, so that what waits is bounded; when `crew` returns
//! no thread of it runs.
//! Leaves to others: searching (`unit`).

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use super::typed::Typed;
use super::unit::{self, Gleaned, Reader};
use super::watch::Memory;
use super::{Hit, Progress, Query};
use crate::recording::ReadError;
use crate::recording::archive::Archive;

/// Frames that may wait to be told, for each thread.
const AHEAD: usize = 8;

/// What the threads share.
struct Plan<'a> {
    /// The first frames of the units.
    starts: &'a [usize],
    /// Complete frames.
    count: usize,
    /// The first unit that nobody has taken, and the next frame to be told.
    state: Mutex<(usize, usize)>,
    told: Condvar,
    ahead: usize,
    progress: &'a Progress,
}

impl Plan<'_> {
    /// Takes a unit.
    fn take(&self) -> Option<(usize, usize)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let from = self.starts.get(state.0).copied().filter(|_| !self.progress.stopped())?;
        state.0 += 1;
        Some((from, self.starts.get(state.0).copied().unwrap_or(self.count)))
    }

    /// Waits until `frame` is near enough to what was told; false when all is to stop.
    fn wait(&self, frame: usize) -> bool {
        let far = |state: &mut (usize, usize)| frame >= state.1 + self.ahead && !self.progress.stopped();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The guard is not needed: only the waiting was.
        drop(self.told.wait_while(state, far).unwrap_or_else(PoisonError::into_inner));
        !self.progress.stopped()
    }

    fn tell(&self, frame: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = frame + 1;
        self.told.notify_all();
    }

    fn stop(&self) {
        self.progress.stop.store(true, Ordering::Relaxed);
        // Whoever is about to wait sees it, whoever waits is woken.
        drop(self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.told.notify_all();
    }
}

pub(super) fn search<R: Read + Seek>(
    mut archive: Archive<R>,
    open: &(impl Fn() -> io::Result<R> + Sync),
    query: &Query,
    threads: usize,
    progress: &Progress,
    found: &mut dyn FnMut(Hit) -> bool,
) -> Result<(), ReadError> {
    let (frames, count) = (archive.frames().len(), archive.len());
    let starts = unit::starts(archive.frames());
    progress.total.fetch_add(count as u64, Ordering::Relaxed);
    let threads = threads.clamp(1, count.max(1));
    let plan = Plan {
        starts: &starts,
        count: frames,
        state: Mutex::new((0, 0)),
        told: Condvar::new(),
        ahead: AHEAD * threads,
        progress,
    };
    let mut ordered = Ordered::new(query, found);
    if threads == 1 {
        let mut reader = Reader::new(query);
        for frame in 0..frames {
            let gleaned = reader.frame(&mut archive, frame, progress);
            progress.done.fetch_add(1, Ordering::Relaxed);
            if progress.stopped() || !ordered.tell(gleaned) {
                return ordered.outcome();
            }
        }
    } else {
        let (send, receive) = channel();
        let goes_on = thread::scope(|scope| {
            for _ in 0..threads {
                let (send, plan) = (send.clone(), &plan);
                scope.spawn(move || work(plan, open, query, &send));
            }
            drop(send);
            gather(&plan, &receive, &mut ordered)
        });
        if !goes_on {
            return ordered.outcome();
        }
    }
    // The frame under way, which only this archive has read.
    if count > frames {
        let gleaned = Reader::new(query).frame(&mut archive, frames, progress);
        progress.done.fetch_add(1, Ordering::Relaxed);
        ordered.tell(gleaned);
    }
    ordered.end();
    ordered.outcome()
}

fn work<R: Read + Seek>(
    plan: &Plan<'_>,
    open: &impl Fn() -> io::Result<R>,
    query: &Query,
    send: &Sender<(usize, Gleaned)>,
) {
    let mut archive = match open().map_err(ReadError::from).and_then(Archive::open) {
        Ok(archive) => archive,
        Err(error) => {
            // Somebody else does the work, or there is nobody and the frames are missed.
            let gleaned = Gleaned { error: Some(error), ..Gleaned::default() };
            let _ = send.send((usize::MAX, gleaned));
            return;
        }
    };
    while let Some((from, to)) = plan.take() {
        let mut reader = Reader::new(query);
        for frame in from..to {
            if !plan.wait(frame) {
                return;
            }
            let gleaned = reader.frame(&mut archive, frame, plan.progress);
            plan.progress.done.fetch_add(1, Ordering::Relaxed);
            if send.send((frame, gleaned)).is_err() {
                return;
            }
        }
    }
}

/// Tells what comes in, in order; false when nobody wants more.
fn gather(plan: &Plan<'_>, receive: &Receiver<(usize, Gleaned)>, ordered: &mut Ordered<'_>) -> bool {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (frame, gleaned) in receive {
        if frame == usize::MAX {
            ordered.fault(gleaned.error);
            continue;
        }
        waiting.insert(frame, gleaned);
        while let Some(gleaned) = waiting.remove(&next) {
            if plan.progress.stopped() || !ordered.tell(gleaned) {
                plan.stop();
                return false;
            }
            plan.tell(next);
            next += 1;
        }
    }
    !plan.progress.stopped()
}

/// Hits in the order of the session.
struct Ordered<'a> {
    query: &'a Query,
    found: &'a mut dyn FnMut(Hit) -> bool,
    /// What the frame before had erased: it may be drawn again in this one.
    memory: Memory,
    typed: Typed,
    error: Option<ReadError>,
}

impl<'a> Ordered<'a> {
    fn new(query: &'a Query, found: &'a mut dyn FnMut(Hit) -> bool) -> Self {
        Ordered { query, found, memory: Memory::default(), typed: Typed::default(), error: None }
    }

    fn fault(&mut self, error: Option<ReadError>) {
        if self.error.is_none() {
            self.error = error;
        }
    }

    /// False when nobody wants more.
    fn tell(&mut self, gleaned: Gleaned) -> bool {
        self.fault(gleaned.error);
        let mut hits = Vec::new();
        for (t, seq, data) in gleaned.typed {
            self.typed.push(self.query, t, seq, &data, &mut hits);
        }
        for (hit, line) in gleaned.hits {
            let drawn_again = gleaned.anew && line != 0 && !self.memory.is_empty() && self.memory.take(line, hit.t);
            if !drawn_again {
                hits.push(hit);
            }
        }
        self.memory.join(gleaned.memory);
        hits.sort_by_key(|hit| hit.seq);
        hits.into_iter().all(|hit| (self.found)(hit))
    }

    fn end(&mut self) {
        let mut hits = Vec::new();
        self.typed.end(self.query, &mut hits);
        let _all = hits.into_iter().all(|hit| (self.found)(hit));
    }

    fn outcome(self) -> Result<(), ReadError> {
        self.error.map_or(Ok(()), Err)
    }
}
