//! Processes: fork, exec, wait, process groups, limits, and the prctl(2) switches a session needs.
//!
//! Invariant: every function is one system call with typed arguments; none decides anything.
//! Leaves to others: pidfds (`sys::pidfd`), signals (`sys::signals`), terminals (`sys::tty`), who is killed and why (`session`).

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::fs::MetadataExt;

/// Turns the -1 convention into an error.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// On which side of a fork(2) we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    Child,
    /// The child's pid.
    Parent(i32),
}

/// fork(2). Refused with EBUSY when the process has more than one thread.
pub fn fork() -> io::Result<Fork> {
    // `/proc/self/task` has two links of its own and one for each thread.
    if std::fs::metadata("/proc/self/task")?.nlink() != 3 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: the process was just seen to have one thread, which is this one, so nobody can be
    // inside a lock or half-way through an allocation: the child may run any code.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// What waitpid(2) reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Exit status, 0–255.
    Exited(i32),
    /// Ended by this signal.
    Killed(i32),
    Stopped(i32),
    Continued,
}

/// Next change of any child without waiting: `None` when there is none now, ECHILD when there are no children.
pub fn wait_any() -> io::Result<Option<(i32, Change)>> {
    let mut status = 0;
    let options = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED | libc::__WALL;
    // SAFETY: `status` outlives the call, which writes one int to it.
    let pid = check(unsafe { libc::waitpid(-1, &mut status, options) })?;
    if pid == 0 {
        return Ok(None);
    }
    let change = if libc::WIFEXITED(status) {
        Change::Exited(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Change::Killed(libc::WTERMSIG(status))
    } else if libc::WIFSTOPPED(status) {
        Change::Stopped(libc::WSTOPSIG(status))
    } else {
        Change::Continued
    };
    Ok(Some((pid, change)))
}

/// Waits until this child has ended, and reaps it; ECHILD when somebody else has.
pub fn wait_for(pid: i32) -> io::Result<()> {
    loop {
        let mut status = 0;
        // SAFETY: `status` outlives the call, which writes one int to it.
        match check(unsafe { libc::waitpid(pid, &mut status, libc::__WALL) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map(drop),
        }
    }
}

/// kill(2): a process (positive), a group (negative), or the caller's group (0).
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// setpgid(2); 0 means the caller, group 0 the process's own.
pub fn set_group(pid: i32, group: i32) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::setpgid(pid, group) }).map(drop)
}

/// The caller's process group.
pub fn own_group() -> i32 {
    // SAFETY: getpgrp(2) takes nothing and cannot fail.
    unsafe { libc::getpgrp() }
}

/// setsid(2): a session of its own, without a terminal.
pub fn new_session() -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::setsid() }).map(drop)
}

/// SIGKILL when the parent's thread that forked us ends (PR_SET_PDEATHSIG), or no longer.
pub fn die_with_parent(die: bool) -> io::Result<()> {
    let signal = if die { libc::SIGKILL } else { 0 };
    // SAFETY: PR_SET_PDEATHSIG reads one integer argument and no memory.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) }).map(drop)
}

/// Mode of seccomp(2) that the caller is in: 0 for none, 2 for filters.
pub fn seccomp_mode() -> i32 {
    // SAFETY: PR_GET_SECCOMP takes no pointers.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) }
}

/// Orphans among our descendants become our children (PR_SET_CHILD_SUBREAPER).
pub fn become_subreaper() -> io::Result<()> {
    // SAFETY: PR_SET_CHILD_SUBREAPER reads one integer argument and no memory.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// Whether processes of the same user may trace us and read our memory (PR_SET_DUMPABLE).
pub fn set_dumpable(dumpable: bool) -> io::Result<()> {
    // SAFETY: PR_SET_DUMPABLE reads one integer argument and no memory.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_long::from(dumpable), 0, 0, 0) }).map(drop)
}

/// The name that ps(1) shows, cut to 15 bytes (PR_SET_NAME).
pub fn set_name(name: &CStr) -> io::Result<()> {
    // SAFETY: the pointer is to a NUL-terminated string that outlives the call; the kernel reads at most 16 bytes of it.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) }).map(drop)
}

/// Marks every descriptor from `first` on to be closed at execve (close_range(2) with CLOSE_RANGE_CLOEXEC).
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: no pointers are passed, and no descriptor that a Rust value owns is closed here.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    check(result as libc::c_int).map(drop)
}

/// execve(2); returns only the error.
pub fn execute(program: &CStr, argv: &[CString], env: &[CString]) -> io::Error {
    let pointers = |words: &[CString]| -> Vec<*const libc::c_char> {
        words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: all three point to NUL-terminated strings, the lists end in a null pointer, and all of it outlives the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Ends the process at once: no destructors, no buffers flushed.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) takes no pointers and does not return.
    unsafe { libc::_exit(status) }
}

/// A resource limit: soft and hard, u64::MAX for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub soft: u64,
    pub hard: u64,
}

/// getrlimit(2) of RLIMIT_NOFILE.
pub fn open_files_limit() -> io::Result<Limit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` outlives the call, which fills it in.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    Ok(Limit { soft: limit.rlim_cur, hard: limit.rlim_max })
}

/// setrlimit(2) of RLIMIT_NOFILE.
pub fn set_open_files_limit(limit: Limit) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: limit.soft, rlim_max: limit.hard };
    // SAFETY: `limit` outlives the call, which only reads it.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }).map(drop)
}

/// Whether the caller may access the path so with its effective ids (faccessat(2), `libc::R_OK` and so on).
pub fn may_access(path: &CStr, mode: i32) -> io::Result<()> {
    // SAFETY: the pointer is to a NUL-terminated string that outlives the call.
    check(unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) }).map(drop)
}

/// The machine's name as uname(2) gives it.
pub fn host_name() -> String {
    let mut buffer = [0u8; 256];
    // SAFETY: the kernel writes at most the given length into the buffer, which outlives the call.
    let result = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len() - 1) };
    if result != 0 {
        return String::new();
    }
    CStr::from_bytes_until_nul(&buffer).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
