//! Sockets: made by us, connected by us, bound by us, from copies of the address, on copies of the descriptor.
//!
//! Invariant: the address that is judged is the one that is used, on the very socket that was looked at.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use super::address::{Address, MAX, unix_bytes};
use super::listening;
use super::questions::Subject;
use super::resolve::Found;
use super::target::lock;
use super::worker::{Answer, Call, Ruling, Worker};
use crate::event::{Event, Judged, Kind, Via};
use crate::policy::{Access, NetOp, UnixAddr, Verdict};
use crate::sys::{Errno, Sys, clone, file, net, pidfd};

/// A judged destination, as bytes for the kernel.
pub struct Destination {
    pub bytes: Vec<u8>,
    /// Keeps the object alive that `bytes` name by descriptor.
    _held: Option<Found>,
}

impl Worker {
    /// socket(2) of an internet family: tied to the loopback device unless the policy names the outside.
    pub fn socket(&mut self, call: &Call) -> Answer {
        let kind = call.int(1);
        let made = net::socket(call.int(0), kind & !libc::SOCK_CLOEXEC, call.int(2)).and_then(|fd| {
            if !self.shared.policy.names_outside() {
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
        match self.destination(call, "connect", NetOp::Connect, &socket, &bytes) {
            Ok(to) => match self.attempt(call, || net::connect(socket.as_fd(), &to.bytes)) {
                Ok(()) => Answer::Value(0),
                Err(errno) => errno.into(),
            },
            Err(errno) => errno.into(),
        }
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
                let mut ruling = self.shared.ruling(self.shared.policy.decide_net(kind, &addr));
                if !ruling.allows() && listening::is_own(&self.shared, &addr, stream) {
                    ruling = Ruling::built_in(Verdict::Allow, "built-in: service of the session");
                }
                let ruling = self.settle(ruling, || Subject {
                    of: Kind::Net,
                    op,
                    access: Access::empty(),
                    path: Vec::new(),
                    path2: Vec::new(),
                    addr: Some(addr),
                    host: None,
                    port: 0,
                    argv: Vec::new(),
                    cwd: Vec::new(),
                    about: Vec::new(),
                });
                let refusal = if stream { libc::ECONNREFUSED } else { libc::EHOSTUNREACH };
                self.concluded(call, op, Some(addr), b"", &ruling, refusal)?;
                plain(bytes)
            }
            Address::Abstract(name) => {
                let ruling = if lock(&self.shared.own_names).contains(&name) {
                    Ruling::built_in(Verdict::Allow, "built-in: socket of the session")
                } else {
                    self.shared.ruling(self.shared.policy.decide_unix(UnixAddr::Abstract(&name)))
                };
                let shown: Vec<u8> = [b"@".as_slice(), &name].concat();
                self.concluded(call, op, None, &shown, &ruling, libc::ECONNREFUSED)?;
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
            self.concluded(call, op, None, path, &why, libc::EACCES)?;
        }
        let found = found?;
        let stat = file::stat(found.fd.as_fd())?;
        // Where the agent can bind nothing, none is its own: the number of one that it has removed may be another's now.
        let own = lock(&self.shared.own_sockets).contains(&(stat.dev, stat.ino));
        let ruling = if own && !self.shared.policy.protected(&found.path) {
            Ruling::built_in(Verdict::Allow, "built-in: socket of the session")
        } else {
            self.shared.ruling(self.shared.policy.decide_unix(UnixAddr::Path(&found.path)))
        };
        self.concluded(call, op, None, &found.path.clone(), &ruling, libc::EACCES)?;
        let name = file::FdPath::new(found.fd.as_fd());
        let bytes = unix_bytes(name.as_c().to_bytes()).ok_or(Errno(libc::ENAMETOOLONG))?;
        Ok(Destination { bytes, _held: Some(found) })
    }

    /// Records the decision; `refusal` is what a denied target gets.
    fn concluded(
        &self,
        call: &Call,
        op: &'static str,
        addr: Option<SocketAddr>,
        path: &[u8],
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
            path: path.to_vec(),
            path2: Vec::new(),
            addr,
            host: None,
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
                let ruling = self.shared.ruling(self.shared.policy.decide_net(NetOp::Bind, &addr));
                self.concluded(call, "bind", Some(addr), b"", &ruling, libc::EACCES)?;
                net::bind(socket.as_fd(), bytes)
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
        let _changes = lock(&shared.changes);
        let (at, cwd) = {
            let resolver = self.resolver(call);
            let base = resolver.base(libc::AT_FDCWD, path, 0)?;
            (resolver.place(&base, path)?, call.thread.process.cwd(call.tid())?)
        };
        let full = at.full();
        let (ruling, _) = self.judge_guarded(call, &full, Access::CREATE);
        let ruling = self.settle_file(ruling, "bind", Access::CREATE, &[&full], &[(&full, Access::CREATE)]);
        self.concluded(call, "bind", None, &full, &ruling, libc::EACCES)?;
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
