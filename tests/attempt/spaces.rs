//! Namespaces, mounts, roots, and processes that share memory without being threads.
//!
//! Invariant: what it makes is made in a child or a private namespace and ends with it.
//! Leaves to others: everything that needs no new view of the machine (`floor`).

use libc::*;

use crate::call::{CWD, HIGH, at, c, call, child, errno, forked, pages, reap, to};
use crate::report::{Misuse, Outcome, Try, reaches};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[
    ("unshare", |args| with_flag(args, |flag| child(forked(|| call(SYS_unshare, &[flag]).err().unwrap_or(0))))),
    ("unshare_high", |args| {
        with_flag(args, |flag| child(forked(|| call(SYS_unshare, &[flag | HIGH]).err().unwrap_or(0))))
    }),
    ("clone", |args| with_flag(args, |flag| fork_like(SYS_clone, &[flag | SIGCHLD as usize, 0, 0, 0, 0]))),
    ("clone_high", |args| with_flag(args, |flag| fork_like(SYS_clone, &[flag | SIGCHLD as usize | HIGH, 0, 0, 0, 0]))),
    ("clone3", |_| fork_like(SYS_clone3, &[to(&[0u64, 0, 0, 0, SIGCHLD as u64, 0, 0, 0]), 64]).into()),
    ("clone3_user", |_| {
        fork_like(SYS_clone3, &[to(&[CLONE_NEWUSER as u64, 0, 0, 0, SIGCHLD as u64, 0, 0, 0]), 64]).into()
    }),
    ("clone_vm", |_| shared_memory(CLONE_VM).into()),
    ("clone_vm_files", |_| shared_memory(CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND).into()),
    ("setns", |_| {
        let own = call(SYS_pidfd_open, &[std::process::id() as usize, 0]).map_or(usize::MAX, |fd| fd as usize);
        reaches(call(SYS_setns, &[own, CLONE_NEWUTS as usize]), &[EBADF])
    }),
    ("chroot", |_| child(forked(|| call(SYS_chroot, &[at(&c("/"))]).err().unwrap_or(0))).into()),
    ("pivot_root", |args| {
        reaches(in_own_mounts(|| call(SYS_pivot_root, &[at(&args.path(0)), at(&args.path(0))])), &[EINVAL, EBUSY])
    }),
    ("mount", |args| {
        in_own_mounts(|| call(SYS_mount, &[at(&c("none")), at(&args.path(0)), at(&c("tmpfs")), 0, 0])).into()
    }),
    ("mount_bind", |args| {
        in_own_mounts(|| call(SYS_mount, &[at(&args.path(0)), at(&args.path(1)), 0, MS_BIND as usize, 0])).into()
    }),
    ("umount2", |_| reaches(call(SYS_umount2, &[at(&c("/nowhere/mount")), 0]), &[ENOENT])),
    ("move_mount", |_| {
        reaches(call(SYS_move_mount, &[usize::MAX, at(&c("")), usize::MAX, at(&c("")), 0]), &[ENOENT, EBADF])
    }),
    ("open_tree", |_| call(SYS_open_tree, &[CWD, at(&c("/")), 1]).into()),
    ("open_tree_attr", |_| reaches(call(467, &[CWD, at(&c("/")), 1, to(&[0u64; 4]), 32]), &[])),
    ("fsopen", |_| call(SYS_fsopen, &[at(&c("tmpfs")), 0]).into()),
    ("fsconfig", |_| reaches(call(SYS_fsconfig, &[usize::MAX, 6, 0, 0, 0]), &[EBADF, EINVAL])),
    ("fsmount", |_| reaches(call(SYS_fsmount, &[usize::MAX, 0, 0]), &[EBADF])),
    ("fspick", |_| call(SYS_fspick, &[CWD, at(&c("/")), 0]).into()),
    ("mount_setattr", |_| {
        reaches(call(SYS_mount_setattr, &[CWD, at(&c("/nowhere/mount")), 0, to(&[1u64, 0, 0, 0]), 32]), &[ENOENT])
    }),
];

/// The flag called `NEWUSER`, `NEWNET`, … as clone(2) has it.
fn with_flag(args: &Args, make: impl FnOnce(usize) -> Try) -> Outcome {
    let flag = match args.text(0) {
        "NEWNS" => CLONE_NEWNS,
        "NEWUTS" => CLONE_NEWUTS,
        "NEWIPC" => CLONE_NEWIPC,
        "NEWUSER" => CLONE_NEWUSER,
        "NEWPID" => CLONE_NEWPID,
        "NEWNET" => CLONE_NEWNET,
        "NEWCGROUP" => CLONE_NEWCGROUP,
        "NEWTIME" => 0x80,
        other => return Misuse(format!("no namespace '{other}'")),
    };
    make(flag as usize).into()
}

/// A fork by its raw number: the child ends at once.
fn fork_like(number: i64, words: &[usize]) -> Try {
    let pid = call(number, words)?;
    if pid == 0 {
        unsafe { _exit(0) };
    }
    reap(pid as i32);
    Ok(pid)
}

extern "C" fn end_at_once(_: *mut c_void) -> c_int {
    0
}

/// A second process over the same memory: it could rewrite a path while the first one's call is judged.
fn shared_memory(flags: c_int) -> Try {
    let top = unsafe { pages(64 << 10, 0).add(64 << 10) };
    let pid = unsafe { clone(end_at_once, top.cast(), flags | SIGCHLD, std::ptr::null_mut()) };
    if pid == -1 {
        return Err(errno());
    }
    reap(pid);
    Ok(i64::from(pid))
}

/// In a child with mounts of its own where that is to be had, so that success changes nothing outside.
fn in_own_mounts(body: impl FnOnce() -> Try) -> Try {
    child(forked(|| {
        if call(SYS_unshare, &[CLONE_NEWNS as usize]).is_ok() {
            let _ = call(SYS_mount, &[at(&c("none")), at(&c("/")), 0, (MS_REC | MS_PRIVATE) as usize, 0]);
        }
        body().err().unwrap_or(0)
    }))
}
