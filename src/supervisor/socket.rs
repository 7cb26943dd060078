//! Sockets: made by us, connected by us, bound by us, from copies of the address, on copies of the descriptor.
//!
//! Invariant: the address that is judged is the one that is used, on the very socket that was looked at.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::address::{Address, MAX, unix_bytes};
use super::datagrams;
use super::reach::Place;
use super::redirect::DNS;
use super::resolve::Found;
use super::target::lock;
use super::worker::{Answer, Call, Ruling, Worker};
use crate::event::{Event, Judged, Kind, Via};
use crate::policy::repository::shape::Deed;
use crate::policy::{Access, Decision, NetOp, RuleId, UnixAddr, Verdict};
use crate::sys::{Errno, Sys, clone, file, net, pidfd};

/// AF_UNSPEC: connect(2) with it takes a datagram socket's peer away.
pub(super) const NOWHERE: [u8; 16] = [0; 16];

/// A judged destination, as bytes for the kernel.
pub struct Destination {
    pub bytes: Vec<u8>,
    /// Keeps the object alive that `bytes` name by descriptor.
    _held: Option<Found>,
}

impl Worker {
    /// socket(2) of an internet family: tied to the loopback device. Only datagrams leave the machine by themselves, where the
    /// policy names addresses outside; connections are the front's to make, and without a gate there are none.
    pub fn socket(&mut self, call: &Call) -> Answer {
        let kind = call.int(1);
        let stays = !self.rules.policy.names_outside() || kind & 0xf == libc::SOCK_STREAM && self.shared.gate.is_some();
        let made = net::socket(call.int(0), kind & !libc::SOCK_CLOEXEC, call.int(2)).and_then(|fd| {
            if stays {
                net::bind_to_loopback_device(fd.as_fd())?;
            }
            Ok(fd)
        });
        match made {
            Ok(fd) => Answer::Fd { fd, cloexec: kind & libc::SOCK_CLOEXEC != 0 },
            Err(errno) => errno.into(),
        }
    }

    /// connect(2).
    pub fn connect(&mut self, call: &Call) -> Answer {
        let copied = self.copy_address(call, call.arg(1), call.arg(2));
        let target = copied.and_then(|bytes| Ok((bytes, call.thread.process.descriptor(call.int(0))?)));
        let (bytes, socket) = match target {
            Ok(target) => target,
            Err(errno) => return self.unreadable(call, "connect", errno),
        };
        match self.connect_judged(call, &socket, &bytes) {
            Ok(()) => Answer::Value(0),
            Err(errno) => errno.into(),
        }
    }

    fn connect_judged(&mut self, call: &Call, socket: &OwnedFd, bytes: &[u8]) -> Sys<()> {
        let gate = self.shared.gate.clone();
        if let (Some(gate), Address::Inet(to)) = (gate, Address::parse(bytes)) {
            let domain = net::option(socket.as_fd(), libc::SO_DOMAIN)?;
            let six =
                bytes.first_chunk().is_some_and(|family| i32::from(u16::from_ne_bytes(*family)) == libc::AF_INET6);
            match (domain, net::option(socket.as_fd(), libc::SO_TYPE)?) {
                (libc::AF_INET, _) if six => return Err(Errno(libc::EAFNOSUPPORT)),
                (libc::AF_INET6, libc::SOCK_STREAM) if !six => return Err(Errno(libc::EAFNOSUPPORT)),
                (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM) => {
                    return self.redirect(call, &gate, socket, (domain, to));
                }
                (libc::AF_INET | libc::AF_INET6, _) if to.port() != DNS && self.is_probe(&to) => {
                    // It goes nowhere: what it was connected to before it is not connected to any more.
                    return self.attempt(call, || net::connect(socket.as_fd(), &NOWHERE));
                }
                _ => {}
            }
        }
        if Address::parse(bytes) == Address::Path(super::RELAY.into()) && self.shared.relay.is_some() {
            return self.connect_relay(call, socket);
        }
        let to = self.destination(call, "connect", NetOp::Connect, socket, bytes)?;
        self.attempt(call, || net::connect(socket.as_fd(), &to.bytes))?;
        // Judged by a policy that was replaced meanwhile, and connected after those of its time were looked through: what is
        // sent without an address is not judged again. Reading the policy in force after connecting leaves no moment between.
        if let Address::Inet(peer) = Address::parse(&to.bytes) {
            let now = self.shared.rules.load();
            let is_same = Arc::ptr_eq(&now.policy, &self.rules.policy);
            if !is_same && !datagrams::keeps(&self.shared, &now.policy, socket, peer) {
                net::connect(socket.as_fd(), &NOWHERE)?;
                return Err(Errno(libc::EHOSTUNREACH));
            }
        }
        Ok(())
    }

