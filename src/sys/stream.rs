//! Streams between which bytes are passed on: closing one direction of one.
//!
//! Invariant: as everywhere here. Leaves to others: which streams those are (`egress`).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Sys, check_int};

/// shutdown(2) with SHUT_WR: the peer reads an end, and may go on writing.
pub fn shut_write(fd: BorrowedFd<'_>) -> Sys<()> {
    // SAFETY: integers only.
    check_int(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) }).map(drop)
}
