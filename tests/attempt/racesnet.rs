//! Threads that change an address while it is judged: `race_net HOW GOOD BAD TRIES`.
//!
//! Invariant: as `races`. Which side was reached is said by the other side: a server's first byte is `a` or `b`.
//! Leaves to others: the servers (`tests/escape`).

use std::net::SocketAddr;

use libc::*;

use crate::call::{call, into, to};
use crate::network::{message, sockaddr, socket};
use crate::races::{Score, Swapped};
use crate::report::{Misuse, Outcome};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("race_net", race_net), ("race_unix", race_unix)];

/// First byte that comes back within a second.
fn face(socket: usize) -> Result<u8, i32> {
    let mut wait = pollfd { fd: socket as i32, events: POLLIN, revents: 0 };
    if unsafe { poll(&mut wait, 1, 1000) } == 0 {
        return Err(ETIMEDOUT);
    }
    let mut bytes = [0u8; 64];
    match call(SYS_recvfrom, &[socket, into(&mut bytes[..]), 64, 0, 0, 0])? {
        0 => Err(ECONNRESET),
        _ => Ok(bytes[0]),
    }
}

fn tally(score: &mut Score, socket: usize, reached: Result<i64, i32>) {
    match reached.and_then(|_| face(socket)) {
        Ok(b'b') => score.bad += 1,
        Ok(_) => score.good += 1,
        Err(errno) => score.refuse(errno),
    }
    // no port stays behind in TIME_WAIT
    let linger = [1i32, 0];
    let _ = call(SYS_setsockopt, &[socket, SOL_SOCKET as usize, SO_LINGER as usize, to(&linger), 8]);
    let _ = call(SYS_close, &[socket]);
}

fn race_net(args: &Args) -> Outcome {
    let (Ok(good), Ok(bad)) = (args.text(1).parse::<SocketAddr>(), args.text(2).parse::<SocketAddr>()) else {
        return Misuse("two ADDRESS:PORT are needed".into());
    };
    let ((good, bytes), (bad, _)) = (sockaddr(good), sockaddr(bad));
    let Some(name) = Swapped::new(&good, &bad) else {
        return Misuse("the two must differ in one byte".into());
    };
    let how = args.text(0).to_owned();
    let kind = if how == "tcp" { SOCK_STREAM } else { SOCK_DGRAM };
    let text = *b"hello";
    let piece = [to(&text), 5];
    let plain = message(name.at(), bytes, &piece, &[]);
    let score = name.racing(|| {
        let mut score = Score::default();
        for _ in 0..args.number(3) {
            let Ok(socket) = socket(AF_INET, kind, 0) else { break };
            let socket = socket as usize;
            let reached = match how.as_str() {
                "tcp" => call(SYS_connect, &[socket, name.at(), bytes]),
                "udp" => call(SYS_connect, &[socket, name.at(), bytes])
                    .and_then(|_| call(SYS_sendto, &[socket, to(&text), 5, 0, 0, 0])),
                "sendto" => call(SYS_sendto, &[socket, to(&text), 5, 0, name.at(), bytes]),
                "sendmsg" => call(SYS_sendmsg, &[socket, to(&plain), 0]),
                "sendmmsg" => call(SYS_sendmmsg, &[socket, to(&plain), 1, 0]),
                _ => Err(EINVAL),
            };
            tally(&mut score, socket, reached);
        }
        score
    });
    score.outcome()
}

/// `race_unix HOW GOOD BAD TRIES`: as `race_net`, with paths of stream sockets.
fn race_unix(args: &Args) -> Outcome {
    let ((good, bytes), (bad, _)) = (crate::unix::sockaddr(args.text(1)), crate::unix::sockaddr(args.text(2)));
    let Some(name) = Swapped::new(&good, &bad) else {
        return Misuse("the two must differ in one byte".into());
    };
    let score = name.racing(|| {
        let mut score = Score::default();
        for _ in 0..args.number(3) {
            let Ok(socket) = socket(AF_UNIX, SOCK_STREAM, 0) else { break };
            let reached = call(SYS_connect, &[socket as usize, name.at(), bytes]);
            tally(&mut score, socket as usize, reached);
        }
        score
    });
    score.outcome()
}