    /// Connects to the session's MCP servers. Why no race leads elsewhere: our copy of the address is compared with a
    /// constant, and the connection is made to the very socket that the front opened before the agent ran, by
    /// descriptor: no name is walked, nothing of the agent's is read again. Whoever in the session connects says what
    /// the front judges message by message: being let in grants nothing.
    fn connect_relay(&mut self, call: &Call, socket: &OwnedFd) -> Sys<()> {
        let shared = self.shared.clone();
        let relay = shared.relay.as_ref().ok_or(Errno(libc::ENOENT))?;
        let ruling = Ruling::built_in(Verdict::Allow, "built-in: MCP servers of the session");
        self.concluded(call, "connect", &Place::path(super::RELAY.as_bytes()), &ruling, libc::EACCES)?;
        let name = file::FdPath::new(relay.as_fd());
        let bytes = unix_bytes(name.as_c().to_bytes()).ok_or(Errno(libc::ENAMETOOLONG))?;
        self.attempt(call, || net::connect(socket.as_fd(), &bytes))
    }

    /// Whether connecting a datagram socket there is to have no effect, and no event: getaddrinfo(3) does so with every
    /// address of a name to sort them by the source that the kernel would choose (RFC 6724), and sends nothing. Where no rule
    /// speaks of the address such a socket stays without a peer, so that nothing can be sent by it either; what is sent to
    /// an address by name is judged as ever.
    fn is_probe(&self, to: &SocketAddr) -> bool {
        let ip = to.ip();
        let is_plain = !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast();
        let decision = self.rules.policy.decide_net(NetOp::Connect, to);
        is_plain
            && (decision.verdict == Verdict::Ask
                || decision == Decision { verdict: Verdict::Deny, rule: RuleId::DEFAULT })
    }

    pub fn copy_address(&self, call: &Call, addr: u64, len: u64) -> Sys<Vec<u8>> {
        let len = usize::try_from(len as u32 as i32).map_err(|_| Errno(libc::EINVAL))?;
        if len > MAX {
            return Err(Errno(libc::EINVAL));
        }
        let bytes = call.copier().bytes(addr, len)?;
        if self.still_waits(call) { Ok(bytes) } else { Err(Errno(libc::EINTR)) }
    }

    /// Judges where a connection or message goes, records it, and says with which bytes to get there.
    pub fn destination(
        &mut self,
        call: &Call,
        op: &'static str,
        kind: NetOp,
        socket: &OwnedFd,
        bytes: &[u8],
    ) -> Sys<Destination> {
        let plain = |bytes: &[u8]| Ok(Destination { bytes: bytes.to_vec(), _held: None });
        match Address::parse(bytes) {
            Address::None | Address::Netlink | Address::Unnamed => plain(bytes),
            Address::Other => Err(Errno(libc::EAFNOSUPPORT)),
            Address::Inet(addr) => {
                let stream = net::option(socket.as_fd(), libc::SO_TYPE)? == libc::SOCK_STREAM;
                if !stream && let Some(stub) = self.stub(call, socket, addr, bytes)? {
                    return plain(&stub);
                }
                let reached = self.reach(op, kind, &addr, stream);
                let refusal = if stream { libc::ECONNREFUSED } else { libc::EHOSTUNREACH };
                self.concluded(call, op, &reached.told(addr), &reached.ruling, refusal)?;
                plain(bytes)
            }
            Address::Abstract(name) => {
                let ruling = if lock(&self.shared.own_names).contains(&name) {
                    Ruling::built_in(Verdict::Allow, "built-in: socket of the session")
                } else {
                    self.ruling(self.rules.policy.decide_unix(UnixAddr::Abstract(&name)))
                };
                let shown: Vec<u8> = [b"@".as_slice(), &name].concat();
                self.concluded(call, op, &Place::path(&shown), &ruling, libc::ECONNREFUSED)?;
                plain(bytes)
            }
            Address::Path(path) => self.unix_destination(call, op, &path),
        }
    }

    fn unix_destination(&mut self, call: &Call, op: &'static str, path: &[u8]) -> Sys<Destination> {
        let (found, refused) = {
            let resolver = self.resolver(call);
            let base = resolver.base(libc::AT_FDCWD, path, 0)?;
            (resolver.existing(&base, path, true, 0), resolver.refused.get())
        };
        if refused {
            let why = Ruling::built_in(Verdict::Deny, "built-in: process outside the session");
            self.concluded(call, op, &Place::path(path), &why, libc::EACCES)?;
        }
        let found = found?;
        let stat = file::stat(found.fd.as_fd())?;
        // Where the agent can bind nothing, none is its own: the number of one that it has removed may be another's now.
        let own = lock(&self.shared.own_sockets).contains(&(stat.dev, stat.ino));
        let ruling = if own && !self.rules.policy.protected(&found.path) {
            Ruling::built_in(Verdict::Allow, "built-in: socket of the session")
        } else {
            self.ruling(self.rules.policy.decide_unix(UnixAddr::Path(&found.path)))
        };
        self.concluded(call, op, &Place::path(&found.path), &ruling, libc::EACCES)?;
        let name = file::FdPath::new(found.fd.as_fd());
        let bytes = unix_bytes(name.as_c().to_bytes()).ok_or(Errno(libc::ENAMETOOLONG))?;
        Ok(Destination { bytes, _held: Some(found) })
    }

