//! Calls that only the probes make: throw-away children, and mechanisms tried for their own sake.
//!
//! Invariant: a [`Child`] never outlives its value: dropping it kills and reaps it.
//! Leaves to others: what an answer means (`sandbox::probe`).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use super::seccomp::Instruction;
use super::{Errno, Sys, check, check_int, pidfd};

/// Listener flag of 5.19: only a fatal signal interrupts a call that was received.
pub const WAIT_KILLABLE_RECV: u32 = 1 << 5;

const SET_MODE_FILTER: libc::c_long = 1;
const FLAG_NEW_LISTENER: u32 = 1 << 3;
const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;

/// A forked copy of this process that runs one closure.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    pidfd: OwnedFd,
    reaped: bool,
}

impl Child {
    /// Its process id, valid until [`Child::wait`] or drop.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// A descriptor that stands for the process.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Waits at most `limit` for the end: the exit status, or None when it was killed or did not end in time.
    pub fn wait(mut self, limit: Duration) -> Option<i32> {
        if !ready(self.pidfd.as_fd(), limit) {
            return None;
        }
        self.reaped = true;
        reap(self.pid)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            // an error means that it ended already
            let _ = pidfd::send_signal(self.pidfd.as_fd(), libc::SIGKILL);
            reap(self.pid);
        }
    }
}

/// Forks; the copy runs `body` and exits with what it returns (101 when it panics). It dies with the thread that made it.
///
/// Locks that other threads hold stay held in the copy: `body` does system calls and little else.
pub fn spawn(body: impl FnOnce() -> i32) -> Sys<Child> {
    // SAFETY: the copy only runs `body`, then leaves by _exit: no destructor or exit hook of ours runs twice.
    let pid = check_int(unsafe { libc::fork() })?;
    if pid == 0 {
        // SAFETY: plain integers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
        let status = std::panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or(101);
        // SAFETY: ends the copy at once.
        unsafe { libc::_exit(status) }
    }
    match pidfd::open(pid) {
        Ok(pidfd) => Ok(Child { pid, pidfd, reaped: false }),
        Err(errno) => {
            // SAFETY: our own child, not yet reaped, so the number is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            reap(pid);
            Err(errno)
        }
    }
}

fn reap(pid: i32) -> Option<i32> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is an integer the kernel may write.
        match check_int(unsafe { libc::waitpid(pid, &raw mut status, 0) }) {
            Err(Errno(libc::EINTR)) => {}
            Ok(_) if libc::WIFEXITED(status) => return Some(libc::WEXITSTATUS(status)),
            _ => return None,
        }
    }
}

/// Waits at most `limit` for any child that ends; its process id.
pub fn reap_any(limit: Duration) -> Sys<i32> {
    let end = Instant::now() + limit;
    loop {
        // SAFETY: no status is asked for.
        let pid = check_int(unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) })?;
        if pid > 0 {
            return Ok(pid);
        }
        if Instant::now() >= end {
            return Err(Errno(libc::ETIMEDOUT));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether the descriptor becomes readable (or hangs up) within `limit`.
#[must_use]
pub fn ready(fd: BorrowedFd<'_>, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let wait = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one entry, as said.
        match check_int(unsafe { libc::poll(&raw mut poll, 1, wait) }) {
            Err(Errno(libc::EINTR)) => {}
            given => return given == Ok(1),
        }
    }
}

/// Takes the PDEATHSIG of [`spawn`] off the calling process.
pub fn outlive_parent() -> Sys<()> {
    // SAFETY: plain integers.
    check_int(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0, 0, 0, 0) }).map(drop)
}

/// Makes the calling process the one that its orphaned descendants fall to.
pub fn adopt_orphans() -> Sys<()> {
    // SAFETY: plain integers.
    check_int(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// Installs a filter with a listener under exactly these further flags. EINVAL when the kernel does not know them.
pub fn add_listener_with(program: &[Instruction], flags: u32) -> Sys<OwnedFd> {
    let len = u16::try_from(program.len()).map_err(|_| Errno(libc::E2BIG))?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: `program` and the slice it points to live across the call; the kernel only reads them.
    let fd = check(unsafe {
        libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, FLAG_NEW_LISTENER | flags, &raw const program)
    })?;
    // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Landlock's version (landlock_create_ruleset(2)). ENOSYS: not built in; EOPNOTSUPP: switched off at boot.
pub fn landlock_abi() -> Sys<i32> {
    // SAFETY: with this flag the kernel takes a null attribute of size 0 and returns a number.
    check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0_usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    })
    .map(|abi| abi as i32)
}

/// Becomes an ordinary user without groups or capabilities, for good.
pub fn become_user(id: u32) -> Sys<()> {
    // SAFETY: an empty list needs no pointer.
    check_int(unsafe { libc::setgroups(0, std::ptr::null()) })?;
    // SAFETY: plain integers.
    check_int(unsafe { libc::setresgid(id, id, id) })?;
    // SAFETY: plain integers.
    check_int(unsafe { libc::setresuid(id, id, id) }).map(drop)
}

/// Moves the calling process into a user namespace of its own; its next child is the first of a PID namespace.
pub fn unshare_user_and_pid() -> Sys<()> {
    // SAFETY: plain integers.
    check_int(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) }).map(drop)
}

/// Whether this process may signal that one: asks, and sends nothing.
pub fn may_signal(pid: i32) -> Sys<()> {
    // SAFETY: plain integers.
    check_int(unsafe { libc::kill(pid, 0) }).map(drop)
}

/// Closes every descriptor from `first` on (close_range(2), 5.9). For a forked copy that uses none of them any more.
pub fn close_from(first: u32) -> Sys<()> {
    // SAFETY: plain integers; the caller is a copy whose owners of descriptors never run again.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}
