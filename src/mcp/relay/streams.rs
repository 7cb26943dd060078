//! Bytes of both sides into messages; results that are too long to be held go by while they are checked.
//!
//! ```text
//! server ─▶ held, up to HELD ─┬─▶ a line: judged as a whole
//!                             └─▶ scanned on; in the result of a request that may stream: passed on as it comes
//!                                          └─▶ else held on, up to LONGEST
//! ```
//! Invariant: the last byte of a message that streams is passed on only when all of it was read, as strictly as any other,
//! and it answers a request whose answer need not be seen whole. Where it turns out otherwise the connection ends there:
//! what the client has is no JSON, whatever it does with a line that has no end. Nothing is written between its pieces.
//! Leaves to others: what a message says (the rest of `relay`), reading and writing (`connection`).

use super::super::breaks::Pieces;
use super::super::frame::{LONGEST, Line, Lines};
use super::super::message::{Fault, Id, Message};
use super::super::scan::Scan;
use super::{Now, Relay, Side, Step};
use crate::policy::mcp::Value;

/// Bytes of a message from which on it may stream.
const HELD: usize = 1 << 20;
/// What may wait for the end of a message that streams.
const MOST_WAITING: usize = 1 << 20;
/// Longest space after a message that streams.
const MOST_SPACE: usize = 1 << 10;

/// How far both sides' streams were read.
#[derive(Debug)]
pub struct Streams {
    client: Lines,
    server: Lines,
    long: Option<Long>,
    /// For the client, until the message that streams to it is over.
    waiting: Vec<Step>,
    closed: bool,
}

/// A message of the server's of which more than [`HELD`] came.
#[derive(Debug)]
struct Long {
    scan: Scan,
    /// Not passed on: all of it at first, then what closes it.
    held: Vec<u8>,
    /// Whether any of it was passed on.
    passed: bool,
    size: usize,
    /// A byte order mark stands before it.
    mark: usize,
    breaks: Pieces,
}

impl Default for Streams {
    fn default() -> Streams {
        Streams {
            client: Lines::new(LONGEST),
            server: Lines::new(LONGEST),
            long: None,
            waiting: Vec::new(),
            closed: false,
        }
    }
}

impl Streams {
    /// Steps that come of something else than the server's stream: those for the client wait while a message streams.
    pub fn in_order(&mut self, steps: Vec<Step>) -> Vec<Step> {
        if !self.long.as_ref().is_some_and(|long| long.passed) {
            return steps;
        }
        let (wait, go): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(|step| matches!(step, Step::Client(_)));
        self.waiting.extend(wait);
        let waiting = self.waiting.iter().map(|step| if let Step::Client(bytes) = step { bytes.len() } else { 0 });
        match waiting.sum::<usize>() > MOST_WAITING {
            true => vec![self.close(Side::Client, "too much for a client that takes nothing".to_owned())],
            false => go,
        }
    }

    fn close(&mut self, side: Side, why: String) -> Step {
        self.closed = true;
        Step::Close { side, why }
    }
}

impl Relay {
    /// More bytes of one side, as they come. After [`Step::Close`] there is nothing more to do.
    pub fn read(&mut self, side: Side, bytes: &[u8], now: Now) -> Vec<Step> {
        if self.streams.closed {
            return Vec::new();
        }
        match side {
            Side::Client => {
                let steps = self.read_client(bytes, now);
                self.streams.in_order(steps)
            }
            Side::Server => self.read_server(bytes, now),
        }
    }

    /// One side has ended: what it said of a message without its end is none.
    pub fn ended(&mut self, side: Side) -> Vec<Step> {
        let streams = &mut self.streams;
        let left = match side {
            Side::Client => streams.client.take_left().0.len(),
            Side::Server => streams.server.take_left().0.len() + streams.long.as_ref().map_or(0, |long| long.size),
        };
        match left {
            0 => Vec::new(),
            left => vec![Step::dropped(side, &format!("{left} bytes of a message without its end"))],
        }
    }

    fn read_client(&mut self, bytes: &[u8], now: Now) -> Vec<Step> {
        let mut steps = Vec::new();
        self.streams.client.push(bytes);
        loop {
            match self.streams.client.next_line() {
                Ok(Some(line)) => steps.extend(self.client(&line.bytes, line.message(), now)),
                Ok(None) => return steps,
                Err(too_long) => {
                    steps.push(self.streams.close(Side::Client, too_long.to_string()));
                    return steps;
                }
            }
        }
    }