    /// Records the decision; `refusal` is what a denied target gets.
    pub fn concluded(
        &self,
        call: &Call,
        op: &'static str,
        place: &Place<'_>,
        ruling: &Ruling,
        refusal: i32,
    ) -> Sys<()> {
        let errno = if ruling.allows() { 0 } else { refusal };
        let Some(verdict) = self.verdict_of(ruling) else { return Err(Errno(refusal)) };
        let duration = self.shared.bus.elapsed().saturating_sub(call.started);
        self.shared.bus.publish(Event::Judged(Judged {
            kind: Kind::Net,
            op,
            pid: call.pid(),
            access: Access::empty(),
            path: place.path.to_vec(),
            path2: Vec::new(),
            addr: place.addr,
            host: place.host.as_ref().map(|host| Arc::from(host.as_str())),
            port: 0,
            argv: Vec::new(),
            verdict,
            rule: ruling.rule.clone(),
            layer: ruling.layer,
            via: Via::Brokered,
            errno,
            duration,
        }));
        if errno == 0 { Ok(()) } else { Err(Errno(errno)) }
    }

    /// bind(2).
    pub fn bind(&mut self, call: &Call) -> Answer {
        let copied = self.copy_address(call, call.arg(1), call.arg(2));
        let target = copied.and_then(|bytes| Ok((bytes, call.thread.process.descriptor(call.int(0))?)));
        match target.and_then(|(bytes, socket)| self.bind_judged(call, &bytes, &socket)) {
            Ok(()) => Answer::Value(0),
            Err(errno) => self.unreadable(call, "bind", errno),
        }
    }

    fn bind_judged(&mut self, call: &Call, bytes: &[u8], socket: &OwnedFd) -> Sys<()> {
        match Address::parse(bytes) {
            Address::Netlink => net::bind(socket.as_fd(), bytes),
            Address::None | Address::Other => Err(Errno(libc::EAFNOSUPPORT)),
            Address::Inet(addr) => {
                let ruling = self.ruling(self.rules.policy.decide_net(NetOp::Bind, &addr));
                self.concluded(call, "bind", &Place::addr(addr), &ruling, libc::EACCES)?;
                net::bind(socket.as_fd(), bytes)?;
                if let Address::Inet(own) = Address::parse(&net::local_address(socket.as_fd())?) {
                    self.shared.own_ports.insert(own.port());
                }
                Ok(())
            }
            Address::Unnamed | Address::Abstract(_) => {
                net::bind(socket.as_fd(), bytes)?;
                if let Address::Abstract(name) = Address::parse(&net::local_address(socket.as_fd())?) {
                    lock(&self.shared.own_names).insert(name);
                }
                Ok(())
            }
            Address::Path(path) => self.bind_path(call, bytes, &path, socket),
        }
    }

    /// The socket's own record of its address must be what the target asked for, so the kernel walks the path again;
    /// nobody in the session can change a name meanwhile, since `changes` is held.
    fn bind_path(&mut self, call: &Call, bytes: &[u8], path: &[u8], socket: &OwnedFd) -> Sys<()> {
        let shared = self.shared.clone();
        let _changes = shared.change_names();
        let (at, cwd) = {
            let resolver = self.resolver(call);
            let base = resolver.base(libc::AT_FDCWD, path, 0)?;
            (resolver.place(&base, path)?, call.thread.process.cwd(call.tid())?)
        };
        let full = at.full();
        let (ruling, _) = self.judge_guarded(call, &full, Access::CREATE);
        let ruling = self.settle_file(ruling, "bind", Access::CREATE, &[&full], &[(&full, Access::CREATE)]);
        let by_shape = if ruling.allows() { self.by_shape(call, &full, Access::CREATE, Deed::Other) } else { None };
        let ruling = by_shape.unwrap_or(ruling);
        self.concluded(call, "bind", &Place::path(&full), &ruling, libc::EACCES)?;
        clone::fchdir(cwd.fd.as_fd())?;
        clone::set_umask(call.thread.process.umask(call.tid())?);
        self.attempt(call, || net::bind(socket.as_fd(), bytes))?;
        let made = file::stat_at(at.dir.as_fd(), &at.name)?;
        lock(&shared.own_sockets).insert((made.dev, made.ino));
        Ok(())
    }

    /// SIGPIPE as the kernel would have raised it for the target's own call.
    pub fn broken_pipe(&self, call: &Call, flags: i32) {
        if flags & libc::MSG_NOSIGNAL == 0 {
            // The target may be gone; then it needs no signal.
            let _ = pidfd::send_signal(call.thread.process.pidfd.as_fd(), libc::SIGPIPE);
        }
    }
}
