//! recvfrom, recvmsg and recvmmsg of sockets that talk to the stub: received by us, with the name server's address in place of
//! the stub's. On every other socket they are the kernel's.
//!
//! A call that must wait does so here, without the lead (`receiver`), and ends as the kernel would end it: by SO_RCVTIMEO, by a
//! signal, with its process.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::address::Address;
use super::worker::{Answer, Call, RESTART, Worker};
use crate::sys::net::{self, Received};
use crate::sys::{Errno, Sys, memory};

/// A datagram is no longer.
const LARGEST: usize = 65_535;
const MAX_PARTS: usize = 1024;
const MAX_CONTROL: usize = 4096;
const MAX_MESSAGES: usize = 64;
/// Offsets in `struct msghdr` of 64-bit machines: name length, control length, flags; and its size.
const NAME_LEN: u64 = 8;
const CONTROL_LEN: u64 = 40;
const FLAGS: u64 = 48;
const HEADER: u64 = 56;
/// Size of `struct mmsghdr`.
const HEADERS: u64 = 64;
/// How long is waited at a time.
const LOOK: i32 = 1000;

/// A socket that talks to the stub, and how the call waits.
struct Talk {
    socket: OwnedFd,
    servers: Vec<(SocketAddr, Vec<u8>)>,
    flags: i32,
    until: Option<Instant>,
    waits: bool,
}

/// A `struct msghdr`, copied.
struct Header {
    at: u64,
    name: u64,
    name_len: usize,
    parts: Vec<(u64, usize)>,
    control: u64,
    control_len: usize,
}

impl Worker {
    /// recvfrom(2) with an address.
    pub fn recvfrom(&mut self, call: &Call) -> Answer {
        let Some(talk) = self.talk(call, call.int(3), None) else { return Answer::Continue };
        answered(self.received_from(call, &talk))
    }

    fn received_from(&self, call: &Call, talk: &Talk) -> Sys<i64> {
        let room = usize::try_from(call.arg(2)).unwrap_or(LARGEST).min(LARGEST);
        let room_of_name = u32::from_ne_bytes(four(&call.copier().bytes(call.arg(5), 4)?)) as usize;
        let mut data = vec![0; room];
        let got = self.receive(call, talk, &mut data, 0, true)?;
        let name = talk.name(&got.addr);
        self.fill(call, &[(call.arg(1), room)], data.get(..got.bytes.min(room)).unwrap_or_default())?;
        self.lay(call, call.arg(4), name.get(..name.len().min(room_of_name)).unwrap_or_default())?;
        self.lay(call, call.arg(5), &(name.len() as u32).to_ne_bytes())?;
        Ok(got.bytes as i64)
    }

    /// recvmsg(2).
    pub fn recvmsg(&mut self, call: &Call) -> Answer {
        let Some(talk) = self.talk(call, call.int(2), None) else { return Answer::Continue };
        let got = self.header(call, call.arg(1)).and_then(|header| self.received(call, &talk, &header, true));
        answered(got.map(|bytes| bytes as i64))
    }

    /// recvmmsg(2): what is there, at least one.
    pub fn recvmmsg(&mut self, call: &Call) -> Answer {
        let limit = if call.arg(4) == 0 { None } else { call.copier().words(call.arg(4), 2).ok() };
        let limit = limit.and_then(|words| Some(Duration::new(*words.first()?, *words.get(1)? as u32)));
        let Some(talk) = self.talk(call, call.int(3) & !libc::MSG_WAITFORONE, limit) else { return Answer::Continue };
        let count = (call.arg(2) as u32 as usize).min(MAX_MESSAGES);
        for index in 0..count {
            let at = call.arg(1).wrapping_add(index as u64 * HEADERS);
            let got = self.header(call, at).and_then(|header| {
                let bytes = self.received(call, &talk, &header, index == 0)?;
                self.lay(call, at + HEADER, &(bytes as u32).to_ne_bytes())
            });
            match got {
                Ok(()) => {}
                Err(errno) if index == 0 => return errno.into(),
                Err(_) => return Answer::Value(index as i64),
            }
        }
        Answer::Value(count as i64)
    }

    /// The socket, where it is ours to receive on. Anything odd is left to the kernel.
    fn talk(&self, call: &Call, flags: i32, limit: Option<Duration>) -> Option<Talk> {
        if !self.shared.stubs.any() || flags & libc::MSG_ERRQUEUE != 0 {
            return None;
        }
        let socket = call.thread.process.descriptor(call.int(0)).ok()?;
        let servers = self.shared.stubs.of(&socket)?;
        let own = net::timeout(socket.as_fd(), libc::SO_RCVTIMEO).ok()?;
        let limit = [own, limit].into_iter().flatten().min();
        let waits = flags & libc::MSG_DONTWAIT == 0 && !net::is_nonblocking(socket.as_fd()).ok()?;
        Some(Talk { socket, servers, flags, until: limit.map(|limit| Instant::now() + limit), waits })
    }

