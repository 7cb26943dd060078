//! The three standard streams: what each of them is, and what the agent gets in its place.
//!
//! | ours is | the agent gets |
//! |---|---|
//! | terminal | the session's PTY |
//! | pipe, socket; as output a file too | a pipe or socket of the same kind, relayed and recorded |
//! | `/dev/null` and other devices; as input a file or directory | the very same |
//! | closed | closed |
//!
//! Invariant: outputs that were one open file, or ends of one pipe, stay one, so that their order is kept.
//! Leaves to others: the PTY (`launch`), moving the bytes (`channel`).

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;

use super::channel::{Carries, Channel, End, Manner};
use super::wire::Stdio;
use crate::event::Stream;
use crate::sys::{inherited, unix};

/// What a standard descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Closed,
    Terminal,
    Pipe,
    Socket,
    /// Regular file, directory, or a device that is not a terminal.
    File,
    Other,
}

/// A relayed stream and which of our descriptors it serves: they are closed when it ends.
#[derive(Debug)]
pub struct Relay {
    pub channel: Channel,
    pub serves: Vec<i32>,
}

/// What the agent gets, and what is relayed to and from it.
#[derive(Debug)]
pub struct Streams {
    pub stdio: [Stdio; 3],
    /// For the agent; to be closed once they were sent.
    pub sent: Vec<OwnedFd>,
    pub relays: Vec<Relay>,
}

/// What our own standard descriptors are.
pub fn kinds() -> io::Result<[Kind; 3]> {
    Ok([kind(0)?, kind(1)?, kind(2)?])
}

fn kind(number: i32) -> io::Result<Kind> {
    if inherited::was_closed(number) {
        return Ok(Kind::Closed);
    }
    let file = File::from(unix::duplicate(number)?);
    let of = file.metadata()?.file_type();
    Ok(if file.is_terminal() {
        Kind::Terminal
    } else if of.is_fifo() {
        Kind::Pipe
    } else if of.is_socket() {
        Kind::Socket
    } else if of.is_file() {
        Kind::File
    } else {
        Kind::Other
    })
}

impl Streams {
    /// `keep_input`: what comes in is recorded, not only counted.
    pub fn new(kinds: [Kind; 3], keep_input: bool) -> io::Result<Self> {
        let mut streams = Streams { stdio: [Stdio::Closed; 3], sent: Vec::new(), relays: Vec::new() };
        for (number, kind) in (0..).zip(kinds) {
            let stdio = match kind {
                Kind::Closed => Stdio::Closed,
                Kind::Terminal => Stdio::Pty,
                Kind::Pipe | Kind::Socket if number == 0 => streams.relay_input(kind, keep_input)?,
                Kind::File | Kind::Other if number == 0 => streams.hand_over(number)?,
                Kind::Other => streams.hand_over(number)?,
                Kind::Pipe | Kind::Socket | Kind::File => match streams.same_as_before(number)? {
                    Some(stdio) => stdio,
                    None => streams.relay_output(number, kind)?,
                },
            };
            streams.stdio[number as usize] = stdio;
        }
        Ok(streams)
    }

    fn send(&mut self, fd: OwnedFd) -> Stdio {
        self.sent.push(fd);
        Stdio::Sent(self.sent.len() - 1)
    }

    fn hand_over(&mut self, number: i32) -> io::Result<Stdio> {
        Ok(self.send(unix::duplicate(number)?))
    }

    fn relay_input(&mut self, kind: Kind, kept: bool) -> io::Result<Stdio> {
        let (theirs, ours) = ends(kind, true)?;
        let manner = if kind == Kind::Socket { Manner::Socket } else { Manner::Shared };
        let from = End::new(unix::duplicate(0)?, manner);
        self.relays.push(Relay { channel: Channel::new(from, ours, Carries::Input { kept }), serves: vec![0] });
        Ok(self.send(theirs))
    }

    fn relay_output(&mut self, number: i32, kind: Kind) -> io::Result<Stdio> {
        let (theirs, ours) = ends(kind, false)?;
        let stream = if number == 2 { Stream::Stderr } else { Stream::Stdout };
        let channel = Channel::new(ours, sink(number, kind)?, Carries::Output(stream));
        self.relays.push(Relay { channel, serves: vec![number] });
        Ok(self.send(theirs))
    }

    /// stderr that is stdout under another number shares its relay.
    fn same_as_before(&mut self, number: i32) -> io::Result<Option<Stdio>> {
        let stdout = self.stdio[1];
        if number != 2 || inherited::was_closed(1) || !matches!(stdout, Stdio::Sent(_)) || !is_same(1, 2)? {
            return Ok(None);
        }
        if let Some(relay) = self.relays.iter_mut().find(|relay| relay.serves == [1]) {
            relay.serves.push(2);
        }
        Ok(Some(stdout))
    }
}

/// One open file, or one pipe.
fn is_same(one: i32, other: i32) -> io::Result<bool> {
    if unix::same_description(one, other) == Some(true) {
        return Ok(true);
    }
    let (one, other) = (File::from(unix::duplicate(one)?).metadata()?, File::from(unix::duplicate(other)?).metadata()?);
    Ok(one.file_type().is_fifo() && one.dev() == other.dev() && one.ino() == other.ino())
}

/// The agent's end and ours; ours never waits. Input flows from ours to theirs.
fn ends(kind: Kind, input: bool) -> io::Result<(OwnedFd, End)> {
    if kind == Kind::Socket {
        let (theirs, ours) = UnixStream::pair()?;
        return Ok((theirs.into(), End::new(ours.into(), Manner::Socket)));
    }
    let (read, write) = unix::pipe()?;
    let (theirs, ours) = if input { (read, write) } else { (write, read) };
    unix::set_nonblocking(ours.as_fd(), true)?;
    Ok((theirs, End::new(ours, Manner::Plain)))
}

/// Our own stdout or stderr to write to.
fn sink(number: i32, kind: Kind) -> io::Result<End> {
    let shared = unix::duplicate(number)?;
    Ok(match kind {
        Kind::Socket => End::new(shared, Manner::Socket),
        Kind::Pipe => match reopen_pipe(number) {
            Ok(private) => End::new(private, Manner::Plain),
            Err(_) => End::new(shared, Manner::Shared),
        },
        _ => End::new(shared, Manner::Plain),
    })
}

/// An open file description of our own, on which O_NONBLOCK disturbs nobody.
fn reopen_pipe(number: i32) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{number}");
    File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path).map(OwnedFd::from)
}

/// A relay has ended: whoever is at the other end of what it served must see it closed. Not so stderr, on which a
/// failure of ours may still have to be told.
pub fn give_up(number: i32) {
    if number != 2 {
        drop_stdio(number);
    }
}

/// Puts `/dev/null` in the place of a standard descriptor.
pub fn drop_stdio(number: i32) {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        // Failing only delays what the other end sees until we end.
        let _ = unix::place(null.as_fd(), number);
    }
}
