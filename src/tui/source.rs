//! What a view asks of a recording, and of a session that runs.
//!
//! Invariant: a view never holds the whole recording: it asks for the frames around a time, and skips others by their figures.
//! Leaves to others: files (`recording::Archive`), the socket of a session (`session::control`).

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Ask, PolicyUsed, Scope, Stamped, Start};
use crate::policy::Verdict;
use crate::recording::{End, Index, ReadError};
use crate::screen::Screen;

#[cfg(test)]
pub mod memory;
mod recorded;

pub use recorded::Recorded;

/// A recording at any place, also while it grows.
pub trait Source: Send {
    fn start(&self) -> Option<&Start>;
    fn policy(&self) -> Option<&PolicyUsed>;
    /// None while the session runs, and when it was killed.
    fn end(&self) -> Option<&End>;
    /// Of every complete frame.
    fn frames(&self) -> &[Index];
    /// Frames, the one under way included.
    fn len(&self) -> usize;
    /// Time of the last event known, in nanoseconds since the session's start.
    fn duration(&self) -> u64;
    /// The events of a frame, in order; those of the one under way may be more next time.
    fn events(&mut self, frame: usize) -> Result<Arc<Vec<Stamped>>, ReadError>;
    /// The terminal before the first event of a frame.
    fn screen_before(&mut self, frame: usize) -> Result<Screen, ReadError>;
    /// The frame in which the last event at or before `t` lies.
    fn frame_at(&self, t: u64) -> usize;
    /// Looks for what was appended; whether there was anything.
    fn refresh(&mut self) -> Result<bool, ReadError>;
    /// Another one of the same recording, for a thread that reads beside the view.
    fn again(&self) -> Result<Box<dyn Source>, ReadError>;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A question that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub ask: Arc<Ask>,
    pub left: Duration,
    /// Calls that wait for it.
    pub calls: usize,
}

/// What a watcher answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    pub verdict: Verdict,
    pub scope: Scope,
    /// Which of the question's choices, for those that keep a rule.
    pub choice: usize,
}

/// How a running session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Condition {
    pub frozen: bool,
    /// The session has ended, or cannot be reached any more.
    pub over: bool,
    /// For how long nothing has happened; None while it works, and where that is not known.
    pub idle: Option<Duration>,
    /// Events and bytes of output in the last second, where that is known.
    pub rates: Option<(u64, u64)>,
    /// Connections of watchers, this one included; 0 where that is not known.
    pub watchers: usize,
    /// News of it that were left out, because this one did not read in time.
    pub missed: u64,
}

/// Why a session did not do what was asked, in words for the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// A session that runs.
pub trait Live {
    /// Takes what the session has sent; whether anything changed, or the recording has grown.
    fn refresh(&mut self) -> bool;
    fn condition(&self) -> Condition;
    /// Oldest first.
    fn waiting(&self) -> Vec<Waiting>;
    /// What is said to the person.
    fn answer(&mut self, ask: u64, reply: Reply) -> Result<String, Refused>;
    fn marker(&mut self, label: &str) -> Result<(), Refused>;
    /// Stops every process, or lets them go on.
    fn freeze(&mut self, on: bool) -> Result<(), Refused>;
    /// Ends the session.
    fn end(&mut self) -> Result<(), Refused>;
    /// Readable when [`Live::refresh`] has something to take.
    fn readable(&self) -> Option<BorrowedFd<'_>>;
}
