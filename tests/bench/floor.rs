//! The reference supervisor: the least that any supervisor of opens costs. It receives every notification and says continue.
//!
//! Invariant: the notified set is the open family, the exec family and connect, nothing is skipped and nothing decided;
//! one unpinned receiver thread, SYNC_WAKE_UP and WAIT_KILLABLE_RECV, as `seccomp_unotify(2)` describes them.
//! Leaves to others: being of any use.
#![allow(unsafe_code, reason = "a reference program straight on libc, so that no library of ours is in the figure")]

use std::ffi::{CString, OsString};
use std::io::{Error, ErrorKind, PipeReader, Read as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;

use anyhow::{Context, Result, bail};
use libc::{c_int, c_long, c_ulong, c_void};

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64
#[cfg(target_arch = "x86_64")]
const OLD_OPENS: &[c_long] = &[libc::SYS_open, libc::SYS_creat];
#[cfg(target_arch = "aarch64")]
const OLD_OPENS: &[c_long] = &[];
const NOTIFIED: &[c_long] =
    &[libc::SYS_openat, libc::SYS_openat2, libc::SYS_execve, libc::SYS_execveat, libc::SYS_connect];

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`, linux/seccomp.h.
const SYNC_WAKE_UP: c_ulong = 1;

/// `__floor COMMAND…`: runs COMMAND under the filter, answers until its last descendant is gone, returns its status.
pub fn run(args: &[OsString]) -> Result<u8> {
    let argv: Vec<CString> = args.iter().map(|arg| CString::new(arg.as_bytes())).collect::<Result<_, _>>()?;
    if argv.is_empty() {
        bail!("usage: __floor COMMAND…");
    }
    let program = filter();
    let (reader, writer) = std::io::pipe()?;
    // SAFETY: this process has one thread, so the child may go on as any process would.
    let child = unsafe { libc::fork() };
    match child {
        -1 => return Err(Error::last_os_error()).context("cannot fork"),
        0 => become_target(&argv, &program, writer.as_raw_fd()),
        _ => drop(writer),
    }
    let listener = take_listener(child, reader)?;
    let fd = listener.as_raw_fd();
    // SAFETY: the listener is open; this ioctl takes the flag word itself.
    let set = unsafe { libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP) };
    if set != 0 {
        return Err(Error::last_os_error()).context("cannot ask for synchronous wake-ups");
    }
    let receiver = std::thread::spawn(move || receive(fd));
    let status = wait(child)?;
    until_hung_up(fd)?;
    // The process ends here; on kernels that leave RECV asleep after the last target, the receiver goes with it.
    if receiver.is_finished() {
        receiver.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))??;
    }
    Ok(status)
}

/// Architecture, then one comparison per notified number; everything else is allowed.
fn filter() -> Vec<libc::sock_filter> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let op = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // struct seccomp_data: nr at 0, arch at 4
    let mut program = vec![
        op(LOAD, 0, 0, 4),
        op(EQUAL, 1, 0, ARCH),
        op(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        op(LOAD, 0, 0, 0),
    ];
    let numbers: Vec<c_long> = OLD_OPENS.iter().chain(NOTIFIED).copied().collect();
    for (at, number) in numbers.iter().enumerate() {
        let to_notify = (numbers.len() - at) as u8; // over the other comparisons and the allow
        program.push(op(EQUAL, to_notify, 0, *number as u32));
    }
    program.push(op(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    program.push(op(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF));
    program
}

/// In the child: installs the filter, tells the listener's number, becomes the command.
fn become_target(argv: &[CString], program: &[libc::sock_filter], tell: RawFd) -> ! {
    let mut pointers: Vec<*const libc::c_char> = argv.iter().map(|arg| arg.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    // SAFETY: plain system calls on memory that lives until execvp or _exit; the number fits the pipe in one write.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let listener =
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) as c_int;
        if listener >= 0 {
            libc::write(tell, (&raw const listener).cast(), size_of::<c_int>());
            libc::execvp(pointers[0], pointers.as_ptr());
        }
        libc::_exit(127)
    }
}

/// In the parent: reads the listener's number and copies the descriptor out of the child.
fn take_listener(child: libc::pid_t, mut told: PipeReader) -> Result<OwnedFd> {
    let mut number = [0; size_of::<c_int>()];
    told.read_exact(&mut number).context("the child could not install its filter")?;
    // SAFETY: both calls return a new descriptor that nobody else owns, or -1, which is not wrapped.
    unsafe {
        let pidfd = libc::syscall(libc::SYS_pidfd_open, child, 0) as c_int;
        if pidfd < 0 {
            return Err(Error::last_os_error()).context("pidfd_open");
        }
        let pidfd = OwnedFd::from_raw_fd(pidfd);
        let listener =
            libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), c_int::from_ne_bytes(number), 0) as c_int;
        if listener < 0 {
            return Err(Error::last_os_error()).context("pidfd_getfd");
        }
        Ok(OwnedFd::from_raw_fd(listener))
    }
}

/// Receives and continues until the last target is gone.
fn receive(listener: RawFd) -> Result<()> {
    loop {
        // SAFETY: all-zero is a valid value of both plain structs, and the kernel wants the first one zeroed.
        let (mut request, mut answer): (libc::seccomp_notif, libc::seccomp_notif_resp) = unsafe { std::mem::zeroed() };
        // SAFETY: the listener outlives this thread's use of it and the struct is the kernel's for this ioctl.
        if unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, (&raw mut request).cast::<c_void>()) } != 0 {
            match Error::last_os_error() {
                error if error.kind() == ErrorKind::Interrupted => continue,
                // the target died while we woke, or the last one is gone
                error if error.raw_os_error() == Some(libc::ENOENT) && !hung_up(listener, 0)? => continue,
                error if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
                error => return Err(error).context("cannot receive"),
            }
        }
        answer.id = request.id;
        answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
        // SAFETY: as above; ENOENT means that the target was killed meanwhile and needs no answer.
        unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, (&raw mut answer).cast::<c_void>()) };
    }
}

/// Whether no process uses the filter any more; waits for it up to `timeout` ms, -1 for ever.
fn hung_up(listener: RawFd, timeout: c_int) -> Result<bool> {
    let mut poll = libc::pollfd { fd: listener, events: 0, revents: 0 };
    // SAFETY: one valid pollfd.
    match unsafe { libc::poll(&raw mut poll, 1, timeout) } {
        -1 if Error::last_os_error().kind() != ErrorKind::Interrupted => {
            Err(Error::last_os_error()).context("cannot poll the listener")
        }
        _ => Ok(poll.revents & libc::POLLHUP != 0),
    }
}

fn until_hung_up(listener: RawFd) -> Result<()> {
    while !hung_up(listener, -1)? {}
    Ok(())
}

fn wait(child: libc::pid_t) -> Result<u8> {
    let mut status = 0;
    // SAFETY: the child is ours and not yet waited for.
    while unsafe { libc::waitpid(child, &raw mut status, 0) } < 0 {
        if Error::last_os_error().kind() != ErrorKind::Interrupted {
            return Err(Error::last_os_error()).context("cannot wait for the command");
        }
    }
    Ok(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) as u8 } else { 128 + libc::WTERMSIG(status) as u8 })
}
