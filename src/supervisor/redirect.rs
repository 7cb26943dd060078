//! connect(2) of internet stream sockets where there is a gate: judged here, made by the front.
//!
//! ```text
//! copied address ─▶ service of the session? connected directly
//!              └──▶ judged, with the names tied to it ─▶ dialled (blocking sockets) ─▶ source bound ─▶ announced ─▶ connected to the front
//! ```
//! Invariant: a stream socket of the agent is connected to a service of its own session, or to the front's listener.
//!
//! Why no race leads elsewhere: the address that is judged is our copy; the connection is made by us, to an address of our
//! own, on our copy of the descriptor, so that the kernel reads nothing of the agent's again. Which destination the front
//! gives a connection depends on its source alone. That is bound before the connection exists and stays the socket's; a
//! second socket with the same source (SO_REUSEPORT) gets a connection only by a call that is judged and announced just
//! so, and what was announced last is what both get: something this session was allowed. A source that was announced
//! by nobody is turned away by the front.
//! Leaves to others: names, dialling, what flows (`gate`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::address::{Address, inet_bytes};
use super::exec::exe_path;
use super::gate::{Dialled, Gate, Passage};
use super::listening;
use super::reach::Reached;
use super::status::Status;
use super::target::lock;
use super::worker::{Call, RESTART, Ruling, Worker};
use crate::policy::{NetOp, Verdict};
use crate::sys::net::{self, TCP_CLOSED};
use crate::sys::{Errno, Sys};

/// Sources that are tried before there is none to be had.
const TRIES: usize = 8;
/// Sources are 127.200.0.1 to 127.215.255.254, one after the other: no port is asked for twice within a million
/// connections, however many of them are open or in TIME_WAIT.
const SOURCES: u64 = 16 << 16;
/// RFC 1035: a name server's port.
pub const DNS: u16 = 53;

/// Passages of all workers, from 1.
static PASSAGES: AtomicU64 = AtomicU64::new(1);
static SOURCE: AtomicU64 = AtomicU64::new(0);

impl Worker {
    /// Connects an internet stream socket of family `domain` to `to`, as far as the agent can tell.
    pub fn redirect(
        &mut self,
        call: &Call,
        gate: &Arc<dyn Gate>,
        socket: &OwnedFd,
        (domain, to): (i32, SocketAddr),
    ) -> Sys<()> {
        let [proxy4, proxy6] = gate.proxy();
        if net::tcp_state(socket.as_fd())? != TCP_CLOSED {
            // Connected, connecting or listening: the kernel has an answer for each, which does not depend on the address. Should
            // the socket be free by the time it looks, it comes to the front without having been announced.
            let nowhere = inet_bytes(proxy4, domain);
            return self.attempt(call, || net::connect(socket.as_fd(), &nowhere));
        }
        if to == proxy4 || to == proxy6 || to.ip().is_unspecified() && to.port() == proxy4.port() {
            // Whatever is asked of it is judged there.
            let ruling = Ruling::built_in(Verdict::Allow, "built-in: the session's own proxy");
            let to = if to.is_ipv6() { proxy6 } else { proxy4 };
            return self.pass(call, gate, socket, Way { domain, to, reached: Reached::plainly(ruling), dials: false });
        }
        if to.port() == DNS && !self.serves(&to, true) {
            // Whichever name server is meant, it is the stub that answers, and judges each name.
            let ruling = Ruling::built_in(Verdict::Allow, "built-in: the session's own name service");
            return self.pass(call, gate, socket, Way { domain, to, reached: Reached::plainly(ruling), dials: false });
        }
        let reached = self.reach("connect", NetOp::Connect, &to, true);
        let own = reached.is_own || reached.ruling.allows() && !reached.by_name && self.was_bound_here(&to);
        self.concluded(call, "connect", &reached.told(to), &reached.ruling, libc::ECONNREFUSED)?;
        if own {
            let bytes = inet_bytes(to, domain);
            return self.attempt(call, || net::connect(socket.as_fd(), &bytes));
        }
        self.pass(call, gate, socket, Way { domain, to, reached, dials: true })
    }

    /// Takes an allowed connection to the front.
    fn pass(&mut self, call: &Call, gate: &Arc<dyn Gate>, socket: &OwnedFd, way: Way) -> Sys<()> {
        let Way { domain, to, reached, dials } = way;
        let unknown: IpAddr = if to.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let mut passage = Passage {
            id: PASSAGES.fetch_add(1, Ordering::Relaxed),
            from: SocketAddr::new(unknown, 0),
            to,
            names: reached.names,
            by_name: reached.by_name,
            asked: reached.asked,
            pid: call.pid(),
            program: self.program(call),
            rule: reached.ruling.rule,
            layer: reached.ruling.layer,
            started: call.started,
        };
        let waits = dials && !net::is_nonblocking(socket.as_fd())?;
        let dialled = if waits { Some(self.dial(call, gate, socket, &passage)?) } else { None };
        passage.from = source(socket, domain)?;
        let from = passage.from;
        let front = inet_bytes(gate.expect(passage, dialled), domain);
        match self.attempt(call, || net::connect(socket.as_fd(), &front)) {
            // On its way, as the caller will find when it asks again.
            Err(errno) if ![Errno(libc::EINPROGRESS), Errno(libc::EINTR), RESTART].contains(&errno) => {
                gate.forget(from);
                Err(errno)
            }
            other => other,
        }
    }

