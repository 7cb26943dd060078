//! The file of a session through failures of its disk.
//!
//! Invariant: an event is in the file, waits in bounded memory, or is counted in a `lost` event. A failure under `stop` ends the
//! session, also when it is a panic of the recorder's thread.
//! Leaves to others: when to flush (`recorder`), the bytes (`recording`).

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::event::{Event, Judged, Stamped, Start};
use crate::policy::{OnFailure, Verdict};
use crate::recording::{SecretKey, Writer};

/// Compressed bytes kept for a disk that fails; past this, events are counted as lost.
const HELD: usize = 1 << 20;
/// Least time between two tries of a failed disk.
const RETRY: Duration = Duration::from_millis(500);
/// Least time between two syncs.
const SYNC: Duration = Duration::from_secs(2);

/// What a recording is written to.
pub(super) trait Disk: Write + Send + 'static {
    /// Everything written so far outlives a crash of the machine: fdatasync(2).
    fn sync(&mut self) -> io::Result<()>;
}

impl Disk for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Ends the session, with the reason.
pub(super) type Stop = Box<dyn FnOnce(&str) + Send>;
/// Creates the file.
type Create<D> = Box<dyn Fn() -> io::Result<D> + Send>;

/// What a tape needs to begin, and to begin again.
pub(super) struct Setup<D> {
    pub start: Start,
    /// For messages.
    pub path: PathBuf,
    pub on_failure: OnFailure,
    pub stop: Stop,
    pub create: Create<D>,
}

pub(super) struct Tape<D: Disk> {
    /// None until the file could be created.
    writer: Option<Writer<D>>,
    start: Start,
    path: PathBuf,
    /// None when the session goes on after a failure, or was stopped by one.
    stop: Option<Stop>,
    create: Create<D>,
    broken: Option<Broken>,
    lost: Option<Lost>,
    /// Events lost so far, and said or not.
    lost_ever: u64,
    /// Why something is not in the file, the first time.
    failure: Option<String>,
    synced: Instant,
    /// Something worth a sync was written.
    sync: bool,
}

/// The last try to write failed.
struct Broken {
    at: Instant,
    why: String,
}

/// Events that could not be kept: their number and the place of the first.
struct Lost {
    seq: u64,
    t: u64,
    events: u64,
    bytes: u64,
}

impl<D: Disk> Tape<D> {
    /// Creates the file with its header in it. An error when that fails and the session may not go on without.
    pub(super) fn new(setup: Setup<D>) -> io::Result<Self> {
        let Setup { start, path, on_failure, stop, create } = setup;
        let (writer, broken) = match begin(&create, &start, &path) {
            Ok(writer) => (Some(writer), None),
            Err(error) if on_failure == OnFailure::Stop => return Err(error),
            Err(error) => (None, Some(Broken { at: Instant::now(), why: error.to_string() })),
        };
        let stop = (on_failure == OnFailure::Stop).then_some(stop);
        let synced = Instant::now();
        Ok(Self {
            writer,
            start,
            path,
            stop,
            create,
            broken,
            lost: None,
            lost_ever: 0,
            failure: None,
            synced,
            sync: false,
        })
    }

    pub(super) fn write(&mut self, stamped: &Stamped) {
        self.sync |= is_weighty(&stamped.event);
        let held = self.writer.as_ref().is_some_and(|writer| self.broken.is_none() || writer.pending() < HELD);
        // Once something is lost, nothing is written until that can be said.
        if !held || self.lost.is_some() {
            return self.lose(stamped);
        }
        let outcome = self.writer.as_mut().map_or(Ok(()), |writer| writer.write(stamped));
        self.judge(outcome);
    }

    /// Puts what was written into the file, or tries a failed disk again; syncs where that is due.
    pub(super) fn flush(&mut self) {
        if self.broken.as_ref().is_some_and(|broken| broken.at.elapsed() < RETRY) {
            return;
        }
        self.recover();
        if self.broken.is_none() && self.sync && self.synced.elapsed() >= SYNC {
            let outcome = self.writer.as_mut().map_or(Ok(()), |writer| writer.get_mut().sync());
            (self.sync, self.synced) = (false, Instant::now());
            self.judge(outcome);
        }
    }

