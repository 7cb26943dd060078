//! Changing names and metadata, always relative to an open directory or on an open object.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::file::FdPath;
use super::{Sys, check, check_int};

/// mkdirat(2); the calling thread's umask applies.
pub fn mkdir(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Sys<()> {
    // SAFETY: name is NUL-terminated.
    check_int(unsafe { libc::mkdirat(dir.as_raw_fd(), name.as_ptr(), mode) }).map(drop)
}

/// mknodat(2); the calling thread's umask applies.
pub fn mknod(dir: BorrowedFd<'_>, name: &CStr, mode: u32, device: u64) -> Sys<()> {
    // SAFETY: name is NUL-terminated.
    check_int(unsafe { libc::mknodat(dir.as_raw_fd(), name.as_ptr(), mode, device as libc::dev_t) }).map(drop)
}

/// unlinkat(2); `flags` 0 or AT_REMOVEDIR.
pub fn unlink(dir: BorrowedFd<'_>, name: &CStr, flags: i32) -> Sys<()> {
    // SAFETY: name is NUL-terminated.
    check_int(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), flags) }).map(drop)
}

/// renameat2(2).
pub fn rename(from: (BorrowedFd<'_>, &CStr), to: (BorrowedFd<'_>, &CStr), flags: u32) -> Sys<()> {
    // SAFETY: both names are NUL-terminated.
    check(unsafe {
        libc::syscall(libc::SYS_renameat2, from.0.as_raw_fd(), from.1.as_ptr(), to.0.as_raw_fd(), to.1.as_ptr(), flags)
    })
    .map(drop)
}

/// linkat(2) of a name, a final symbolic link itself not followed.
pub fn link(from: (BorrowedFd<'_>, &CStr), to: (BorrowedFd<'_>, &CStr)) -> Sys<()> {
    // SAFETY: both names are NUL-terminated.
    check_int(unsafe { libc::linkat(from.0.as_raw_fd(), from.1.as_ptr(), to.0.as_raw_fd(), to.1.as_ptr(), 0) })
        .map(drop)
}

/// linkat(2) of an open object, also one without a name (O_TMPFILE).
pub fn link_fd(from: BorrowedFd<'_>, to: (BorrowedFd<'_>, &CStr)) -> Sys<()> {
    let path = FdPath::new(from);
    // SAFETY: both names are NUL-terminated.
    check_int(unsafe {
        libc::linkat(libc::AT_FDCWD, path.as_c().as_ptr(), to.0.as_raw_fd(), to.1.as_ptr(), libc::AT_SYMLINK_FOLLOW)
    })
    .map(drop)
}

/// symlinkat(2).
pub fn symlink(text: &CStr, dir: BorrowedFd<'_>, name: &CStr) -> Sys<()> {
    // SAFETY: both strings are NUL-terminated.
    check_int(unsafe { libc::symlinkat(text.as_ptr(), dir.as_raw_fd(), name.as_ptr()) }).map(drop)
}

/// truncate(2) of an open object, also one opened with O_PATH.
pub fn truncate(fd: BorrowedFd<'_>, len: i64) -> Sys<()> {
    let path = FdPath::new(fd);
    // SAFETY: the path is NUL-terminated.
    check_int(unsafe { libc::truncate(path.as_c().as_ptr(), len) }).map(drop)
}

/// chmod(2) of an open object, also one opened with O_PATH.
pub fn chmod(fd: BorrowedFd<'_>, mode: u32) -> Sys<()> {
    let path = FdPath::new(fd);
    // SAFETY: the path is NUL-terminated.
    check_int(unsafe { libc::chmod(path.as_c().as_ptr(), mode) }).map(drop)
}

/// chown(2) of an open object, links included.
pub fn chown(fd: BorrowedFd<'_>, uid: u32, gid: u32) -> Sys<()> {
    // SAFETY: the empty path is NUL-terminated.
    check_int(unsafe { libc::fchownat(fd.as_raw_fd(), c"".as_ptr(), uid, gid, libc::AT_EMPTY_PATH) }).map(drop)
}

/// Access and modification times as utimensat(2) takes them; `None` is now.
pub type Times = Option<[libc::timespec; 2]>;

/// utimensat(2) of an open object, links included (AT_EMPTY_PATH, 5.8).
pub fn set_times(fd: BorrowedFd<'_>, times: &Times) -> Sys<()> {
    let times = times.as_ref().map_or(std::ptr::null(), |t| t.as_ptr());
    // SAFETY: `times` is null or points to two timespecs.
    check_int(unsafe { libc::utimensat(fd.as_raw_fd(), c"".as_ptr(), times, libc::AT_EMPTY_PATH) }).map(drop)
}

/// setxattr(2) of an open object, not of a link.
pub fn set_xattr(fd: BorrowedFd<'_>, name: &CStr, value: &[u8], flags: i32) -> Sys<()> {
    let path = FdPath::new(fd);
    // SAFETY: strings are NUL-terminated, the value has the length given.
    check_int(unsafe { libc::setxattr(path.as_c().as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags) })
        .map(drop)
}

/// removexattr(2) of an open object, not of a link.
pub fn remove_xattr(fd: BorrowedFd<'_>, name: &CStr) -> Sys<()> {
    let path = FdPath::new(fd);
    // SAFETY: strings are NUL-terminated.
    check_int(unsafe { libc::removexattr(path.as_c().as_ptr(), name.as_ptr()) }).map(drop)
}