    /// The next datagram, waited for where the call does.
    fn receive(&self, call: &Call, talk: &Talk, data: &mut [u8], control: usize, first: bool) -> Sys<Received> {
        let fd = talk.socket.as_fd();
        loop {
            match net::receive(fd, data, control, talk.flags | libc::MSG_DONTWAIT) {
                Err(Errno(libc::EAGAIN)) if talk.waits && first => {}
                other => return other,
            }
            let left = talk.until.map(|until| until.saturating_duration_since(Instant::now()).as_millis());
            if left == Some(0) {
                return Err(Errno(libc::EAGAIN));
            }
            let millis = left.map_or(LOOK, |left| i32::try_from(left).unwrap_or(LOOK).min(LOOK));
            match self.attempt(call, || net::wait_readable(fd, millis)) {
                // With a time limit the call does not start again (signal(7)).
                Err(RESTART) if talk.until.is_some() => return Err(Errno(libc::EINTR)),
                Err(errno) => return Err(errno),
                Ok(_) if !self.still_waits(call) => return Err(Errno(libc::EINTR)),
                Ok(_) => {}
            }
        }
    }

    fn received(&self, call: &Call, talk: &Talk, header: &Header, first: bool) -> Sys<usize> {
        let room = header.parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.1)).min(LARGEST);
        let mut data = vec![0; room];
        let got = self.receive(call, talk, &mut data, header.control_len, first)?;
        let name = talk.name(&got.addr);
        self.fill(call, &header.parts, data.get(..got.bytes.min(room)).unwrap_or_default())?;
        if header.name != 0 {
            self.lay(call, header.name, name.get(..name.len().min(header.name_len)).unwrap_or_default())?;
            self.lay(call, header.at + NAME_LEN, &(name.len() as u32).to_ne_bytes())?;
        }
        if header.control != 0 {
            self.lay(call, header.control, &got.control)?;
        }
        self.lay(call, header.at + CONTROL_LEN, &(got.control.len() as u64).to_ne_bytes())?;
        self.lay(call, header.at + FLAGS, &got.flags.to_ne_bytes())?;
        Ok(got.bytes)
    }

    fn header(&self, call: &Call, at: u64) -> Sys<Header> {
        let copier = call.copier();
        let words = copier.words(at, (HEADER / 8) as usize)?;
        let [name, name_len, parts, count, control, control_len, ..] = words.as_slice() else {
            return Err(Errno(libc::EFAULT));
        };
        let count = usize::try_from(*count).unwrap_or(usize::MAX);
        if count > MAX_PARTS {
            return Err(Errno(libc::EMSGSIZE));
        }
        let pairs = copier.words(*parts, count * 2)?;
        let pair = |pair: &[u64]| Some((*pair.first()?, usize::try_from(*pair.get(1)?).ok()?));
        Ok(Header {
            at,
            name: *name,
            name_len: *name_len as u32 as usize,
            parts: pairs.chunks_exact(2).filter_map(pair).collect(),
            control: *control,
            control_len: if *control == 0 { 0 } else { usize::try_from(*control_len).unwrap_or(0).min(MAX_CONTROL) },
        })
    }

    /// Bytes laid into the target's buffers, one after the other.
    fn fill(&self, call: &Call, parts: &[(u64, usize)], mut bytes: &[u8]) -> Sys<()> {
        for &(at, len) in parts {
            let (now, later) = bytes.split_at(bytes.len().min(len));
            self.lay(call, at, now)?;
            bytes = later;
            if bytes.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Writes to the caller, who still waits: its number cannot be another's.
    fn lay(&self, call: &Call, at: u64, bytes: &[u8]) -> Sys<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.still_waits(call) {
            return Err(Errno(libc::EINTR));
        }
        match memory::write(call.tid(), at, bytes)? {
            n if n == bytes.len() => Ok(()),
            _ => Err(Errno(libc::EFAULT)),
        }
    }
}

impl Talk {
    /// Who it is from, as the target knows them.
    fn name(&self, addr: &[u8]) -> Vec<u8> {
        let Address::Inet(from) = Address::parse(addr) else { return addr.to_vec() };
        let server = self.servers.iter().find(|(stub, _)| *stub == from);
        server.map_or_else(|| addr.to_vec(), |(_, server)| server.clone())
    }
}

fn answered(got: Sys<i64>) -> Answer {
    got.map_or_else(Answer::from, Answer::Value)
}

fn four(bytes: &[u8]) -> [u8; 4] {
    bytes.first_chunk().copied().unwrap_or_default()
}
