//! Reaching a Unix socket by path or abstract name: `unix HOW PATH|@NAME`.
//!
//! Invariant: over a stream it worked only when the other side's greeting came back; over datagrams when it was sent.
//! Leaves to others: the servers (`tests/escape`).

use libc::*;

use crate::call::{at, c, call, into, to};
use crate::network::{answer, message, socket};
use crate::report::{Misuse, Outcome, Refused, Try, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] =
    &[("unix", unix), ("pass_descriptor", pass_descriptor), ("own_socket", own_socket), ("control", control)];

/// `sockaddr_un` of a path, or of an abstract name that begins with `@`.
pub fn sockaddr(name: &str) -> ([u8; 110], usize) {
    let mut bytes = [0u8; 110];
    bytes[0..2].copy_from_slice(&(AF_UNIX as u16).to_ne_bytes());
    bytes[2..2 + name.len()].copy_from_slice(name.as_bytes());
    if name.starts_with('@') {
        bytes[2] = 0;
        return (bytes, 2 + name.len());
    }
    (bytes, 3 + name.len())
}

fn unix(args: &Args) -> Outcome {
    let (name, bytes) = sockaddr(args.text(1));
    let at_name = to(&name);
    let (kind, how) = args.text(0).split_once('-').unwrap_or((args.text(0), ""));
    let kind = match kind {
        "stream" => SOCK_STREAM,
        "dgram" => SOCK_DGRAM,
        "seqpacket" => SOCK_SEQPACKET,
        other => return Misuse(format!("no kind '{other}'")),
    };
    let socket = match socket(AF_UNIX, kind, 0) {
        Ok(socket) => socket as usize,
        Err(errno) => return Refused(errno, "socket".into()),
    };
    let text = *b"hello";
    let piece = [to(&text), 5];
    let plain = message(at_name, bytes, &piece, &[]);
    let reached = match how {
        "connect" if kind == SOCK_DGRAM => {
            call(SYS_connect, &[socket, at_name, bytes]).and_then(|_| call(SYS_write, &[socket, to(&text), 5]))
        }
        "connect" => call(SYS_connect, &[socket, at_name, bytes]).and_then(|_| answer(socket, 2000)),
        "sendto" => call(SYS_sendto, &[socket, to(&text), 5, 0, at_name, bytes]),
        "sendmsg" => call(SYS_sendmsg, &[socket, to(&plain), 0]),
        "sendmmsg" => call(SYS_sendmmsg, &[socket, to(&plain), 1, 0]),
        other => return Misuse(format!("no way '{other}'")),
    };
    reached.into()
}

fn pair() -> Result<[i32; 2], i32> {
    let mut ends = [0i32; 2];
    call(SYS_socketpair, &[AF_UNIX as usize, SOCK_STREAM as usize, 0, into(&mut ends)])?;
    Ok(ends)
}

/// A control message that carries one descriptor.
fn rights(fd: i32) -> [u8; 24] {
    let mut control = [0u8; 24];
    control[0..8].copy_from_slice(&20usize.to_ne_bytes());
    control[8..12].copy_from_slice(&SOL_SOCKET.to_ne_bytes());
    control[12..16].copy_from_slice(&SCM_RIGHTS.to_ne_bytes());
    control[16..20].copy_from_slice(&fd.to_ne_bytes());
    control
}

