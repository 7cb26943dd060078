//! `--keep-background`: two processes, so that the user gets the command's status when the command ends, while the
//! session goes on for what it left behind.
//!
//! ```text
//! shell ── face: waits, passes signals on, exits with the status ── front: the session, until the last process ends
//! ```
//! Invariant: until the status is told, the death of the face is the death of the front.
//! Leaves to others: the session itself.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use super::streams;
use crate::sys::process::{self, Change, Fork};
use crate::sys::signals::{self, Set, SignalFd};
use crate::sys::unix;

/// What the face passes on; keys at the terminal reach the front by themselves.
const PASSED_ON: [i32; 6] = [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2];

/// The front's way to tell the face; nothing without one.
#[derive(Debug)]
pub struct Keeper(Option<File>);

impl Keeper {
    /// No face: the process itself is what the user waits for.
    pub fn none() -> Self {
        Keeper(None)
    }

    /// Gives the user the status; from now on we belong to nobody.
    pub fn let_go(self, status: i32) {
        let Some(mut face) = self.0 else { return };
        // Each only fails where there is nothing to be done about it: the face then waits for our own end.
        let _ = process::die_with_parent(false);
        let _ = process::new_session();
        let _ = face.write_all(&status.to_le_bytes());
        // Relays that still serve somebody have descriptors of their own.
        (0..3).for_each(streams::drop_stdio);
    }
}

/// Forks: the child returns as the front, the parent never does. Called while there is one thread.
pub fn divide() -> io::Result<Keeper> {
    let (told, tell) = unix::pipe()?;
    let mask = signals::block(Set::of(&PASSED_ON).with(libc::SIGCHLD))?;
    match process::fork()? {
        Fork::Child => {
            process::die_with_parent(true)?;
            signals::set_mask(mask)?;
            Ok(Keeper(Some(File::from(tell))))
        }
        Fork::Parent(front) => {
            drop(tell);
            let status = be_face(front, File::from(told)).unwrap_or(super::FAILED);
            process::exit_now(status)
        }
    }
}

/// Until the front has told a status, or has ended with one.
fn be_face(front: i32, told: File) -> io::Result<i32> {
    let signals = SignalFd::new(Set::of(&PASSED_ON).with(libc::SIGCHLD))?;
    let mut told = Some(told);
    loop {
        let pipe = told.as_ref().map_or(unix::NO_POLL, |told| unix::poll_for(told.as_fd(), libc::POLLIN));
        let mut entries = [pipe, unix::poll_for(signals.as_fd(), libc::POLLIN)];
        unix::poll(&mut entries, -1)?;
        if entries[0].revents != 0 {
            let mut status = [0; 4];
            if told.take().is_some_and(|mut told| told.read_exact(&mut status).is_ok()) {
                return Ok(i32::from_le_bytes(status));
            }
        }
        while let Some(received) = signals.read()? {
            if received.signal != libc::SIGCHLD && !received.from_kernel {
                // It may have just ended.
                let _ = process::kill(front, received.signal);
            }
        }
        while let Some((_, change)) = process::wait_any()? {
            match change {
                Change::Exited(status) => return Ok(status),
                Change::Killed(signal) => return Ok(128 + signal),
                Change::Stopped(_) => {
                    process::kill(i32::try_from(std::process::id()).unwrap_or(0), libc::SIGSTOP)?;
                    process::kill(front, libc::SIGCONT)?;
                }
                Change::Continued => {}
            }
        }
    }
}
