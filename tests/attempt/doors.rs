//! Ways past the file system: shared memory, queues and semaphores by number, and files that the kernel itself writes.
//!
//! Invariant: what is reached was made by somebody else, who is named by the caller.
//! Leaves to others: calls that no agent needs (`floor`).

use libc::*;

use crate::call::{CWD, at, c, call, forked, into, to};
use crate::report::{Misuse, Outcome, Refused, Try, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] =
    &[("ipc", ipc), ("own_ipc", |_| own_ipc().into()), ("core", core), ("late", late), ("vsyscall", vsyscall)];

fn number(args: &Args, i: usize) -> usize {
    args.number(i) as usize
}

/// `ipc HOW NUMBER`: a System V object of another process, by its number or by its key.
fn ipc(args: &Args) -> Outcome {
    let (id, mut bytes) = (number(args, 1), [0u64; 16]);
    match args.text(0) {
        "shmat" => call(SYS_shmat, &[id, 0, SHM_RDONLY as usize]),
        "shmget" => call(SYS_shmget, &[id, 0, 0]),
        "shmget_create" => call(SYS_shmget, &[id, 4096, (IPC_CREAT | 0o600) as usize]),
        "shm_remove" => call(SYS_shmctl, &[id, IPC_RMID as usize, 0]),
        "msgrcv" => call(SYS_msgrcv, &[id, into(&mut bytes), 100, 0, IPC_NOWAIT as usize]),
        "msgsnd" => call(SYS_msgsnd, &[id, to(&[1u64, 0]), 8, IPC_NOWAIT as usize]),
        "msgget" => call(SYS_msgget, &[id, 0]),
        "semop" => call(SYS_semop, &[id, to(&[0u16, 1, IPC_NOWAIT as u16]), 1]),
        "semctl" => call(SYS_semctl, &[id, 0, 12, 0]),
        "semget" => call(SYS_semget, &[id, 0, 0]),
        other => return Misuse(format!("no way '{other}'")),
    }
    .into()
}

/// What a program does with its own: makes, uses and removes one of each kind.
fn own_ipc() -> Try {
    let private = IPC_PRIVATE as usize;
    let mode = (IPC_CREAT | 0o600) as usize;
    let shm = call(SYS_shmget, &[private, 4096, mode])? as usize;
    let there = call(SYS_shmat, &[shm, 0, 0])? as usize;
    call(SYS_shmdt, &[there])?;
    let done = forked(|| call(SYS_shmat, &[shm, 0, 0]).err().unwrap_or(0));
    call(SYS_shmctl, &[shm, IPC_RMID as usize, 0])?;
    let queue = call(SYS_msgget, &[private, mode])? as usize;
    call(SYS_msgsnd, &[queue, to(&[1u64, 7]), 8, 0])?;
    call(SYS_msgrcv, &[queue, into(&mut [0u64; 2]), 8, 0, 0])?;
    call(SYS_msgctl, &[queue, IPC_RMID as usize, 0])?;
    let semaphore = call(SYS_semget, &[private, 1, mode])? as usize;
    call(SYS_semop, &[semaphore, to(&[0u16, 1, 0]), 1])?;
    call(SYS_semctl, &[semaphore, 0, IPC_RMID as usize, 0])?;
    crate::call::child(done)
}

/// `vsyscall HOW`: the page that x86_64 kept for programs of its first years: `time` calls into it as they did, `read` and
/// `inside` take it for memory and for code of another kind (`syscall; ret`), which would be a call from where none is looked for.
#[cfg(target_arch = "x86_64")]
fn vsyscall(args: &Args) -> Outcome {
    const TIME: usize = 0xffff_ffff_ff60_0400;
    type Time = unsafe extern "C" fn(*mut i64) -> i64;
    let how = args.text(0);
    let status = forked(|| match how {
        "time" => {
            let time: Time = unsafe { std::mem::transmute::<usize, Time>(TIME) };
            i32::from(unsafe { time(std::ptr::null_mut()) } < 1_000_000_000)
        }
        "read" => i32::from(unsafe { std::ptr::without_provenance::<u8>(TIME).read_volatile() } == 0),
        "inside" => {
            let gadget: Time = unsafe { std::mem::transmute::<usize, Time>(TIME + 7) };
            unsafe { gadget(std::ptr::null_mut()) };
            0
        }
        _ => 2,
    });
    match status {
        0 => Worked("there".into()),
        256 => Refused(EFAULT, "ended by a signal".into()),
        _ => Misuse(format!("no way '{how}', or no time")),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vsyscall(_: &Args) -> Outcome {
    Refused(EFAULT, "no such page".into())
}

/// `core DIRECTORY`: ends badly in that directory; it worked when the kernel left a file there.
fn core(args: &Args) -> Outcome {
    let dir = args.path(0);
    let entries = || std::fs::read_dir(args.text(0)).map_or(0, Iterator::count);
    let before = entries();
    forked(|| {
        let limit = [u64::MAX, u64::MAX];
        let mut hard = [0u64; 2];
        let _ = call(SYS_prlimit64, &[0, RLIMIT_CORE as usize, 0, into(&mut hard)]);
        let _ = call(SYS_prlimit64, &[0, RLIMIT_CORE as usize, to(&[hard[1], hard[1]]), 0]);
        let _ = call(SYS_prlimit64, &[0, RLIMIT_CORE as usize, to(&limit), 0]);
        if call(SYS_chdir, &[at(&dir)]).is_ok() {
            unsafe { abort() }
        }
        0
    });
    if call(SYS_faccessat, &[CWD, at(&c(args.text(0))), 0]).is_err() {
        return Misuse("no such directory".into());
    }
    if entries() > before { Worked("a core is there".into()) } else { Refused(EACCES, "no core".into()) }
}

/// `late DIRECTORY [NAME]`: makes a tree that was not there, with a file of that name, and moves what holds it.
fn late(args: &Args) -> Outcome {
    let dir = args.text(0);
    let name = if args.count() > 1 { args.text(1) } else { "file" };
    let make = |path: String| call(SYS_mkdirat, &[CWD, at(&c(&path)), 0o755]);
    let moved = ["", "/a", "/a/in"]
        .iter()
        .try_fold(0, |_, part| make(format!("{dir}{part}")))
        .and_then(|_| {
            call(SYS_openat, &[CWD, at(&c(&format!("{dir}/a/in/{name}"))), (O_WRONLY | O_CREAT) as usize, 0o600])
        })
        .and_then(|_| call(SYS_renameat, &[CWD, at(&c(&format!("{dir}/a"))), CWD, at(&c(&format!("{dir}/b")))]));
    moved.into()
}
