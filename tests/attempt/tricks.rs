//! One file by many ways of writing its path, through many descriptors, by other processes: `trick HOW FILE [DIRECTORY]`.
//!
//! Invariant: it worked only when the file's content came back.
//! Leaves to others: plain calls (`files`), several steps that change names (`carve`).

use libc::*;

use crate::call::{CWD, at, c, call, child, forked, into, read_some, to};
use crate::files::parent;
use crate::floor::shows;
use crate::report::{Misuse, Outcome, Try};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("trick", trick)];

/// RESOLVE_* of openat2(2).
const NO_XDEV: u64 = 1;
const NO_MAGIC: u64 = 2;
const NO_SYMLINKS: u64 = 4;
const BENEATH: u64 = 8;
const IN_ROOT: u64 = 16;

fn open(path: &str) -> Try {
    call(SYS_openat, &[CWD, at(&c(path)), 0, 0])
}

fn opath(path: &str, flags: i32) -> Try {
    call(SYS_openat, &[CWD, at(&c(path)), (O_PATH | flags) as usize, 0])
}

fn resolved(file: &str, name: &str, resolve: u64) -> Try {
    let (dir, _) = parent(file)?;
    call(SYS_openat2, &[dir, at(&c(name)), to(&[0u64, 0, resolve]), 24])
}

fn trick(args: &Args) -> Outcome {
    let (file, dir) = (args.text(1), args.text(2));
    let (above, name) = file.rsplit_once('/').unwrap_or(("/", file));
    let (top, middle) = above.rsplit_once('/').unwrap_or(("", above));
    let tid = unsafe { gettid() };
    let opened = match args.text(0) {
        "slashes" => open(&file.replace('/', "///")),
        "dots" => open(&format!("{top}/./{middle}/././{name}")),
        "up" => open(&format!("{top}/{middle}/../{middle}/{name}")),
        "long" => open(&format!("{above}{}/{name}", "/.".repeat(1900))),
        "fd_walk" => opath(above, O_DIRECTORY).and_then(|fd| open(&format!("/proc/self/fd/{fd}/{name}"))),
        "fd_up" => opath(above, O_DIRECTORY).and_then(|fd| open(&format!("/proc/self/fd/{fd}/../{middle}/{name}"))),
        "dev_fd_walk" => opath(above, O_DIRECTORY).and_then(|fd| open(&format!("/dev/fd/{fd}/{name}"))),
        "task_cwd" => {
            call(SYS_chdir, &[at(&c(above))]).and_then(|_| open(&format!("/proc/self/task/{tid}/cwd/{name}")))
        }
        "thread_cwd" => call(SYS_chdir, &[at(&c(above))]).and_then(|_| open(&format!("/proc/thread-self/cwd/{name}"))),
        "task_root" => open(&format!("/proc/self/task/{tid}/root{file}")),
        "number_root" => open(&format!("/proc/{}/root{file}", std::process::id())),
        "in_root" => resolved(file, &format!("/{name}"), IN_ROOT),
        "beneath" => resolved(file, name, BENEATH),
        "no_symlinks" => resolved(file, name, NO_SYMLINKS | NO_MAGIC),
        "no_xdev" => resolved(file, name, NO_XDEV),
        "dup" => parent(file).and_then(|(fd, name)| {
            let other = call(SYS_dup, &[fd])?;
            call(SYS_openat, &[other as usize, at(&name), 0, 0])
        }),
        "opath_dup" => opath(file, 0)
            .and_then(|fd| call(SYS_dup, &[fd as usize]))
            .and_then(|fd| open(&format!("/proc/self/fd/{fd}"))),
        "dev_fd" => opath(file, 0).and_then(|fd| open(&format!("/dev/fd/{fd}"))),
        "thread_fd" => opath(file, 0).and_then(|fd| open(&format!("/proc/thread-self/fd/{fd}"))),
        "scm_opath" => opath(file, 0).and_then(passed).and_then(|fd| open(&format!("/proc/self/fd/{fd}"))),
        "child_fd" => of_a_child(|| opath(file, 0), |pid, fd| open(&format!("/proc/{pid}/fd/{fd}"))),
        "child_cwd" => {
            of_a_child(|| call(SYS_chdir, &[at(&c(above))]), |pid, _| open(&format!("/proc/{pid}/cwd/{name}")))
        }
        "link_depth_1" => linked(dir, &[(above, "")], name),
        "link_depth_2" => linked(dir, &[(top, ""), ("one", middle)], name),
        "link_depth_3" => linked(dir, &[("/", ""), ("one", top), ("two", middle)], name),
        "thread" => {
            let file = file.to_owned();
            return shows(std::thread::spawn(move || open(&file)).join().unwrap_or(Err(EIO)));
        }
        "child" => return child(forked(|| open(file).and_then(read_some).err().unwrap_or(0))).into(),
        "orphan" => return orphan(file).into(),
        "cat" => return ran("/bin/cat", file).into(),
        "cp" => return ran("/bin/cp", file).into(),
        other => return Misuse(format!("no way '{other}'")),
    };
    shows(opened)
}

