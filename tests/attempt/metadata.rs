//! Changing what a file says about itself, by path and by descriptor: `meta HOW PATH`.
//!
//! Invariant: descriptors are opened for reading or as `O_PATH` only, as they can be had on files that may not be written.
//! Leaves to others: content (`files`), names (`names`).

use libc::*;

use crate::call::{CWD, HIGH, at, c, call, into, to};
use crate::files::old;
use crate::report::{Misuse, Outcome, Try};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("meta", meta)];

const FCHMODAT2: i64 = 452;
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;
const GETFLAGS: usize = 0x8008_6601;
const SETFLAGS: usize = 0x4008_6602;
const NOATIME: u64 = 0x80;

/// Who is asking, so that chown changes nothing but still needs to be allowed.
fn own() -> [usize; 2] {
    unsafe { [getuid() as usize, getgid() as usize] }
}

fn meta(args: &Args) -> Outcome {
    let path = args.text(1);
    let how = args.text(0);
    let done = match how.split_once('_') {
        Some((form @ ("fd" | "opath" | "proc" | "empty"), what)) => by_descriptor(form, what, path),
        _ => by_path(how, path),
    };
    match done {
        Some(tried) => tried.into(),
        None => Misuse(format!("no way '{how}'")),
    }
}

fn by_path(how: &str, path: &str) -> Option<Try> {
    let path = c(path);
    let at_path = at(&path);
    let [uid, gid] = own();
    let (key, value) = (c("user.govsh"), *b"x");
    Some(match how {
        "chmod" => call(old::CHMOD, &[at_path, 0o640]),
        "fchmodat" => call(SYS_fchmodat, &[CWD, at_path, 0o640]),
        "fchmodat2" => call(FCHMODAT2, &[CWD, at_path, 0o640, 0]),
        "chown" => call(old::CHOWN, &[at_path, uid, gid]),
        "lchown" => call(old::LCHOWN, &[at_path, uid, gid]),
        "fchownat" => call(SYS_fchownat, &[CWD, at_path, uid, gid, 0]),
        "utime" => call(old::UTIME, &[at_path, to(&[1i64, 1])]),
        "utimes" => call(old::UTIMES, &[at_path, to(&[1i64, 0, 1, 0])]),
        "futimesat" => call(old::FUTIMESAT, &[CWD, at_path, to(&[1i64, 0, 1, 0])]),
        "utimensat" => call(SYS_utimensat, &[CWD, at_path, to(&[1i64, 0, 1, 0]), 0]),
        "setxattr" => call(SYS_setxattr, &[at_path, at(&key), to(&value), 1, 0]),
        "lsetxattr" => call(SYS_lsetxattr, &[at_path, at(&key), to(&value), 1, 0]),
        "setxattrat" => call(SETXATTRAT, &[CWD, at_path, 0, at(&key), to(&[to(&value) as u64, 1]), 16]),
        "removexattr" => call(SYS_removexattr, &[at_path, at(&c("user.there"))]),
        "lremovexattr" => call(SYS_lremovexattr, &[at_path, at(&c("user.there"))]),
        "removexattrat" => call(REMOVEXATTRAT, &[CWD, at_path, 0, at(&c("user.there"))]),
        "file_setattr" => call(FILE_SETATTR, &[CWD, at_path, to(&[NOATIME, 0, 0]), 24, 0]),
        _ => return None,
    })
}

/// `fd_*` takes a reading descriptor, `opath_*` and `empty_*` an `O_PATH` one, `proc_*` its name under /proc.
fn by_descriptor(form: &str, what: &str, path: &str) -> Option<Try> {
    let flags = if form == "fd" { O_RDONLY } else { O_PATH };
    let fd = match call(SYS_openat, &[CWD, at(&c(path)), (flags | O_CLOEXEC) as usize, 0]) {
        Ok(fd) => fd as usize,
        Err(errno) => return Some(Err(errno)),
    };
    if form == "proc" {
        return by_path(what, &format!("/proc/self/fd/{fd}"));
    }
    let [uid, gid] = own();
    let (empty, key, value) = (c(""), c("user.govsh"), *b"x");
    let (at_empty, by_fd) = (at(&empty), AT_EMPTY_PATH as usize);
    Some(match (form, what) {
        ("empty", "fchmodat2") => call(FCHMODAT2, &[fd, at_empty, 0o640, by_fd]),
        ("empty", "fchownat") => call(SYS_fchownat, &[fd, at_empty, uid, gid, by_fd]),
        ("empty", "fchownat_high") => call(SYS_fchownat, &[fd | HIGH, at_empty, uid, gid, by_fd | HIGH]),
        ("empty", "utimensat") => call(SYS_utimensat, &[fd, at_empty, to(&[1i64, 0, 1, 0]), by_fd]),
        ("empty", "setxattrat") => call(SETXATTRAT, &[fd, at_empty, by_fd, at(&key), to(&[to(&value) as u64, 1]), 16]),
        ("empty", "removexattrat") => call(REMOVEXATTRAT, &[fd, at_empty, by_fd, at(&c("user.there"))]),
        ("empty", "file_setattr") => call(FILE_SETATTR, &[fd, at_empty, to(&[NOATIME, 0, 0]), 24, by_fd]),
        (_, "chmod") => call(SYS_fchmod, &[fd, 0o640]),
        (_, "chmod_high") => call(SYS_fchmod, &[fd | HIGH, 0o640]),
        (_, "chown") => call(SYS_fchown, &[fd, uid, gid]),
        (_, "utimens") => call(SYS_utimensat, &[fd, 0, to(&[1i64, 0, 1, 0]), 0]),
        (_, "futimesat") => call(old::FUTIMESAT, &[fd, 0, to(&[1i64, 0, 1, 0])]),
        (_, "setxattr") => call(SYS_fsetxattr, &[fd, at(&key), to(&value), 1, 0]),
        (_, "removexattr") => call(SYS_fremovexattr, &[fd, at(&c("user.there"))]),
        (_, "setflags") => set_flags(fd),
        _ => return None,
    })
}

/// chattr +A on a descriptor that may only read.
fn set_flags(fd: usize) -> Try {
    let mut flags = 0u64;
    call(SYS_ioctl, &[fd, GETFLAGS, into(&mut flags)])?;
    flags |= NOATIME;
    call(SYS_ioctl, &[fd, SETFLAGS, into(&mut flags)])
}
