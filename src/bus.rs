//! The bounded, ordered way of every event from whoever saw it to the recorder.
//!
//! Invariant: sequence numbers have no gaps and time never runs backwards in them; an event that was accepted is handed out
//! exactly once. When the ring is full the producer waits: nothing is dropped while the tap lives.
//! Leaves to others: what becomes of the events (`recording`, `session::recorder`).
//!
//! ```text
//!  publish ──┐                     ┌─────────────── Ring (one short mutex) ───────────────┐
//!  output  ──┼─ stamp seq and t ──▶│ slots: [ whole event | bytes i..j of the heap | … ]  │──▶ Tap::take: swap, outside
//!  input   ──┘                     │ heap:  terminal bytes, end to end                    │    the lock made into `Stamped`
//!                                  └──────────────────────────────────────────────────────┘
//! ```
//! Terminal bytes are copied into one heap that is swapped as a whole, so the pump allocates nothing once both heaps have grown.

mod later;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use later::Later;

use crate::event::{Answer, Ask, Credential, Dns, Event, Http, Judged, Proc, Stamped, Stream, Tunnel};

/// Bytes the ring holds before producers wait.
const FULL: usize = 4 << 20;
/// Bytes at which the sleeping consumer is woken; below it the consumer's own timer is enough.
const WAKE: usize = 1 << 20;
/// Pieces of one stream that follow each other within this time are one event, in nanoseconds.
const COALESCE: u64 = 5_000_000;
/// Largest coalesced event, in bytes.
const PIECE: usize = 64 << 10;
/// How long after its time an event waits for its digest; what follows it waits behind it.
const DIGEST: Duration = Duration::from_secs(1);
/// Buffers the tap keeps for the next batch.
const SPARE: usize = 64;

/// A new ring whose clock counts from `start`.
pub fn bus(start: Instant) -> (Bus, Tap) {
    let shared =
        Arc::new(Shared { ring: Mutex::new(Ring::default()), room: Condvar::new(), ready: Condvar::new(), start });
    let tap = Tap {
        shared: Arc::clone(&shared),
        slots: VecDeque::new(),
        taken: Vec::new(),
        heap: Vec::new(),
        spare: Vec::new(),
    };
    (Bus { shared }, tap)
}

/// The producers' end.
#[derive(Clone)]
pub struct Bus {
    shared: Arc<Shared>,
}

/// The one consumer's end. Dropping it closes the bus, so that nobody waits for a consumer that is gone.
pub struct Tap {
    shared: Arc<Shared>,
    /// Taken from the ring and not handed out yet.
    slots: VecDeque<Slot>,
    taken: Vec<Slot>,
    heap: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

struct Shared {
    ring: Mutex<Ring>,
    /// Producers wait here while the ring is full.
    room: Condvar,
    /// The consumer waits here.
    ready: Condvar,
    start: Instant,
}

#[derive(Default)]
struct Ring {
    slots: Vec<Slot>,
    heap: Vec<u8>,
    /// What is waiting, in bytes of memory it takes.
    weight: usize,
    seq: u64,
    last: u64,
    closed: bool,
    asleep: bool,
    waiting: usize,
}

struct Slot {
    seq: u64,
    t: u64,
    what: What,
}

enum What {
    Event(Event),
    /// A program whose digest is not known yet.
    Program(Box<Proc>, Later),
    Bytes {
        carrier: Carrier,
        from: usize,
        to: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Output(Stream),
    Input,
}

impl Bus {
    /// Stamps `event` with its place and time. Waits while the ring is full; after [`Bus::close`] the event is dropped at once.
    pub fn publish(&self, event: Event) {
        self.place(event);
    }

    /// As [`Bus::publish`]; the digest that `later` is settled with is put into the event before it is handed out, unless
    /// that takes longer than a second.
    pub fn publish_program(&self, proc: Box<Proc>, later: Later) {
        let weight = size_of::<Slot>() + heap_of(&proc);
        let Some(mut ring) = self.shared.room_for(weight) else { return };
        let (seq, t) = ring.stamp(self.shared.start);
        ring.slots.push(Slot { seq, t, what: What::Program(proc, later) });
        self.shared.added(ring, weight);
    }

