//! What the pump lets others know of the session, and what others want of the pump.
//!
//! Invariant: the pump never waits here: it takes what is wanted from a queue that wakes its poll(2), and tells in one
//! short lock. What is wanted of a session that is over is answered at once.
//! Leaves to others: doing it (`pump`, `monitor`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::sys::unix;

/// Something that a watcher wants done with the whole session, and who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub what: What,
    /// As in a marker: `watch:user@pts/3`.
    pub by: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Freeze,
    Thaw,
    /// As SIGTERM to govsh would, or at once.
    End {
        now: bool,
    },
}

/// How the session stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    pub frozen: Option<Frozen>,
    /// The agent has ended, or nobody is there any more who could do something.
    pub over: bool,
    /// As `govsh run` returns it, once that is known.
    pub exit: Option<i32>,
}

/// Every process is held still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    pub by: String,
    pub processes: usize,
    /// Some could not be stopped, because they fork faster.
    pub whole: bool,
}

#[derive(Debug, Default)]
struct Shared {
    standing: Mutex<Standing>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Standing> {
        // Whole values are put in, so one that panicked left nothing half done.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pump's end.
#[derive(Debug)]
pub struct Desk {
    shared: Arc<Shared>,
    wishes: Receiver<Wish>,
    wake: OwnedFd,
}

/// The others' end.
#[derive(Debug, Clone)]
pub struct Bell {
    shared: Arc<Shared>,
    wishes: Sender<Wish>,
    ring: Arc<OwnedFd>,
}

/// Both ends.
pub fn desk() -> io::Result<(Desk, Bell)> {
    let (wake, ring) = unix::pipe()?;
    unix::set_nonblocking(wake.as_fd(), true)?;
    unix::set_nonblocking(ring.as_fd(), true)?;
    let shared = Arc::new(Shared::default());
    let (sender, wishes) = mpsc::channel();
    let bell = Bell { shared: Arc::clone(&shared), wishes: sender, ring: Arc::new(ring) };
    Ok((Desk { shared, wishes, wake }, bell))
}

impl Desk {
    /// Everything that is wanted by now. Called when the descriptor is readable.
    pub fn wishes(&self) -> Vec<Wish> {
        // Only a wake-up: what it says is in the queue.
        let _ = unix::read(self.wake.as_fd(), &mut [0; 64]);
        self.wishes.try_iter().collect()
    }

    pub fn tell(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.shared.lock());
        self.shared.changed.notify_all();
    }

    pub fn standing(&self) -> Standing {
        self.shared.lock().clone()
    }
}

impl AsFd for Desk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.tell(|standing| standing.over = true);
    }
}

impl Bell {
    /// Asks for it and waits until it is so, or until `patience` is over; how the session stands then.
    pub fn wish(&self, wish: Wish, patience: Duration, done: impl Fn(&Standing) -> bool) -> Standing {
        // Both fail only when the pump has gone, which the standing says.
        let _ = self.wishes.send(wish);
        let _ = unix::write(self.ring.as_fd(), &[1]);
        let waits = |standing: &mut Standing| !standing.over && !done(standing);
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), patience, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub fn standing(&self) -> Standing {
        self.shared.lock().clone()
    }

    /// How the whole session went, for whoever still looks.
    pub fn over(&self, exit: i32) {
        let mut standing = self.shared.lock();
        (standing.over, standing.exit) = (true, Some(exit));
        drop(standing);
        self.shared.changed.notify_all();
    }
}