    /// Closes the recording, signed with `key`; why it does not hold everything, if so, and how many events it lacks.
    pub(super) fn finish(mut self, key: Option<&SecretKey>) -> (Option<String>, u64) {
        self.recover();
        let outcome = match self.writer.as_mut() {
            Some(writer) if self.lost.is_none() => writer.seal(key),
            _ => Ok(()),
        };
        // A session too short for a sync that denied nothing is not worth the wait of a launch.
        let due = self.sync || self.synced.elapsed() >= SYNC;
        let outcome = match (outcome, self.writer.as_mut()) {
            (Ok(()), Some(writer)) if due => writer.get_mut().sync(),
            (outcome, _) => outcome,
        };
        // The session is over: there is nothing left to stop.
        self.stop = None;
        if let (Err(error), None) = (outcome, &self.failure) {
            self.failure = Some(format!("cannot write recording '{}': {error}", self.path.display()));
        }
        (self.failure.take(), self.lost_ever)
    }

    /// Flushes, having created the file where there is none, and says what was lost.
    fn recover(&mut self) {
        let outcome = match self.writer.as_mut() {
            Some(writer) => writer.flush(),
            None => self.create(),
        };
        let Ok(()) = outcome else {
            return self.judge(outcome);
        };
        let why = self.broken.take().map(|broken| broken.why);
        let Some(Lost { seq, t, events, bytes }) = self.lost.take().filter(|lost| lost.events > 0) else {
            return;
        };
        let event = Event::Lost { events, bytes, why: why.unwrap_or_default() };
        let outcome = self.writer.as_mut().map_or(Ok(()), |writer| {
            writer.write(&Stamped { seq, t, event })?;
            writer.flush()
        });
        self.judge(outcome);
    }

    /// A late beginning: the session's first event is known and need not count as lost.
    fn create(&mut self) -> io::Result<()> {
        let writer = self.writer.insert(begin(&self.create, &self.start, &self.path)?);
        match self.lost.as_mut() {
            Some(lost) if lost.seq == 0 => {
                let event = Event::Start(Box::new(self.start.clone()));
                writer.write(&Stamped { seq: 0, t: lost.t, event })?;
                lost.seq = 1;
                lost.events -= 1;
                self.lost_ever -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn lose(&mut self, stamped: &Stamped) {
        let bytes = match &stamped.event {
            Event::Output { data, .. } | Event::Input { data } => data.len() as u64,
            _ => 0,
        };
        let lost = self.lost.get_or_insert(Lost { seq: stamped.seq, t: stamped.t, events: 0, bytes: 0 });
        lost.events += 1;
        lost.bytes += bytes;
        self.lost_ever += 1;
        if self.failure.is_none() {
            let why = self.broken.as_ref().map_or("", |broken| &broken.why);
            self.failure = Some(format!("recording '{}' is not complete: {why}", self.path.display()));
        }
    }

    /// Under `stop` the first error ends the session.
    fn judge(&mut self, outcome: io::Result<()>) {
        let Err(error) = outcome else { return };
        let why = error.to_string();
        let text = format!("cannot write recording '{}': {why}", self.path.display());
        self.broken = Some(Broken { at: Instant::now(), why });
        if let Some(stop) = self.stop.take() {
            stop(&text);
            self.failure = Some(text);
        }
    }
}

impl<D: Disk> Drop for Tape<D> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(stop) = self.stop.take()
        {
            stop("the recorder failed");
        }
    }
}

/// A new file with its header in it; none is left behind when that fails.
fn begin<D: Disk>(create: &dyn Fn() -> io::Result<D>, start: &Start, path: &Path) -> io::Result<Writer<D>> {
    let mut writer = Writer::new(create()?, start)?;
    if let Err(error) = writer.flush() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(writer)
}

/// Whether losing the event to a crash of the machine would hurt a reviewer.
fn is_weighty(event: &Event) -> bool {
    match event {
        Event::Judged(Judged { verdict, .. }) => *verdict == Verdict::Deny,
        Event::Ask(_) | Event::Answer(_) => true,
        Event::Marker { .. } | Event::Alert { .. } | Event::Limit { .. } | Event::Lost { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
