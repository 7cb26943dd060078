//! Signals to others by rarer ways, and what a program must be able to send to its own.
//!
//! Invariant: as `procs`: who is meant is named by the caller, or was made here.
//! Leaves to others: the plain calls (`procs`).

use std::sync::atomic::{AtomicU32, Ordering};

use libc::*;

use crate::call::{CWD, at, c, call, forked, into, reap, to};
use crate::report::{Misuse, Outcome, Refused, Try, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] =
    &[("signal", signal), ("own_signals", |_| own_signals()), ("own_group", |_| own_group())];

/// F_SETOWN_EX, F_SETSIG, FIOSETOWN.
const SETOWN_EX: usize = 15;
const SETSIG: usize = 10;
const FIOSETOWN: usize = 0x8901;

/// `signal HOW PID SIGNAL`
fn signal(args: &Args) -> Outcome {
    let (pid, number) = (args.number(1) as usize, args.number(2) as usize);
    match args.text(0) {
        "by_directory" => {
            call(SYS_openat, &[CWD, at(&c(&format!("/proc/{pid}"))), (O_DIRECTORY | O_CLOEXEC) as usize, 0])
                .and_then(|fd| call(SYS_pidfd_send_signal, &[fd as usize, number, 0, 0]))
        }
        "by_pidfd_group" => {
            call(SYS_pidfd_open, &[pid, 0]).and_then(|fd| call(SYS_pidfd_send_signal, &[fd as usize, number, 0, 4]))
        }
        "thread_queue" => call(SYS_rt_tgsigqueueinfo, &[pid, pid, number, to(&info())]),
        "owner" => asked(number, |fd| call(SYS_fcntl, &[fd, F_SETOWN as usize, pid])),
        "owner_group" => asked(number, |fd| call(SYS_fcntl, &[fd, F_SETOWN as usize, pid.wrapping_neg()])),
        // F_OWNER_PID
        "owner_ex" => asked(number, |fd| call(SYS_fcntl, &[fd, SETOWN_EX, to(&[1i32, pid as i32])])),
        "owner_ioctl" => asked(number, |fd| call(SYS_ioctl, &[fd, FIOSETOWN, to(&[pid as i32])])),
        other => return Misuse(format!("no way '{other}'")),
    }
    .into()
}

/// A siginfo of SI_QUEUE.
fn info() -> [i32; 32] {
    let mut told = [0i32; 32];
    told[2] = -1;
    told
}

/// Has a socket's owner signalled as it becomes readable.
fn asked(signal: usize, own: impl FnOnce(usize) -> Try) -> Try {
    let mut ends = [0i32; 2];
    call(SYS_socketpair, &[AF_UNIX as usize, SOCK_STREAM as usize, 0, into(&mut ends)])?;
    let reader = ends[0] as usize;
    own(reader)?;
    call(SYS_fcntl, &[reader, SETSIG, signal])?;
    call(SYS_fcntl, &[reader, F_SETFL as usize, O_ASYNC as usize])?;
    call(SYS_write, &[ends[1] as usize, to(b"x"), 1])
}

static SEEN: AtomicU32 = AtomicU32::new(0);

extern "C" fn seen(_: i32) {
    SEEN.fetch_add(1, Ordering::SeqCst);
}

fn pausing() -> i32 {
    let pid = unsafe { fork() };
    if pid == 0 {
        loop {
            unsafe { pause() };
        }
    }
    pid
}

/// Every way of signalling, at one's own children and threads; each child must end by it.
fn own_signals() -> Outcome {
    let ways: [(&str, fn(usize) -> Try); 9] = [
        ("kill", |pid| call(SYS_kill, &[pid, 15])),
        ("tkill", |pid| call(SYS_tkill, &[pid, 15])),
        ("tgkill", |pid| call(SYS_tgkill, &[pid, pid, 15])),
        ("sigqueue", |pid| call(SYS_rt_sigqueueinfo, &[pid, 15, to(&info())])),
        ("thread_queue", |pid| call(SYS_rt_tgsigqueueinfo, &[pid, pid, 15, to(&info())])),
        ("pidfd", |pid| {
            let fd = call(SYS_pidfd_open, &[pid, 0])?;
            call(SYS_pidfd_send_signal, &[fd as usize, 15, 0, 0])
        }),
        ("pidfd_info", |pid| {
            let fd = call(SYS_pidfd_open, &[pid, 0])?;
            let mut told = info();
            told[0] = 15;
            call(SYS_pidfd_send_signal, &[fd as usize, 15, to(&told), 0])
        }),
        ("group", |pid| {
            call(SYS_setpgid, &[pid, pid])?;
            call(SYS_kill, &[pid.wrapping_neg(), 15])
        }),
        ("probe", |pid| {
            call(SYS_kill, &[pid, 0])?;
            call(SYS_kill, &[pid, 9])
        }),
    ];
    for (name, way) in ways {
        let pid = pausing();
        if let Err(errno) = way(pid as usize) {
            unsafe { kill(pid, SIGKILL) };
            reap(pid);
            return Refused(errno, name.into());
        }
        if reap(pid) != 256 {
            return Refused(0, format!("{name}: the child did not end by it"));
        }
        if way(pid as usize) != Err(ESRCH) {
            return Refused(0, format!("{name}: somebody was found where nobody is"));
        }
    }
    unsafe { libc::signal(SIGUSR1, seen as *const () as usize) };
    let raised = call(SYS_tgkill, &[unsafe { getpid() } as usize, unsafe { gettid() } as usize, SIGUSR1 as usize])
        .and_then(|_| call(SYS_tkill, &[unsafe { gettid() } as usize, SIGUSR1 as usize]))
        .and_then(|_| call(SYS_kill, &[unsafe { getpid() } as usize, SIGUSR1 as usize]))
        .and_then(|_| {
            asked(SIGUSR1 as usize, |fd| call(SYS_fcntl, &[fd, F_SETOWN as usize, unsafe { getpid() } as usize]))
        });
    match (raised, SEEN.load(Ordering::SeqCst)) {
        (Ok(_), 4) => Worked("signalled children and itself".into()),
        (raised, seen) => Refused(raised.err().unwrap_or(0), format!("itself: {seen} of 4 seen")),
    }
}

/// A job of a leader and three children in one group: one of them signals group 0, all must hear it, it too.
fn own_group() -> Outcome {
    let status = forked(|| unsafe {
        setpgid(0, 0);
        libc::signal(SIGUSR1, seen as *const () as usize);
        let children = [(); 3].map(|()| {
            let pid = fork();
            if pid == 0 {
                while SEEN.load(Ordering::SeqCst) == 0 {
                    sched_yield();
                }
                _exit(0);
            }
            pid
        });
        if kill(0, SIGUSR1) != 0 {
            return crate::call::errno();
        }
        // its own has arrived before the call returned (kill(2))
        let own = SEEN.load(Ordering::SeqCst);
        let all = children.into_iter().all(|pid| reap(pid) == 0);
        if own == 1 && all { 0 } else { 200 }
    });
    match status {
        0 => Worked("the whole group heard it".into()),
        errno => Refused(errno, "the group".into()),
    }
}
