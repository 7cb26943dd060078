//! sendto with an address, sendmsg, sendmmsg: copied whole, judged, sent by us; descriptors in the message are passed on
//! as copies of the target's.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use super::socket::Destination;
use super::text::Copier;
use super::worker::{Answer, Call, Worker};
use crate::policy::NetOp;
use crate::sys::net::{self, Message};
use crate::sys::{Errno, Sys, memory};

/// Bytes copied at a time: a longer stream message goes in parts, a datagram cannot be longer.
const CHUNK: usize = 256 * 1024;
const MAX_PARTS: usize = 1024;
const MAX_CONTROL: usize = 64 * 1024;
const MAX_MESSAGES: usize = 1024;
/// `struct msghdr` and `struct mmsghdr` on 64-bit machines.
const HEADER: usize = 56;
const HEADERS: usize = 64;

/// Control messages that lead a packet past the address that was judged: IP_OPTIONS, IP_RETOPTS, IPV6_RTHDR and its
/// old form (ip(7), RFC 3542).
const ROUTES: [(i32, i32); 4] =
    [(libc::IPPROTO_IP, 4), (libc::IPPROTO_IP, 7), (libc::IPPROTO_IPV6, 57), (libc::IPPROTO_IPV6, 5)];

/// A message as the target gave it, header copied, bytes not yet.
struct Outgoing {
    addr: Vec<u8>,
    /// Where its bytes lie in the target: (address, length).
    parts: Vec<(u64, usize)>,
    control: Vec<u8>,
    /// Keeps the descriptors alive that `control` names.
    _passed: Vec<OwnedFd>,
}

impl Outgoing {
    fn len(&self) -> usize {
        self.parts.iter().map(|p| p.1).sum()
    }

    /// The bytes from `start` on, at most [`CHUNK`].
    fn bytes(&self, copier: Copier, start: usize) -> Sys<Vec<u8>> {
        let mut skip = start;
        let mut data = Vec::new();
        for &(addr, len) in &self.parts {
            if skip >= len {
                skip -= len;
                continue;
            }
            let take = (len - skip).min(CHUNK - data.len());
            data.extend(copier.bytes(addr + skip as u64, take)?);
            skip = 0;
            if data.len() == CHUNK {
                break;
            }
        }
        Ok(data)
    }
}

impl Worker {
    /// sendto(2) with an address.
    pub fn sendto(&mut self, call: &Call) -> Answer {
        let len = usize::try_from(call.arg(2)).unwrap_or(usize::MAX).min(isize::MAX as usize);
        let outgoing = self.copy_address(call, call.arg(4), call.arg(5)).map(|addr| Outgoing {
            addr,
            parts: vec![(call.arg(1), len)],
            control: Vec::new(),
            _passed: Vec::new(),
        });
        let sent = outgoing.and_then(|outgoing| {
            let socket = call.thread.process.descriptor(call.int(0))?;
            self.send(call, &socket, &outgoing, call.int(3))
        });
        self.sent(call, sent, call.int(3))
    }

    /// sendmsg(2).
    pub fn sendmsg(&mut self, call: &Call) -> Answer {
        let sent = self.outgoing(call, call.arg(1)).and_then(|outgoing| {
            let socket = call.thread.process.descriptor(call.int(0))?;
            self.send(call, &socket, &outgoing, call.int(2))
        });
        self.sent(call, sent, call.int(2))
    }

    /// sendmmsg(2): the number of messages sent; an error only when there was none.
    pub fn sendmmsg(&mut self, call: &Call) -> Answer {
        let count = (call.arg(2) as u32 as usize).min(MAX_MESSAGES);
        let socket = match call.thread.process.descriptor(call.int(0)) {
            Ok(socket) => socket,
            Err(errno) => return self.unreadable(call, "sendmmsg", errno),
        };
        for index in 0..count {
            let at = call.arg(1).wrapping_add((index * HEADERS) as u64);
            let sent = self.outgoing(call, at).and_then(|out| self.send(call, &socket, &out, call.int(3)));
            let told =
                sent.and_then(|n| memory::write(call.tid(), at + HEADER as u64, &(n as u32).to_ne_bytes()).map(drop));
            if let Err(errno) = told {
                // What is asked about is asked when the rest is sent: what went out must not go out again.
                if index > 0 {
                    self.met = None;
                }
                return if index == 0 { self.sent(call, Err(errno), call.int(3)) } else { Answer::Value(index as i64) };
            }
        }
        Answer::Value(count as i64)
    }

