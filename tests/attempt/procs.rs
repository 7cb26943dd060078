//! Other processes: reading them through /proc, signalling, tracing and throttling them.
//!
//! Invariant: the process is named by the caller; nothing is guessed, so nothing else is hurt.
//! Leaves to others: one's own process (`floor`, `magic`).

use libc::*;

use crate::call::{CWD, at, c, call, child, forked, into, read_some, to};
use crate::floor::shows;
use crate::report::{Misuse, Outcome, Refused, Try, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[
    ("proc", proc_file),
    ("kill", |args| call(SYS_kill, &[pid(args, 0), pid(args, 1)]).into()),
    ("tkill", |args| call(SYS_tkill, &[pid(args, 0), pid(args, 1)]).into()),
    ("tgkill", |args| call(SYS_tgkill, &[pid(args, 0), pid(args, 0), pid(args, 1)]).into()),
    ("kill_group", |args| call(SYS_kill, &[pid(args, 0).wrapping_neg(), pid(args, 1)]).into()),
    ("sigqueue", |args| {
        let mut told = [0i32; 32];
        told[2] = -1;
        call(SYS_rt_sigqueueinfo, &[pid(args, 0), pid(args, 1), to(&told)]).into()
    }),
    ("pidfd_send_signal", |args| {
        call(SYS_pidfd_open, &[pid(args, 0), 0])
            .and_then(|fd| call(SYS_pidfd_send_signal, &[fd as usize, pid(args, 1), 0, 0]))
            .into()
    }),
    ("sigio", sigio),
    ("ptrace_seize", |args| call(SYS_ptrace, &[0x4206, pid(args, 0), 0, 0]).into()),
    ("ptrace_attach", |args| call(SYS_ptrace, &[16, pid(args, 0), 0, 0]).into()),
    ("ptrace_me", |_| child(forked(|| call(SYS_ptrace, &[0, 0, 0, 0]).err().unwrap_or(0))).into()),
    ("vm_readv", |args| {
        let (mut onto, from) = ([0u8; 8], 0x1000usize);
        let (local, remote) = ([into(&mut onto[..]), 8], [from, 8]);
        crate::report::reaches(call(SYS_process_vm_readv, &[pid(args, 0), to(&local), 1, to(&remote), 1, 0]), &[EFAULT])
    }),
    ("prlimit", |args| {
        let mut limit = [0u64; 2];
        let who = pid(args, 0);
        call(SYS_prlimit64, &[who, RLIMIT_CORE as usize, 0, into(&mut limit)])
            .and_then(|_| call(SYS_prlimit64, &[who, RLIMIT_CORE as usize, to(&limit), 0]))
            .into()
    }),
    ("setaffinity", |args| call(SYS_sched_setaffinity, &[pid(args, 0), 8, to(&[u64::MAX])]).into()),
    ("setscheduler", |args| call(SYS_sched_setscheduler, &[pid(args, 0), 0, to(&[0i32])]).into()),
    ("setpriority", |args| call(SYS_setpriority, &[0, pid(args, 0), 0]).into()),
    ("ioprio", |args| call(SYS_ioprio_set, &[1, pid(args, 0), 2 << 13 | 4]).into()),
    ("root", |_| if unsafe { geteuid() } == 0 { Worked("is root".into()) } else { Refused(EPERM, String::new()) }),
    ("own_children", |_| own_children()),
];

fn pid(args: &Args, i: usize) -> usize {
    args.number(i) as usize
}

/// `proc HOW PID FILE`: a file under /proc/PID by several spellings.
fn proc_file(args: &Args) -> Outcome {
    let (pid, file) = (args.number(1), args.text(2));
    let opened = match args.text(0) {
        "plain" => open_at(CWD, &format!("/proc/{pid}/{file}")),
        "task" => open_at(CWD, &format!("/proc/{pid}/task/{pid}/{file}")),
        "dots" => open_at(CWD, &format!("/proc/self/../{pid}/./{file}")),
        "slashes" => open_at(CWD, &format!("//proc//{pid}//{file}")),
        "dirfd" => open_dir("/proc").and_then(|dir| open_at(dir as usize, &format!("{pid}/{file}"))),
        "process_dirfd" => open_dir(&format!("/proc/{pid}")).and_then(|dir| open_at(dir as usize, file)),
        "root" => open_at(CWD, &format!("/proc/self/root/proc/{pid}/{file}")),
        "chdir" => call(SYS_chdir, &[at(&c(&format!("/proc/{pid}")))]).and_then(|_| open_at(CWD, file)),
        "symlink" => {
            let link = c(args.text(3));
            let _ = call(SYS_unlinkat, &[CWD, at(&link), 0]);
            call(SYS_symlinkat, &[at(&c(&format!("/proc/{pid}"))), CWD, at(&link)])
                .and_then(|_| open_at(CWD, &format!("{}/{file}", args.text(3))))
        }
        "openat2" => call(SYS_openat2, &[CWD, at(&c(&format!("/proc/{pid}/{file}"))), to(&[0u64, 0, 0]), 24]),
        "list" => {
            let mut entries = [0u8; 4096];
            let listed = open_dir_for_reading(&format!("/proc/{pid}/{file}"))
                .and_then(|fd| call(SYS_getdents64, &[fd as usize, into(&mut entries[..]), 4096]));
            return listed.into();
        }
        "write" => {
            let opened = call(SYS_openat, &[CWD, at(&c(&format!("/proc/{pid}/{file}"))), O_WRONLY as usize, 0]);
            return opened.into();
        }
        other => return Misuse(format!("no way '{other}'")),
    };
    shows(opened)
}

fn open_at(dir: usize, path: &str) -> Try {
    let path = c(path);
    let fd = call(SYS_openat, &[dir, at(&path), 0, 0])?;
    // `mem` opens without giving anything away until it is read where something is mapped
    Ok(fd)
}

fn open_dir(path: &str) -> Try {
    call(SYS_openat, &[CWD, at(&c(path)), (O_PATH | O_DIRECTORY) as usize, 0])
}

fn open_dir_for_reading(path: &str) -> Try {
    call(SYS_openat, &[CWD, at(&c(path)), O_DIRECTORY as usize, 0])
}

/// Asks the kernel to signal another process when a pipe becomes readable.
fn sigio(args: &Args) -> Outcome {
    let ends = crate::descriptors::pipe();
    let reader = ends[0] as usize;
    let asked = call(SYS_fcntl, &[reader, F_SETOWN as usize, pid(args, 0)])
        .and_then(|_| call(SYS_fcntl, &[reader, 10, pid(args, 1)]))
        .and_then(|_| call(SYS_fcntl, &[reader, F_SETFL as usize, O_ASYNC as usize]))
        .and_then(|_| call(SYS_write, &[ends[1] as usize, to(b"x"), 1]));
    asked.into()
}

/// What an agent must be able to do with its own children: signal them, read them, wait for them.
fn own_children() -> Outcome {
    let pid = unsafe { fork() };
    if pid == 0 {
        loop {
            unsafe { pause() };
        }
    }
    let seen = open_at(CWD, &format!("/proc/{pid}/environ")).and_then(read_some);
    let killed = call(SYS_kill, &[pid as usize, SIGTERM as usize]);
    let status = crate::call::reap(pid);
    match (seen, killed, status) {
        (Ok(_), Ok(_), 256) => Worked("read, signalled, reaped".into()),
        (seen, killed, status) => Refused(killed.err().or(seen.err()).unwrap_or(0), format!("status {status}")),
    }
}
