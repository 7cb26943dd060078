//! Streams between which bytes are passed on: closing one direction of one, lending its pages to another.
//!
//! Invariant: as everywhere here. Leaves to others: which streams those are (`egress`).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, Sys, check_int};

/// shutdown(2) with SHUT_WR: the peer reads an end, and may go on writing.
pub fn shut_write(fd: BorrowedFd<'_>) -> Sys<()> {
    // SAFETY: integers only.
    check_int(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) }).map(drop)
}

/// splice(2) from a stream into a pipe or from a pipe into a stream, as many bytes as go at once and at most `most`; 0 at
/// the end of the stream. EAGAIN where nothing is there, or no room.
pub fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> Sys<usize> {
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    // SAFETY: the offsets are null, which means none; everything else is an integer.
    let moved = unsafe { libc::splice(from, std::ptr::null_mut(), to, std::ptr::null_mut(), most, flags) };
    usize::try_from(moved).map_err(|_| Errno::last())
}
