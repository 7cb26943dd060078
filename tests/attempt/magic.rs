//! Links that are not paths: /proc/self and its kin, /dev/fd, /dev/stdin, /dev/tty: `magic TOPIC DIRECTORY`.
//!
//! Invariant: as `parity`: the same line inside as outside; a process's own numbers are compared here, never printed.
//! Leaves to others: other processes' links (`procs`).

use libc::*;

use crate::call::{CWD, at, c, call, read_some, to};
use crate::parity::{open, word};
use crate::report::{Misuse, Outcome, Refused, Try, Worked, errno_name};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("magic", magic), ("dev_tty", dev_tty)];

fn magic(args: &Args) -> Outcome {
    let dir = args.text(1);
    let told = match args.text(0) {
        "fds" => fds(dir),
        "kinds" => kinds(dir),
        "self" => own_files(),
        "thread" => thread(),
        "roots" => roots(dir),
        "streams" => streams(),
        other => return Misuse(format!("no topic '{other}'")),
    };
    Worked(told.join(" "))
}

fn content(opened: Try) -> String {
    opened.and_then(read_some).map_or_else(errno_name, |bytes| format!("{:?}", String::from_utf8_lossy(&bytes)))
}

fn file_with(path: &str, text: &str) -> i64 {
    let fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600).unwrap_or(-1);
    let _ = call(SYS_write, &[fd as usize, text.as_ptr() as usize, text.len()]);
    fd
}

/// Opening one's own descriptor again, by every name it has.
fn fds(dir: &str) -> Vec<String> {
    let fd = file_with(&format!("{dir}/fds"), "text");
    let (pid, tid) = (std::process::id(), std::process::id());
    let names = [
        format!("/proc/self/fd/{fd}"),
        format!("/proc/thread-self/fd/{fd}"),
        format!("/proc/{pid}/fd/{fd}"),
        format!("/proc/self/task/{tid}/fd/{fd}"),
        format!("/dev/fd/{fd}"),
        "/proc/self/fd/999".into(),
        "/dev/fd/999".into(),
    ];
    let mut told: Vec<String> = names.iter().map(|name| content(open(name, O_RDONLY, 0))).collect();
    told.push(word(open(&names[0], O_WRONLY | O_APPEND, 0)));
    told.push(word(open(&names[0], O_RDONLY | O_NOFOLLOW, 0)));
    let list = open("/proc/self/fd", O_RDONLY | O_DIRECTORY, 0);
    told.push(match list {
        Ok(list) => content(call(SYS_openat, &[list as usize, at(&c(&fd.to_string())), 0, 0])),
        Err(errno) => errno_name(errno),
    });
    let _ = call(SYS_fcntl, &[fd as usize, F_DUPFD as usize, 50]);
    told.push(content(open("/dev/fd/50", O_RDONLY, 0)));
    told
}

/// What stands behind a descriptor besides a named file.
fn kinds(dir: &str) -> Vec<String> {
    let fd = file_with(&format!("{dir}/unlinked"), "gone");
    let _ = call(SYS_unlinkat, &[CWD, at(&c(&format!("{dir}/unlinked"))), 0]);
    let memory = call(SYS_memfd_create, &[at(&c("memory")), 0]).unwrap_or(-1);
    let _ = call(SYS_write, &[memory as usize, to(b"memory"), 6]);
    let pipe = crate::descriptors::pipe();
    let _ = call(SYS_write, &[pipe[1] as usize, to(b"pipe"), 4]);
    let socket = call(SYS_socket, &[AF_UNIX as usize, SOCK_STREAM as usize, 0]).unwrap_or(-1);
    let event = call(SYS_eventfd2, &[1, 0]).unwrap_or(-1);
    let again = |fd: i64, flags: i32| open(&format!("/proc/self/fd/{fd}"), flags, 0);
    vec![
        content(again(fd, O_RDONLY)),
        word(again(fd, O_RDWR)),
        content(again(memory, O_RDONLY)),
        word(again(memory, O_RDWR)),
        content(again(i64::from(pipe[0]), O_RDONLY)),
        word(again(i64::from(pipe[1]), O_WRONLY | O_NONBLOCK)),
        word(again(socket, O_RDWR)),
        word(again(event, O_RDONLY)),
    ]
}