    fn sent(&self, call: &Call, sent: Sys<usize>, flags: i32) -> Answer {
        match sent {
            Ok(n) => Answer::Value(n as i64),
            Err(Errno(libc::EPIPE)) => {
                self.broken_pipe(call, flags);
                Errno(libc::EPIPE).into()
            }
            Err(errno) => self.unreadable(call, "send", errno),
        }
    }

    /// Copies a `struct msghdr` and what it points to, but the bytes.
    fn outgoing(&self, call: &Call, at: u64) -> Sys<Outgoing> {
        let copier = call.copier();
        let words = copier.words(at, HEADER / 8)?;
        let [name, name_len, parts, part_count, control, control_len, ..] = words.as_slice() else {
            return Err(Errno(libc::EFAULT));
        };
        let addr = if *name == 0 { Vec::new() } else { self.copy_address(call, *name, *name_len)? };
        let count = usize::try_from(*part_count).unwrap_or(usize::MAX);
        let length = usize::try_from(*control_len).unwrap_or(usize::MAX);
        if count > MAX_PARTS {
            return Err(Errno(libc::EMSGSIZE));
        }
        if length > MAX_CONTROL {
            return Err(Errno(libc::ENOBUFS));
        }
        let parts = copier.words(*parts, count * 2)?;
        let parts: Vec<(u64, usize)> = parts
            .chunks_exact(2)
            .map(|p| (p.first().copied().unwrap_or(0), p.get(1).copied().unwrap_or(0) as usize))
            .collect();
        if parts.iter().try_fold(0_usize, |sum, p| sum.checked_add(p.1)).is_none_or(|sum| sum > isize::MAX as usize) {
            return Err(Errno(libc::EINVAL));
        }
        let mut control = if *control == 0 { Vec::new() } else { copier.bytes(*control, length)? };
        let passed = self.translate(call, &mut control)?;
        if !self.still_waits(call) {
            return Err(Errno(libc::EINTR));
        }
        Ok(Outgoing { addr, parts, control, _passed: passed })
    }

    /// Replaces the target's descriptor numbers in SCM_RIGHTS by those of our copies, and its process id in
    /// SCM_CREDENTIALS by ours, since we are the sender (unix(7)).
    fn translate(&self, call: &Call, control: &mut [u8]) -> Sys<Vec<OwnedFd>> {
        let mut passed = Vec::new();
        for message in net::controls(control)? {
            if ROUTES.contains(&(message.level, message.kind)) {
                return Err(Errno(libc::EACCES));
            }
            if message.level != libc::SOL_SOCKET {
                continue;
            }
            let payload = control.get_mut(message.start..message.end).ok_or(Errno(libc::EINVAL))?;
            if message.kind == libc::SCM_RIGHTS {
                for number in payload.chunks_exact_mut(4) {
                    let theirs = i32::from_ne_bytes(number.try_into().map_err(|_| Errno(libc::EINVAL))?);
                    let ours = call.thread.process.descriptor(theirs)?;
                    number.copy_from_slice(&ours.as_raw_fd().to_ne_bytes());
                    passed.push(ours);
                }
            } else if message.kind == libc::SCM_CREDENTIALS
                && let Some(pid) = payload.get_mut(..4)
            {
                pid.copy_from_slice(&(std::process::id() as i32).to_ne_bytes());
            }
        }
        Ok(passed)
    }

    fn send(&mut self, call: &Call, socket: &OwnedFd, outgoing: &Outgoing, flags: i32) -> Sys<usize> {
        let to: Option<Destination> = if outgoing.addr.is_empty() {
            None
        } else {
            Some(self.destination(call, "send", NetOp::Send, socket, &outgoing.addr)?)
        };
        let stream = net::option(socket.as_fd(), libc::SO_TYPE)? == libc::SOCK_STREAM;
        if !stream && outgoing.len() > CHUNK {
            return Err(Errno(libc::EMSGSIZE));
        }
        let mut done = 0;
        loop {
            let data = outgoing.bytes(call.copier(), done)?;
            let control = if done == 0 { outgoing.control.as_slice() } else { &[] };
            let message = Message { addr: to.as_ref().map_or(&[], |d| d.bytes.as_slice()), data: &data, control };
            match self.attempt(call, || net::send(socket.as_fd(), &message, flags)) {
                Ok(n) => done += n,
                Err(_) if done > 0 => return Ok(done),
                Err(errno) => return Err(errno),
            }
            if !stream || done >= outgoing.len() {
                return Ok(done);
            }
        }
    }
}
