//! The recorder's thread: takes events off the bus in order and writes them to the session's file.
//!
//! Invariant: it always drains, so that nobody waits for a disk; what could not be written is said in a `lost` event.
//! Leaves to others: the format (`recording`), the state of the file after a failure (`tape`), its place (`place`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::control::Pulse;
use crate::bus::Tap;
use crate::event::{Stamped, Start};
use crate::policy::OnFailure;
use crate::recording::Summary;

mod key;
mod place;
mod tape;

pub use key::{KeyError, key_path, known_key, own_key};
pub use place::{EXTENSION, default_dir, id_of, new_id};
use tape::{Disk, Setup, Tape};

/// How long events may wait in the ring before they are compressed.
const POLL: Duration = Duration::from_millis(100);
/// How long they may wait in the compressor: with [`POLL`] a killed front loses less than 250 ms.
const FLUSH: Duration = Duration::from_millis(100);

/// As [`POLL`] and [`FLUSH`], while somebody follows the file.
const FOLLOWED: Duration = Duration::from_millis(20);

/// Where the recording goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `$XDG_STATE_HOME/govsh/recordings`.
    Default,
    /// An existing directory, or anything that ends in `/`: a file of the usual name in it. Else the file itself, which must not exist.
    At(PathBuf),
    /// No file; the summary is still kept.
    Nowhere,
}

pub struct Options<'a> {
    pub target: Target,
    pub start: &'a Start,
    pub on_failure: OnFailure,
    /// Told what happens, batch by batch.
    pub pulse: Arc<Pulse>,
    /// Told every event.
    pub seen: Box<dyn FnMut(&Stamped) + Send>,
    /// Called at most once, on the recorder's thread, with why the recording failed.
    pub stop: Box<dyn FnOnce(&str) + Send>,
}

#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    #[error("cannot create recording '{}'", .path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot start the recorder's thread")]
    Thread(#[source] io::Error),
    #[error("neither XDG_STATE_HOME nor HOME names an absolute directory to record in")]
    NoHome,
}

/// A recording under way.
pub struct Recorder {
    path: Option<PathBuf>,
    thread: JoinHandle<Outcome>,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub path: Option<PathBuf>,
    pub summary: Summary,
    /// Why not everything is in the file.
    pub failure: Option<String>,
    /// Why the file is not signed.
    pub unsigned: Option<String>,
}

/// Creates the file, with its header in it, and starts the thread. A file that cannot be created is an error, unless the policy
/// says that the session goes on without.
pub fn start(tap: Tap, options: Options<'_>) -> Result<Recorder, RecorderError> {
    let Options { target, start, on_failure, pulse, mut seen, stop } = options;
    let path = place::path(&target, start)?;
    let tape = match path.clone() {
        None => None,
        Some(path) => {
            let file = path.clone();
            let create = Box::new(move || place::create(&file, &target));
            let setup = Setup { start: start.clone(), path: path.clone(), on_failure, stop, create };
            Some(Tape::new(setup).map_err(|source| RecorderError::Create { path, source })?)
        }
    };
    let file = path.clone();
    let run = move || {
        let mut outcome = record(tap, tape, &pulse, &mut seen);
        outcome.path = file;
        outcome
    };
    let thread = std::thread::Builder::new().name("recorder".to_owned()).spawn(run).map_err(RecorderError::Thread)?;
    Ok(Recorder { path, thread })
}

impl Outcome {
    /// What to type for this recording: its id, or its file where it does not lie in the default place.
    pub fn session(&self) -> Option<String> {
        let path = self.path.as_ref()?;
        let by_id = default_dir().is_ok_and(|dir| path.parent() == Some(&dir));
        let id = path.file_name().and_then(id_of).filter(|_| by_id);
        Some(id.map_or_else(|| path.to_string_lossy().into_owned(), str::to_owned))
    }

    /// The two lines at the end of a run, see [`Summary::closing_lines`]. `home` is the home directory, empty for none.
    pub fn closing_lines(&self, home: &[u8]) -> [String; 2] {
        self.summary.closing_lines(self.session().as_deref(), home)
    }
}

impl Recorder {
    /// None when nothing is recorded.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Waits until everything published before `Bus::close` is in the file.
    pub fn join(self) -> Outcome {
        self.thread.join().unwrap_or_else(|_| Outcome {
            path: self.path,
            failure: Some("the recorder panicked".to_owned()),
            ..Outcome::default()
        })
    }
}

/// The thread: until the bus is closed and empty.
fn record<D: Disk>(mut tap: Tap, mut tape: Option<Tape<D>>, pulse: &Pulse, seen: &mut dyn FnMut(&Stamped)) -> Outcome {
    let mut summary = Summary::default();
    let mut batch = Vec::new();
    let mut flushed = Instant::now();
    loop {
        let (poll, flush) = if pulse.is_followed() { (FOLLOWED, FOLLOWED) } else { (POLL, FLUSH) };
        let more = tap.take(&mut batch, poll);
        for stamped in &batch {
            summary.feed(stamped);
            seen(stamped);
            if let Some(tape) = tape.as_mut() {
                tape.write(stamped);
            }
        }
        pulse.feed(&batch, &summary);
        tap.recycle(&mut batch);
        if !more {
            break;
        }
        if flushed.elapsed() >= flush {
            tape.iter_mut().for_each(Tape::flush);
            flushed = Instant::now();
        }
    }
    let Some(tape) = tape else { return Outcome { summary, ..Outcome::default() } };
    // The session is over: nobody waits for a key being made.
    let key = own_key();
    let (failure, lost) = tape.finish(key.as_ref().ok());
    summary.lost += lost;
    Outcome { path: None, summary, failure, unsigned: key.err().map(|error| chain_of(&error)) }
}

/// The error and its causes in one line.
fn chain_of(error: &KeyError) -> String {
    let text = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}