/// /proc/self must be this process, not whoever opened it.
fn own_files() -> Vec<String> {
    let pid = std::process::id().to_string();
    let first_word = |path: &str| {
        let bytes = open(path, O_RDONLY, 0).and_then(read_some);
        bytes.map_or_else(errno_name, |bytes| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let first = text.split(' ').next().unwrap_or_default().to_owned();
            if first == pid { "mine".to_owned() } else { first }
        })
    };
    let mut told = vec![
        first_word("/proc/self/stat"),
        first_word(&format!("/proc/{pid}/stat")),
        first_word("/proc/thread-self/stat"),
    ];
    let cmdline = content(open("/proc/self/cmdline", O_RDONLY, 0));
    told.push(cmdline.contains("magic").to_string());
    let environment = content(open("/proc/self/environ", O_RDONLY, 0));
    told.push(environment.contains("GOVSH_ESCAPE=").to_string());
    let maps = content(open("/proc/self/maps", O_RDONLY, 0));
    told.push(maps.contains("attempt").to_string());
    told.push(word(open("/proc/self/exe", O_RDONLY, 0)));
    told.push(word(open("/proc/self/status", O_RDONLY, 0)));
    told.push(word(open("/proc/self/nothing", O_RDONLY, 0)));
    told.push(word(open("/proc/999999999/stat", O_RDONLY, 0)));
    told
}

/// /proc/thread-self must be this thread.
fn thread() -> Vec<String> {
    let told = std::thread::spawn(|| {
        unsafe { prctl(PR_SET_NAME, c"the-thread".as_ptr()) };
        let tid = unsafe { gettid() };
        vec![
            content(open("/proc/thread-self/comm", O_RDONLY, 0)),
            content(open(&format!("/proc/self/task/{tid}/comm"), O_RDONLY, 0)),
            word(open("/proc/thread-self/comm", O_WRONLY, 0)),
        ]
    });
    told.join().unwrap()
}

fn roots(dir: &str) -> Vec<String> {
    let _ = file_with(&format!("{dir}/roots"), "here");
    let _ = call(SYS_chdir, &[at(&c(dir))]);
    let through =
        [format!("/proc/self/root{dir}/roots"), "/proc/self/cwd/roots".into(), "/proc/thread-self/cwd/roots".into()];
    let mut told: Vec<String> = through.iter().map(|path| word(open(path, O_RDONLY, 0))).collect();
    told.push(content(open(&through[1], O_RDONLY, 0)));
    // resolve flags of openat2, in the kernel's words
    for (resolve, path) in [
        (0x02u64, "/proc/self/cwd/roots"),
        (0x04, "/proc/self/cwd/roots"),
        (0x08, "/usr/bin"),
        (0x08, "../x"),
        (0x10, "/roots"),
        (0x01, "/proc/self"),
    ] {
        let dirfd = open(dir, O_PATH | O_DIRECTORY, 0).unwrap_or(-1);
        told.push(word(call(SYS_openat2, &[dirfd as usize, at(&c(path)), to(&[0u64, 0, resolve]), 24])));
    }
    told
}

/// Standard streams by name: pipes and files, as the caller left them.
fn streams() -> Vec<String> {
    let status = crate::call::forked(|| {
        let pipe = crate::descriptors::pipe();
        let _ = call(SYS_write, &[pipe[1] as usize, to(b"in the pipe"), 11]);
        let _ = call(SYS_dup3, &[pipe[0] as usize, 0, 0]);
        let seen = content(open("/dev/stdin", O_RDONLY, 0)) == "\"in the pipe\"";
        let _ = call(SYS_dup3, &[pipe[1] as usize, 2, 0]);
        let said = open("/dev/stderr", O_WRONLY, 0).and_then(|fd| call(SYS_write, &[fd as usize, to(b"out"), 3]));
        let back = content(open("/proc/self/fd/0", O_RDONLY, 0)) == "\"out\"";
        i32::from(seen) | i32::from(said.is_ok()) << 1 | i32::from(back) << 2
    });
    vec![format!("{status:b}"), word(open("/dev/null", O_RDWR, 0)), word(open("/dev/zero", O_RDONLY, 0))]
}

/// `dev_tty`: says `here` on the process's controlling terminal.
fn dev_tty(_: &Args) -> Outcome {
    match open("/dev/tty", O_RDWR, 0).and_then(|fd| call(SYS_write, &[fd as usize, to(b"here\n"), 5])) {
        Ok(_) => Worked("written".into()),
        Err(errno) => Refused(errno, String::new()),
    }
}
