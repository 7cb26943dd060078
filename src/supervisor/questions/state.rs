//! The table of questions behind its lock.
//!
//! Invariant: the lock is held for moments, never while an event is published or anybody waits.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::memory::Memory;
use super::park::Given;
use super::subject::Subject;
use super::{Realm, Refused, Reply};
use crate::bus::Bus;
use crate::event::{Ask, By};
use crate::policy::{Kept, RuleId, Verdict};
use crate::sys::unix;

/// Calls that may be parked at the same time.
pub(super) const MOST_PARKED: usize = 64;
/// New questions at once, and then one more each `REFILL`.
const BURST: u32 = 32;
const REFILL: Duration = Duration::from_secs(2);
/// How long a question waits for calls that left it to take a signal, and an answer for those calls.
const RETURN: Duration = Duration::from_secs(2);
/// How long it is not said again that no more can be asked.
pub(super) const QUIET: Duration = Duration::from_secs(60);
/// Answered questions of which it is still known who answered.
const SETTLED: usize = 256;
/// Different requests that are known to have met nobody.
const MET_NOBODY: usize = 1_024;

pub(super) struct Shared {
    pub bus: Bus,
    pub timeout: Duration,
    /// Where *always* is written.
    pub file: String,
    pub session: String,
    state: Mutex<State>,
    /// Parked calls wait here.
    pub released: Condvar,
    /// One end for each caller of `changed`.
    ears: Mutex<Vec<UnixStream>>,
}

#[derive(Default)]
pub(super) struct State {
    /// Oldest first.
    pub open: Vec<Open>,
    /// Answers on their way to calls that still wait or come back.
    pub answered: Vec<Released>,
    pub memory: Memory,
    pub attending: usize,
    pub closed: bool,
    pub next: u64,
    /// Parked calls.
    pub parked: usize,
    /// When it was last said that no more can be asked.
    pub said: Option<Instant>,
    tokens: Tokens,
    settled: VecDeque<(u64, By, String, Verdict)>,
    /// By hash: a collision costs one event.
    met_nobody: HashSet<u64>,
    hasher: RandomState,
}

/// A question that waits.
pub(super) struct Open {
    pub realm: Realm,
    pub ask: Arc<Ask>,
    pub subject: Subject,
    pub rule: RuleId,
    pub program: Vec<u8>,
    pub once: Vec<Kept>,
    /// Its `ask` event is out.
    pub is_put: bool,
    pub seq: Option<u64>,
    pub since: Instant,
    pub deadline: Instant,
    pub calls: usize,
    /// Calls that left to take a signal, and when the last one did.
    pub away: usize,
    pub left_at: Option<Instant>,
}

/// An answer for calls that have not taken it yet.
pub(super) struct Released {
    pub realm: Realm,
    pub ask: u64,
    pub subject: Subject,
    pub given: Given,
    /// Calls that wait for it and have not woken.
    pub calls: usize,
    /// Calls that may come back for it, and until when.
    pub away: usize,
    pub until: Instant,
    /// Its `answer` event is out.
    pub is_out: bool,
}

struct Tokens {
    left: u32,
    since: Option<Instant>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { left: BURST, since: None }
    }
}

impl Tokens {
    fn take(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let fresh = now.saturating_duration_since(since).as_nanos() / REFILL.as_nanos();
        if fresh > 0 {
            self.left = self.left.saturating_add(u32::try_from(fresh).unwrap_or(BURST)).min(BURST);
            self.since = Some(now);
        }
        let taken = self.left.checked_sub(1);
        self.left = taken.unwrap_or(0);
        taken.is_some()
    }
}

impl Open {
    /// All its calls left to take a signal, and none came back in time.
    pub fn is_abandoned(&self, now: Instant) -> bool {
        self.calls == 0 && self.left_at.is_some_and(|at| now.saturating_duration_since(at) >= RETURN)
    }
}

impl Shared {
    pub fn new(bus: Bus, timeout: Duration, file: String) -> Self {
        Self {
            bus,
            timeout,
            file,
            session: String::new(),
            state: Mutex::default(),
            released: Condvar::new(),
            ears: Mutex::default(),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of a holder leaves every entry whole: they are added and taken as one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn changed(&self) -> io::Result<OwnedFd> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        self.ears.lock().unwrap_or_else(PoisonError::into_inner).push(ours);
        Ok(theirs.into())
    }

    /// Lets go of whoever listens no more, though nothing has changed.
    pub fn forget_the_gone(&self) {
        let is_gone = |ear: &UnixStream| {
            let mut entry = [unix::poll_for(ear.as_fd(), 0)];
            unix::poll(&mut entry, 0).is_ok() && entry[0].revents & libc::POLLHUP != 0
        };
        self.ears.lock().unwrap_or_else(PoisonError::into_inner).retain(|ear| !is_gone(ear));
    }

    /// Tells everybody who listens that the list is another.
    pub fn tell_change(&self) {
        let mut ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner);
        ears.retain_mut(|ear| match ear.write(&1_u64.to_ne_bytes()) {
            // Whoever has not read for this long is told already.
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
            Ok(_) => true,
        });
    }
}

impl State {
    /// Whether one more different question may be put now.
    pub fn may_put(&mut self) -> bool {
        self.tokens.take(Instant::now())
    }

    /// Whether this is the first time that the request meets nobody.
    pub fn first_to_meet_nobody(&mut self, subject: &Subject) -> bool {
        self.met_nobody.len() < MET_NOBODY && self.met_nobody.insert(self.hasher.hash_one(subject))
    }

    pub fn remember(&mut self, open: &Open, reply: &Reply) {
        self.memory.keep(open, reply);
    }

    /// Notes who answered, for those who come too late.
    pub fn settled(&mut self, ask: u64, reply: &Reply, verdict: Verdict) {
        if self.settled.len() >= SETTLED {
            self.settled.pop_front();
        }
        self.settled.push_back((ask, reply.by, reply.who.clone(), verdict));
    }

    /// Why a question that is not open cannot be answered.
    pub fn refusal(&self, ask: u64) -> Refused {
        match self.settled.iter().find(|settled| settled.0 == ask) {
            Some((_, by, who, verdict)) => Refused::Answered { ask, by: *by, who: who.clone(), verdict: *verdict },
            None => Refused::Unknown(ask),
        }
    }

    /// Lays the answer down for the calls that wait for it; they take it once it is released.
    pub fn lay_down(&mut self, open: &Open, given: Given) {
        let now = Instant::now();
        self.answered.retain(|released| released.calls > 0 || released.away > 0 && released.until > now);
        let (ask, subject, until) = (open.ask.id, open.subject.clone(), now + RETURN);
        let (calls, away) = (open.calls, open.away);
        self.answered.push(Released { realm: open.realm, ask, subject, given, calls, away, until, is_out: false });
    }

    /// Its `answer` event is out.
    pub fn release(&mut self, ask: u64) {
        if let Some(released) = self.answered.iter_mut().find(|released| released.ask == ask) {
            released.is_out = true;
        }
    }
}
