//! What an ordinary program sees of `open` and its kin: `same TOPIC DIRECTORY` describes it in one line.
//!
//! Invariant: the description depends only on what the kernel gave, so it must be the same inside as outside.
//! Leaves to others: comparing (`tests/escape`); paths and directories (`paths`), magic links (`magic`).

use libc::*;

use crate::call::{CWD, at, c, call, into, to};
use crate::report::{Misuse, Outcome, Try, Worked, errno_name};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("same", same)];

/// A result as a word: the number's presence, not its value.
pub fn word(tried: Try) -> String {
    tried.map_or_else(errno_name, |_| "ok".to_owned())
}

pub fn open(path: &str, flags: i32, mode: u32) -> Try {
    call(SYS_openat, &[CWD, at(&c(path)), flags as usize, mode as usize])
}

/// Type and permission bits, owner, size.
fn stat(path: &str) -> String {
    let mut about: libc::stat = unsafe { std::mem::zeroed() };
    match call(SYS_newfstatat, &[CWD, at(&c(path)), into(&mut about), AT_SYMLINK_NOFOLLOW as usize]) {
        Ok(_) => format!("{:o}:{}:{}", about.st_mode, about.st_uid, about.st_size),
        Err(errno) => errno_name(errno),
    }
}

fn same(args: &Args) -> Outcome {
    let dir = args.text(1);
    let told = match args.text(0) {
        "umask" => umask_kept(dir),
        "cloexec" => cloexec(dir),
        "flags" => flags(dir),
        "excl" => excl(dir),
        "nofollow" => nofollow(dir),
        "tmpfile" => tmpfile(dir),
        "limits" => limits(dir),
        "numbers" => numbers(dir),
        "names" => names(dir),
        "owner" => owner(dir),
        "exec" => exec(dir),
        other => return Misuse(format!("no topic '{other}'")),
    };
    Worked(told.join(" "))
}

fn umask_kept(dir: &str) -> Vec<String> {
    let mut told = Vec::new();
    for mask in [0o022u32, 0o077, 0, 0o027, 0o777] {
        unsafe { umask(mask) };
        let path = |what: &str| format!("{dir}/{what}{mask:o}");
        let _ = open(&path("f"), O_WRONLY | O_CREAT, 0o666);
        let _ = call(SYS_mkdirat, &[CWD, at(&c(&path("d"))), 0o777]);
        let _ = call(SYS_mknodat, &[CWD, at(&c(&path("p"))), (S_IFIFO | 0o666) as usize, 0]);
        told.extend([
            stat(&path("f")),
            stat(&path("d")).split(':').next().unwrap_or_default().to_owned(),
            stat(&path("p")),
        ]);
    }
    unsafe { umask(0o022) };
    // the mask belongs to the process: a thread's change counts for all
    let thread = std::thread::spawn(|| unsafe { umask(0o070) });
    thread.join().unwrap();
    let _ = open(&format!("{dir}/after"), O_WRONLY | O_CREAT, 0o6777);
    told.push(stat(&format!("{dir}/after")));
    unsafe { umask(0o022) };
    told
}

fn cloexec(dir: &str) -> Vec<String> {
    let file = format!("{dir}/cloexec");
    [0, O_CLOEXEC]
        .iter()
        .flat_map(|extra| [O_RDWR | O_CREAT, O_RDONLY].map(|flags| flags | extra))
        .map(|flags| match open(&file, flags, 0o600) {
            Ok(fd) => format!("{:?}", call(SYS_fcntl, &[fd as usize, F_GETFD as usize])),
            Err(errno) => errno_name(errno),
        })
        .collect()
}

fn flags(dir: &str) -> Vec<String> {
    let file = format!("{dir}/flags");
    let asked = [
        O_RDONLY,
        O_RDWR | O_CREAT,
        O_WRONLY | O_APPEND,
        O_RDWR | O_NONBLOCK,
        O_RDWR | O_SYNC,
        O_RDWR | O_DSYNC,
        O_RDONLY | O_NOATIME,
        O_RDWR | O_DIRECT,
        O_RDWR | O_LARGEFILE,
        O_RDWR | O_ASYNC,
        O_RDWR | O_NOCTTY,
        O_RDWR | O_TRUNC,
        3,
    ];
    let mut told: Vec<String> = asked
        .iter()
        .map(|&flags| match open(&file, flags, 0o644) {
            Ok(fd) => format!("{:x?}", call(SYS_fcntl, &[fd as usize, F_GETFL as usize])),
            Err(errno) => errno_name(errno),
        })
        .collect();
    // words that only openat2 refuses
    let mode_without_create = [u64::from(O_RDONLY as u32), 0o644, 0];
    let unknown = [1u64 << 40, 0, 0];
    for how in [mode_without_create, unknown] {
        told.push(word(call(SYS_openat2, &[CWD, at(&c(&file)), to(&how), 24])));
    }
    told.push(word(call(SYS_openat2, &[CWD, at(&c(&file)), to(&[0u64; 3]), 8])));
    told.push(word(call(SYS_openat2, &[CWD, at(&c(&file)), to(&[0u64; 4]), 32])));
    told.push(word(call(SYS_openat2, &[CWD, at(&c(&file)), to(&[0u64, 0, 0, 1]), 32])));
    told
}

