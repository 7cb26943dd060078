//! Paths at their limits and relative to everything: `path TOPIC DIRECTORY` describes what came of them.
//!
//! Invariant: as `parity`: the same line inside as outside.
//! Leaves to others: links that are not paths (`magic`).

use std::sync::Barrier;

use libc::*;

use crate::call::{CWD, at, c, call, pages};
use crate::parity::{open, word};
use crate::report::{Misuse, Outcome, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("path", path)];

fn path(args: &Args) -> Outcome {
    let dir = args.text(1);
    let told = match args.text(0) {
        "lengths" => lengths(dir),
        "memory" => memory(dir),
        "dirfds" => dirfds(dir),
        "chdir" => chdir(dir),
        "thread_chdir" => thread_chdir(dir),
        "own_cwd" => own_cwd(dir),
        "deleted_cwd" => deleted_cwd(dir),
        other => return Misuse(format!("no topic '{other}'")),
    };
    Worked(told.join(" "))
}

/// A path to `dir/file` of exactly `bytes` bytes, by repeating `./`.
fn padded(dir: &str, bytes: usize) -> String {
    let plain = dir.len() + "/file".len();
    let mut middle = "/.".repeat((bytes - plain) / 2);
    if (bytes - plain) % 2 == 1 {
        middle.push('/');
    }
    format!("{dir}{middle}/file")
}

fn lengths(dir: &str) -> Vec<String> {
    let file = format!("{dir}/file");
    let _ = open(&file, O_WRONLY | O_CREAT, 0o600);
    let mut told = Vec::new();
    for bytes in [4000, 4094, 4095, 4096, 4097, 5000] {
        let long = padded(dir, bytes);
        told.push(word(open(&long, O_RDONLY, 0)));
        told.push(word(open(&long, O_RDWR, 0)));
        told.push(word(call(SYS_fchmodat, &[CWD, at(&c(&long)), 0o600])));
    }
    for bytes in [255, 256, 1000] {
        let name = format!("{dir}/{}", "n".repeat(bytes));
        told.push(word(open(&name, O_RDONLY, 0)));
        told.push(word(open(&name, O_WRONLY | O_CREAT, 0o600)));
        told.push(word(call(SYS_mkdirat, &[CWD, at(&c(&format!("{name}d"))), 0o755])));
    }
    told.push(word(open("", O_RDONLY, 0)));
    told.push(word(open("", O_WRONLY | O_CREAT, 0o600)));
    // every byte but `/` and NUL is a name
    let odd = std::ffi::CString::new([dir.as_bytes(), b"/\xff\xfe\n\x1b[31m \"\\"].concat()).unwrap();
    told.push(word(call(SYS_openat, &[CWD, odd.as_ptr() as usize, (O_WRONLY | O_CREAT) as usize, 0o600])));
    told.push(word(call(SYS_openat, &[CWD, odd.as_ptr() as usize, 0, 0])));
    told
}

/// Paths that end where the memory does, or are not there.
fn memory(dir: &str) -> Vec<String> {
    let file = format!("{dir}/file");
    let _ = open(&file, O_WRONLY | O_CREAT, 0o600);
    let base = pages(3 * 4096, 0);
    unsafe { mprotect(base.add(8192).cast(), 4096, PROT_NONE) };
    let text = c(&file);
    let with_nul = text.as_bytes_with_nul();
    let mut told = Vec::new();
    // ends exactly at the end of what is mapped; then without its NUL; then across two good pages
    for (bytes, end) in [(with_nul, 8192), (text.as_bytes(), 8192), (with_nul, 4096 + with_nul.len() / 2)] {
        let start = unsafe { base.add(end - bytes.len()) };
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        for flags in [O_RDONLY, O_RDWR] {
            told.push(word(call(SYS_openat, &[CWD, start as usize, flags as usize, 0])));
        }
    }
    for address in [0usize, 1, usize::MAX, 0xffff_8000_0000_0000, base as usize + 8192] {
        told.push(word(call(SYS_openat, &[CWD, address, 0, 0])));
        told.push(word(call(SYS_openat2, &[CWD, at(&text), address, 24])));
    }
    told
}

