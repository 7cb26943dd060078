//! Questions: requests that a rule says to ask about, parked until somebody answers.
//!
//! ```text
//! receiver ─ask──▶ table ─changed─▶ overlay, watchers, `govsh answer`
//!     ▲  parked      │                          │ answer: the first one wins
//!     └── Given ◀────┴──────────────────────────┘ else: timeout, nobody there, the process went away
//! ```
//! Invariant: every question gets exactly one answer, and its `answer` event stands after its `ask` event and before what the
//! released calls did; whatever goes wrong, the verdict is a denial. No lock is held while somebody thinks.
//! Leaves to others: what is asked about (`policy`), the calls (`worker`), people (`session::overlay`, `session::control`).

mod attend;
mod memory;
mod park;
mod state;
mod subject;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bus::Bus;
use crate::event::{Answer, Ask, By, Event, Scope};
use crate::policy::{RuleId, Verdict};

pub use attend::Attendance;
pub use park::{Given, Outcome, Put, Still};
pub use subject::Subject;

use state::{Shared, State};

/// All questions of one session, as one of its trees asks them: the agent's, or an MCP server's. What was answered to one is
/// no answer for another, since each has rules of its own.
#[derive(Clone)]
pub struct Questions(Arc<Shared>, Realm);

/// Whose questions: 0 for the agent's.
pub type Realm = u32;

/// A question that is open.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub ask: Arc<Ask>,
    /// Sequence number of its `ask` event: the terminal as it was when it was put. None once the bus is closed.
    pub seq: Option<u64>,
    /// Until it is denied.
    pub left: Duration,
    /// Calls that wait for it.
    pub calls: usize,
}

/// What somebody says to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Allow or Deny; whatever else denies.
    pub verdict: Verdict,
    /// `Never` is a denial, whatever the verdict.
    pub scope: Scope,
    /// Index into the question's choices, for Session and Always.
    pub choice: usize,
    pub by: By,
    /// `user@pts/3`.
    pub who: String,
    /// Sequence number of the event at which the answerer saw the terminal.
    pub screen: Option<u64>,
    /// The rule as it was written, for Always.
    pub rule: String,
}

/// Why an answer was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no question {0}")]
    Unknown(u64),
    #[error("question {ask} is already answered: {} by {}", words(*.verdict), if .who.is_empty() { "nobody" } else { .who.as_str() })]
    Answered { ask: u64, by: By, who: String, verdict: Verdict },
    #[error("question {ask} has no choice {choice}")]
    Choice { ask: u64, choice: usize },
}

fn words(verdict: Verdict) -> &'static str {
    if verdict == Verdict::Allow { "allowed" } else { "denied" }
}

impl Questions {
    /// `timeout` is how long a question waits; `file` is where *always* is written, as people are shown it.
    pub fn new(bus: Bus, timeout: Duration, file: String) -> Self {
        Self(Arc::new(Shared::new(bus, timeout, file)), 0)
    }

    /// The same for the session of this id, before anybody else has it.
    #[must_use]
    pub fn of_session(self, id: String) -> Self {
        let Shared { bus, timeout, file, .. } = &*self.0;
        let mut shared = Shared::new(bus.clone(), *timeout, file.clone());
        shared.session = id;
        Self(Arc::new(shared), 0)
    }

    /// The same list of questions for another tree. Its answers are never written down: they would be taken for the agent's.
    #[must_use]
    pub fn of_realm(&self, realm: Realm) -> Self {
        Self(self.0.clone(), realm)
    }

    /// Whether somebody is there to answer.
    pub fn is_attended(&self) -> bool {
        self.0.lock().attending > 0
    }

    /// The session's id; empty when it was not said.
    pub fn session(&self) -> &str {
        &self.0.session
    }

    /// The open questions, oldest first.
    pub fn waiting(&self) -> Vec<Waiting> {
        self.expire();
        let state = self.0.lock();
        let now = Instant::now();
        let open = state.open.iter().filter(|open| open.is_put);
        let waiting = |open: &state::Open| Waiting {
            ask: open.ask.clone(),
            seq: open.seq,
            left: open.deadline.saturating_duration_since(now),
            calls: open.calls,
        };
        open.map(waiting).collect()
    }

    /// Answers a question; the first answer wins.
    pub fn answer(&self, ask: u64, reply: Reply) -> Result<(), Refused> {
        self.expire();
        let mut state = self.0.lock();
        let Some(at) = state.open.iter().position(|open| open.ask.id == ask && open.is_put) else {
            return Err(state.refusal(ask));
        };
        let Some(open) = state.open.get(at) else { return Err(Refused::Unknown(ask)) };
        let chosen = matches!(reply.scope, Scope::Session | Scope::Always);
        if chosen && open.ask.choices.get(reply.choice).is_none() {
            return Err(Refused::Choice { ask, choice: reply.choice });
        }
        let open = state.open.remove(at);
        let reply = Reply { rule: reply.rule_of(&open.ask), ..reply };
        state.remember(&open, &reply);
        self.conclude(state, open, &reply, String::new());
        // Others may be answered by what was just said.
        self.sweep();
        Ok(())
    }