/// Links in `dir`, each to a place below the one before (or to a path of its own), then the file through the last one.
fn linked(dir: &str, steps: &[(&str, &str)], name: &str) -> Try {
    let mut last = "";
    for ((to, below), link) in steps.iter().zip(["one", "two", "three"]) {
        let text = if below.is_empty() { (*to).to_owned() } else { format!("{to}/{}", below.trim_start_matches('/')) };
        call(SYS_symlinkat, &[at(&c(&text)), CWD, at(&c(&format!("{dir}/{link}")))])?;
        last = link;
    }
    open(&format!("{dir}/{last}/{name}"))
}

/// A descriptor after a way through a socket.
fn passed(fd: i64) -> Try {
    let mut ends = [0i32; 2];
    call(SYS_socketpair, &[AF_UNIX as usize, SOCK_STREAM as usize, 0, into(&mut ends)])?;
    crate::unix::pass(ends[0] as usize, ends[1] as usize, fd as i32)
}

/// What a child has open or is in, while it waits.
fn of_a_child(first: impl FnOnce() -> Try, then: impl FnOnce(i32, i64) -> Try) -> Try {
    let (ready, wait) = (crate::descriptors::pipe(), crate::descriptors::pipe());
    let pid = unsafe { fork() };
    if pid == 0 {
        let got = first().unwrap_or(-1);
        let _ = call(SYS_write, &[ready[1] as usize, to(&got), 8]);
        let _ = call(SYS_read, &[wait[0] as usize, into(&mut [0u8; 1][..]), 1]);
        unsafe { _exit(0) };
    }
    let mut got = 0i64;
    let _ = call(SYS_read, &[ready[0] as usize, into(&mut got), 8]);
    let opened = then(pid, got);
    let _ = call(SYS_write, &[wait[1] as usize, to(b"x"), 1]);
    crate::call::reap(pid);
    opened
}

/// A process that its parent has left.
fn orphan(file: &str) -> Try {
    let pipe = crate::descriptors::pipe();
    forked(|| {
        if unsafe { fork() } == 0 {
            unsafe { setsid() };
            let errno = open(file).and_then(read_some).err().unwrap_or(0);
            let _ = call(SYS_write, &[pipe[1] as usize, to(&errno), 4]);
        }
        0
    });
    let mut errno = -1i32;
    let _ = call(SYS_close, &[pipe[1] as usize]);
    call(SYS_read, &[pipe[0] as usize, into(&mut errno), 4])?;
    child(errno)
}

/// A program of the system that reads the file: 1 from it is what it says when it may not.
fn ran(program: &str, file: &str) -> Try {
    let (program, file, null) = (c(program), c(file), c("/dev/null"));
    let words = [at(&program), at(&file), if program.as_bytes().ends_with(b"cp") { at(&null) } else { 0 }, 0];
    let status = forked(|| call(SYS_execve, &[at(&program), to(&words), to(&[0usize])]).err().unwrap_or(255));
    if status == 1 { Err(EACCES) } else { child(status) }
}
