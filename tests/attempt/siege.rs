//! Too much of everything: processes, bytes, questions, and output that drives a terminal: `siege HOW …`.
//!
//! Invariant: bounded by itself as well, so that a run without a sandbox ends and hurts nobody.
//! Leaves to others: whether the session lives through it (`tests/escape`).

use libc::*;

use crate::call::{CWD, at, c, call, reap, to};
use crate::report::{Misuse, Outcome, Refused, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("siege", siege)];

fn siege(args: &Args) -> Outcome {
    let many = args.number(1).clamp(0, 100_000);
    match args.text(0) {
        "fork" => forks(many),
        "fill" => fill(args.text(2), many),
        "questions" => questions(args.text(2), many),
        "names" => names(args.text(2), many),
        other => Misuse(format!("no siege '{other}'")),
    }
}

/// How long a besieged session has to be ended, where its processes are counted now and then.
const STAND: std::time::Duration = std::time::Duration::from_secs(4);

/// So many processes that all live at once, and go on living.
fn forks(many: i64) -> Outcome {
    let mut pids = Vec::new();
    let mut refused = 0;
    for _ in 0..many {
        match unsafe { fork() } {
            -1 => {
                refused = crate::call::errno();
                break;
            }
            0 => loop {
                unsafe { pause() };
            },
            pid => pids.push(pid),
        }
    }
    if refused == 0 {
        std::thread::sleep(STAND);
    }
    for pid in &pids {
        let _ = call(SYS_kill, &[*pid as usize, SIGKILL as usize]);
        reap(*pid);
    }
    let told = format!("{} at once", pids.len());
    if refused == 0 { Worked(told) } else { Refused(refused, told) }
}

/// A file of so many MiB, really written.
fn fill(path: &str, mebibytes: i64) -> Outcome {
    unsafe { signal(SIGXFSZ, SIG_IGN) };
    let piece = vec![7u8; 1 << 20];
    let filled = call(SYS_openat, &[CWD, at(&c(path)), (O_WRONLY | O_CREAT) as usize, 0o600]).and_then(|fd| {
        for _ in 0..mebibytes {
            let mut rest = &piece[..];
            while !rest.is_empty() {
                let done = call(SYS_write, &[fd as usize, to(rest), rest.len()])?;
                rest = &rest[done as usize..];
            }
        }
        Ok(mebibytes)
    });
    filled.into()
}

/// Opens so many different names in a directory, from four threads; says how many gave a descriptor.
fn questions(dir: &str, many: i64) -> Outcome {
    let opened: i64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn(move || {
                    (0..many / 4)
                        .filter(|n| {
                            let path = c(&format!("{dir}/{thread}-{n}"));
                            call(SYS_openat, &[CWD, at(&path), (O_WRONLY | O_CREAT) as usize, 0o600]).is_ok()
                        })
                        .count() as i64
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
    });
    if opened > 0 { Worked(opened.to_string()) } else { Refused(EACCES, format!("{many} tried")) }
}

/// Names and output that would drive the terminal of whoever looks: set its title, its clipboard, ask it to answer.
fn names(dir: &str, _: i64) -> Outcome {
    const DRIVES: [&str; 6] =
        ["\x1b]0;owned\x07", "\x1b]52;c;b3duZWQ=\x07", "\x1b[6n", "\x1bP$qm\x1b\\", "\u{9b}2J", "\x1b[?1049h\r\n\x08"];
    let mut last = ENOENT;
    for text in DRIVES {
        let path = std::ffi::CString::new(format!("{dir}/{text}")).unwrap_or_default();
        if let Err(errno) = call(SYS_openat, &[CWD, at(&path), (O_WRONLY | O_CREAT) as usize, 0o600]) {
            last = errno;
        }
    }
    Refused(last, String::new())
}
