//! Several steps in a row to reach a denied file (`steal`), or to make a forbidden one (`plant`).
//!
//! Invariant: `steal` worked only when the content was read in the end, `plant` only when the name exists in the end.
//! Leaves to others: single calls (`files`, `names`).

use libc::*;

use crate::call::{CWD, at, c, call, to};
use crate::floor::shows;
use crate::names::EXCHANGE;
use crate::report::{Misuse, Outcome, Refused, Try, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("steal", steal), ("plant", plant)];

fn read(path: &str) -> Try {
    call(SYS_openat, &[CWD, at(&c(path)), 0, 0])
}

fn rename(from: &str, to: &str, flags: usize) -> Try {
    call(SYS_renameat2, &[CWD, at(&c(from)), CWD, at(&c(to)), flags])
}

fn mkdir(path: &str) -> Try {
    call(SYS_mkdirat, &[CWD, at(&c(path)), 0o755])
}

fn symlink(path: &str, target: &str) -> Try {
    call(SYS_symlinkat, &[at(&c(target)), CWD, at(&c(path))])
}

fn make(path: &str) -> Try {
    let fd = call(SYS_openat, &[CWD, at(&c(path)), (O_WRONLY | O_CREAT) as usize, 0o644])?;
    call(SYS_write, &[fd as usize, to(b"planted\n"), 8])
}

fn cut(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("/", path))
}

/// `steal HOW DENIED DIRECTORY`: the directory may be written.
fn steal(args: &Args) -> Outcome {
    let (denied, dir) = (args.text(1), args.text(2));
    let (parent, name) = cut(denied);
    let (above, parent_name) = cut(parent);
    let loot = format!("{dir}/loot");
    let opened = match args.text(0) {
        "rename" => rename(denied, &loot, 0).and_then(|_| read(&loot)),
        "rename_parent" => rename(parent, &loot, 0).and_then(|_| read(&format!("{loot}/{name}"))),
        "rename_above" => rename(above, &loot, 0).and_then(|_| read(&format!("{loot}/{parent_name}/{name}"))),
        "exchange" => make(&loot).and_then(|_| rename(denied, &loot, EXCHANGE)).and_then(|_| read(&loot)),
        "exchange_back" => make(&loot).and_then(|_| rename(&loot, denied, EXCHANGE)).and_then(|_| read(&loot)),
        "exchange_parent" => {
            mkdir(&loot).and_then(|_| rename(parent, &loot, EXCHANGE)).and_then(|_| read(&format!("{loot}/{name}")))
        }
        "link" => call(SYS_linkat, &[CWD, at(&c(denied)), CWD, at(&c(&loot)), 0]).and_then(|_| read(&loot)),
        "symlink" => symlink(&loot, denied).and_then(|_| read(&loot)),
        "symlink_parent" => symlink(&loot, parent).and_then(|_| read(&format!("{loot}/{name}"))),
        "symlink_chain" => {
            let hop = format!("{dir}/hop");
            symlink(&hop, denied).and_then(|_| symlink(&loot, "hop")).and_then(|_| read(&loot))
        }
        "symlink_relative" => {
            let up = "../".repeat(dir.matches('/').count());
            symlink(&loot, &format!("{up}{}", denied.trim_start_matches('/'))).and_then(|_| read(&loot))
        }
        "cwd_link" => call(SYS_chdir, &[at(&c(parent))]).and_then(|_| read(&format!("/proc/self/cwd/{name}"))),
        "existing" => read(args.text(3)),
        other => return Misuse(format!("no way '{other}'")),
    };
    shows(opened)
}

/// `plant HOW PATH DIRECTORY`: the directory may be written, the path must not come to exist.
fn plant(args: &Args) -> Outcome {
    let (path, dir) = (args.text(1), args.text(2));
    let (parent, name) = cut(path);
    let (above, parent_name) = cut(parent);
    let seed = format!("{dir}/seed");
    let done = match args.text(0) {
        "create" => make(path),
        "mkdir" => mkdir(path),
        "mknod" => call(SYS_mknodat, &[CWD, at(&c(path)), (S_IFREG | 0o644) as usize, 0]),
        "rename" => make(&seed).and_then(|_| rename(&seed, path, 0)),
        "exchange" => make(&seed).and_then(|_| rename(&seed, path, EXCHANGE)),
        "link" => make(&seed).and_then(|_| call(SYS_linkat, &[CWD, at(&c(&seed)), CWD, at(&c(path)), 0])),
        "symlink" => make(&seed).and_then(|_| symlink(path, &seed)),
        "tmpfile" => call(SYS_openat, &[CWD, at(&c(dir)), (O_TMPFILE | O_RDWR) as usize, 0o644]).and_then(|fd| {
            let from = c(&format!("/proc/self/fd/{fd}"));
            call(SYS_linkat, &[CWD, at(&from), CWD, at(&c(path)), AT_SYMLINK_FOLLOW as usize])
        }),
        "rename_parent" => {
            mkdir(&seed).and_then(|_| make(&format!("{seed}/{name}"))).and_then(|_| rename(&seed, parent, 0))
        }
        "rename_above" => mkdir(&seed)
            .and_then(|_| mkdir(&format!("{seed}/{parent_name}")))
            .and_then(|_| make(&format!("{seed}/{parent_name}/{name}")))
            .and_then(|_| rename(&seed, above, 0)),
        "symlink_parent" => {
            mkdir(&seed).and_then(|_| make(&format!("{seed}/{name}"))).and_then(|_| symlink(parent, &seed))
        }
        "through_link" => symlink(&seed, path).and_then(|_| make(&seed)),
        other => return Misuse(format!("no way '{other}'")),
    };
    let there = call(SYS_faccessat, &[CWD, at(&c(path)), 0]);
    match (done, there) {
        (Ok(_), Ok(_)) => Worked("it is there".into()),
        (Err(errno), _) | (_, Err(errno)) => Refused(errno, String::new()),
    }
}