fn dirfds(dir: &str) -> Vec<String> {
    let sub = format!("{dir}/sub");
    let _ = call(SYS_mkdirat, &[CWD, at(&c(&sub)), 0o755]);
    let _ = open(&format!("{sub}/file"), O_WRONLY | O_CREAT, 0o600);
    let name = c("file");
    let relative = |fd: usize| [0, O_RDWR].map(|flags| word(call(SYS_openat, &[fd, at(&name), flags as usize, 0])));
    let fd_of = |path: &str, flags: i32| open(path, flags, 0).map_or(usize::MAX, |fd| fd as usize);
    let real = fd_of(&sub, O_RDONLY | O_DIRECTORY);
    let mut told = Vec::new();
    told.extend(relative(real));
    told.extend(relative(fd_of(&sub, O_PATH | O_DIRECTORY)));
    told.extend(relative(fd_of(&format!("{sub}/file"), O_RDONLY)));
    told.extend(relative(999));
    told.extend(relative(usize::MAX));
    told.extend(relative(0));
    let absolute = c(&format!("{sub}/file"));
    told.push(word(call(SYS_openat, &[999, at(&absolute), 0, 0])));
    told.push(word(call(SYS_openat, &[real, at(&c("")), 0, 0])));
    told.push(word(call(SYS_openat, &[real, at(&c("../sub/./file")), 0, 0])));
    // moved, then removed
    let _ = call(SYS_renameat2, &[CWD, at(&c(&sub)), CWD, at(&c(&format!("{dir}/moved"))), 0]);
    told.extend(relative(real));
    let _ = call(SYS_unlinkat, &[real, at(&name), 0]);
    let _ = call(SYS_unlinkat, &[CWD, at(&c(&format!("{dir}/moved"))), AT_REMOVEDIR as usize]);
    told.extend(relative(real));
    told.push(word(call(SYS_openat, &[real, at(&name), (O_WRONLY | O_CREAT) as usize, 0o600])));
    told.push(word(call(SYS_mkdirat, &[real, at(&name), 0o755])));
    told
}

/// Two directories whose `file` differs by its first byte.
fn two(dir: &str) -> [String; 2] {
    ["a", "b"].map(|name| {
        let path = format!("{dir}/{name}");
        let _ = call(SYS_mkdirat, &[CWD, at(&c(&path)), 0o755]);
        if let Ok(fd) = open(&format!("{path}/file"), O_WRONLY | O_CREAT | O_TRUNC, 0o600) {
            let _ = call(SYS_write, &[fd as usize, name.as_ptr() as usize, 1]);
        }
        path
    })
}

fn what_is_here() -> String {
    let read = open("file", O_RDONLY, 0).and_then(crate::call::read_some);
    read.map_or_else(crate::report::errno_name, |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn go(path: &str) {
    let _ = call(SYS_chdir, &[at(&c(path))]);
}

fn chdir(dir: &str) -> Vec<String> {
    let [a, b] = two(dir);
    let mut told = Vec::new();
    for turn in 0..20 {
        go(if turn % 2 == 0 { &a } else { &b });
        told.push(what_is_here());
    }
    let back = open(&a, O_RDONLY, 0).unwrap_or(-1);
    let _ = call(SYS_fchdir, &[back as usize]);
    told.push(what_is_here());
    go("../b");
    told.push(what_is_here());
    // the directory itself moves under the process
    let _ = call(SYS_renameat2, &[CWD, at(&c(&b)), CWD, at(&c(&format!("{dir}/c"))), 0]);
    told.push(what_is_here());
    let status = crate::call::forked(|| {
        go(&a);
        i32::from(what_is_here() != "a")
    });
    told.extend([status.to_string(), what_is_here()]);
    told
}

/// Threads share one working directory.
fn thread_chdir(dir: &str) -> Vec<String> {
    let [a, b] = two(dir);
    let turn = Barrier::new(2);
    let mut told = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..50 {
                go(if i % 2 == 0 { &a } else { &b });
                turn.wait();
                turn.wait();
            }
        });
        for _ in 0..50 {
            turn.wait();
            told.push(what_is_here());
            turn.wait();
        }
    });
    vec![told.join("")]
}

/// A thread that stopped sharing it.
fn own_cwd(dir: &str) -> Vec<String> {
    let [a, b] = two(dir);
    go(&a);
    let other = std::thread::spawn(move || {
        let apart = word(call(SYS_unshare, &[CLONE_FS as usize]));
        go(&b);
        vec![apart, what_is_here()]
    });
    let mut told = other.join().unwrap();
    told.push(what_is_here());
    told
}

fn deleted_cwd(dir: &str) -> Vec<String> {
    let gone = format!("{dir}/gone");
    let _ = call(SYS_mkdirat, &[CWD, at(&c(&gone)), 0o755]);
    go(&gone);
    let _ = call(SYS_unlinkat, &[CWD, at(&c(&gone)), AT_REMOVEDIR as usize]);
    let make = word(open("new", O_WRONLY | O_CREAT, 0o600));
    vec![
        what_is_here(),
        make,
        word(open(".", O_RDONLY, 0)),
        word(open("/usr", O_RDONLY, 0)),
        word(open("..", O_RDONLY, 0)),
    ]
}
