//! Pages lent from one stream to another through a pipe of the kernel's: what flows is copied by nobody (splice(2)).
//!
//! Invariant: a duct that is laid by for the next one is empty. There are at most [`MOST`] at a time, so that descriptors and
//! the pages that a user's pipes may have (pipe(7)) stay for others; who gets none copies.
//! Leaves to others: when that is worth it (`splice`). Nothing that has to be looked at comes through here: the pages are
//! the sender's, who may change what it lent itself.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::sys::{stream, unix};

/// Ducts at one time.
const MOST: usize = 32;
/// Bytes that one takes: a page for each of its places, which may each hold as much as a segment's page does.
const ROOM: i32 = 256 << 10;

static OPEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static LAID_BY: Cell<Option<Duct>> = const { Cell::new(None) };
}

/// See the module.
#[derive(Debug)]
pub struct Duct {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
}

impl Duct {
    /// An empty one; None where there are too many, or the system has none.
    pub fn empty() -> Option<Duct> {
        LAID_BY.take().or_else(Duct::new)
    }

    fn new() -> Option<Duct> {
        if OPEN.fetch_add(1, Ordering::Relaxed) >= MOST {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let Ok((read, write)) = unix::pipe() else {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            return None;
        };
        // A small one is slower and nothing else.
        let _ = unix::set_pipe_size(write.as_fd(), ROOM);
        Some(Duct { read, write, held: 0 })
    }

    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes in what `from` has; 0 at its end. For an empty one only: a full one would look like an empty stream.
    pub fn fill(&mut self, from: &TcpStream) -> io::Result<usize> {
        let fill = || stream::splice(from.as_fd(), self.write.as_fd(), ROOM as usize).map_err(io::Error::from);
        self.held = from.try_io(Interest::READABLE, fill)?;
        Ok(self.held)
    }

    /// Gives `to` what it takes.
    pub fn drain(&mut self, to: &TcpStream) -> io::Result<usize> {
        let drain = || stream::splice(self.read.as_fd(), to.as_fd(), self.held).map_err(io::Error::from);
        let taken = to.try_io(Interest::WRITABLE, drain)?;
        if taken == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        self.held = self.held.saturating_sub(taken);
        Ok(taken)
    }

    /// Kept for whoever comes next on this thread, if it is empty.
    pub fn lay_by(self) {
        if self.is_empty() {
            drop(LAID_BY.replace(Some(self)));
        }
    }
}

impl Drop for Duct {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}
