//! What a thread shares: unshare(2) of the file-system attributes, and its umask.

use super::{Sys, check_int};

/// Gives the calling thread a working directory and umask of its own. Needs no privilege.
pub fn unshare_fs() -> Sys<()> {
    // SAFETY: no pointers; affects only this thread's fs attributes.
    check_int(unsafe { libc::unshare(libc::CLONE_FS) }).map(drop)
}

/// Sets the umask and returns the one before.
pub fn set_umask(mask: u32) -> u32 {
    // SAFETY: cannot fail, no pointers.
    unsafe { libc::umask(mask as libc::mode_t) }
}

/// Changes the calling thread's working directory (its own after [`unshare_fs`]).
pub fn fchdir(dir: std::os::fd::BorrowedFd<'_>) -> Sys<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: no pointers.
    check_int(unsafe { libc::fchdir(dir.as_raw_fd()) }).map(drop)
}

/// This thread's id.
#[must_use]
pub fn thread_id() -> i32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}
