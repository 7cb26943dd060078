//! One connection to the control socket, on a thread of its own.
//!
//! Invariant: memory is bounded whatever the client sends or does not read; every whole line gets one answer, in order;
//! a client that does not read for [`STALL`] is let go. What it did not take of what is pushed is left out and counted.
//! Leaves to others: the words (`protocol`), acting (`pump`).

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::protocol::{self, Given, LABEL, LONGEST, Op, Pending, Request, Role, State, Status, VERSION};
use super::{Shared, What, Wish};
use crate::event::{By, Event};
use crate::session::answers;
use crate::supervisor::questions::{Attendance, Reply};
use crate::sys::unix::{self, NO_POLL};

/// Bytes that may wait to be taken before no more requests are read.
const ROOM: usize = 256 << 10;
/// How long a client may not read what it asked for, or keep us waiting for the rest of a line.
const STALL: Duration = Duration::from_secs(10);
/// Between two pushes of the status; without news, the longer one.
const RATE: Duration = Duration::from_millis(250);
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long freezing or thawing may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of all questions in one line; those that are left out follow when others are answered.
const QUESTIONS: usize = 1 << 20;
/// A session without events for so long is idle.
const IDLE: Duration = Duration::from_secs(5);

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

    fn act(&mut self, op: Op) -> Result<Value, String> {
        match op {
            Op::Status {} => Ok(json!(self.status())),
            Op::Questions {} => Ok(self.questions()),
            Op::Answer(given) => self.settle(&given),
            Op::Marker { label } => self.mark(label),
            Op::Freeze {} => self.freeze(),
            Op::Thaw {} => self.thaw(),
            Op::End { now } => {
                let wish = Wish { what: What::End { now }, by: self.by() };
                self.shared.bell.wish(wish, Duration::ZERO, |_| true);
                Ok(Value::Null)
            }
            Op::Screen {} => Err("the screen is in the recording".to_owned()),
            Op::Subscribe { answers } => {
                self.subscribe(answers);
                Ok(Value::Null)
            }
            Op::Hello { .. } => Err("hello was said already".to_owned()),
        }
    }

    /// Says it again to change whether somebody answers there.
    fn subscribe(&mut self, answers: bool) {
        if self.subscribed.is_none() {
            self.shared.pulse.follow(true);
        }
        let questions = &self.shared.questions;
        let long_ago = Instant::now().checked_sub(HEARTBEAT).unwrap_or_else(Instant::now);
        self.subscribed = Some(Subscribed {
            looked: long_ago,
            at: long_ago,
            told: Status::default(),
            skipped: 0,
            // Without it they are still told with every status.
            changed: questions.changed().ok(),
            news: true,
            _attendance: answers.then(|| questions.attend()),
        });
    }

    fn questions(&self) -> Value {
        let (mut list, mut bytes) = (Vec::new(), 0);
        for waiting in self.shared.questions.waiting() {
            let left = u64::try_from(waiting.left.as_millis()).unwrap_or(u64::MAX);
            let value = Pending::to_value(&waiting.ask, left, waiting.calls as u64);
            bytes += value.to_string().len();
            if bytes > QUESTIONS && !list.is_empty() {
                break;
            }
            list.push(value);
        }
        json!({ "questions": list })
    }

    fn settle(&self, given: &Given) -> Result<Value, String> {
        let (verdict, scope) = given.meaning()?;
        let questions = &self.shared.questions;
        // The terminal as it was when the question was put is what a watcher has seen at least.
        let put = || questions.waiting().into_iter().find(|waiting| waiting.ask.id == given.ask)?.seq;
        let reply = Reply {
            verdict,
            scope,
            choice: given.choice,
            by: if self.role == Some(Role::Command) { By::Command } else { By::Watch },
            who: self.who.clone(),
            screen: given.screen.or_else(put),
            rule: String::new(),
        };
        let said = answers::settle(questions, &self.shared.answers, given.ask, reply);
        said.map(|said| json!({ "said": said })).map_err(|error| told(&error))
    }

    /// As it stands in markers.
    fn by(&self) -> String {
        format!("watch:{}", self.who)
    }

    fn mark(&mut self, label: String) -> Result<Value, String> {
        if label.trim().is_empty() {
            return Err("a marker needs a text".to_owned());
        }
        if label.len() > LABEL {
            return Err(format!("a marker's text has at most {LABEL} bytes"));
        }
        self.shared.bus.publish(Event::Marker { label, by: self.by() });
        Ok(Value::Null)
    }

    fn freeze(&mut self) -> Result<Value, String> {
        let wish = Wish { what: What::Freeze, by: self.by() };
        let standing = self.shared.bell.wish(wish, PATIENCE, |standing| standing.frozen.is_some());
        match standing.frozen {
            Some(frozen) => Ok(json!({ "processes": frozen.processes, "whole": frozen.whole, "by": frozen.by })),
            None if standing.over => Err("the session is over".to_owned()),
            None => Err("the session could not be stopped in time".to_owned()),
        }
    }

    fn thaw(&mut self) -> Result<Value, String> {
        let wish = Wish { what: What::Thaw, by: self.by() };
        let standing = self.shared.bell.wish(wish, PATIENCE, |standing| standing.frozen.is_none());
        if standing.frozen.is_some() { Err("the session did not go on in time".to_owned()) } else { Ok(Value::Null) }
    }

    fn status(&self) -> Status {
        let Shared { pulse, bell, bus, .. } = self.shared;
        let (beat, standing) = (pulse.read(), bell.standing());
        let elapsed = bus.elapsed();
        let quiet = elapsed.saturating_sub(beat.at);
        let waiting = self.shared.questions.waiting().len() as u64;
        let state = match () {
            () if standing.over => State::Ended,
            () if standing.frozen.is_some() => State::Frozen,
            () if waiting > 0 => State::Asks,
            () if u128::from(quiet) >= IDLE.as_nanos() => State::Idle,
            () => State::Working,
        };
        Status {
            state,
            elapsed: elapsed / 1_000_000,
            quiet: quiet / 1_000_000,
            events: beat.events,
            output: beat.output,
            denied: beat.denied,
            asked: beat.asked,
            waiting,
            seq: beat.seq,
            last: beat.last,
            cols: beat.cols,
            rows: beat.rows,
            frozen: standing.frozen.map(|frozen| frozen.by),
            watchers: *self.shared.visitors() as u64,
            exit: standing.exit,
            skipped: 0,
        }
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

/// With its causes, in one line.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
