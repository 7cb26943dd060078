//! Reaching an internet address by every call that can: `net HOW ADDRESS:PORT`.
//!
//! Invariant: it worked only when the other side's answer came back (its greeting over TCP, an echo over UDP).
//! Leaves to others: the servers (`tests/escape`).

use std::net::SocketAddr;

use libc::*;

use crate::call::{HIGH, call, into, to};
use crate::report::{Misuse, Outcome, Refused, Try, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("net", net), ("bind", bind_and_name), ("net_own", net_own)];

const FASTOPEN: usize = MSG_FASTOPEN as usize;

/// A socket address as the kernel takes it, with its length.
pub fn sockaddr(addr: SocketAddr) -> ([u8; 28], usize) {
    let mut bytes = [0u8; 28];
    bytes[2..4].copy_from_slice(&addr.port().to_be_bytes());
    match addr {
        SocketAddr::V4(v4) => {
            bytes[0..2].copy_from_slice(&(AF_INET as u16).to_ne_bytes());
            bytes[4..8].copy_from_slice(&v4.ip().octets());
            (bytes, 16)
        }
        SocketAddr::V6(v6) => {
            bytes[0..2].copy_from_slice(&(AF_INET6 as u16).to_ne_bytes());
            bytes[8..24].copy_from_slice(&v6.ip().octets());
            (bytes, 28)
        }
    }
}

/// A message with a name, `text` as its only piece, and control bytes.
pub fn message(name: usize, name_bytes: usize, piece: &[usize; 2], control: &[u8]) -> [usize; 8] {
    let control_at = if control.is_empty() { 0 } else { to(control) };
    [name, name_bytes, to(piece), 1, control_at, control.len(), 0, 0]
}

pub fn socket(family: i32, kind: i32, protocol: i32) -> Try {
    call(SYS_socket, &[family as usize, (kind | SOCK_CLOEXEC) as usize, protocol as usize])
}

/// Waits up to `ms` for something to read and reads it.
pub fn answer(socket: usize, ms: i32) -> Try {
    let mut wait = pollfd { fd: socket as i32, events: POLLIN, revents: 0 };
    if unsafe { poll(&mut wait, 1, ms) } == 0 {
        return Err(ETIMEDOUT);
    }
    let mut bytes = [0u8; 64];
    match call(SYS_recvfrom, &[socket, into(&mut bytes[..]), 64, 0, 0, 0])? {
        0 => Err(ECONNRESET),
        got => Ok(got),
    }
}

fn net(args: &Args) -> Outcome {
    let Ok(addr) = args.text(1).parse::<SocketAddr>() else {
        return Misuse(format!("'{}' is not ADDRESS:PORT", args.text(1)));
    };
    let (protocol, how) = args.text(0).split_once('-').unwrap_or((args.text(0), ""));
    let family = if addr.is_ipv4() { AF_INET } else { AF_INET6 };
    let made = match protocol {
        "tcp" | "fastopen" => socket(family, SOCK_STREAM, 0),
        "mptcp" => socket(family, SOCK_STREAM, 262),
        "udp" => socket(family, SOCK_DGRAM, 0),
        other => return Misuse(format!("no way '{other}'")),
    };
    let socket = match made {
        Ok(socket) => socket as usize,
        Err(errno) => return Refused(errno, "socket".into()),
    };
    match reach(socket, protocol, how, addr) {
        Ok(()) => match answer(socket, 2000) {
            Ok(bytes) => Worked(format!("{bytes} bytes came back")),
            Err(errno) => Refused(errno, "no answer".into()),
        },
        Err(errno) => Refused(errno, String::new()),
    }
}

fn reach(socket: usize, protocol: &str, how: &str, addr: SocketAddr) -> Result<(), i32> {
    let (name, bytes) = sockaddr(addr);
    let at_name = to(&name);
    let text = *b"hello";
    let piece = [to(&text), 5];
    let flags = if protocol == "fastopen" { FASTOPEN } else { 0 };
    let plain = message(at_name, bytes, &piece, &[]);
    match how {
        "connect" => call(SYS_connect, &[socket, at_name, bytes]).and_then(|_| say(socket, protocol, &text)),
        "nonblock" => {
            let _ = call(SYS_fcntl, &[socket, F_SETFL as usize, O_NONBLOCK as usize]);
            match call(SYS_connect, &[socket, at_name, bytes]) {
                Ok(_) | Err(EINPROGRESS) => finished(socket),
                other => other,
            }
        }
        "sendto" => call(SYS_sendto, &[socket, to(&text), 5, flags, at_name, bytes]),
        "sendto_high" => call(SYS_sendto, &[socket, to(&text), 5, flags | HIGH, at_name, bytes]),
        "sendmsg" => call(SYS_sendmsg, &[socket, to(&plain), flags]),
        "sendmsg_high" => call(SYS_sendmsg, &[socket, to(&plain), flags | HIGH]),
        "sendmmsg" => call(SYS_sendmmsg, &[socket, to(&plain), 1, flags]),
        "pktinfo" => call(SYS_sendmsg, &[socket, to(&message(at_name, bytes, &piece, &leave_by_first_device())), 0]),
        // a first message without a name must not let the second one's pass unseen
        "sendmmsg_second" => {
            let second = [message(0, 0, &piece, &[]), plain];
            let sent = call(SYS_sendmmsg, &[socket, to(&second), 2, 0]);
            match sent {
                Err(EDESTADDRREQ | ENOTCONN) => call(SYS_sendmmsg, &[socket, to(&[plain, plain]), 2, 0]),
                other => other,
            }
        }
        _ => Err(EINVAL),
    }
    .map(|_| ())
}

