//! Descriptors that came from before: what is open above 2, and what can be read through it.
//!
//! Invariant: nothing is opened by path except /proc/self/fd.
//! Leaves to others: handing descriptors over (`unix`).

use libc::*;

use crate::Attempt;
use crate::call::{call, into};
use crate::floor::shows;
use crate::report::{Outcome, Refused, Worked};

pub const ATTEMPTS: &[Attempt] = &[("inherited", |args| shows(Ok(args.number(0)))), ("open_above_2", |_| above_two())];

/// A pipe whose ends an exec closes.
pub fn pipe() -> [i32; 2] {
    let mut ends = [-1i32; 2];
    let _ = call(SYS_pipe2, &[into(&mut ends), O_CLOEXEC as usize]);
    ends
}

/// Worked when any descriptor above 2 is open that this program did not open itself.
fn above_two() -> Outcome {
    let open: Vec<usize> = (3..4096).filter(|&fd| call(SYS_fcntl, &[fd, F_GETFD as usize]).is_ok()).collect();
    if open.is_empty() { Refused(EBADF, String::new()) } else { Worked(format!("{open:?}")) }
}
