//! How far the search is, on stderr where that is a terminal and it takes a while.
//!
//! Invariant: nothing else is printed into its line: who prints clears it first.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::recording::search::Progress;

/// What takes less is not worth a line.
const PATIENCE: Duration = Duration::from_millis(600);
const EACH: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct State {
    shown: bool,
    over: bool,
}

#[derive(Debug, Default)]
pub(super) struct Ticker {
    state: Mutex<State>,
    ended: Condvar,
    files: AtomicUsize,
}

impl Ticker {
    /// Runs on a thread of its own until [`Ticker::end`].
    pub(super) fn run(&self, progress: &Progress, files: usize) {
        if !io::stderr().is_terminal() || std::env::var_os("TERM").is_none_or(|term| term == "dumb") {
            return;
        }
        let mut pause = PATIENCE;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.over {
            let waited = self.ended.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if state.over {
                break;
            }
            pause = EACH;
            let (done, total) = (progress.done.load(Ordering::Relaxed), progress.total.load(Ordering::Relaxed));
            let percent = (100 * done).checked_div(total).unwrap_or(0);
            let words = match files {
                1 => format!("searching … {percent} %"),
                _ => format!("searching … {} of {files} recordings", self.files.load(Ordering::Relaxed)),
            };
            // Only for the eye: where it cannot be written nobody looks.
            let _ = write!(io::stderr(), "\r\x1b[K\x1b[2m{words}\x1b[0m");
            state.shown = true;
        }
    }

    /// So many files are done.
    pub(super) fn file(&self, done: usize) {
        self.files.store(done, Ordering::Relaxed);
    }

    /// Prints something else.
    pub(super) fn clear<T>(&self, print: impl FnOnce() -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        wipe(&mut state);
        print()
    }

    pub(super) fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        wipe(&mut state);
        state.over = true;
        self.ended.notify_all();
    }
}

fn wipe(state: &mut State) {
    if std::mem::take(&mut state.shown) {
        // As above.
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}
