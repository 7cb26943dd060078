//! Datagrams to name servers: every one of them goes to the front's stub, and its answers come from whom they were expected of.
//!
//! ```text
//! connect, sendto, sendmsg, sendmmsg to SERVER:53 ─▶ the stub's address for SERVER      (socket noted by SO_COOKIE)
//! recvfrom with an address, recvmsg, recvmmsg     ─▶ no such socket open? the kernel's  (one atomic flag)
//!                                                 └▶ one of them: received by us, the stub's address written as SERVER's
//! ```
//! musl and c-ares take no answer from anybody but whom they asked (RFC 5452 §9.1).
//! Invariant: what is not received by us is received by the kernel for the target itself, whatever became of the arguments;
//! receiving yields only what lies in a socket that the target holds. What is written goes to the memory of a thread that
//! still waits in this very call.
//! Leaves to others: answering (`egress::dns`).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::address::{Address, inet_bytes};
use super::redirect::{DNS, bound, is_six_only};
use super::target::lock;
use super::worker::{Call, Worker};
use crate::sys::{Sys, net};

/// Sockets that are remembered: resolvers use one for a question or a few. Past that, the one used longest ago is forgotten.
const MOST: usize = 4096;
/// Name servers of one socket.
const SERVERS: usize = 16;
/// How long a socket is remembered that nothing is sent or received on.
const IDLE: Duration = Duration::from_secs(120);

/// The sockets that talk to the stub.
#[derive(Default)]
pub struct Stubs {
    /// Some are known.
    any: AtomicBool,
    known: Mutex<HashMap<u64, Known, foldhash::fast::RandomState>>,
}

struct Known {
    used: Instant,
    /// The stub's address, and the name server's as the target wrote it.
    servers: Vec<(SocketAddr, Vec<u8>)>,
}

impl Stubs {
    /// Whether any socket talks to the stub.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    fn note(&self, cookie: u64, stub: SocketAddr, server: &[u8]) {
        let now = Instant::now();
        let mut known = lock(&self.known);
        if known.len() >= MOST && !known.contains_key(&cookie) {
            known.retain(|_, socket| now.duration_since(socket.used) < IDLE);
            if known.len() >= MOST
                && let Some(oldest) = known.iter().min_by_key(|(_, socket)| socket.used).map(|(cookie, _)| *cookie)
            {
                known.remove(&oldest);
            }
        }
        let socket = known.entry(cookie).or_insert_with(|| Known { used: now, servers: Vec::new() });
        socket.used = now;
        socket.servers.retain(|(known, _)| *known != stub);
        if socket.servers.len() < SERVERS {
            socket.servers.push((stub, server.to_vec()));
        }
        self.any.store(true, Ordering::Release);
    }

    /// The name servers of this socket, when it talks to the stub.
    pub fn of(&self, socket: &OwnedFd) -> Option<Vec<(SocketAddr, Vec<u8>)>> {
        let cookie = net::cookie(socket.as_fd()).ok()?;
        let now = Instant::now();
        let mut known = lock(&self.known);
        if let Some(socket) = known.get_mut(&cookie) {
            socket.used = now;
            return Some(socket.servers.clone());
        }
        known.retain(|_, socket| now.duration_since(socket.used) < IDLE);
        if known.is_empty() {
            self.any.store(false, Ordering::Release);
        }
        None
    }
}

impl Worker {
    /// Where a datagram for this name server goes instead, as bytes for the socket; None where it is no name server, or one of the
    /// session's own.
    pub fn stub(&self, call: &Call, socket: &OwnedFd, to: SocketAddr, bytes: &[u8]) -> Sys<Option<Vec<u8>>> {
        let Some(gate) = self.shared.gate.as_ref().filter(|_| to.port() == DNS) else { return Ok(None) };
        if self.serves(&to, false) {
            return Ok(None);
        }
        let domain = net::option(socket.as_fd(), libc::SO_DOMAIN)?;
        if domain != libc::AF_INET && domain != libc::AF_INET6 {
            return Ok(None);
        }
        let stub = gate.stub(to, is_six_only(socket, domain)?);
        if bound(socket)?.is_none() {
            // It gets a port now rather than with its first datagram. One that cannot be bound is another's by then.
            let four = domain == libc::AF_INET;
            let any: IpAddr = if four { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            let _ = net::bind(socket.as_fd(), &inet_bytes(SocketAddr::new(any, 0), domain));
        }
        if let Some(own) = bound(socket)? {
            gate.asks(own.port(), call.pid());
        }
        // An address in the clothes of the target's own: IPv4 may be written either way on a socket of both families.
        let plain = matches!(Address::parse(bytes), Address::Inet(_))
            && bytes.starts_with(&(libc::AF_INET as u16).to_ne_bytes());
        self.shared.stubs.note(net::cookie(socket.as_fd())?, stub, bytes);
        Ok(Some(inet_bytes(stub, if plain { libc::AF_INET } else { domain })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_known_by_cookie_and_stay_few() {
        let stubs = Stubs::default();
        let stub = "127.0.0.1:5300".parse().unwrap();
        let socket = net::socket(libc::AF_INET, libc::SOCK_DGRAM, 0).unwrap();
        let other = net::socket(libc::AF_INET, libc::SOCK_DGRAM, 0).unwrap();
        assert!(!stubs.any() && stubs.of(&socket).is_none());
        stubs.note(net::cookie(socket.as_fd()).unwrap(), stub, b"server");
        assert_eq!(stubs.of(&socket), Some(vec![(stub, b"server".to_vec())]));
        assert!(stubs.any() && stubs.of(&other).is_none());
        (0..2 * MOST as u64).for_each(|n| stubs.note(n << 40, stub, b"x"));
        assert!(lock(&stubs.known).len() <= MOST);
    }
}
