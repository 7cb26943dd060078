//! Many calls from a list, one after the other: `calls LIST DIRECTORY`. Prints a number for each: 0 or its errno.
//!
//! Invariant: relative paths start at DIRECTORY, by a descriptor and by the working directory in turn.
//! Leaves to others: what a line means (`perform`, which the comparing test uses itself).

use libc::*;

use crate::call::{CWD, at, call};
use crate::perform::{Line, perform};
use crate::report::{Misuse, Outcome, Refused};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("calls", calls)];

fn line(text: &str) -> Option<Line> {
    let mut fields = text.split('\t').map(str::to_owned);
    let mut next = || fields.next();
    Some(Line { op: next()?, path: next()?, path2: next()?, number: next()?.parse().ok()? })
}

fn calls(args: &Args) -> Outcome {
    let Ok(list) = std::fs::read_to_string(args.text(0)) else { return Misuse("no list".into()) };
    let lines: Option<Vec<Line>> = list.lines().map(line).collect();
    let Some(lines) = lines else { return Misuse("no line".into()) };
    let dir = args.path(1);
    let held = call(SYS_openat, &[CWD, at(&dir), (O_PATH | O_DIRECTORY) as usize, 0])
        .and_then(|fd| call(SYS_chdir, &[at(&dir)]).map(|_| fd));
    let held = match held {
        Ok(fd) => fd as i32,
        Err(errno) => return Refused(errno, "the directory".into()),
    };
    let mut told = String::with_capacity(lines.len() * 3);
    for (turn, line) in lines.iter().enumerate() {
        told.push_str(&perform(line, if turn % 2 == 0 { held } else { AT_FDCWD }).to_string());
        told.push('\n');
    }
    print!("{told}");
    std::process::exit(0);
}