fn excl(dir: &str) -> Vec<String> {
    let make = O_WRONLY | O_CREAT | O_EXCL;
    let (file, dangling, aim) = (format!("{dir}/excl"), format!("{dir}/dangling"), format!("{dir}/aim"));
    let _ = call(SYS_symlinkat, &[at(&c("aim")), CWD, at(&c(&dangling))]);
    let mut told = vec![
        word(open(&file, make, 0o600)),
        word(open(&file, make, 0o600)),
        word(open(&dangling, make, 0o600)),
        stat(&aim),
    ];
    told.extend([
        word(open(&dangling, O_WRONLY | O_CREAT, 0o600)),
        stat(&aim),
        word(open(&format!("{dir}/no/file"), make, 0o600)),
    ]);
    told.extend([
        word(open(dir, O_WRONLY | O_CREAT, 0o600)),
        word(open(&format!("{dir}/slash/"), O_WRONLY | O_CREAT, 0o600)),
    ]);
    told
}

fn nofollow(dir: &str) -> Vec<String> {
    let (link, loops, file) = (format!("{dir}/link"), format!("{dir}/loop"), format!("{dir}/file"));
    let _ = open(&file, O_WRONLY | O_CREAT, 0o600);
    let _ = call(SYS_symlinkat, &[at(&c("file")), CWD, at(&c(&link))]);
    let _ = call(SYS_symlinkat, &[at(&c("loop")), CWD, at(&c(&loops))]);
    [
        open(&link, O_RDONLY | O_NOFOLLOW, 0),
        open(&link, O_RDONLY, 0),
        open(&link, O_PATH | O_NOFOLLOW, 0),
        open(&loops, O_RDONLY, 0),
        open(&file, O_RDONLY | O_DIRECTORY, 0),
        open(&format!("{file}/"), O_RDONLY, 0),
        open(&format!("{file}/x"), O_RDONLY, 0),
        open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0),
        open(dir, O_RDWR, 0),
        open(dir, O_RDONLY | O_CREAT, 0o600),
        open(&file, O_RDONLY | O_DIRECTORY | O_CREAT, 0o600),
        open(&format!("{link}/"), O_RDONLY, 0),
        open(&file, O_RDWR | O_NOFOLLOW, 0),
    ]
    .into_iter()
    .map(word)
    .collect()
}

fn tmpfile(dir: &str) -> Vec<String> {
    let mut told = Vec::new();
    for (extra, name) in [(0, "linked"), (O_EXCL, "unlinkable")] {
        let path = format!("{dir}/{name}");
        let Ok(fd) = open(dir, O_TMPFILE | O_RDWR | extra, 0o640) else {
            return vec!["no O_TMPFILE".into()];
        };
        let _ = call(SYS_write, &[fd as usize, to(b"hello"), 5]);
        let from = c(&format!("/proc/self/fd/{fd}"));
        told.push(word(call(SYS_linkat, &[CWD, at(&from), CWD, at(&c(&path)), AT_SYMLINK_FOLLOW as usize])));
        told.push(stat(&path));
        let again = c(&format!("{path}2"));
        told.push(word(call(SYS_linkat, &[fd as usize, at(&c("")), CWD, at(&again), AT_EMPTY_PATH as usize])));
    }
    told.push(word(open(dir, O_TMPFILE | O_RDONLY, 0o600)));
    told
}

/// Opens until the process may have no more.
fn limits(dir: &str) -> Vec<String> {
    let limit = [20u64, 20];
    let _ = call(SYS_prlimit64, &[0, RLIMIT_NOFILE as usize, to(&limit), 0]);
    let mut opened = 0;
    let last = loop {
        let flags = if opened % 2 == 0 { O_RDONLY } else { O_RDWR | O_CREAT };
        match open(&format!("{dir}/limit{opened}"), flags | O_CREAT, 0o600) {
            Ok(_) => opened += 1,
            Err(errno) => break errno,
        }
    };
    vec![errno_name(last), (opened > 10).to_string(), word(open(dir, O_PATH, 0))]
}

/// A new descriptor is the lowest free one.
fn numbers(dir: &str) -> Vec<String> {
    let file = format!("{dir}/numbers");
    let first = open(&file, O_RDWR | O_CREAT, 0o600).unwrap_or(-1);
    let second = open(&file, O_RDWR, 0).unwrap_or(-1);
    let _ = call(SYS_close, &[first as usize]);
    let third = open(&file, O_RDONLY, 0).unwrap_or(-1);
    let fourth = open(&file, O_RDWR, 0).unwrap_or(-1);
    vec![(second - first).to_string(), (third - first).to_string(), (fourth - first).to_string()]
}

