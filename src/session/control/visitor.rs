//! One connection to the control socket, on a thread of its own.
//!
//! Invariant: memory is bounded whatever the client sends or does not read; every whole line gets one answer, in order;
//! a client that does not read for [`STALL`] is let go. What it did not take of what is pushed is left out and counted.
//! Leaves to others: the words (`protocol`), acting (`pump`).

mod act;

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::Shared;
use super::protocol::{self, LONGEST, Op, Request, Role, Status, VERSION};
use crate::supervisor::questions::Attendance;
use crate::sys::unix::{self, NO_POLL};

/// Bytes that may wait to be taken before no more requests are read.
const ROOM: usize = 256 << 10;
/// How long a client may not read what it asked for, or keep us waiting for the rest of a line.
const STALL: Duration = Duration::from_secs(10);
/// Between two pushes of the status; without news, the longer one.
const RATE: Duration = Duration::from_millis(250);
const HEARTBEAT: Duration = Duration::from_secs(1);

struct Visitor<'a> {
    socket: UnixStream,
    shared: &'a Shared,
    /// `user@pts/3`.
    who: String,
    role: Option<Role>,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Since when the client owes us something: the rest of a line, its first one, or to read.
    owing: Option<Instant>,
    subscribed: Option<Subscribed>,
}

/// What is pushed, and how far that is.
struct Subscribed {
    looked: Instant,
    at: Instant,
    told: Status,
    skipped: u64,
    /// Readable when questions came or went.
    changed: Option<OwnedFd>,
    /// They did, and the client has not been told.
    news: bool,
    /// While somebody sits there who answers.
    _attendance: Option<Attendance>,
}

/// Whether the visit goes on.
enum Next {
    On,
    Over,
}

/// Until the client, its patience or ours, or the session ends.
pub fn visit(socket: UnixStream, who: String, shared: &Shared) {
    let mut visitor = Visitor {
        socket,
        shared,
        who,
        role: None,
        input: Vec::new(),
        output: Vec::new(),
        owing: Some(Instant::now()),
        subscribed: None,
    };
    while let Next::On = visitor.step() {}
    if visitor.subscribed.take().is_some() {
        shared.pulse.follow(false);
        shared.questions.forget_the_gone();
    }
}

