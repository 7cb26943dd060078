//! Calls that wait, are interrupted, or lose their caller: `parked TOPIC DIRECTORY`.
//!
//! Invariant: as `parity`: the same line inside as outside; each ends by itself within 30 s.
//! Leaves to others: Ctrl-C from a terminal (`tests/escape`).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use libc::*;

use crate::call::{CWD, at, c, call, forked, read_some, to};
use crate::parity::{open, word};
use crate::report::{Misuse, Outcome, Worked, errno_name};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("parked", parked), ("fifo_wait", fifo_wait), ("unreadable", unreadable)];

static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

fn on_signal(signal: c_int, flags: c_int) {
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as *const () as usize;
    action.sa_flags = flags;
    unsafe { sigaction(signal, &action, std::ptr::null_mut()) };
}

fn fifo(path: &str) {
    let _ = call(SYS_mknodat, &[CWD, at(&c(path)), (S_IFIFO | 0o600) as usize, 0]);
}

fn parked(args: &Args) -> Outcome {
    let dir = args.text(1);
    let told = match args.text(0) {
        "fifo" => fifos(dir),
        "interrupted" => interrupted(dir),
        "restarted" => restarted(dir),
        "storm" => signal_storm(dir, args.number(2).max(1) as u64, 0),
        "storm_restart" => signal_storm(dir, args.number(2).max(1) as u64, SA_RESTART),
        "sibling_exec" => sibling_exec(dir),
        "sibling_exit" => sibling_exit(dir),
        "dying_threads" => dying_threads(dir),
        "recycled" => recycled(dir),
        "not_dumpable" => not_dumpable(dir),
        other => return Misuse(format!("no topic '{other}'")),
    };
    Worked(told.join(" "))
}

fn fifos(dir: &str) -> Vec<String> {
    let path = format!("{dir}/fifo");
    fifo(&path);
    let mut told = vec![
        word(open(&path, O_WRONLY | O_NONBLOCK, 0)),
        word(open(&path, O_RDONLY | O_NONBLOCK, 0)),
        word(open(&path, O_RDWR, 0)),
    ];
    let other = format!("{dir}/fifo2");
    fifo(&other);
    // both ends wait for each other, in two processes and then in two threads
    for threads in [false, true] {
        let writer = other.clone();
        let write = move || {
            open(&writer, O_WRONLY, 0).and_then(|fd| {
                let done = call(SYS_write, &[fd as usize, to(b"through"), 7]);
                let _ = call(SYS_close, &[fd as usize]);
                done
            })
        };
        let pid = if threads { -1 } else { unsafe { fork() } };
        if pid == 0 {
            unsafe { _exit(i32::from(write().is_err())) };
        }
        let thread = threads.then(|| std::thread::spawn(write));
        // closed before the next round: a reader that is left over would let its writer go before the new one is there
        let read = open(&other, O_RDONLY, 0).and_then(|fd| {
            let bytes = read_some(fd);
            let _ = call(SYS_close, &[fd as usize]);
            bytes
        });
        told.push(read.map_or_else(errno_name, |bytes| String::from_utf8_lossy(&bytes).into_owned()));
        if let Some(thread) = thread {
            told.push(word(thread.join().unwrap()));
        }
        if pid > 0 {
            told.push(crate::call::reap(pid).to_string());
        }
    }
    told
}

/// SIGALRM after so many microseconds, then every so many, 0 for never.
fn signal_after(first: i64, every: i64) {
    let [first, every] = [first, every].map(|tv_usec| timeval { tv_sec: 0, tv_usec });
    unsafe { setitimer(ITIMER_REAL, &itimerval { it_interval: every, it_value: first }, std::ptr::null_mut()) };
}

/// An alarm without SA_RESTART ends a waiting open with EINTR.
fn interrupted(dir: &str) -> Vec<String> {
    let path = format!("{dir}/interrupted");
    fifo(&path);
    on_signal(SIGALRM, 0);
    signal_after(50_000, 0);
    let begun = Instant::now();
    let got = word(open(&path, O_RDONLY, 0));
    vec![got, (begun.elapsed() < Duration::from_secs(5)).to_string(), SIGNALS.load(Ordering::Relaxed).to_string()]
}

/// With SA_RESTART the open goes on waiting, and a writer then ends it.
fn restarted(dir: &str) -> Vec<String> {
    let path = format!("{dir}/restarted");
    fifo(&path);
    on_signal(SIGALRM, SA_RESTART);
    signal_after(50_000, 0);
    let writer = path.clone();
    let thread = std::thread::spawn(move || {
        let mut mask: sigset_t = unsafe { std::mem::zeroed() };
        unsafe { sigfillset(&mut mask) };
        unsafe { pthread_sigmask(SIG_BLOCK, &mask, std::ptr::null_mut()) };
        while SIGNALS.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        word(open(&writer, O_WRONLY, 0))
    });
    let got = word(open(&path, O_RDONLY, 0));
    vec![got, thread.join().unwrap(), SIGNALS.load(Ordering::Relaxed).to_string()]
}

/// `opens` openings for reading and writing under a 2 kHz timer: none of them may be interrupted.
fn signal_storm(dir: &str, opens: u64, flags: c_int) -> Vec<String> {
    on_signal(SIGALRM, flags);
    signal_after(500, 500);
    let file = c(&format!("{dir}/storm"));
    let mut failed = std::collections::BTreeMap::new();
    let begun = Instant::now();
    let mut done = 0;
    // at least as long as a good number of signals take
    while done < opens || (begun.elapsed() < Duration::from_millis(500)) {
        let flags = if done % 2 == 0 { O_RDWR | O_CREAT } else { O_RDONLY | O_CREAT };
        match call(SYS_openat, &[CWD, at(&file), flags as usize, 0o600]) {
            Ok(fd) => drop(call(SYS_close, &[fd as usize])),
            Err(errno) => *failed.entry(errno_name(errno)).or_insert(0u64) += 1,
        }
        done += 1;
    }
    signal_after(0, 0);
    let signals = SIGNALS.load(Ordering::Relaxed);
    vec![format!("failed {failed:?}"), format!("signals {}", if signals > 100 { "many" } else { "few" })]
}

