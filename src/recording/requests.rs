//! The requests of a recording, each different one once: for whoever judges a session again.
//!
//! Invariant: the counts add up to the events; an entry stands for events that differ only in number, time, process and
//! duration, which no policy looks at.
//! Leaves to others: judging them (`cmd::backtest`).
//!
//! ```text
//! #govsh {"seq":9,"t":1.250000,"kind":"file",…,"errno":"ENOENT","pid":4183,"path":"/x","dur":6.120}
//!                              └──────────── compared ────────┘          └─ compared ┘
//! ```
//! Only the first of equal lines is parsed, so that reading costs what decompressing does.

use std::collections::HashMap;
use std::io::{self, Read, Seek};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use foldhash::fast::RandomState;
use memchr::memmem;

use super::ReadError;
use super::archive::Archive;
use super::lines::COMMENT;
use super::parse;
use super::readback::Place;
use crate::event::{Event, Judged, PolicyUsed, Start};

/// A request that was made once or more often.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeated {
    pub judged: Judged,
    pub count: u64,
    /// Of the first one: sequence number and nanoseconds since the session's start.
    pub seq: u64,
    pub t: u64,
}

/// What one recording asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Requests {
    pub start: Option<Start>,
    pub policy: Option<PolicyUsed>,
    /// In the order in which they were first made.
    pub all: Vec<Repeated>,
    /// Events that the recording says it lost.
    pub lost: u64,
    /// What could not be read, where something could not.
    pub damage: Option<String>,
}

/// Equal lines.
type Seen = HashMap<Box<[u8]>, Repeated, RandomState>;

