//! Threads that change a pointer's contents while the supervisor reads them: `race HOW GOOD BAD TRIES`.
//!
//! Invariant: GOOD and BAD differ in exactly one byte, so that every moment shows one of the two. The detail counts
//! what was reached; it worked when BAD was.
//! Leaves to others: addresses (`racesnet`).

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use libc::*;

use crate::call::{CWD, at, c, call, forked, pages, read_some, to};
use crate::report::{Misuse, Outcome, Refused, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("race", race)];

/// What was reached, and the last refusal.
#[derive(Default)]
pub struct Score {
    pub good: u64,
    pub bad: u64,
    pub refused: u64,
    pub errno: i32,
}

impl Score {
    pub fn refuse(&mut self, errno: i32) {
        self.refused += 1;
        self.errno = errno;
    }

    pub fn outcome(self) -> Outcome {
        let told = format!("good {} bad {} refused {}", self.good, self.bad, self.refused);
        if self.bad > 0 { Worked(told) } else { Refused(self.errno, told) }
    }
}

/// Memory that another thread keeps changing.
pub struct Swapped {
    base: *mut u8,
    byte: usize,
    faces: [u8; 2],
}

unsafe impl Sync for Swapped {}

impl Swapped {
    /// Two byte strings of one length that differ in one place.
    pub fn new(good: &[u8], bad: &[u8]) -> Option<Swapped> {
        let differ: Vec<usize> = (0..good.len().min(bad.len())).filter(|&i| good[i] != bad[i]).collect();
        let [byte] = differ[..] else { return None };
        if good.len() != bad.len() {
            return None;
        }
        let base = pages(good.len() + 1, 0);
        unsafe { base.copy_from_nonoverlapping(good.as_ptr(), good.len()) };
        Some(Swapped { base, byte, faces: [good[byte], bad[byte]] })
    }

    pub fn at(&self) -> usize {
        self.base as usize
    }

    fn face(&self) -> &AtomicU8 {
        unsafe { &*self.base.add(self.byte).cast::<AtomicU8>() }
    }

    /// Runs `body` while the faces change as fast as they can, with a pause of changing length.
    pub fn racing<T>(&self, body: impl FnOnce() -> T) -> T {
        let (stop, begun) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut turn = 0usize;
                begun.store(true, Ordering::Relaxed);
                while !stop.load(Ordering::Relaxed) {
                    self.face().store(self.faces[turn & 1], Ordering::Relaxed);
                    for _ in 0..(turn * 37) % 4096 {
                        std::hint::spin_loop();
                    }
                    turn += 1;
                }
            });
            while !begun.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let result = body();
            stop.store(true, Ordering::Relaxed);
            result
        })
    }
}

fn race(args: &Args) -> Outcome {
    let (good, bad, tries) = (args.text(1), args.text(2), args.number(3) as u64);
    let Some(path) = Swapped::new(good.as_bytes(), bad.as_bytes()) else {
        return Misuse("the two must differ in one byte".into());
    };
    let score = match args.text(0) {
        "open" => path.racing(|| opens(tries, |_| call(SYS_openat, &[CWD, path.at(), 0, 0]))),
        "open_write" => path.racing(|| opens(tries, |_| call(SYS_openat, &[CWD, path.at(), O_RDWR as usize, 0]))),
        "openat2" => path.racing(|| opens(tries, |_| call(SYS_openat2, &[CWD, path.at(), to(&[0u64, 0, 0]), 24]))),
        "openat2_how" => return how_race(good, tries),
        "rename_from" => path.racing(|| renames(tries, &path, good, bad, true)),
        "rename_to" => path.racing(|| renames(tries, &path, good, bad, false)),
        "unlink" => path.racing(|| unlinks(tries, &path, good, bad)),
        "link" => path.racing(|| links(tries, &path, good)),
        "mkdir" => path.racing(|| mkdirs(tries, &path, good, bad)),
        "chmod" => path.racing(|| changes(tries, bad, |turn| call(SYS_fchmodat, &[CWD, path.at(), 0o600 | turn]))),
        "truncate" => path.racing(|| changes(tries, bad, |turn| call(SYS_truncate, &[path.at(), 20 + turn]))),
        "exec" => execs(tries, &path, None),
        "exec_argv" => execs(tries, &path, Some(args.text(4))),
        other => return Misuse(format!("no race '{other}'")),
    };
    score.outcome()
}

/// A file that begins with `b` is the bad one.
pub fn tally(score: &mut Score, opened: Result<i64, i32>) {
    match opened {
        Ok(fd) => {
            match read_some(fd) {
                Ok(bytes) if bytes.first() == Some(&b'b') => score.bad += 1,
                Ok(_) => score.good += 1,
                Err(errno) => score.refuse(errno),
            }
            let _ = call(SYS_close, &[fd as usize]);
        }
        Err(errno) => score.refuse(errno),
    }
}

fn opens(tries: u64, open: impl Fn(u64) -> Result<i64, i32>) -> Score {
    let mut score = Score::default();
    for turn in 0..tries {
        tally(&mut score, open(turn));
    }
    score
}