    /// As [`Bus::publish`], and gives the event's sequence number; None after [`Bus::close`].
    pub fn place(&self, event: Event) -> Option<u64> {
        let weight = size_of::<Slot>() + owned(&event);
        let mut ring = self.shared.room_for(weight)?;
        let (seq, t) = ring.stamp(self.shared.start);
        ring.slots.push(Slot { seq, t, what: What::Event(event) });
        self.shared.added(ring, weight);
        Some(seq)
    }

    /// Bytes the agent wrote. Copied; no allocation in steady state.
    pub fn output(&self, stream: Stream, data: &[u8]) {
        self.bytes(Carrier::Output(stream), data);
    }

    /// Bytes that went to the agent. Copied; no allocation in steady state.
    pub fn input(&self, data: &[u8]) {
        self.bytes(Carrier::Input, data);
    }

    /// Nanoseconds since the session's start.
    pub fn elapsed(&self) -> u64 {
        nanos(self.shared.start)
    }

    /// The end of the session: releases everybody who waits. What was published before is still handed out.
    pub fn close(&self) {
        self.shared.close();
    }

    fn bytes(&self, carrier: Carrier, data: &[u8]) {
        for piece in data.chunks(PIECE) {
            let weight = size_of::<Slot>() + piece.len();
            let Some(mut ring) = self.shared.room_for(weight) else {
                return;
            };
            ring.append(self.shared.start, carrier, piece);
            self.shared.added(ring, weight);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        // A producer that panicked inside these few lines left the ring consistent: every push is complete or not there.
        self.ring.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The ring with room for `weight` more, or None when the bus is closed. One event larger than the ring fits an empty one.
    fn room_for(&self, weight: usize) -> Option<MutexGuard<'_, Ring>> {
        let mut ring = self.lock();
        while !ring.closed && ring.weight > 0 && ring.weight + weight > FULL {
            ring.waiting += 1;
            ring = self.room.wait(ring).unwrap_or_else(|poisoned| poisoned.into_inner());
            ring.waiting -= 1;
        }
        (!ring.closed).then_some(ring)
    }

    fn added(&self, mut ring: MutexGuard<'_, Ring>, weight: usize) {
        ring.weight += weight;
        if ring.asleep && ring.weight >= WAKE {
            ring.asleep = false;
            drop(ring);
            self.ready.notify_one();
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.room.notify_all();
        self.ready.notify_all();
    }
}

impl Ring {
    /// Whole microseconds, which is what players of the recording understand.
    fn stamp(&mut self, start: Instant) -> (u64, u64) {
        let seq = self.seq;
        self.seq += 1;
        self.last = self.last.max(nanos(start) / 1_000 * 1_000);
        (seq, self.last)
    }

    /// Adds to the last slot when that is the same stream, recent and small enough, else starts a new one.
    fn append(&mut self, start: Instant, carrier: Carrier, piece: &[u8]) {
        let now = nanos(start);
        let from = self.heap.len();
        self.heap.extend_from_slice(piece);
        let end = self.heap.len();
        if let Some(Slot { t, what: What::Bytes { carrier: last, from, to }, .. }) = self.slots.last_mut()
            && *last == carrier
            && now.saturating_sub(*t) <= COALESCE
            && end - *from <= PIECE
        {
            *to = end;
            return;
        }
        let (seq, t) = self.stamp(start);
        self.slots.push(Slot { seq, t, what: What::Bytes { carrier, from, to: end } });
    }
}

impl Tap {
    /// Hands out everything that waits, into `batch`. Waits up to `wait` for a worthwhile amount; false when the bus is closed
    /// and everything was handed out.
    #[must_use]
    pub fn take(&mut self, batch: &mut Vec<Stamped>, wait: Duration) -> bool {
        // What is left waits for a digest; the ring comes after it.
        let open = !self.slots.is_empty() || self.refill(wait);
        let more = open || !self.slots.is_empty();
        self.unpack(batch, wait);
        more
    }

    /// Takes everything out of the ring; false when the bus is closed.
    fn refill(&mut self, wait: Duration) -> bool {
        let mut ring = self.shared.lock();
        if !ring.closed && ring.weight < WAKE {
            ring.asleep = true;
            let still = |ring: &mut Ring| ring.asleep && !ring.closed;
            let woken = self.shared.ready.wait_timeout_while(ring, wait, still);
            ring = woken.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
            ring.asleep = false;
        }
        std::mem::swap(&mut ring.slots, &mut self.taken);
        std::mem::swap(&mut ring.heap, &mut self.heap);
        ring.weight = 0;
        let (waiting, open) = (ring.waiting > 0, !ring.closed);
        drop(ring);
        if waiting {
            self.shared.room.notify_all();
        }
        self.slots.extend(self.taken.drain(..));
        open
    }

    /// Takes the buffers of a batch that has been dealt with back for the next one.
    pub fn recycle(&mut self, batch: &mut Vec<Stamped>) {
        for stamped in batch.drain(..) {
            if let Event::Output { data, .. } | Event::Input { data } = stamped.event
                && self.spare.len() < SPARE
            {
                self.spare.push(data);
            }
        }
    }

    /// Hands out up to the first event that still waits for its digest; for that one it waits when there is nothing before it.
    fn unpack(&mut self, batch: &mut Vec<Stamped>, wait: Duration) {
        let begun = batch.len();
        while let Some(Slot { seq, t, what }) = self.slots.pop_front() {
            let event = match what {
                What::Event(event) => event,
                What::Program(mut proc, later) => {
                    let left = (Duration::from_nanos(t) + DIGEST).saturating_sub(self.shared.start.elapsed());
                    let patience = if batch.len() == begun { wait.min(left) } else { Duration::ZERO };
                    match later.settled(patience) {
                        Some(digest) => proc.digest = digest,
                        None if left <= patience => {}
                        None => {
                            self.slots.push_front(Slot { seq, t, what: What::Program(proc, later) });
                            return;
                        }
                    }
                    Event::Proc(proc)
                }
                What::Bytes { carrier, from, to } => {
                    let mut data = self.spare.pop().unwrap_or_default();
                    data.clear();
                    data.extend_from_slice(self.heap.get(from..to).unwrap_or_default());
                    match carrier {
                        Carrier::Output(stream) => Event::Output { stream, data },
                        Carrier::Input => Event::Input { data },
                    }
                }
            };
            batch.push(Stamped { seq, t, event });
        }
        self.heap.clear();
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.close();
    }
}

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Bytes of a list of words.
fn all(list: &[Vec<u8>]) -> usize {
    list.iter().map(|item| item.len() + size_of::<Vec<u8>>()).sum()
}

fn heap_of(proc: &Proc) -> usize {
    let Proc { exe, argv, cwd, .. } = proc;
    size_of::<Proc>() + exe.len() + cwd.len() + all(argv)
}

/// Heap bytes an event holds, near enough for the bound.
fn owned(event: &Event) -> usize {
    match event {
        Event::Judged(Judged { path, path2, argv, .. }) => path.len() + path2.len() + all(argv),
        Event::Proc(proc) => heap_of(proc),
        // Their names are shared with many others.
        Event::Tunnel(tunnel) => size_of::<Tunnel>() + tunnel.sni.as_ref().map_or(0, String::len),
        Event::Dns(dns) => size_of::<Dns>() + dns.name.len() + size_of_val(dns.answers.as_slice()),
        Event::Http(http) => size_of::<Http>() + http.method.len() + http.path.len(),
        Event::Credential(_) => size_of::<Credential>(),
        Event::Mcp(mcp) => mcp.weight(),
        Event::Output { data, .. } | Event::Input { data } => data.len(),
        Event::Marker { label, by } => label.len() + by.len(),
        Event::Ask(ask) => {
            let Ask { path, path2, argv, ancestry, cwd, reason, choices, file, .. } = ask.as_ref();
            let lines: usize = ancestry.iter().map(|argv| all(argv) + size_of::<Vec<Vec<u8>>>()).sum();
            let choices: usize = choices.iter().map(|choice| choice.key.len() + choice.text.len()).sum();
            let texts = path.len() + path2.len() + cwd.len() + reason.len() + file.len();
            size_of::<Ask>() + texts + all(argv) + lines + choices
        }
        Event::Answer(answer) => size_of::<Answer>() + answer.who.len() + answer.rule.len() + answer.hint.len(),
        Event::Alert { what: text, .. } | Event::Limit { what: text } | Event::Lost { why: text, .. } => text.len(),
        // Once a session, and small.
        Event::Start(_) | Event::Policy(_) | Event::Report(_) => 4 << 10,
        Event::Redacted { .. } | Event::Resize { .. } | Event::Exit { .. } => 0,
    }
}

#[cfg(test)]
mod tests;