/// Reads all requests of a recording, on so many threads; `done` counts frames.
pub fn requests<R: Read + Seek>(
    open: impl Fn() -> io::Result<R> + Sync,
    threads: usize,
    done: &AtomicUsize,
) -> Result<Requests, ReadError> {
    let mut archive = Archive::open(open()?)?;
    let count = archive.frames().len();
    let next = AtomicUsize::new(0);
    let sum = Mutex::new(Sum::default());
    // The frame under way, which only this archive has read.
    if archive.len() > count {
        let mut part = Sum::default();
        for stamped in archive.events(count)?.iter() {
            part.event(stamped.seq, stamped.t, &stamped.event);
        }
        sum.lock().unwrap_or_else(PoisonError::into_inner).add(part);
    }
    let work = |archive: &mut Archive<R>| {
        let mut part = Sum::default();
        loop {
            let frame = next.fetch_add(1, Ordering::Relaxed);
            if frame >= count {
                break;
            }
            match archive.text(frame) {
                Ok(text) => part.lines(text),
                Err(error) => part.fault(&error.to_string()),
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
        sum.lock().unwrap_or_else(PoisonError::into_inner).add(part);
    };
    let others = threads.clamp(1, count.max(1)) - 1;
    thread::scope(|scope| {
        for _ in 0..others {
            // Where another cannot be opened, this thread does the work alone.
            scope.spawn(|| {
                open().map_err(ReadError::from).and_then(Archive::open).map(|mut archive| work(&mut archive))
            });
        }
        work(&mut archive);
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut all: Vec<Repeated> = sum.seen.into_values().collect();
    all.sort_by_key(|repeated| repeated.seq);
    let damage = sum.damage.or_else(|| archive.damage().map(str::to_owned));
    Ok(Requests { start: archive.start().cloned(), policy: archive.policy().cloned(), all, lost: sum.lost, damage })
}

#[derive(Default)]
struct Sum {
    seen: Seen,
    lost: u64,
    damage: Option<String>,
    key: Vec<u8>,
}

impl Sum {
    fn lines(&mut self, text: &[u8]) {
        for line in text.split(|byte| *byte == b'\n') {
            if let Some(json) = line.strip_prefix(COMMENT)
                && let Err(what) = self.comment(json)
            {
                self.fault(&what);
            }
        }
    }

    fn comment(&mut self, json: &[u8]) -> Result<(), String> {
        let (place, rest) = Place::parse(json).ok_or("no seq, t and kind at the start")?;
        match place.kind.as_str() {
            "file" | "exec" | "net" => {}
            "lost" => {
                let Some(Event::Lost { events, .. }) = parsed(&place.kind, json, rest)? else { return Ok(()) };
                self.lost = self.lost.saturating_add(events);
                return Ok(());
            }
            _ => return Ok(()),
        }
        let parts = split(json.get(rest..).unwrap_or_default());
        self.key.clear();
        self.key.extend_from_slice(place.kind.as_bytes());
        parts.iter().for_each(|part| self.key.extend_from_slice(part));
        if let Some(known) = self.seen.get_mut(self.key.as_slice()) {
            known.again(place.seq, place.t, 1);
            return Ok(());
        }
        if let Some(Event::Judged(judged)) = parsed(&place.kind, json, rest)? {
            let fresh = Repeated { judged, count: 1, seq: place.seq, t: place.t };
            self.seen.insert(self.key.as_slice().into(), fresh);
        }
        Ok(())
    }

    /// An event that was read already: only few are.
    fn event(&mut self, seq: u64, t: u64, event: &Event) {
        match event {
            Event::Lost { events, .. } => self.lost = self.lost.saturating_add(*events),
            Event::Judged(judged) => {
                let key = [b"tail".as_slice(), &seq.to_le_bytes()].concat();
                self.seen.insert(key.into(), Repeated { judged: judged.clone(), count: 1, seq, t });
            }
            _ => {}
        }
    }

    fn fault(&mut self, what: &str) {
        self.damage.get_or_insert_with(|| what.to_owned());
    }

    fn add(&mut self, other: Sum) {
        self.lost = self.lost.saturating_add(other.lost);
        if let Some(what) = other.damage {
            self.fault(&what);
        }
        for (key, repeated) in other.seen {
            match self.seen.get_mut(&key) {
                Some(known) => known.again(repeated.seq, repeated.t, repeated.count),
                None => {
                    self.seen.insert(key, repeated);
                }
            }
        }
    }
}

impl Repeated {
    fn again(&mut self, seq: u64, t: u64, count: u64) {
        self.count = self.count.saturating_add(count);
        if seq < self.seq {
            (self.seq, self.t) = (seq, t);
        }
    }
}

/// What stands before the process's number, and what stands between it and the duration. A quotation mark within a string
/// has a backslash before it, so neither name is found in one; a line without them is compared as a whole.
fn split(json: &[u8]) -> [&[u8]; 2] {
    const PID: &[u8] = b",\"pid\":";
    const DURATION: &[u8] = b",\"dur\":";
    let Some(at) = memmem::find(json, PID) else { return [json, b""] };
    let (before, rest) = json.split_at(at);
    let rest = rest.get(PID.len()..).unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
    let rest = rest.get(digits..).unwrap_or_default();
    let end = memmem::rfind(rest, DURATION).unwrap_or(rest.len());
    [before, rest.get(..end).unwrap_or_default()]
}

/// The event of a line whose members begin at `rest`.
fn parsed(kind: &str, json: &[u8], rest: usize) -> Result<Option<Event>, String> {
    let mut object = json.get(rest..).unwrap_or_default().to_vec();
    match object.first_mut() {
        Some(comma) if *comma == b',' => *comma = b'{',
        _ => object = b"{}".to_vec(),
    }
    parse::event(kind, &object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_only_in_process_and_duration_are_the_same() {
        let line = |pid: &str, dur: &str| {
            format!(",\"rule\":\"a\\\",\\\"pid\\\":9\",\"pid\":{pid},\"path\":\"/x,\\\"dur\\\":1\"{dur}}}")
        };
        let key = |text: &str| split(text.as_bytes()).concat();
        assert_eq!(key(&line("1", ",\"dur\":6.120")), key(&line("4183", ",\"dur\":0.001")));
        assert!(key(&line("1", ",\"dur\":2.0")).ends_with(b"1\""));
        assert_ne!(key(&line("1", "")), key(&line("1", "").replace("/x", "/y")));
    }
}