    /// The policy was replaced: `to` says which of its rules is the same as one of the old. Calls whose question was put by a
    /// rule that is gone go on waiting for its answer, and are judged again when they have it.
    pub fn renumber(&self, to: &dyn Fn(RuleId) -> Option<RuleId>) {
        let mut state = self.0.lock();
        state.memory.renumber(to);
        for open in state.open.iter_mut().filter(|open| open.realm == 0) {
            open.rule = to(open.rule).unwrap_or(RuleId(u32::MAX));
        }
    }

    /// A new descriptor for this caller, readable whenever the list changed since it was last read empty; eight bytes each
    /// time, and never blocking.
    pub fn changed(&self) -> io::Result<OwnedFd> {
        self.0.changed()
    }

    /// Called after a descriptor of `changed` was closed, so that nothing of it is kept.
    pub fn forget_the_gone(&self) {
        self.0.forget_the_gone();
    }

    /// While this lives somebody can answer: a terminal with its panel, a watcher. Without anybody, what is asked is denied
    /// at once.
    pub fn attend(&self) -> Attendance {
        Attendance::new(self.clone())
    }

    /// The end of the session: what is open is withdrawn, and nothing is asked any more.
    pub fn close(&self) {
        let mut state = self.0.lock();
        state.closed = true;
        // One that is being put at this moment times out.
        let open: Vec<_> = state.open.extract_if(.., |open| open.is_put).collect();
        drop(state);
        for open in open {
            self.conclude(self.0.lock(), open, &Reply::of(By::Withdrawn), String::new());
        }
    }

    /// Ends questions whose time is over, and those that nobody came back to.
    fn expire(&self) {
        let now = Instant::now();
        loop {
            let mut state = self.0.lock();
            let over = |open: &state::Open| open.is_put && (open.deadline <= now || open.is_abandoned(now));
            let Some(at) = state.open.iter().position(over) else { return };
            let open = state.open.remove(at);
            let by = if open.is_abandoned(now) { By::Withdrawn } else { By::Timeout };
            self.conclude(state, open, &Reply::of(by), String::new());
        }
    }

    /// Answers those open questions that a remembered answer covers by now.
    fn sweep(&self) {
        loop {
            let mut state = self.0.lock();
            let found = state.open.iter().enumerate().find_map(|(at, open)| {
                let known = state.memory.find(open.realm, &open.subject, open.rule, &open.program, &open.once);
                let known = known.filter(|_| open.is_put)?;
                Some((at, known.reply.clone()))
            });
            let Some((at, reply)) = found else { return };
            let open = state.open.remove(at);
            self.conclude(state, open, &reply, String::new());
        }
    }

    /// Publishes what became of a question that was taken off the list, then releases its calls.
    fn conclude(&self, mut state: std::sync::MutexGuard<'_, State>, open: state::Open, reply: &Reply, hint: String) {
        let verdict = reply.ruling();
        state.settled(open.ask.id, reply, verdict);
        state.lay_down(&open, Given::new(reply, &open.ask));
        drop(state);
        let waited = u64::try_from(open.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.bus.publish(Event::Answer(Box::new(Answer {
            ask: open.ask.id,
            verdict,
            scope: reply.scope,
            by: reply.by,
            who: reply.who.clone(),
            waited,
            rule: reply.rule_of(&open.ask),
            hint,
            screen: reply.screen,
            calls: open.calls as u64,
        })));
        self.0.lock().release(open.ask.id);
        self.0.released.notify_all();
        self.0.tell_change();
    }
}

impl Reply {
    /// What nobody said: a denial for now.
    fn of(by: By) -> Self {
        let (verdict, scope) = (Verdict::Deny, Scope::Once);
        Self { verdict, scope, choice: 0, by, who: String::new(), screen: None, rule: String::new() }
    }

    /// Allow only for what plainly allows.
    fn ruling(&self) -> Verdict {
        if self.verdict == Verdict::Allow && self.scope != Scope::Never { Verdict::Allow } else { Verdict::Deny }
    }

    /// The rule that the answer adds.
    fn rule_of(&self, ask: &Ask) -> String {
        match self.scope {
            Scope::Session | Scope::Always if !self.rule.is_empty() => self.rule.clone(),
            Scope::Session | Scope::Always => {
                let choice = ask.choices.get(self.choice);
                choice.map(|choice| format!("{} \"{}\"", choice.key, choice.text)).unwrap_or_default()
            }
            Scope::Once | Scope::Program | Scope::Never => String::new(),
        }
    }
}
