//! Processes by descriptor: pidfd_open(2), pidfd_getfd(2), pidfd_send_signal(2).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Sys, check, check_int};

const PIDFD_THREAD: libc::c_uint = libc::O_EXCL as libc::c_uint;

fn open_with(pid: i32, flags: libc::c_uint) -> Sys<OwnedFd> {
    // SAFETY: plain integers in, a fresh descriptor out.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) })?;
    // SAFETY: the kernel just made it; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A descriptor for the process whose leader is `pid`.
pub fn open(pid: i32) -> Sys<OwnedFd> {
    open_with(pid, 0)
}

/// A descriptor for one thread (6.9); EINVAL on kernels before, unless `tid` leads its group.
pub fn open_thread(tid: i32) -> Sys<OwnedFd> {
    open_with(tid, PIDFD_THREAD).or_else(|_| open(tid))
}

/// A copy of descriptor `fd` of that process. Needs ptrace access.
pub fn get_fd(pidfd: BorrowedFd<'_>, fd: i32) -> Sys<OwnedFd> {
    // SAFETY: plain integers in, a fresh descriptor out.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) })?;
    // SAFETY: the kernel just made it; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sends `signal` (0 only asks). ESRCH when the process was reaped.
pub fn send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Sys<()> {
    // SAFETY: plain integers and a null siginfo, which the call permits.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<u8>(), 0) })
        .map(drop)
}

/// Longest `siginfo_t` (sigaction(2)), in bytes.
pub const INFO: usize = 128;

/// As [`send_signal`], with a sender's `siginfo_t` and flags (PIDFD_SIGNAL_*, 6.9). EINVAL, EPERM, ESRCH.
pub fn send_signal_with(pidfd: BorrowedFd<'_>, signal: i32, info: Option<&[u8; INFO]>, flags: u32) -> Sys<()> {
    let info = info.map_or(std::ptr::null(), |info| info.as_ptr());
    // SAFETY: the kernel reads at most INFO bytes, which live across the call, or nothing behind a null pointer.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info, flags) }).map(drop)
}

/// A descriptor for one thread (6.9). EINVAL on kernels before.
pub fn open_one_thread(tid: i32) -> Sys<OwnedFd> {
    open_with(tid, PIDFD_THREAD)
}

/// Whether the process ended (its descriptor is readable then).
#[must_use]
pub fn has_exited(pidfd: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, as said.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
}

/// `struct pidfd_info` of linux/pidfd.h, as of 6.13.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

/// How a process that was reaped ended, as wait(2) has it. None before it was reaped, and on kernels before 6.15.
#[must_use]
pub fn exit_code(pidfd: BorrowedFd<'_>) -> Option<i32> {
    const PIDFD_GET_INFO: libc::c_ulong = 3 << 30 | (size_of::<PidfdInfo>() as libc::c_ulong) << 16 | 0xff << 8 | 11;
    const PIDFD_INFO_EXIT: u64 = 1 << 3;
    let mut told = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the kernel writes at most the size that is part of the request's number.
    check_int(unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO as _, &raw mut told) }).ok()?;
    (told.mask & PIDFD_INFO_EXIT != 0).then_some(told.exit_code)
}