    fn read_server(&mut self, mut bytes: &[u8], now: Now) -> Vec<Step> {
        let mut steps = Vec::new();
        while !self.streams.closed {
            if self.streams.long.is_some() {
                let end = memchr::memchr(b'\n', bytes);
                let (own, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                self.read_long(own, end.is_some(), now, &mut steps);
                match end {
                    Some(_) => bytes = rest,
                    None => break,
                }
                continue;
            }
            self.streams.server.push(bytes);
            bytes = &[];
            match self.streams.server.next_line() {
                Ok(Some(line)) => steps.extend(self.server(&line.bytes, line.message(), now)),
                Ok(None) if self.streams.server.left() <= HELD => break,
                Ok(None) => {
                    let (held, marked) = self.streams.server.take_left();
                    let mark = if marked { 3 } else { 0 };
                    let (scan, held_for) = (Scan::new(), Vec::with_capacity(held.len()));
                    self.streams.long =
                        Some(Long { scan, held: held_for, passed: false, size: 0, mark, breaks: Pieces::default() });
                    self.read_long(&held, false, now, &mut steps);
                    break;
                }
                Err(too_long) => steps.push(self.streams.close(Side::Server, too_long.to_string())),
            }
        }
        steps
    }

    /// More of a long message; the last of it where `is_last`, line end included.
    fn read_long(&mut self, bytes: &[u8], is_last: bool, now: Now, steps: &mut Vec<Step>) {
        let Some(mut long) = self.streams.long.take() else { return };
        let mark = if long.size == 0 { long.mark } else { 0 };
        long.size += bytes.len();
        let outcome = match long.scan.feed(bytes.get(mark..).unwrap_or_default()) {
            Err(fault) if long.passed || !is_last => Err(fault.to_string()),
            Ok(over) if long.passed || self.may_pass(&long) => {
                self.pass_long(long, bytes, over.map(|at| at + mark), is_last.then_some(now), steps)
            }
            _ => self.hold_long(long, bytes, is_last.then_some(now), steps),
        };
        if let Err(why) = outcome {
            steps.push(self.streams.close(Side::Server, why));
        }
    }

    /// Nothing of it may be passed on yet; `last`: it is whole, and judged as such.
    fn hold_long(
        &mut self,
        mut long: Long,
        bytes: &[u8],
        last: Option<Now>,
        steps: &mut Vec<Step>,
    ) -> Result<(), String> {
        long.held.extend_from_slice(bytes);
        if long.size > LONGEST {
            return Err(format!("a message longer than {LONGEST} bytes that must be held"));
        }
        match last {
            None => self.streams.long = Some(long),
            Some(now) => {
                let line = Line { bytes: std::mem::take(&mut long.held), marked: long.mark > 0 };
                steps.extend(self.server(&line.bytes, line.message(), now));
            }
        }
        Ok(())
    }

    /// It is passed on, but for what closes it; `over`: where in `bytes` that is.
    fn pass_long(
        &mut self,
        mut long: Long,
        bytes: &[u8],
        over: Option<usize>,
        last: Option<Now>,
        steps: &mut Vec<Step>,
    ) -> Result<(), String> {
        if last.is_some() && !long.scan.is_over() {
            return Err("a message without its end".to_owned());
        }
        if !long.passed {
            long.passed = true;
            let held = std::mem::take(&mut long.held);
            steps.push(Step::Client(long.breaks.pass(&held)));
        }
        match over {
            Some(at) => {
                let (before, closing) = bytes.split_at(at.min(bytes.len()));
                steps.push(Step::Client(long.breaks.pass(before)));
                long.held = closing.to_vec();
            }
            None if long.scan.is_over() => long.held.extend_from_slice(bytes),
            None => steps.push(Step::Client(long.breaks.pass(bytes))),
        }
        if long.held.len() > MOST_SPACE {
            return Err("space without end".to_owned());
        }
        match last {
            None => self.streams.long = Some(long),
            Some(now) => return self.over(long, now, steps),
        }
        Ok(())
    }

    /// Whether what is read of a long message shows that it may be passed on before all of it is there: it lies in a result,
    /// and of a request whose answer need not be seen whole; where the request is not known yet, no open one may need it.
    fn may_pass(&self, long: &Long) -> bool {
        let needs_whole = |open: &super::Open| {
            open.list.is_some()
                || matches!(open.method.as_str(), "initialize" | "server/discover" | "subscriptions/listen")
        };
        if !long.scan.is_in_result() {
            return false;
        }
        match long.scan.id().as_ref().map(Id::read) {
            Some(Some(id)) => self.from_client.get(&id).is_some_and(|open| !open.is_parked && !needs_whole(open)),
            Some(None) => false,
            None => !self.from_client.values().any(needs_whole),
        }
    }

    /// A long message was passed on up to its last byte: whether that may follow.
    fn over(&mut self, mut long: Long, now: Now, steps: &mut Vec<Step>) -> Result<(), String> {
        let message = Message::parse(long.scan.kept()).map_err(|fault: Fault| fault.to_string())?;
        let Message::Result { id, result } = message else { return Err("a long message that is no result".to_owned()) };
        let Some(open) = self.taken(&id) else { return Err("a long response to nothing that was asked".to_owned()) };
        if open.list.is_some() || matches!(open.method.as_str(), "initialize" | "server/discover") {
            return Err("a long response to a request whose answer must be held".to_owned());
        }
        let mut told = self.told_answer(&id, &open, long.size, now);
        // So much of it is with the client that nobody can be asked any more.
        if let Some(denied) = self.wants_in_vain(&id, &open, &result, now) {
            let why = format!("input request '{denied}', which no rule allows outright");
            told.error = Some(why.clone());
            steps.push(Step::Told(Box::new(told)));
            return Err(why);
        }
        self.shared().tasks.begun(&result, &open.name);
        told.error = (result.field("isError") == Some(&Value::Bool(true))).then(|| "the tool failed".to_owned());
        steps.push(Step::Client(std::mem::take(&mut long.held)));
        steps.push(Step::Told(Box::new(told)));
        steps.append(&mut self.streams.waiting);
        Ok(())
    }
}
