//! seccomp(2) and seccomp_unotify(2): filters, the listener, and its ioctls.
//!
//! Leaves to others: what the filters say (`sandbox`), what is answered (`supervisor`).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::{Errno, Sys, check, check_int};

/// One BPF instruction as the kernel reads it.
pub type Instruction = libc::sock_filter;

const SET_MODE_FILTER: libc::c_long = 1;
const FLAG_NEW_LISTENER: libc::c_long = 1 << 3;
const FLAG_WAIT_KILLABLE_RECV: libc::c_long = 1 << 5;

const IOC_RECV: libc::c_ulong = 0xc050_2100;
const IOC_SEND: libc::c_ulong = 0xc018_2101;
const IOC_ID_VALID: libc::c_ulong = 0x4008_2102;
const IOC_ADDFD: libc::c_ulong = 0x4018_2103;
const IOC_SET_FLAGS: libc::c_ulong = 0x4008_2104;
const FD_SYNC_WAKE_UP: u64 = 1;

const RESP_CONTINUE: u32 = 1;
const ADDFD_SEND: u32 = 2;

/// `struct seccomp_notif`: a call that waits for an answer.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Notification {
    /// Cookie of this call, unique for the listener.
    pub id: u64,
    /// Thread id of the target in our PID namespace.
    pub tid: u32,
    pub flags: u32,
    /// System call number.
    pub nr: i32,
    pub arch: u32,
    pub instruction_pointer: u64,
    pub args: [u64; 6],
}

#[repr(C)]
struct Response {
    id: u64,
    val: i64,
    error: i32,
    flags: u32,
}

#[repr(C)]
struct AddFd {
    id: u64,
    flags: u32,
    srcfd: u32,
    newfd: u32,
    newfd_flags: u32,
}

#[repr(C)]
struct Program {
    len: u16,
    filter: *const Instruction,
}

fn install(program: &[Instruction], flags: libc::c_long) -> Sys<libc::c_long> {
    let len = u16::try_from(program.len()).map_err(|_| Errno(libc::E2BIG))?;
    let program = Program { len, filter: program.as_ptr() };
    // SAFETY: `program` and the slice it points to live across the call; the kernel only reads them.
    check(unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const program) })
}

/// Adds a filter to the calling thread. Needs no_new_privs or CAP_SYS_ADMIN.
pub fn add_filter(program: &[Instruction]) -> Sys<()> {
    install(program, 0).map(drop)
}

/// Adds a filter and returns its listener: with WAIT_KILLABLE_RECV where the kernel (5.19) has it.
/// EBUSY when a filter with a listener is there already.
pub fn add_listener(program: &[Instruction]) -> Sys<OwnedFd> {
    let fd = match install(program, FLAG_NEW_LISTENER | FLAG_WAIT_KILLABLE_RECV) {
        Err(Errno(libc::EINVAL)) => install(program, FLAG_NEW_LISTENER)?,
        other => other?,
    };
    let fd = RawFd::try_from(fd).map_err(|_| Errno(libc::EBADF))?;
    // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Asks for wake-ups on the current CPU (6.6). A hint: failure is no harm.
pub fn set_sync_wake_up(listener: BorrowedFd<'_>) -> Sys<()> {
    // SAFETY: this ioctl takes its argument by value.
    check_int(unsafe { libc::ioctl(listener.as_raw_fd(), IOC_SET_FLAGS, FD_SYNC_WAKE_UP) }).map(drop)
}

/// Waits for the next call. EINTR on a signal, ENOENT when the target died meanwhile or, with no target left, always.
pub fn receive(listener: BorrowedFd<'_>) -> Sys<Notification> {
    let mut notification = Notification::default();
    // SAFETY: the structure has the kernel's layout (80 bytes, encoded in the request) and is zeroed as it demands.
    check_int(unsafe { libc::ioctl(listener.as_raw_fd(), IOC_RECV, &raw mut notification) })?;
    Ok(notification)
}

fn send(listener: BorrowedFd<'_>, response: &Response) -> Sys<()> {
    // SAFETY: the structure has the kernel's layout (24 bytes); the kernel only reads it.
    check_int(unsafe { libc::ioctl(listener.as_raw_fd(), IOC_SEND, std::ptr::from_ref(response)) }).map(drop)
}

/// Lets the kernel perform the call. ENOENT when the target is gone.
pub fn send_continue(listener: BorrowedFd<'_>, id: u64) -> Sys<()> {
    send(listener, &Response { id, val: 0, error: 0, flags: RESP_CONTINUE })
}

/// Ends the call with a return value.
pub fn send_value(listener: BorrowedFd<'_>, id: u64, val: i64) -> Sys<()> {
    send(listener, &Response { id, val, error: 0, flags: 0 })
}

/// Ends the call with an error.
pub fn send_errno(listener: BorrowedFd<'_>, id: u64, errno: Errno) -> Sys<()> {
    send(listener, &Response { id, val: 0, error: -errno.0, flags: 0 })
}

/// Puts a copy of `fd` into the target at its lowest free number and ends the call with that number.
/// EMFILE when the target has no number left (the call then still waits for an answer).
pub fn send_fd(listener: BorrowedFd<'_>, id: u64, fd: BorrowedFd<'_>, cloexec: bool) -> Sys<i32> {
    add_fd(listener, id, fd, cloexec, ADDFD_SEND)
}

/// As [`send_fd`], for what must be open nowhere else when the call returns: ours is closed in between. Costs one more
/// change of context.
pub fn send_only_fd(listener: BorrowedFd<'_>, id: u64, fd: OwnedFd, cloexec: bool) -> Sys<()> {
    let number = add_fd(listener, id, fd.as_fd(), cloexec, 0)?;
    drop(fd);
    send_value(listener, id, i64::from(number))
}

fn add_fd(listener: BorrowedFd<'_>, id: u64, fd: BorrowedFd<'_>, cloexec: bool, flags: u32) -> Sys<i32> {
    let add = AddFd {
        id,
        flags,
        srcfd: fd.as_raw_fd() as u32,
        newfd: 0,
        newfd_flags: if cloexec { libc::O_CLOEXEC as u32 } else { 0 },
    };
    // SAFETY: the structure has the kernel's layout (24 bytes); the kernel only reads it.
    check_int(unsafe { libc::ioctl(listener.as_raw_fd(), IOC_ADDFD, &raw const add) })
}

/// Whether the call still waits: only then what was read from the target's memory was the target's.
#[must_use]
pub fn is_valid(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the kernel reads eight bytes behind the pointer.
    unsafe { libc::ioctl(listener.as_raw_fd(), IOC_ID_VALID, &raw const id) == 0 }
}

/// Whether no target is left: the listener will never give another call.
#[must_use]
pub fn hung_up(listener: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, as said.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 1 && poll.revents & libc::POLLHUP != 0 }
}
