//! Opening a file by every call that can: `open HOW PATH`, and running one: `exec HOW PATH`.
//!
//! Invariant: an opening worked only when its content came back (reading), or it was changed (writing).
//! Leaves to others: names and metadata (`names`, `metadata`), descriptors (`descriptors`).

use std::ffi::CString;

use libc::*;

use crate::call::{CWD, HIGH, at, c, call, child, forked, to};
use crate::floor::shows;
use crate::report::{Misuse, Outcome, Refused, Try, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("open", open), ("write", write), ("list", list), ("exec", exec)];

/// Numbers that only x86_64 has; elsewhere a number that no machine has.
pub mod old {
    macro_rules! numbers {
        ($($name:ident = $number:literal)*) => {
            $(#[cfg(target_arch = "x86_64")] pub const $name: i64 = $number;
              #[cfg(not(target_arch = "x86_64"))] pub const $name: i64 = 999_999;)*
        };
    }
    numbers! {
        OPEN = 2 RENAME = 82 MKDIR = 83 RMDIR = 84 CREAT = 85 LINK = 86 UNLINK = 87 SYMLINK = 88 CHMOD = 90 CHOWN = 92
        LCHOWN = 94 UTIME = 132 MKNOD = 133 UTIMES = 235 FUTIMESAT = 261
    }
}

/// Splits a path into its directory's descriptor (`O_PATH`) and last name.
pub fn parent(path: &str) -> Result<(usize, CString), i32> {
    let (dir, name) = path.rsplit_once('/').unwrap_or((".", path));
    let fd =
        call(SYS_openat, &[CWD, at(&c(if dir.is_empty() { "/" } else { dir })), (O_PATH | O_DIRECTORY) as usize, 0])?;
    Ok((fd as usize, c(name)))
}

fn open(args: &Args) -> Outcome {
    let path = args.path(1);
    let at_path = at(&path);
    let how = [0u64, 0, 0];
    let opened = match args.text(0) {
        "open" => call(old::OPEN, &[at_path, 0, 0]),
        "openat" => call(SYS_openat, &[CWD, at_path, 0, 0]),
        // AT_FDCWD as a program that zero-extends would pass it
        "openat_short" => call(SYS_openat, &[CWD & 0xffff_ffff, at_path, 0, 0]),
        "openat_high" => call(SYS_openat, &[CWD, at_path, HIGH, 0]),
        "openat2" => call(SYS_openat2, &[CWD, at_path, to(&how), 24]),
        "dirfd" => parent(args.text(1)).and_then(|(dir, name)| call(SYS_openat, &[dir, at(&name), 0, 0])),
        "dirfd2" => parent(args.text(1)).and_then(|(dir, name)| call(SYS_openat2, &[dir, at(&name), to(&how), 24])),
        "chdir" => parent(args.text(1)).and_then(|(dir, name)| {
            call(SYS_fchdir, &[dir])?;
            call(SYS_openat, &[CWD, at(&name), 0, 0])
        }),
        "rdwr" => call(SYS_openat, &[CWD, at_path, O_RDWR as usize, 0]),
        "opath" => call(SYS_openat, &[CWD, at_path, O_PATH as usize, 0]).and_then(again),
        "opath2" => call(SYS_openat2, &[CWD, at_path, to(&[O_PATH as u64, 0, 0]), 24]).and_then(again),
        "root" => call(SYS_openat, &[CWD, at(&c(&format!("/proc/self/root{}", args.text(1)))), 0, 0]),
        "thread_root" => call(SYS_openat, &[CWD, at(&c(&format!("/proc/thread-self/root{}", args.text(1)))), 0, 0]),
        "parent_root" => {
            let path = format!("/proc/{}/root{}", std::os::unix::process::parent_id(), args.text(1));
            call(SYS_openat, &[CWD, at(&c(&path)), 0, 0])
        }
        "dots" => call(SYS_openat, &[CWD, at(&c(&format!("/usr/../proc/../{}", args.text(1)))), 0, 0]),
        "symlink" => {
            let _ = call(SYS_unlinkat, &[CWD, at(&args.path(2)), 0]);
            call(SYS_symlinkat, &[at_path, CWD, at(&args.path(2))])
                .and_then(|_| call(SYS_openat, &[CWD, at(&args.path(2)), 0, 0]))
        }
        other => return Misuse(format!("no way '{other}'")),
    };
    shows(opened)
}

/// Reads what an `O_PATH` descriptor stands for.
fn again(fd: i64) -> Try {
    call(SYS_openat, &[CWD, at(&c(&format!("/proc/self/fd/{fd}"))), 0, 0])
}

/// `write HOW PATH`: opens so that the file is created or changed.
fn write(args: &Args) -> Outcome {
    let path = args.path(1);
    let at_path = at(&path);
    let make = (O_WRONLY | O_CREAT) as usize;
    let opened = match args.text(0) {
        "creat" => call(old::CREAT, &[at_path, 0o644]),
        "open" => call(old::OPEN, &[at_path, make, 0o644]),
        "openat" => call(SYS_openat, &[CWD, at_path, make, 0o644]),
        "openat2" => call(SYS_openat2, &[CWD, at_path, to(&[make as u64, 0o644, 0]), 24]),
        "append" => call(SYS_openat, &[CWD, at_path, (O_WRONLY | O_APPEND) as usize, 0]),
        "trunc" => {
            // a reading open that truncates: nothing is left to write
            return call(SYS_openat, &[CWD, at_path, (O_RDONLY | O_TRUNC) as usize, 0]).into();
        }
        "truncate" => return call(SYS_truncate, &[at_path, 0]).into(),
        "fd" => call(SYS_openat, &[CWD, at_path, O_RDONLY as usize, 0])
            .and_then(|fd| call(SYS_openat, &[CWD, at(&c(&format!("/proc/self/fd/{fd}"))), O_WRONLY as usize, 0])),
        other => return Misuse(format!("no way '{other}'")),
    };
    opened.and_then(|fd| call(SYS_write, &[fd as usize, to(b"changed\n"), 8])).into()
}

/// `list DIRECTORY`: the number of bytes its entries take.
fn list(args: &Args) -> Outcome {
    let mut bytes = [0u8; 4096];
    call(SYS_openat, &[CWD, at(&args.path(0)), O_DIRECTORY as usize, 0])
        .and_then(|fd| call(SYS_getdents64, &[fd as usize, crate::call::into(&mut bytes[..]), 4096]))
        .into()
}

/// `exec HOW PROGRAM [ARGUMENT]`: runs it in a child; worked when it ran and gave 0.
fn exec(args: &Args) -> Outcome {
    let path = args.path(1);
    let argument = args.path(2);
    let words = if args.count() > 2 { [at(&path), at(&argument), 0] } else { [at(&path), 0, 0] };
    let none = [0usize];
    let pipe = crate::descriptors::pipe();
    let status = forked(|| {
        let empty = c("");
        let got = match args.text(0) {
            "execve" => call(SYS_execve, &[at(&path), to(&words), to(&none)]),
            "execveat" => call(SYS_execveat, &[CWD, at(&path), to(&words), to(&none), 0]),
            "empty_path" => call(SYS_openat, &[CWD, at(&path), (O_PATH) as usize, 0]).and_then(|fd| {
                call(SYS_execveat, &[fd as usize, at(&empty), to(&words), to(&none), AT_EMPTY_PATH as usize])
            }),
            "read_fd" => call(SYS_openat, &[CWD, at(&path), (O_RDONLY | O_CLOEXEC) as usize, 0]).and_then(|fd| {
                call(SYS_execveat, &[fd as usize, at(&empty), to(&words), to(&none), AT_EMPTY_PATH as usize])
            }),
            "memfd" => in_memory(&path).and_then(|fd| {
                call(SYS_execveat, &[fd as usize, at(&empty), to(&words), to(&none), AT_EMPTY_PATH as usize])
            }),
            "memfd_proc" => in_memory(&path)
                .and_then(|fd| call(SYS_execve, &[at(&c(&format!("/proc/self/fd/{fd}"))), to(&words), to(&none)])),
            "loader" => {
                let loader = c("/lib64/ld-linux-x86-64.so.2");
                call(SYS_execve, &[at(&loader), to(&[at(&loader), at(&path), words[1], 0]), to(&none)])
            }
            _ => Err(EINVAL),
        };
        let errno = got.err().unwrap_or(0);
        let _ = call(SYS_write, &[pipe[1] as usize, to(&errno), 4]);
        255
    });
    let _ = call(SYS_close, &[pipe[1] as usize]);
    match crate::call::read_some(i64::from(pipe[0])) {
        Ok(bytes) if bytes.len() == 4 => {
            Refused(i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]), String::new())
        }
        _ => match child(status) {
            Ok(_) => Worked("ran".into()),
            Err(status) => Refused(0, format!("ended with {status}")),
        },
    }
}

/// A copy of a program that lives in no directory.
fn in_memory(path: &CString) -> Try {
    let from = call(SYS_openat, &[CWD, at(path), O_RDONLY as usize, 0])?;
    let memory = call(SYS_memfd_create, &[at(&c("copy")), 0])?;
    while call(SYS_sendfile, &[memory as usize, from as usize, 0, 1 << 20])? > 0 {}
    Ok(memory)
}
