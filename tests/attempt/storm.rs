//! Many openings at once, to be counted in the recording afterwards: `storm HOW PROCESSES THREADS OPENS DIRECTORY`.
//!
//! Invariant: exactly PROCESSES × THREADS × OPENS calls are made beneath DIRECTORY, and no other.
//! Leaves to others: counting (`tests/escape`).

use libc::*;

use crate::call::{CWD, at, c, call};
use crate::report::{Misuse, Outcome, Refused, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("storm", storm), ("fresh", fresh)];

/// `fresh PROCESSES TIMES DIRECTORY`: writes a program, closes it and runs it at once, so often. Each process has one thread, so
/// that no other's fork holds what it writes to.
fn fresh(args: &Args) -> Outcome {
    let (processes, times, dir) = (args.number(0), args.number(1), args.text(2));
    let pids: Vec<i32> = (0..processes)
        .map(|p| {
            let pid = unsafe { fork() };
            if pid == 0 {
                let wrong = (0..times).find_map(|i| ran(&c(&format!("{dir}/{p}-{i}"))).err());
                unsafe { _exit(wrong.unwrap_or(0)) };
            }
            pid
        })
        .collect();
    let wrong: Vec<i32> = pids.into_iter().map(crate::call::reap).filter(|errno| *errno != 0).collect();
    match wrong.first() {
        None => Worked((processes * times).to_string()),
        Some(errno) => Refused(*errno, "a program that had just been written".into()),
    }
}

fn ran(path: &std::ffi::CString) -> Result<(), i32> {
    const PROGRAM: &[u8] = b"#!/bin/true\n";
    let fd = call(SYS_openat, &[CWD, at(path), (O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC) as usize, 0o755])? as usize;
    call(SYS_write, &[fd, crate::call::to(PROGRAM), PROGRAM.len()])?;
    call(SYS_close, &[fd])?;
    let words = [path.as_ptr(), std::ptr::null()];
    let status = crate::call::forked(|| {
        let got = call(SYS_execve, &[at(path), crate::call::to(&words), crate::call::to(&words[1..])]);
        got.err().unwrap_or(0)
    });
    if status == 0 { call(SYS_unlinkat, &[CWD, at(path), 0]).map(drop) } else { Err(status) }
}

fn storm(args: &Args) -> Outcome {
    let (processes, threads, opens, dir) = (args.number(1), args.number(2), args.number(3), args.text(4));
    let how = args.text(0);
    if !["same", "distinct", "write"].contains(&how) {
        return Misuse(format!("no storm '{how}'"));
    }
    // all processes run at once; the last to be waited for may be the first to end
    let pids: Vec<i32> = (0..processes)
        .map(|p| {
            let pid = unsafe { fork() };
            if pid == 0 {
                let wrong = process(how, p, threads, opens, dir);
                unsafe { _exit(i32::from(wrong)) };
            }
            pid
        })
        .collect();
    let wrong: i32 = pids.into_iter().map(crate::call::reap).sum();
    if wrong == 0 {
        Worked((processes * threads * opens).to_string())
    } else {
        Refused(0, "an open did not do as it should".into())
    }
}

/// Worked when every open gave what it should: a descriptor, or ENOENT for a name of its own that is not there.
fn process(how: &str, p: i64, threads: i64, opens: i64, dir: &str) -> bool {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|t| {
                scope.spawn(move || {
                    (0..opens).any(|i| {
                        let path = match how {
                            "distinct" => c(&format!("{dir}/{p}-{t}-{i}")),
                            _ => c(&format!("{dir}/same")),
                        };
                        let flags = if how == "write" { O_RDWR } else { O_RDONLY };
                        let got = call(SYS_openat, &[CWD, at(&path), (flags | O_CLOEXEC) as usize, 0]);
                        match got {
                            Ok(fd) => call(SYS_close, &[fd as usize]).is_err() || how == "distinct",
                            Err(errno) => how != "distinct" || errno != ENOENT,
                        }
                    })
                })
            })
            .collect();
        all.into_iter().any(|thread| thread.join().unwrap_or(true))
    })
}