impl Visitor<'_> {
    fn step(&mut self) -> Next {
        let mut events = if self.output.is_empty() { 0 } else { libc::POLLOUT };
        if self.output.len() < ROOM {
            events |= libc::POLLIN;
        }
        let mut entries = [NO_POLL; 3];
        entries[0] = unix::poll_for(self.socket.as_fd(), events);
        entries[1] = unix::poll_for(self.shared.over.as_fd(), libc::POLLIN);
        if let Some(changed) = self.subscribed.as_ref().and_then(|subscribed| subscribed.changed.as_ref()) {
            entries[2] = unix::poll_for(changed.as_fd(), libc::POLLIN);
        }
        if unix::poll(&mut entries, self.timeout()).is_err() {
            return Next::Over;
        }
        if entries[2].revents != 0 {
            self.note_change();
        }
        if entries[1].revents != 0 {
            self.farewell();
            return Next::Over;
        }
        let ready = entries[0].revents;
        if ready & libc::POLLOUT != 0 && self.send().is_err() {
            return Next::Over;
        }
        if ready & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) != 0
            && let Next::Over = self.receive()
        {
            return Next::Over;
        }
        self.push_questions();
        self.push();
        if self.owing.is_some_and(|since| since.elapsed() >= STALL) { Next::Over } else { Next::On }
    }

    fn timeout(&self) -> i32 {
        let owing = self.owing.map(|since| STALL.saturating_sub(since.elapsed()));
        let push = self.subscribed.as_ref().map(|subscribed| RATE.saturating_sub(subscribed.looked.elapsed()));
        let next = [owing, push].into_iter().flatten().min();
        next.map_or(-1, |wait| i32::try_from(wait.as_millis() + 1).unwrap_or(i32::MAX))
    }

    /// Takes what has come and answers whole lines.
    fn receive(&mut self) -> Next {
        let mut buffer = [0; 16 << 10];
        match unix::receive_now(self.socket.as_fd(), &mut buffer) {
            Ok(0) => return Next::Over,
            Ok(bytes) => self.input.extend_from_slice(buffer.get(..bytes).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return Next::Over,
        }
        while let Some(end) = memchr::memchr(b'\n', &self.input) {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            if line.len() > LONGEST {
                return self.too_long();
            }
            if let Next::Over = self.answer(line) {
                // The last word should arrive, too.
                let _ = self.send();
                return Next::Over;
            }
        }
        if self.input.len() > LONGEST {
            return self.too_long();
        }
        if self.send().is_err() {
            return Next::Over;
        }
        self.owe();
        Next::On
    }

    fn too_long(&mut self) -> Next {
        self.output.extend(protocol::refused(None, "a line has at most 64 KiB"));
        // The last word should arrive, too.
        let _ = self.send();
        Next::Over
    }

    /// One line; whether there is anything more to say to this client.
    fn answer(&mut self, line: &[u8]) -> Next {
        let Request { n, op } = match Request::parse(line) {
            Ok(request) => request,
            Err((n, why)) => {
                self.output.extend(protocol::refused(n, &why));
                // Who does not even begin well is somebody else's client.
                return if self.role.is_some() { Next::On } else { Next::Over };
            }
        };
        let told = match (op, self.role) {
            (Op::Hello { version, role }, None) => match version {
                VERSION => {
                    self.role = Some(role);
                    Ok(serde_json::to_value(&self.shared.hello).unwrap_or_default())
                }
                _ => Err(format!("this session speaks version {VERSION}")),
            },
            (Op::Hello { .. }, Some(_)) => Err("hello was said already".to_owned()),
            (_, None) => Err("the first line is hello".to_owned()),
            (op, Some(_)) => self.act(op),
        };
        match told {
            Ok(told) => self.output.extend(protocol::accepted(n, &told)),
            Err(why) => self.output.extend(protocol::refused(n, &why)),
        }
        if self.role.is_some() { Next::On } else { Next::Over }
    }

    fn note_change(&mut self) {
        let Some(subscribed) = &mut self.subscribed else { return };
        subscribed.news = true;
        let Some(changed) = &subscribed.changed else { return };
        match unix::read(changed.as_fd(), &mut [0; 512]) {
            Ok(1..) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // No more of them come.
            Ok(0) | Err(_) => subscribed.changed = None,
        }
    }

    /// Questions as they are now, as soon as there is room for them.
    fn push_questions(&mut self) {
        if !self.output.is_empty() || !self.subscribed.as_ref().is_some_and(|subscribed| subscribed.news) {
            return;
        }
        self.output.extend(protocol::pushed("questions", &self.questions()));
        if let Some(subscribed) = &mut self.subscribed {
            subscribed.news = false;
        }
        // An error is met again at the next turn.
        let _ = self.send();
    }

    /// What has changed, where there is room for it.
    fn push(&mut self) {
        let Some(subscribed) = &self.subscribed else { return };
        if subscribed.looked.elapsed() < RATE {
            return;
        }
        let status = self.status();
        let Some(subscribed) = &mut self.subscribed else { return };
        subscribed.looked = Instant::now();
        if !self.output.is_empty() {
            // It has not taken the last one: it gets the next one that it has room for, and hears of this one.
            subscribed.skipped += 1;
            return;
        }
        let news = Status { elapsed: 0, quiet: 0, skipped: 0, ..status.clone() };
        if news == subscribed.told && subscribed.at.elapsed() < HEARTBEAT {
            return;
        }
        let status = Status { skipped: std::mem::take(&mut subscribed.skipped), ..status };
        (subscribed.told, subscribed.at) = (news, Instant::now());
        self.output.extend(protocol::pushed("status", &status));
        // An error is met again at the next turn.
        let _ = self.send();
        self.owe();
    }

    /// How it went, to whoever wanted to know.
    fn farewell(&mut self) {
        if self.role.is_some() {
            let status = self.status();
            self.output.extend(protocol::pushed("over", &status));
            // Whoever has no room for it finds a closed connection.
            let _ = self.send();
        }
    }

    /// Sends what goes without waiting.
    fn send(&mut self) -> std::io::Result<()> {
        while !self.output.is_empty() {
            match unix::send_now(self.socket.as_fd(), &self.output) {
                Ok(sent) => {
                    self.output.drain(..sent);
                    self.owing = None;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => break,
                Err(error) => return Err(error),
            }
        }
        self.owe();
        Ok(())
    }

    /// Starts or stops the clock by whether the client owes something.
    fn owe(&mut self) {
        let owes = !self.output.is_empty() || !self.input.is_empty() || self.role.is_none();
        self.owing = owes.then(|| self.owing.unwrap_or_else(Instant::now));
    }
}
