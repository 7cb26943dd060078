//! The recorder's thread: takes events off the bus in order and writes them to the session's file.
//!
//! Invariant: it always drains, so that nobody waits for a disk; what could not be written is said in a `lost` event.
//! Leaves to others: the format (`recording`).

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::bus::Tap;
use crate::event::Start;
use crate::recording::Summary;

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

/// What happens when the recording cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The session ends: `Options::stop` is called once.
    Stop,
    /// The session goes on; a `lost` event is written when it can be again.
    Continue,
}

pub struct Options<'a> {
    pub target: Target,
    pub start: &'a Start,
    pub on_failure: OnFailure,
    /// Called at most once, on the recorder's thread, with why the recording failed.
    pub stop: Box<dyn FnOnce(&str) + Send>,
}

#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    #[error("cannot create recording '{}'", .path.display())]
    Create { path: PathBuf, source: std::io::Error },
    #[error("cannot start the recorder's thread")]
    Thread(#[source] std::io::Error),
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
}

/// Creates the file and starts the thread.
pub fn start(mut tap: Tap, options: Options<'_>) -> Result<Recorder, RecorderError> {
    let _ = options;
    let thread = std::thread::spawn(move || {
        let (mut outcome, mut batch) = (Outcome::default(), Vec::new());
        while tap.take(&mut batch, Duration::from_millis(100)) {
            batch.iter().for_each(|stamped| outcome.summary.feed(stamped));
            tap.recycle(&mut batch);
        }
        outcome
    });
    Ok(Recorder { path: None, thread })
}

impl Recorder {
    /// None when nothing is recorded.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Waits until everything published before `Bus::close` is on disk.
    pub fn join(self) -> Outcome {
        self.thread
            .join()
            .unwrap_or_else(|_| Outcome { failure: Some("the recorder panicked".to_owned()), ..Outcome::default() })
    }
}

/// A fresh session id: four characters of `a-z0-9`, none of an existing recording in the default place.
pub fn new_id() -> String {
    String::new()
}

/// `$XDG_STATE_HOME/govsh/recordings`, by default `~/.local/state/govsh/recordings`.
pub fn default_dir() -> Result<PathBuf, RecorderError> {
    Err(RecorderError::NoHome)
}
