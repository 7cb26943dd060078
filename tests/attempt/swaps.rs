//! Names and places that another process or thread keeps changing: `swap HOW GOOD-DIRECTORY BAD-DIRECTORY TRIES`.
//!
//! Invariant: as `races`: the file that begins with `b` lies in BAD only.
//! Leaves to others: memory that changes (`races`).

use std::sync::atomic::{AtomicBool, Ordering};

use libc::*;

use crate::call::{CWD, at, c, call, reap, to};
use crate::races::{Score, tally};
use crate::report::{Misuse, Outcome};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("swap", swap)];

fn swap(args: &Args) -> Outcome {
    let (good, bad, tries) = (args.text(1), args.text(2), args.number(3) as u64);
    let score = match args.text(0) {
        "directory" => directory(good, bad, tries),
        "link" => link(good, bad, tries, |path, _| open(CWD, path, O_RDONLY)),
        "link_write" => link(good, bad, tries, |path, _| open(CWD, path, O_RDWR)),
        "link_source" => link(good, bad, tries, |path, turn| {
            let new = format!("{good}/new{}", turn % 2);
            // Two processes whose every call waits for the same judge take turns: with an even number of ours for each
            // refusal, all of them would meet the same one of the two. So their number changes.
            for _ in 0..turn % 3 + 1 {
                let _ = call(SYS_unlinkat, &[CWD, at(&c(&new)), 0]);
            }
            call(SYS_linkat, &[CWD, at(&c(path)), CWD, at(&c(&new)), AT_SYMLINK_FOLLOW as usize])?;
            open(CWD, &new, O_RDONLY)
        }),
        "cwd" => working_directory(good, bad, tries),
        "dirfd" => descriptor(good, bad, tries),
        other => return Misuse(format!("no swap '{other}'")),
    };
    score.outcome()
}

fn open(dir: usize, path: &str, flags: i32) -> Result<i64, i32> {
    call(SYS_openat, &[dir, at(&c(path)), flags as usize, 0])
}

/// A file of one's own beginning with `a`.
fn good_file(path: &str) {
    if let Ok(fd) = call(SYS_openat, &[CWD, at(&c(path)), (O_WRONLY | O_CREAT) as usize, 0o600]) {
        let _ = call(SYS_write, &[fd as usize, to(b"a"), 1]);
        let _ = call(SYS_close, &[fd as usize]);
    }
}

/// Runs `body` while another process keeps exchanging two names.
fn exchanging(one: &str, two: &str, body: impl FnOnce()) {
    let (one, two) = (c(one), c(two));
    let swapper = unsafe { fork() };
    if swapper == 0 {
        loop {
            let _ = call(SYS_renameat2, &[CWD, at(&one), CWD, at(&two), crate::names::EXCHANGE]);
        }
    }
    body();
    let _ = call(SYS_kill, &[swapper as usize, SIGKILL as usize]);
    reap(swapper);
}

/// A directory and a link to BAD change places on the way to the file.
fn directory(good: &str, bad: &str, tries: u64) -> Score {
    let (real, link, file) = (format!("{good}/real"), format!("{good}/link"), format!("{good}/real/file"));
    let _ = call(SYS_mkdirat, &[CWD, at(&c(&real)), 0o755]);
    let _ = call(SYS_symlinkat, &[at(&c(bad)), CWD, at(&c(&link))]);
    good_file(&file);
    let mut score = Score::default();
    exchanging(&real, &link, || {
        for turn in 0..tries {
            tally(&mut score, open(CWD, &file, if turn % 2 == 0 { O_RDONLY } else { O_RDWR }));
        }
    });
    score
}

/// A link to a good file and one to the bad file change places under the name that is used.
fn link(good: &str, bad: &str, tries: u64, used: impl Fn(&str, u64) -> Result<i64, i32>) -> Score {
    let (file, one, two) = (format!("{good}/file"), format!("{good}/one"), format!("{good}/two"));
    good_file(&file);
    let _ = call(SYS_symlinkat, &[at(&c("file")), CWD, at(&c(&one))]);
    let _ = call(SYS_symlinkat, &[at(&c(&format!("{bad}/file"))), CWD, at(&c(&two))]);
    let mut score = Score::default();
    exchanging(&one, &two, || (0..tries).for_each(|turn| tally(&mut score, used(&one, turn))));
    score
}

/// Runs `body` while a sibling thread does one thing and then the other.
fn alternating(first: impl Fn() + Sync, second: impl Fn() + Sync, body: impl FnOnce()) {
    let (stop, begun) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                first();
                second();
                begun.store(true, Ordering::Relaxed);
            }
        });
        while !begun.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        body();
        stop.store(true, Ordering::Relaxed);
    });
}

/// A sibling goes from one directory to the other and back; the path is relative.
fn working_directory(good: &str, bad: &str, tries: u64) -> Score {
    good_file(&format!("{good}/file"));
    let go = |path: &str| {
        let _ = call(SYS_chdir, &[at(&c(path))]);
    };
    let mut score = Score::default();
    alternating(
        || go(good),
        || go(bad),
        || {
            for turn in 0..tries {
                tally(&mut score, open(CWD, "file", if turn % 2 == 0 { O_RDONLY } else { O_RDWR }));
            }
        },
    );
    score
}

/// A sibling puts one directory and then the other behind the descriptor that the path is relative to.
fn descriptor(good: &str, bad: &str, tries: u64) -> Score {
    good_file(&format!("{good}/file"));
    let [good, bad] = [good, bad].map(|dir| open(CWD, dir, O_PATH | O_DIRECTORY).unwrap_or(-1) as usize);
    let shared = 100;
    let put = |fd: usize| {
        let _ = call(SYS_dup3, &[fd, shared, 0]);
    };
    let mut score = Score::default();
    alternating(
        || put(good),
        || put(bad),
        || {
            for turn in 0..tries {
                tally(&mut score, open(shared, "file", if turn % 2 == 0 { O_RDONLY } else { O_RDWR }));
            }
        },
    );
    score
}
