//! Failures of dialling as the errno that connect(2) would have given, and as words.
//!
//! Invariant: every failure has an errno; none is an allow.

use std::io;

use crate::sys::Errno;

/// The kernel's own errno where there is one, else the closest.
pub fn of(error: &io::Error) -> Errno {
    if let Some(number) = error.raw_os_error() {
        return Errno(number);
    }
    Errno(match error.kind() {
        io::ErrorKind::TimedOut => libc::ETIMEDOUT,
        io::ErrorKind::NotFound => libc::EHOSTUNREACH,
        io::ErrorKind::PermissionDenied => libc::ECONNREFUSED,
        _ => libc::ECONNREFUSED,
    })
}