fn say(socket: usize, protocol: &str, text: &[u8; 5]) -> Try {
    if protocol == "udp" { call(SYS_sendto, &[socket, to(text), 5, 0, 0, 0]) } else { Ok(0) }
}

/// Waits for a connection begun without blocking.
fn finished(socket: usize) -> Try {
    let mut wait = pollfd { fd: socket as i32, events: POLLOUT, revents: 0 };
    if unsafe { poll(&mut wait, 1, 2000) } == 0 {
        return Err(ETIMEDOUT);
    }
    let (mut state, mut bytes) = (0i32, 4u32);
    call(SYS_getsockopt, &[socket, SOL_SOCKET as usize, SO_ERROR as usize, into(&mut state), into(&mut bytes)])?;
    if state == 0 { Ok(0) } else { Err(state) }
}

/// `IP_PKTINFO` naming the first device that is not the loopback: it beats the socket's own device in the kernel.
fn leave_by_first_device() -> [u8; 32] {
    let mut control = [0u8; 32];
    let index = (2u32..64).find(|&i| {
        let mut name = [0u8; IF_NAMESIZE];
        !unsafe { if_indextoname(i, name.as_mut_ptr().cast()) }.is_null()
    });
    control[0..8].copy_from_slice(&28usize.to_ne_bytes());
    control[8..12].copy_from_slice(&IPPROTO_IP.to_ne_bytes());
    control[12..16].copy_from_slice(&IP_PKTINFO.to_ne_bytes());
    control[16..20].copy_from_slice(&index.unwrap_or(1).to_ne_bytes());
    control
}

/// `bind ADDRESS:PORT [udp]`: binds, listens where it can, and says the name it got.
fn bind_and_name(args: &Args) -> Outcome {
    let Ok(addr) = args.text(0).parse::<SocketAddr>() else {
        return Misuse(format!("'{}' is not ADDRESS:PORT", args.text(0)));
    };
    let kind = if args.text(1) == "udp" { SOCK_DGRAM } else { SOCK_STREAM };
    let (name, bytes) = sockaddr(addr);
    let family = if addr.is_ipv4() { AF_INET } else { AF_INET6 };
    let bound =
        socket(family, kind, 0).and_then(|socket| call(SYS_bind, &[socket as usize, to(&name), bytes]).map(|_| socket));
    let listening = bound.and_then(|socket| match kind {
        SOCK_STREAM => call(SYS_listen, &[socket as usize, 1]),
        _ => Ok(0),
    });
    listening.into()
}

/// `net_own LISTEN CONNECT`: serves the one address itself and connects to the other.
fn net_own(args: &Args) -> Outcome {
    let (Ok(ours), Ok(theirs)) = (args.text(0).parse::<SocketAddr>(), args.text(1).parse::<SocketAddr>()) else {
        return Misuse("two ADDRESS:PORT are needed".into());
    };
    let family = |addr: SocketAddr| if addr.is_ipv4() { AF_INET } else { AF_INET6 };
    let (name, bytes) = sockaddr(ours);
    let served = socket(family(ours), SOCK_STREAM, 0).and_then(|listener| {
        let _ = call(SYS_setsockopt, &[listener as usize, IPPROTO_IPV6 as usize, IPV6_V6ONLY as usize, to(&1i32), 4]);
        call(SYS_bind, &[listener as usize, to(&name), bytes])?;
        call(SYS_listen, &[listener as usize, 8])
    });
    if let Err(errno) = served {
        return Refused(errno, "listening".into());
    }
    let (name, bytes) = sockaddr(theirs);
    let reached = socket(family(theirs), SOCK_STREAM, 0)
        .and_then(|socket| call(SYS_connect, &[socket as usize, to(&name), bytes]).map(|_| socket));
    match reached {
        Ok(_) if ours == theirs => Worked("its own".into()),
        other => other.and_then(|socket| answer(socket as usize, 2000)).into(),
    }
}
