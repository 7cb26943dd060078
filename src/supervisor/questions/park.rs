//! A call at a question: put or joined, waited for, and left with an answer.
//!
//! Invariant: a call leaves with a permission only when somebody gave it for its own subject, or a remembered answer covers
//! that; every other way out denies, or has the call start again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::state::{MOST_PARKED, Open, QUIET, Released};
use super::subject::Subject;
use super::{Questions, Reply};
use crate::event::{Ask, By, Event, Kind, Scope};
use crate::policy::{Kept, RuleId, Verdict};

/// How often a parked call looks whether its process still waits.
const LOOK: Duration = Duration::from_millis(50);

/// How long a call of an MCP server waits: its client would give up after a minute.
const CLIENTS: Duration = Duration::from_secs(45);

const NOBODY: &str = "nobody was there to ask";

/// A question to be put.
pub struct Put<'a> {
    pub subject: Subject,
    pub rule: RuleId,
    /// The program that an answer for a program means.
    pub program: Vec<u8>,
    /// What an answer for now comes to until the session ends, piece by piece; empty where it holds for now alone.
    pub once: Vec<Kept>,
    /// Makes the event, but for number, file and timeout; called once at most, and without any lock.
    pub ask: &'a dyn Fn() -> Ask,
}

/// Whether the process that asked still waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Still {
    Waits,
    /// It has a signal to take: the call starts again afterwards.
    Signalled,
    Gone,
}

/// How a call left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Given(Given),
    Signalled,
    Gone,
}

/// An answer as the call takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub verdict: Verdict,
    /// For the event: `answered: once by u@pts/3`.
    pub words: String,
}

impl Given {
    pub(super) fn new(reply: &Reply, ask: &Ask) -> Self {
        let who = if reply.who.is_empty() { String::new() } else { format!(" by {}", reply.who) };
        let scope = match (reply.scope, reply.ruling()) {
            (Scope::Once, Verdict::Allow) => "once".to_owned(),
            (Scope::Once, _) => "denied".to_owned(),
            (Scope::Program, Verdict::Allow) => "for this program".to_owned(),
            (Scope::Program, _) => "denied for this program".to_owned(),
            (Scope::Never, _) => "denied, and not asked again".to_owned(),
            (Scope::Session, Verdict::Allow) => format!("for this session: {}", reply.rule_of(ask)),
            (Scope::Session, _) => format!("denied for this session: {}", reply.rule_of(ask)),
            (Scope::Always, Verdict::Allow) => format!("always: {}", reply.rule_of(ask)),
            (Scope::Always, _) => format!("always denied: {}", reply.rule_of(ask)),
        };
        let words = match reply.by {
            By::Timeout => format!("no answer in {} s", ask.timeout / 1_000_000_000),
            By::Nobody => NOBODY.to_owned(),
            By::Withdrawn => "the question was withdrawn".to_owned(),
            By::Terminal | By::Watch | By::Command => format!("answered: {scope}{who}"),
        };
        Self { verdict: reply.ruling(), words }
    }

    fn denied(words: &str) -> Self {
        Self { verdict: Verdict::Deny, words: words.to_owned() }
    }
}

/// What a call does next.
enum Step {
    Done(Outcome),
    /// Waits for question number.
    Wait(u64),
    /// Puts a new one.
    Put,
    /// As `Put`, but it is answered at once.
    PutForNobody,
    Say(&'static str),
}

impl Questions {
    /// Asks, and waits for the answer on this thread. `still` is asked now and then, and only without any lock.
    pub fn ask(&self, put: &Put<'_>, still: &mut dyn FnMut() -> Still) -> Outcome {
        match self.step(put) {
            Step::Done(outcome) => outcome,
            Step::Wait(ask) => self.park(ask, still),
            Step::Put => {
                let ask = self.put(put, 1);
                self.park(ask, still)
            }
            Step::PutForNobody => self.put_for_nobody(put),
            Step::Say(why) => {
                self.0.bus.publish(Event::Limit { what: why.to_owned() });
                Outcome::Given(Given::denied(why))
            }
        }
    }

    fn step(&self, put: &Put<'_>) -> Step {
        let mut state = self.0.lock();
        if state.closed {
            return Step::Done(Outcome::Given(Given::denied("the session ends")));
        }
        if let Some(known) = state.memory.find(self.1, &put.subject, put.rule, &put.program, &put.once) {
            let words = format!("answered before: {}", known.reply.words());
            return Step::Done(Outcome::Given(Given { verdict: known.reply.ruling(), words }));
        }
        let now = Instant::now();
        let back = |released: &&mut Released| {
            let same = released.realm == self.1 && released.subject == put.subject;
            same && released.away > 0 && released.until > now
        };
        if let Some(released) = state.answered.iter_mut().find(back) {
            released.away -= 1;
            released.calls += 1;
            let ask = released.ask;
            state.parked += 1;
            return Step::Wait(ask);
        }
        if state.parked >= MOST_PARKED {
            return state.too_much("64 calls wait for an answer: what asks beyond is denied");
        }
        if let Some(open) = state.open.iter_mut().find(|open| self.is_same(open, put)) {
            open.calls += 1;
            open.away = open.away.saturating_sub(1);
            open.left_at = None;
            let ask = open.ask.id;
            state.parked += 1;
            return Step::Wait(ask);
        }
        if state.attending == 0 {
            if state.first_to_meet_nobody(&put.subject) && state.may_put() {
                return Step::PutForNobody;
            }
            return Step::Done(Outcome::Given(Given::denied(NOBODY)));
        }
        if !state.may_put() {
            return state.too_much("too many different questions in a short time: what asks beyond is denied");
        }
        state.parked += 1;
        Step::Put
    }