/// Errors of calls that change names.
fn names(dir: &str) -> Vec<String> {
    let path = |name: &str| c(&format!("{dir}/{name}"));
    let (file, sub, other, none) = (path("nf"), path("nd"), path("no"), path("none/x"));
    let _ = open(&format!("{dir}/nf"), O_WRONLY | O_CREAT, 0o600);
    [
        call(SYS_mkdirat, &[CWD, at(&sub), 0o755]),
        call(SYS_mkdirat, &[CWD, at(&sub), 0o755]),
        call(SYS_mkdirat, &[CWD, at(&none), 0o755]),
        call(SYS_unlinkat, &[CWD, at(&sub), 0]),
        call(SYS_unlinkat, &[CWD, at(&file), AT_REMOVEDIR as usize]),
        call(SYS_unlinkat, &[CWD, at(&none), 0]),
        call(SYS_renameat2, &[CWD, at(&file), CWD, at(&sub), 0]),
        call(SYS_renameat2, &[CWD, at(&sub), CWD, at(&file), 0]),
        call(SYS_renameat2, &[CWD, at(&file), CWD, at(&sub), 1]),
        call(SYS_renameat2, &[CWD, at(&file), CWD, at(&none), 0]),
        call(SYS_renameat2, &[CWD, at(&sub), CWD, at(&path("nd/in")), 0]),
        call(SYS_renameat2, &[CWD, at(&file), CWD, at(&file), 99]),
        call(SYS_linkat, &[CWD, at(&file), CWD, at(&sub), 0]),
        call(SYS_linkat, &[CWD, at(&sub), CWD, at(&other), 0]),
        call(SYS_linkat, &[CWD, at(&file), CWD, at(&other), 0]),
        call(SYS_symlinkat, &[at(&c("")), CWD, at(&path("se"))]),
        call(SYS_symlinkat, &[at(&c("x")), CWD, at(&file)]),
        call(SYS_mknodat, &[CWD, at(&file), S_IFIFO as usize, 0]),
        call(SYS_unlinkat, &[CWD, at(&path("nd/.")), AT_REMOVEDIR as usize]),
        call(SYS_unlinkat, &[CWD, at(&path("nd/..")), AT_REMOVEDIR as usize]),
        call(SYS_mkdirat, &[CWD, at(&path("trail/")), 0o755]),
        call(SYS_unlinkat, &[CWD, at(&path("nf/")), 0]),
        call(SYS_unlinkat, &[CWD, at(&c("")), 0]),
        call(SYS_unlinkat, &[CWD, 1, 0]),
        call(SYS_renameat2, &[CWD, 1, CWD, at(&file), 0]),
        call(SYS_truncate, &[at(&file), 5]),
        call(SYS_truncate, &[at(&sub), 5]),
        call(SYS_truncate, &[at(&file), usize::MAX]),
        call(SYS_unlinkat, &[CWD, at(&sub), AT_REMOVEDIR as usize]),
    ]
    .into_iter()
    .map(word)
    .collect()
}

/// A process that gives up root: what it makes is its own, what it may not read stays closed.
fn owner(dir: &str) -> Vec<String> {
    let _ = call(SYS_fchmodat, &[CWD, at(&c(dir)), 0o777]);
    let _ = open(&format!("{dir}/roots"), O_WRONLY | O_CREAT, 0o600);
    let dropped = call(SYS_setresgid, &[65534, 65534, 65534]).and_then(|_| call(SYS_setresuid, &[65534, 65534, 65534]));
    let mine = format!("{dir}/mine");
    let made = word(open(&mine, O_WRONLY | O_CREAT, 0o644));
    let closed = [O_RDONLY, O_RDWR].map(|flags| word(open(&format!("{dir}/roots"), flags, 0)));
    let [reading, writing] = closed;
    vec![
        word(dropped),
        made,
        stat(&mine),
        reading,
        writing,
        word(call(SYS_mkdirat, &[CWD, at(&c("/usr/nobodys")), 0o755])),
    ]
}

/// Errors of exec: none, a directory, no execute bit, no format, a script without its interpreter, too long.
fn exec(dir: &str) -> Vec<String> {
    let write = |name: &str, text: &str, mode: u32| {
        let path = format!("{dir}/{name}");
        if let Ok(fd) = open(&path, O_WRONLY | O_CREAT, mode) {
            let _ = call(SYS_write, &[fd as usize, text.as_ptr() as usize, text.len()]);
            let _ = call(SYS_close, &[fd as usize]);
        }
        path
    };
    let paths = [
        format!("{dir}/none"),
        dir.to_owned(),
        write("plain", "x", 0o644),
        write("format", "\u{1}\u{2}", 0o755),
        write("lost", "#!/nowhere/sh\n", 0o755),
        write("script", "#!/bin/true\n", 0o755),
        "/bin/true".to_owned(),
        format!("{dir}/plain/x"),
    ];
    paths
        .iter()
        .map(|path| {
            let path = c(path);
            let status = crate::call::forked(|| {
                call(SYS_execve, &[at(&path), to(&[at(&path), 0]), to(&[0usize])]).err().unwrap_or(0)
            });
            if status == 0 { "ran".to_owned() } else { errno_name(status) }
        })
        .collect()
}
