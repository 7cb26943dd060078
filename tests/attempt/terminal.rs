//! Typing into a terminal that somebody else reads, and changing what kind of terminal it is.
//!
//! Invariant: where a terminal can be made it is the attempt's own; else the call is made on standard input, which
//! is enough to see whether it is refused by number.
//! Leaves to others: the session's own terminal (`magic`).

use libc::*;

use crate::Attempt;
use crate::call::{HIGH, call, child, forked, into, to};
use crate::report::{Outcome, reaches};

pub const ATTEMPTS: &[Attempt] = &[
    ("tiocsti", |_| on_own_terminal(|tty| call(SYS_ioctl, &[tty, TIOCSTI as usize, to(b"x")]).err().unwrap_or(0), &[])),
    ("tiocsti_high", |_| {
        on_own_terminal(|tty| call(SYS_ioctl, &[tty, TIOCSTI as usize | HIGH, to(b"x")]).err().unwrap_or(0), &[])
    }),
    ("tioclinux", |_| {
        on_own_terminal(|tty| call(SYS_ioctl, &[tty, 0x541c, to(&[2u8, 0])]).err().unwrap_or(0), &[ENOTTY, EINVAL])
    }),
    ("tiocsetd", |_| {
        on_own_terminal(|tty| call(SYS_ioctl, &[tty, TIOCSETD as usize, to(&0i32)]).err().unwrap_or(0), &[])
    }),
    ("tiocsetd_high", |_| {
        on_own_terminal(|tty| call(SYS_ioctl, &[tty, TIOCSETD as usize | HIGH, to(&0i32)]).err().unwrap_or(0), &[])
    }),
    ("openpty", |_| own_terminal().map(i64::from).into()),
];

/// A follower of a fresh terminal pair.
fn own_terminal() -> Result<i32, i32> {
    let leader = call(SYS_openat, &[0, c"/dev/ptmx".as_ptr() as usize, (O_RDWR | O_NOCTTY) as usize, 0])? as usize;
    let mut number = 0i32;
    call(SYS_ioctl, &[leader, TIOCSPTLCK as usize, to(&0i32)])?;
    call(SYS_ioctl, &[leader, TIOCGPTN as usize, into(&mut number)])?;
    let path = crate::call::c(&format!("/dev/pts/{number}"));
    call(SYS_openat, &[0, path.as_ptr() as usize, (O_RDWR | O_NOCTTY) as usize, 0]).map(|fd| fd as i32)
}

fn on_own_terminal(body: impl FnOnce(usize) -> i32, proofs: &[i32]) -> Outcome {
    let status = forked(|| {
        unsafe { setsid() };
        let tty = match own_terminal() {
            Ok(tty) => {
                let _ = call(SYS_ioctl, &[tty as usize, TIOCSCTTY as usize, 0]);
                tty as usize
            }
            Err(_) => 0,
        };
        body(tty)
    });
    reaches(child(status), proofs)
}