/// `pass_descriptor FILE`: opens it, sends it to oneself by `sendmsg`, reads it from what arrives.
fn pass_descriptor(args: &Args) -> Outcome {
    let file = match call(SYS_openat, &[crate::call::CWD, at(&args.path(0)), 0, 0]) {
        Ok(file) => file as i32,
        Err(errno) => return Refused(errno, "open".into()),
    };
    let passed = pair().and_then(|[ours, theirs]| pass(ours as usize, theirs as usize, file));
    match passed.and_then(crate::call::read_some) {
        Ok(bytes) => Worked(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
        Err(errno) => Refused(errno, "passing".into()),
    }
}

pub fn pass(ours: usize, theirs: usize, file: i32) -> Try {
    let mut text = *b"x";
    let piece = [into(&mut text), 1];
    let control = rights(file);
    call(SYS_sendmsg, &[ours, to(&message(0, 0, &piece, &control)), 0])?;
    let arrived = rights(-1);
    call(SYS_recvmsg, &[theirs, to(&message(0, 0, &piece, &arrived)), MSG_CMSG_CLOEXEC as usize])?;
    let bytes = std::hint::black_box(&arrived);
    Ok(i64::from(i32::from_ne_bytes([bytes[16], bytes[17], bytes[18], bytes[19]])))
}

/// `own_socket PATH|@NAME`: binds it, connects to it, says something through it. An agent's own socket.
fn own_socket(args: &Args) -> Outcome {
    let (name, bytes) = sockaddr(args.text(0));
    if !args.text(0).starts_with('@') {
        let _ = call(SYS_unlinkat, &[crate::call::CWD, at(&c(args.text(0))), 0]);
    }
    let talked = (|| {
        let listener = socket(AF_UNIX, SOCK_STREAM, 0)? as usize;
        call(SYS_bind, &[listener, to(&name), bytes])?;
        call(SYS_listen, &[listener, 1])?;
        let client = socket(AF_UNIX, SOCK_STREAM, 0)? as usize;
        call(SYS_connect, &[client, to(&name), bytes])?;
        call(SYS_write, &[client, to(b"hello"), 5])?;
        let server = call(SYS_accept4, &[listener, 0, 0, 0])? as usize;
        answer(server, 2000)
    })();
    talked.into()
}

/// `control HOW FILE`: as soon as `FILE` names govsh's own socket and process (two lines), says hello there.
fn control(args: &Args) -> Outcome {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let (path, front) = loop {
        let text = std::fs::read_to_string(args.text(1)).unwrap_or_default();
        let mut lines = text.lines();
        if let (Some(path), Some(front), Some(_)) = (lines.next(), lines.next(), lines.next()) {
            break (path.to_owned(), front.to_owned());
        }
        if std::time::Instant::now() > end {
            return Misuse("nobody named a socket".into());
        }
        std::thread::yield_now();
    };
    let (dir, name) = path.rsplit_once('/').unwrap_or(("/", &path));
    let said = match args.text(0) {
        "path" => hello(&path),
        "root" => hello(&format!("/proc/self/root{path}")),
        "front_root" => hello(&format!("/proc/{front}/root{path}")),
        "front_cwd" => {
            hello(&format!("/proc/{front}/cwd/../run/govsh/{}", path.rsplit_once("govsh/").map_or("", |it| it.1)))
        }
        "monitor_root" => hello(&format!("/proc/{}/root{path}", std::os::unix::process::parent_id())),
        "dots" => hello(&format!("{dir}/./../{}/{name}", dir.rsplit('/').next().unwrap_or_default())),
        "abstract" => hello(&format!("@{path}")),
        "symlink" => {
            call(SYS_symlinkat, &[at(&c(&path)), crate::call::CWD, at(&c("planted"))]).and_then(|_| hello("planted"))
        }
        "link" => call(SYS_linkat, &[crate::call::CWD, at(&c(&path)), crate::call::CWD, at(&c("planted")), 0])
            .and_then(|_| hello("planted")),
        "chdir" => call(SYS_chdir, &[at(&c(dir))]).and_then(|_| hello(name)),
        "opath" => call(SYS_openat, &[crate::call::CWD, at(&c(&path)), O_PATH as usize, 0])
            .and_then(|fd| hello(&format!("/proc/self/fd/{fd}"))),
        "dirfd" => call(SYS_openat, &[crate::call::CWD, at(&c(dir)), (O_PATH | O_DIRECTORY) as usize, 0])
            .and_then(|fd| hello(&format!("/proc/self/fd/{fd}/{name}"))),
        "scratch" => hello(&format!("{dir}/scratch/../{name}")),
        "pidfd" => call(SYS_pidfd_open, &[front.parse().unwrap_or(0), 0])
            .and_then(|pidfd| (3..64).find_map(|fd| call(SYS_pidfd_getfd, &[pidfd as usize, fd, 0]).ok()).ok_or(EPERM)),
        "replace" => call(SYS_unlinkat, &[crate::call::CWD, at(&c(&path)), 0]),
        "beside" => call(
            SYS_mkdirat,
            &[crate::call::CWD, at(&c(&format!("{}/fake", dir.rsplit_once('/').map_or("", |it| it.0)))), 0o700],
        ),
        other => return Misuse(format!("no way '{other}'")),
    };
    said.into()
}

/// Connects, says hello, and has an answer that says yes.
fn hello(name: &str) -> Try {
    if name.len() > 105 {
        return Err(ENAMETOOLONG);
    }
    let (address, bytes) = sockaddr(name);
    let socket = socket(AF_UNIX, SOCK_STREAM, 0)? as usize;
    call(SYS_connect, &[socket, to(&address), bytes])?;
    let line = b"{\"op\":\"hello\",\"version\":1}\n";
    call(SYS_write, &[socket, to(line), line.len()])?;
    let mut wait = pollfd { fd: socket as i32, events: POLLIN, revents: 0 };
    unsafe { poll(&mut wait, 1, 2_000) };
    let mut bytes = [0u8; 4096];
    let got = call(SYS_recvfrom, &[socket, into(&mut bytes[..]), bytes.len(), MSG_DONTWAIT as usize, 0, 0])?;
    let said = std::hint::black_box(&bytes).get(..got as usize).unwrap_or_default();
    if String::from_utf8_lossy(said).contains("\"ok\":true") { Ok(0) } else { Err(EACCES) }
}
