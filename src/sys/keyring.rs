//! Keys that the kernel keeps: keyctl(2), keyrings(7).

use std::ffi::CStr;

use super::{Errno, Sys, check};

const SESSION_KEYRING: libc::c_int = -3;
const USER_KEYRING: libc::c_int = -4;
const KEYCTL_SEARCH: libc::c_int = 10;
const KEYCTL_READ: libc::c_int = 11;

/// A key's serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(libc::c_int);

/// The key of type `user` with this description, in the session's keyring, else in the user's. ENOKEY, EACCES.
pub fn find(description: &CStr) -> Sys<Key> {
    let search = |ring: libc::c_int| {
        // SAFETY: both strings end with a NUL and outlive the call; a destination of 0 links the key nowhere.
        let found =
            unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_SEARCH, ring, c"user".as_ptr(), description.as_ptr(), 0) };
        check(found)
    };
    let serial = search(SESSION_KEYRING).or_else(|_| search(USER_KEYRING))?;
    libc::c_int::try_from(serial).map(Key).map_err(|_| Errno(libc::EOVERFLOW))
}

/// Copies what the key holds into `buf`; how long it is, which may be more than there is room for. EACCES, EKEYREVOKED.
pub fn read(key: Key, buf: &mut [u8]) -> Sys<usize> {
    // SAFETY: the kernel writes at most `buf.len()` bytes to `buf`.
    let length = check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_READ, key.0, buf.as_mut_ptr(), buf.len()) })?;
    usize::try_from(length).map_err(|_| Errno(libc::EOVERFLOW))
}
