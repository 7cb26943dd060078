//! Waking a thread of ours out of a system call that blocks: a signal whose handler does nothing, without SA_RESTART.

use super::{Sys, check, check_int};

/// Real-time signals are nobody's default; this one is far from the ones libraries take.
fn signal() -> i32 {
    libc::SIGRTMIN() + 9
}

extern "C" fn nothing(_: libc::c_int) {}

/// Installs the handler for this process.
pub fn install() -> Sys<()> {
    // SAFETY: an all-zero sigaction is valid; the handler does nothing, so it is safe in any context.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as *const () as usize;
    // SAFETY: the structure is complete and lives across the call.
    check_int(unsafe { libc::sigaction(signal(), &raw const action, std::ptr::null_mut()) })?;
    Ok(())
}

/// Blocks every other signal in the calling thread.
pub fn only_ours() -> Sys<()> {
    // SAFETY: the set is initialised before use; only this thread's mask changes.
    let errno = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        libc::sigdelset(&raw mut set, signal());
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    };
    if errno == 0 { Ok(()) } else { Err(super::Errno(errno)) }
}

/// Interrupts thread `tid` of this process.
pub fn thread(tid: i32) -> Sys<()> {
    // SAFETY: integers only.
    check(unsafe { libc::syscall(libc::SYS_tgkill, std::process::id() as i32, tid, signal()) }).map(drop)
}

/// Whether process `pid` has a thread `tid` (tgkill(2) with signal 0).
#[must_use]
pub fn thread_exists(pid: i32, tid: i32) -> bool {
    // SAFETY: integers only; signal 0 asks and sends nothing.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, 0) == 0 }
}