/// Keeps a sibling thread opening files until the process is no more.
fn busy_sibling(dir: &str) {
    let path = c(&format!("{dir}/busy"));
    let running = std::sync::Arc::new(AtomicBool::new(false));
    let seen = running.clone();
    std::thread::spawn(move || {
        loop {
            if let Ok(fd) = call(SYS_openat, &[CWD, at(&path), (O_RDWR | O_CREAT) as usize, 0o600]) {
                let _ = call(SYS_close, &[fd as usize]);
            }
            seen.store(true, Ordering::Relaxed);
        }
    });
    while !running.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
}

/// Execs while a sibling's open is being judged, many times over.
fn sibling_exec(dir: &str) -> Vec<String> {
    let program = c("/bin/true");
    let good = (0..30)
        .filter(|_| {
            forked(|| {
                busy_sibling(dir);
                call(SYS_execve, &[at(&program), to(&[at(&program), 0]), to(&[0usize])]).err().unwrap_or(0)
            }) == 0
        })
        .count();
    vec![good.to_string()]
}

fn sibling_exit(dir: &str) -> Vec<String> {
    let good = (0..30)
        .filter(|_| {
            forked(|| {
                busy_sibling(dir);
                7
            }) == 7
        })
        .count();
    vec![good.to_string()]
}

/// Processes killed in the middle of an open, waiting ones included.
fn dying_threads(dir: &str) -> Vec<String> {
    let path = format!("{dir}/dying");
    fifo(&path);
    let mut killed = 0;
    for turn in 0..20 {
        let pid = unsafe { fork() };
        if pid == 0 {
            if turn % 2 == 0 {
                let _ = open(&path, O_RDONLY, 0);
            }
            loop {
                let _ = open(&format!("{dir}/dying-file"), O_RDWR | O_CREAT, 0o600)
                    .map(|fd| call(SYS_close, &[fd as usize]));
            }
        }
        std::thread::sleep(Duration::from_millis(3));
        let _ = call(SYS_kill, &[pid as usize, SIGKILL as usize]);
        killed += usize::from(crate::call::reap(pid) == 256);
    }
    vec![killed.to_string(), word(open(&format!("{dir}/after"), O_RDWR | O_CREAT, 0o600))]
}

/// Thread numbers that one may go through until a number comes again; more are not tried.
const NUMBERS: i64 = 70_000;

/// A process that gets the number of a thread that ended: it is itself, not that thread.
fn recycled(dir: &str) -> Vec<String> {
    let [one, two] = ["one", "two"].map(|name| format!("{dir}/{name}"));
    for path in [&one, &two] {
        let _ = call(SYS_mkdirat, &[CWD, at(&c(path)), 0o755]);
    }
    let _ = open(&format!("{two}/file"), O_WRONLY | O_CREAT, 0o600);
    let first = one.clone();
    let wanted = std::thread::spawn(move || {
        let _ = open(&format!("{first}/file"), O_WRONLY | O_CREAT, 0o600);
        unsafe { gettid() }
    });
    let wanted = wanted.join().unwrap();
    for _ in 0..NUMBERS {
        let now = std::thread::spawn(|| unsafe { gettid() }).join().unwrap();
        while (1..40).contains(&(wanted - now)) {
            let pid = unsafe { fork() };
            if pid == 0 {
                let number = unsafe { getpid() };
                let seen = number == wanted && in_own_directory(&two);
                unsafe { _exit(if number == wanted { i32::from(!seen) } else { 2 }) };
            }
            match crate::call::reap(pid) {
                2 if pid < wanted => {}
                2 => break,
                status => return vec![if status == 0 { "ok".into() } else { "taken for another".into() }],
            }
        }
    }
    vec!["ok".into()]
}

/// Opens a file by a descriptor that only this process has.
fn in_own_directory(dir: &str) -> bool {
    let first: Vec<_> = (0..20).map(|_| open(dir, O_RDONLY | O_DIRECTORY, 0)).collect();
    let held = open(dir, O_RDONLY | O_DIRECTORY, 0);
    let name = c("file");
    let by = |fd: i64| {
        [O_RDONLY, O_RDWR].iter().all(|flags| call(SYS_openat, &[fd as usize, at(&name), *flags as usize, 0]).is_ok())
    };
    first.len() == 20
        && matches!(held, Ok(fd) if by(fd))
        && call(SYS_chdir, &[at(&c(dir))]).is_ok()
        && open("file", O_RDWR, 0).is_ok()
}

/// A process that must not be looked into: it may be refused, it may not be answered by chance.
fn not_dumpable(dir: &str) -> Vec<String> {
    unsafe { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) };
    let made = word(open(&format!("{dir}/hidden"), O_RDWR | O_CREAT, 0o600));
    vec![made]
}

/// `fifo_wait PATH`: says on standard error that it waits, then opens a FIFO that nobody will ever write.
fn fifo_wait(args: &Args) -> Outcome {
    eprintln!("waiting");
    open(args.text(0), O_RDONLY, 0).into()
}

/// `unreadable PROGRAM`: runs a program that may be executed but not read.
fn unreadable(args: &Args) -> Outcome {
    let path = args.path(0);
    let status = forked(|| call(SYS_execve, &[at(&path), to(&[at(&path), 0]), to(&[0usize])]).err().unwrap_or(0));
    crate::call::child(status).into()
}
