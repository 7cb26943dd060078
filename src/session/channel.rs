//! One way that bytes go: from a descriptor, past the recording, to another descriptor.
//!
//! Invariant: what was read and is not yet written never exceeds `Pending::ROOM`; no read or write waits; bytes are
//! recorded once, in the order they were read, whether or not the other side still takes them.
//! Leaves to others: waiting (`pump`), where the ends come from (`streams`, `launch`).

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::overlay::Model;
use crate::bus::Bus;
use crate::event::{Event, Stream};
use crate::sys::tty::Attributes;
use crate::sys::unix::{self, NO_POLL, PollFd};

/// Bytes of one read.
pub const CHUNK: usize = 64 << 10;

/// Bytes that were read and wait to be written: a ring.
#[derive(Debug)]
pub struct Pending {
    ring: Box<[u8]>,
    start: usize,
    length: usize,
}

impl Pending {
    /// Most that ever waits, in bytes.
    pub const ROOM: usize = 256 << 10;

    fn new() -> Self {
        Pending { ring: vec![0; Self::ROOM].into_boxed_slice(), start: 0, length: 0 }
    }

    fn has_room(&self) -> bool {
        self.length + CHUNK <= Self::ROOM
    }

    /// Adds bytes; the caller asked `has_room` first and adds one chunk at most.
    fn add(&mut self, bytes: &[u8]) {
        let end = (self.start + self.length) % Self::ROOM;
        let (before_wrap, after_wrap) = bytes.split_at(bytes.len().min(Self::ROOM - end));
        self.ring[end..end + before_wrap.len()].copy_from_slice(before_wrap);
        self.ring[..after_wrap.len()].copy_from_slice(after_wrap);
        self.length += bytes.len();
    }

    /// The next bytes that lie together.
    fn next(&self) -> &[u8] {
        &self.ring[self.start..(self.start + self.length).min(Self::ROOM)]
    }

    fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes) % Self::ROOM;
        self.length -= bytes;
    }
}

/// How a descriptor is written or read without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// O_NONBLOCK is set on a description of our own; or a regular file, which never waits.
    Plain,
    Socket,
    /// Others share the description, so its flags are not ours to change: a little at a time when poll(2) says so.
    Shared,
}

/// One end of a channel.
#[derive(Debug)]
pub struct End {
    fd: OwnedFd,
    manner: Manner,
}

impl End {
    pub fn new(fd: OwnedFd, manner: Manner) -> Self {
        End { fd, manner }
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.manner {
            Manner::Socket => unix::receive_now(self.fd.as_fd(), buffer),
            Manner::Plain | Manner::Shared => unix::read(self.fd.as_fd(), buffer),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.manner {
            Manner::Socket => unix::send_now(self.fd.as_fd(), bytes),
            Manner::Plain => unix::write(self.fd.as_fd(), bytes),
            Manner::Shared => match unix::write_now(self.fd.as_fd(), bytes) {
                Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => self.write_little(bytes),
                written => written,
            },
        }
    }

    /// POLLOUT promises room for at least so much in a pipe and, near enough, in a terminal.
    fn write_little(&self, bytes: &[u8]) -> io::Result<usize> {
        const LITTLE: usize = 256;
        let mut entry = [unix::poll_for(self.fd.as_fd(), libc::POLLOUT)];
        unix::poll(&mut entry, 0)?;
        if entry[0].revents == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        unix::write(self.fd.as_fd(), &bytes[..bytes.len().min(LITTLE)])
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What the bytes are to the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    Output(Stream),
    /// From a pipe or socket; kept, or only counted.
    Input {
        kept: bool,
    },
    /// From the user's terminal to the agent's.
    Keys {
        kept: bool,
    },
}

/// Why a channel stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The source ended and everything was delivered.
    Ended,
    /// The receiving side takes no more; carries the errno.
    Refused(i32),
}

/// See the module.
#[derive(Debug)]
pub struct Channel {
    from: Option<End>,
    to: End,
    pending: Pending,
    carries: Carries,
    /// Nothing is read meanwhile.
    held: bool,
    /// Bytes of our own, which go before anything that is read from now on.
    inserted: Vec<u8>,
    /// Told all that is read.
    mirror: Option<Arc<Model>>,
}

impl Channel {
    pub fn new(from: End, to: End, carries: Carries) -> Self {
        let (held, inserted, mirror) = (false, Vec::new(), None);
        Channel { from: Some(from), to, pending: Pending::new(), carries, held, inserted, mirror }
    }

    /// From now on `mirror` is told all that is read.
    pub fn mirror(&mut self, mirror: Arc<Model>) {
        self.mirror = Some(mirror);
    }

    /// Whether nothing is read meanwhile.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Bytes of our own, unrecorded: after all that was read, before all that will be.
    pub fn insert(&mut self, bytes: &[u8]) {
        self.inserted.extend_from_slice(bytes);
    }

    /// Everything that was read or inserted is written.
    pub fn is_delivered(&self) -> bool {
        self.pending.length == 0 && self.inserted.is_empty()
    }

    pub fn carries(&self) -> Carries {
        self.carries
    }