    /// How long it waits.
    fn timeout(&self, put: &Put<'_>) -> Duration {
        let most = if put.subject.of == Kind::Mcp { CLIENTS } else { Duration::MAX };
        self.0.timeout.min(most)
    }

    fn is_same(&self, open: &Open, put: &Put<'_>) -> bool {
        open.realm == self.1 && open.subject == put.subject
    }

    /// Lists a new question and publishes it; its number.
    fn put(&self, put: &Put<'_>, calls: usize) -> u64 {
        let mut ask = (put.ask)();
        let timeout = self.timeout(put);
        ask.timeout = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        ask.file = if self.1 == 0 { self.0.file.clone() } else { String::new() };
        let mut state = self.0.lock();
        // Another call may have put the same in the meantime.
        if let Some(open) = state.open.iter_mut().find(|open| self.is_same(open, put)) {
            open.calls += calls;
            return open.ask.id;
        }
        state.next += 1;
        ask.id = state.next;
        let (id, ask, now) = (ask.id, Arc::new(ask), Instant::now());
        state.open.push(Open {
            realm: self.1,
            ask: ask.clone(),
            subject: put.subject.clone(),
            rule: put.rule,
            program: put.program.clone(),
            once: put.once.clone(),
            is_put: false,
            seq: None,
            since: now,
            deadline: now + timeout,
            calls,
            away: 0,
            left_at: None,
        });
        drop(state);
        let seq = self.0.bus.place(Event::Ask(Box::new(Ask::clone(&ask))));
        let mut state = self.0.lock();
        if let Some(open) = state.open.iter_mut().find(|open| open.ask.id == id) {
            (open.is_put, open.seq) = (true, seq);
        }
        drop(state);
        self.0.tell_change();
        id
    }

    fn put_for_nobody(&self, put: &Put<'_>) -> Outcome {
        let ask = self.put(put, 0);
        let mut state = self.0.lock();
        let Some(at) = state.open.iter().position(|open| open.ask.id == ask && open.calls == 0) else {
            drop(state);
            return Outcome::Given(Given::denied(NOBODY));
        };
        let open = state.open.remove(at);
        let given = Given::new(&Reply::of(By::Nobody), &open.ask);
        let file =
            if self.0.file.is_empty() { String::new() } else { format!(", or keep an answer in {}", self.0.file) };
        let hint = format!("run it in a terminal, keep 'govsh watch' open, or allow it in the policy{file}");
        self.conclude(state, open, &Reply::of(By::Nobody), hint);
        Outcome::Given(given)
    }

    /// Waits for the answer to question number `ask`, of whose calls this is one.
    fn park(&self, ask: u64, still: &mut dyn FnMut() -> Still) -> Outcome {
        loop {
            let state = self.0.lock();
            let is_out = |released: &Released| released.ask == ask && released.is_out;
            let waited = self.0.released.wait_timeout_while(state, LOOK, |state| !state.answered.iter().any(is_out));
            let mut state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
            let taken = state.answered.iter_mut().find(|released| is_out(released));
            if let Some(released) = taken {
                released.calls = released.calls.saturating_sub(1);
                let given = released.given.clone();
                state.parked = state.parked.saturating_sub(1);
                return Outcome::Given(given);
            }
            drop(state);
            self.expire();
            match still() {
                Still::Waits => {}
                Still::Signalled => {
                    self.leave(ask, true);
                    return Outcome::Signalled;
                }
                Still::Gone => {
                    self.leave(ask, false);
                    return Outcome::Gone;
                }
            }
        }
    }

    /// A call goes without an answer, perhaps to come back.
    fn leave(&self, ask: u64, returns: bool) {
        let mut state = self.0.lock();
        state.parked = state.parked.saturating_sub(1);
        if let Some(released) = state.answered.iter_mut().find(|released| released.ask == ask) {
            // The answer came in this very moment.
            released.calls = released.calls.saturating_sub(1);
            released.away += usize::from(returns);
            return;
        }
        let Some(at) = state.open.iter().position(|open| open.ask.id == ask) else { return };
        let Some(open) = state.open.get_mut(at) else { return };
        open.calls = open.calls.saturating_sub(1);
        if returns {
            open.away += 1;
            open.left_at = Some(Instant::now());
        } else if open.calls == 0 && open.away == 0 && open.is_put {
            let open = state.open.remove(at);
            return self.conclude(state, open, &Reply::of(By::Withdrawn), String::new());
        }
        drop(state);
        self.0.tell_change();
    }
}

impl super::State {
    /// Denies what is too much; the first time it is said.
    fn too_much(&mut self, why: &'static str) -> Step {
        let now = Instant::now();
        if self.said.replace(now).is_some_and(|said| now.saturating_duration_since(said) < QUIET) {
            return Step::Done(Outcome::Given(Given::denied(why)));
        }
        Step::Say(why)
    }
}

impl Reply {
    /// Scope and person, for calls that are answered by what was said before.
    fn words(&self) -> String {
        let scope = match self.scope {
            Scope::Once => "once",
            Scope::Session => "this session",
            Scope::Program => "this program",
            Scope::Always => "always",
            Scope::Never => "do not ask again",
        };
        if self.who.is_empty() { scope.to_owned() } else { format!("{scope} by {}", self.who) }
    }
}
