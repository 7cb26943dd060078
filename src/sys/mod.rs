//! Thin typed system calls: the only place with `unsafe`. Knows no policy.
//!
//! Invariant: every function returns what the kernel said, as a value or an `Errno`, and keeps no state.
//! Leaves to others: deciding whether a call should be made.

pub mod clone;
pub mod cred;
pub mod file;
pub mod inherited;
pub mod interrupt;
pub mod ipc;
pub mod keyring;
pub mod limits;
pub mod memory;
pub mod mutate;
pub mod net;
pub mod pidfd;
pub mod probe;
pub mod process;
pub mod sched;
pub mod seccomp;
pub mod signals;
pub mod spawn;
pub mod stream;
pub mod tty;
pub mod unix;

use std::fmt;

/// An error number of the kernel, positive (errno(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

/// What a system call gave.
pub type Sys<T> = Result<T, Errno>;

impl Errno {
    /// The calling thread's last error.
    #[must_use]
    pub fn last() -> Self {
        Self(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", std::io::Error::from_raw_os_error(self.0))
    }
}

impl std::error::Error for Errno {}

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

/// The result of a raw call that fails with a negative number and leaves `errno`.
pub(crate) fn check(ret: libc::c_long) -> Sys<libc::c_long> {
    if ret < 0 { Err(Errno::last()) } else { Ok(ret) }
}

/// As [`check`], for calls that give a small integer.
pub(crate) fn check_int(ret: libc::c_int) -> Sys<libc::c_int> {
    if ret < 0 { Err(Errno::last()) } else { Ok(ret) }
}