    /// What to wait for on both ends. An end that is not asked about is left out, so that its hang-up does not spin us;
    /// the receiving end is watched for errors even when there is nothing to write.
    pub fn poll_entries(&self) -> [PollFd; 2] {
        let from = match &self.from {
            Some(from) if self.takes() => unix::poll_for(from.as_fd(), libc::POLLIN),
            _ => NO_POLL,
        };
        let wanted = if self.is_delivered() { 0 } else { libc::POLLOUT };
        // A terminal's leader hangs up while nobody has its follower open: reading it says when that is final.
        let to = match (self.carries, wanted) {
            (Carries::Keys { .. }, 0) => NO_POLL,
            _ => unix::poll_for(self.to.as_fd(), wanted),
        };
        [from, to]
    }

    /// Moves what can be moved now. `buffer` has `CHUNK` bytes. `follower` gives the terminal's state for input.
    pub fn serve(
        &mut self,
        ready: [PollFd; 2],
        buffer: &mut [u8],
        bus: &Bus,
        follower: Option<&Attributes>,
    ) -> Result<usize, Closed> {
        let broken = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
        if ready[1].revents != 0 {
            self.flush()?;
            if self.is_delivered() && ready[1].revents & broken != 0 {
                return Err(Closed::Refused(libc::EPIPE));
            }
        }
        let mut moved = 0;
        if ready[0].revents != 0 && self.takes() {
            moved = self.take(buffer, bus, follower)?;
        }
        if self.from.is_none() && self.is_delivered() { Err(Closed::Ended) } else { Ok(moved) }
    }

    fn takes(&self) -> bool {
        !self.held && self.inserted.is_empty() && self.pending.has_room()
    }

    /// As `serve`, but what is read goes to the caller, who hands it on with `hand_on`.
    pub fn read(&mut self, ready: [PollFd; 2], buffer: &mut [u8]) -> Result<usize, Closed> {
        if ready[1].revents != 0 {
            self.flush()?;
        }
        let Some(from) = self.from.as_ref().filter(|_| ready[0].revents != 0 && self.pending.has_room()) else {
            return Ok(0);
        };
        // Room for what the caller may have kept back before.
        let most = buffer.len().min(CHUNK / 2);
        match from.read(&mut buffer[..most]) {
            Ok(0) => Err(Closed::Ended),
            Ok(bytes) => Ok(bytes),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(_) => Err(Closed::Ended),
        }
    }

    /// Records bytes and passes them on, as much as there is room for.
    pub fn hand_on(&mut self, bytes: &[u8], bus: &Bus, follower: Option<&Attributes>) -> Result<(), Closed> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written = if self.pending.length == 0 { self.write(bytes)? } else { 0 };
        let rest = &bytes[written..];
        let kept = &rest[..rest.len().min(Pending::ROOM - self.pending.length)];
        self.pending.add(kept);
        self.record(&bytes[..written + kept.len()], bus, follower);
        Ok(())
    }

    /// One read, recorded and passed on.
    fn take(&mut self, buffer: &mut [u8], bus: &Bus, follower: Option<&Attributes>) -> Result<usize, Closed> {
        let Some(from) = &self.from else { return Ok(0) };
        match from.read(buffer) {
            Ok(0) => self.from = None,
            Ok(bytes) => {
                let bytes = &buffer[..bytes];
                self.record(bytes, bus, follower);
                let written = if self.pending.length == 0 { self.write(bytes)? } else { 0 };
                self.pending.add(&bytes[written..]);
                return Ok(bytes.len());
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // EIO from a terminal: everybody on the other side has closed it.
            Err(_) => self.from = None,
        }
        Ok(0)
    }

    fn record(&self, bytes: &[u8], bus: &Bus, follower: Option<&Attributes>) {
        if let Some(mirror) = &self.mirror {
            mirror.bytes(bytes);
        }
        let hidden = follower.is_some_and(Attributes::hides_lines);
        match self.carries {
            Carries::Output(stream) => bus.output(stream, bytes),
            Carries::Input { kept: true } => bus.input(bytes),
            Carries::Keys { kept: true } if !hidden => bus.input(bytes),
            Carries::Input { .. } | Carries::Keys { .. } => bus.publish(Event::Redacted { bytes: bytes.len() as u64 }),
        }
    }

    /// Writes what is pending, as much as goes.
    pub fn flush(&mut self) -> Result<(), Closed> {
        while self.pending.length > 0 {
            match self.write(self.pending.next())? {
                0 => return Ok(()),
                written => self.pending.consume(written),
            }
        }
        while !self.inserted.is_empty() {
            match self.write(&self.inserted)? {
                0 => return Ok(()),
                written => drop(self.inserted.drain(..written)),
            }
        }
        Ok(())
    }

    /// Bytes written: 0 when the other side is not ready.
    fn write(&self, bytes: &[u8]) -> Result<usize, Closed> {
        match self.to.write(bytes) {
            Ok(written) => Ok(written),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(error) => Err(Closed::Refused(error.raw_os_error().unwrap_or(libc::EIO))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_is_a_queue_of_bytes() {
        let mut pending = Pending::new();
        let (mut put, mut got) = (0u32, 0u32);
        let mut seed = 1u32;
        for _ in 0..2_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if pending.has_room() {
                let bytes: Vec<u8> = (0..seed % CHUNK as u32).map(|n| ((put + n) % 251) as u8).collect();
                put += bytes.len() as u32;
                pending.add(&bytes);
            }
            let next = pending.next();
            let some = &next[..next.len().min((seed >> 8) as usize % 100_000)];
            assert!(some.iter().zip(got..).all(|(byte, n)| *byte == (n % 251) as u8));
            let some = some.len();
            got += some as u32;
            pending.consume(some);
            assert!(pending.length <= Pending::ROOM);
        }
        assert!(got > 1_000_000);
    }
}