/// The flags change between reading and writing: a descriptor that can write the file is a win.
fn how_race(file: &str, tries: u64) -> Outcome {
    let how = |flags: i32| (flags as u64).to_ne_bytes();
    let Some(flags) = Swapped::new(&how(O_RDONLY), &how(O_WRONLY)) else {
        return Misuse("no flags".into());
    };
    // the swapped word is the first of three; the pages behind it are zero
    let path = c(file);
    let score = flags.racing(|| {
        let mut score = Score::default();
        for _ in 0..tries {
            match call(SYS_openat2, &[CWD, at(&path), flags.at(), 24]) {
                Ok(fd) => {
                    let mode = call(SYS_fcntl, &[fd as usize, F_GETFL as usize]).unwrap_or(0) as i32 & O_ACCMODE;
                    if mode == O_RDONLY {
                        score.good += 1
                    } else {
                        score.bad += 1
                    }
                    let _ = call(SYS_close, &[fd as usize]);
                }
                Err(errno) => score.refuse(errno),
            }
        }
        score
    });
    score.outcome()
}

fn exists(path: &str) -> bool {
    call(SYS_faccessat, &[CWD, at(&c(path)), 0]).is_ok()
}

fn touch(path: &str) {
    if let Ok(fd) = call(SYS_openat, &[CWD, at(&c(path)), (O_WRONLY | O_CREAT) as usize, 0o600]) {
        let _ = call(SYS_close, &[fd as usize]);
    }
}

/// Moves between the swapped name and a third one; afterwards the two real names show which was meant.
fn renames(tries: u64, path: &Swapped, good: &str, bad: &str, from: bool) -> Score {
    let third = c(&format!("{good}.third"));
    let third_text = format!("{good}.third");
    let mut score = Score::default();
    for _ in 0..tries {
        if from {
            touch(good)
        } else {
            touch(&third_text)
        }
        let words = if from { [CWD, path.at(), CWD, at(&third)] } else { [CWD, at(&third), CWD, path.at()] };
        match call(SYS_renameat, &words) {
            Ok(_) if exists(bad) != from => {
                score.bad += 1;
                if from {
                    let _ = call(SYS_renameat, &[CWD, at(&third), CWD, at(&c(bad))]);
                } else {
                    let _ = call(SYS_unlinkat, &[CWD, at(&c(bad)), 0]);
                }
            }
            Ok(_) => score.good += 1,
            Err(errno) => score.refuse(errno),
        }
    }
    score
}

fn unlinks(tries: u64, path: &Swapped, good: &str, bad: &str) -> Score {
    let mut score = Score::default();
    for _ in 0..tries {
        touch(good);
        match call(SYS_unlinkat, &[CWD, path.at(), 0]) {
            Ok(_) if !exists(bad) => {
                score.bad += 1;
                touch(bad);
            }
            Ok(_) => score.good += 1,
            Err(errno) => score.refuse(errno),
        }
    }
    score
}

/// A directory that came to be shows which name was meant.
fn mkdirs(tries: u64, path: &Swapped, good: &str, bad: &str) -> Score {
    let mut score = Score::default();
    for _ in 0..tries {
        match call(SYS_mkdirat, &[CWD, path.at(), 0o755]) {
            Ok(_) if exists(bad) => score.bad += 1,
            Ok(_) => score.good += 1,
            Err(EEXIST) => {}
            Err(errno) => score.refuse(errno),
        }
        for made in [good, bad] {
            let _ = call(SYS_unlinkat, &[CWD, at(&c(made)), AT_REMOVEDIR as usize]);
        }
    }
    score
}

/// Mode and length of the bad file change only with it. `change` is given another word each time.
fn changes(tries: u64, bad: &str, change: impl Fn(usize) -> Result<i64, i32>) -> Score {
    let look = || std::fs::metadata(bad).map(|m| (std::os::unix::fs::MetadataExt::mode(&m), m.len())).ok();
    let mut score = Score::default();
    let mut before = look();
    for turn in 0..tries {
        match change(turn as usize % 5 + 1) {
            Ok(_) => {
                let now = look();
                if now != before {
                    score.bad += 1
                } else {
                    score.good += 1
                }
                before = now;
            }
            Err(errno) => score.refuse(errno),
        }
    }
    score
}

/// A hard link to the bad file is the bad file: its content begins with `b`.
fn links(tries: u64, path: &Swapped, good: &str) -> Score {
    let third = c(&format!("{good}.link"));
    let mut score = Score::default();
    for _ in 0..tries {
        match call(SYS_linkat, &[CWD, path.at(), CWD, at(&third), 0]) {
            Ok(_) => {
                tally(&mut score, call(SYS_openat, &[CWD, at(&third), 0, 0]));
                let _ = call(SYS_unlinkat, &[CWD, at(&third), 0]);
            }
            Err(errno) => score.refuse(errno),
        }
    }
    score
}

/// Programs: the good one gives 0, the bad one 33. A killed child counts as refused.
/// Of the path, or of the argument of the program `tool`.
fn execs(tries: u64, path: &Swapped, tool: Option<&str>) -> Score {
    let tool = tool.map(c);
    let mut score = Score::default();
    for turn in 0..tries {
        let status = forked(|| {
            // the swapping thread must be the child's own: a fork shares no memory
            let program = tool.as_ref().map_or(path.at(), at);
            let words = [program, if tool.is_some() { path.at() } else { 0 }, 0];
            path.racing(|| {
                (0..turn % 64 * 500).for_each(|_| std::hint::spin_loop());
                call(SYS_execve, &[program, to(&words), to(&[0usize])]).err().unwrap_or(0) + 100
            })
        });
        match status {
            0 => score.good += 1,
            33 => score.bad += 1,
            256 => score.refuse(0),
            errno => score.refuse(errno - 100),
        }
    }
    score
}