    /// The connection behind a blocking socket, before it: so that connect(2) says what became of it, in the time that
    /// SO_SNDTIMEO leaves (socket(7)).
    fn dial(&self, call: &Call, gate: &Arc<dyn Gate>, socket: &OwnedFd, passage: &Passage) -> Sys<Dialled> {
        let limit = net::timeout(socket.as_fd(), libc::SO_SNDTIMEO)?;
        let began = Instant::now();
        let is_late = || limit.is_some_and(|limit| began.elapsed() >= limit);
        let signalled = || Status::of(call.tid()).is_ok_and(|status| status.deliverable != 0);
        let still = || self.still_waits(call) && !is_late() && !signalled();
        match gate.dial(passage, &still) {
            Err(Errno(libc::EINTR)) if !self.still_waits(call) => Err(Errno(libc::EINTR)),
            Err(Errno(libc::EINTR)) if is_late() => Err(Errno(libc::EINPROGRESS)),
            // A signal's time limit counts for the whole call, which therefore cannot start again (signal(7)).
            Err(Errno(libc::EINTR)) => Err(if limit.is_some() { Errno(libc::EINTR) } else { RESTART }),
            other => other,
        }
    }

    /// The program that calls, for evidence.
    fn program(&self, call: &Call) -> Arc<[u8]> {
        let known = lock(&call.thread.process.exe).clone();
        if known.is_empty() { exe_path(call.pid()).into() } else { known.into() }
    }

    /// Whether this loopback address is served by the session itself.
    pub fn is_own(&self, addr: &SocketAddr, stream: bool) -> bool {
        listening::is_own(&self.shared, addr, stream)
    }

    /// The same, without a search where no socket of the session was ever bound to the port.
    pub fn serves(&self, addr: &SocketAddr, stream: bool) -> bool {
        self.was_bound_here(addr) && self.is_own(addr, stream)
    }

    /// Whether a socket of the session was bound to this port of loopback at some time: enough where the policy allows the
    /// address to whoever serves it.
    fn was_bound_here(&self, addr: &SocketAddr) -> bool {
        (addr.ip().is_loopback() || addr.ip().is_unspecified()) && self.shared.own_ports.contains(addr.port())
    }
}

/// Where an allowed connection goes.
struct Way {
    /// SO_DOMAIN of the socket.
    domain: i32,
    to: SocketAddr,
    reached: Reached,
    /// The connection behind it is made first.
    dials: bool,
}

/// Binds the socket to a source of its own, unless it has one; what the front will see of it. Whether it has one the kernel
/// says when it is asked to bind (EINVAL): the address of one that was dissolved still shows a port that is not its any more.
fn source(socket: &OwnedFd, domain: i32) -> Sys<SocketAddr> {
    let fd = socket.as_fd();
    let six = is_six_only(socket, domain)?;
    for _ in 0..TRIES {
        let ip = if six { Ipv6Addr::LOCALHOST.into() } else { next_source() };
        let fresh = match net::bind(fd, &inet_bytes(SocketAddr::new(ip, 0), domain)) {
            Ok(()) => true,
            Err(Errno(libc::EINVAL)) => false,
            Err(Errno(libc::EADDRINUSE)) => continue,
            Err(errno) => return Err(errno),
        };
        match bound(socket)? {
            // The target wants its port chosen when it connects: too late for us.
            None if fresh => net::set_option(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 0)?,
            None => break,
            // What connects from every address to loopback connects from its first one.
            Some(own) if own.ip().is_unspecified() => {
                let first: IpAddr = if six { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
                return Ok(SocketAddr::new(first, own.port()));
            }
            Some(own) => return Ok(own),
        }
    }
    Err(Errno(libc::EADDRNOTAVAIL))
}

/// The address that the socket is bound to, port and all.
pub(super) fn bound(socket: &OwnedFd) -> Sys<Option<SocketAddr>> {
    match Address::parse(&net::local_address(socket.as_fd())?) {
        Address::Inet(own) => Ok((own.port() != 0).then_some(own)),
        _ => Err(Errno(libc::EAFNOSUPPORT)),
    }
}

/// IPV6_V6ONLY (ipv6(7)).
pub(super) fn is_six_only(socket: &OwnedFd, domain: i32) -> Sys<bool> {
    Ok(domain == libc::AF_INET6 && net::option_of(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)? != 0)
}

fn next_source() -> IpAddr {
    let n = SOURCE.fetch_add(1, Ordering::Relaxed) % SOURCES;
    let [_, high, middle, low] = (n as u32).to_be_bytes();
    // 0 and 255 at the end are no host's address on some machines' loopback.
    Ipv4Addr::new(127, 200 + high, middle, low.clamp(1, 254)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_loopback_and_many() {
        let seen: std::collections::HashSet<IpAddr> = (0..10_000).map(|_| next_source()).collect();
        assert!(seen.len() > 9_000 && seen.iter().all(IpAddr::is_loopback));
    }

    #[test]
    fn a_socket_gets_a_source_of_its_own_and_keeps_one_that_it_has() {
        let make = |domain| net::socket(domain, libc::SOCK_STREAM, 0).unwrap();
        for domain in [libc::AF_INET, libc::AF_INET6] {
            let socket = make(domain);
            net::set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1).unwrap();
            let first = source(&socket, domain).unwrap();
            assert!(first.is_ipv4() && first.port() != 0, "{first}");
            assert_eq!(source(&socket, domain), Ok(first));
        }
        let bound = make(libc::AF_INET);
        net::bind(bound.as_fd(), &inet_bytes("0.0.0.0:0".parse().unwrap(), libc::AF_INET)).unwrap();
        assert_eq!(source(&bound, libc::AF_INET).unwrap().ip(), Ipv4Addr::LOCALHOST);
        let six = make(libc::AF_INET6);
        net::set_option(six.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1).unwrap();
        assert_eq!(source(&six, libc::AF_INET6).unwrap().ip(), Ipv6Addr::LOCALHOST);
    }
}
