//! Between one client and one server: every message read, judged, and passed on as it came, changed, answered or dropped.
//! Pure: bytes in, steps out.
//!
//! ```text
//! client ─line─▶ calls ───┬─▶ Step::Server   as it came, or without features that are denied
//!                         ├─▶ Step::Client   a denial in the server's place
//!                         └─▶ Step::Park     a rule asks: Relay::answered goes on
//! server ─line─▶ answers ─┬─▶ Step::Client   as it came, lists without what may not be called
//!                asks     ├─▶ Step::Server   a refusal in the client's place
//!                         └─▶ Step::Park     a rule asks, or what is pinned changed
//! ```
//! Invariant: nothing passes that was not read as a message; a response passes only for a request that was passed on, to the
//! side that made it; what a list shows is by the request it answers, whatever it calls itself; what is unknown is denied
//! unless a rule names it. Leaves to others: asking, the record and the pins file (`session`).

mod answers;
mod asks;
mod calls;
mod features;
mod lists;
mod own;
mod parked;
mod rates;
mod steps;
mod streams;
mod subject;
mod tasks;
#[cfg(test)]
mod tests;
mod wanted;
mod watch;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::breaks;
use super::message::{Fault, Id, Message};
use super::pins::{Identity, OnChange, Pinned};
use super::reply::{self, Why};
use crate::policy::Verdict;
use crate::policy::mcp::{Call, McpDecision, McpRule, Moment, Subject, Value, decide};
use features::Features;
use lists::List;
use own::Own;
use parked::Parked;
pub use rates::Rates;
pub use steps::{Changed, Question, Side, Step, Told};
use streams::Streams;
use tasks::Tasks;
pub use watch::PINS;
use watch::Watch;

/// Requests of one side that may be open at a time.
const MOST_OPEN: usize = 4096;
/// Calls that were cancelled and may still be answered: beyond, the oldest is forgotten.
const MOST_CANCELLED: usize = 256;

/// When a line came.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Nanoseconds of the session's clock.
    pub at: u64,
    pub moment: Moment,
    /// Somebody can be asked.
    pub terminal: bool,
}

/// A request that waits for its response.
#[derive(Debug, Clone)]
struct Open {
    method: String,
    /// Of what it is about; for a task, of the tool that it runs.
    name: String,
    list: Option<List>,
    /// The first page of a list.
    is_first: bool,
    started: u64,
    /// The client gave a revision with the request itself.
    modern: bool,
    /// Nothing was sent yet: somebody is asked.
    is_parked: bool,
    /// The relay has asked it, and no client.
    is_own: bool,
}

/// A request of the server's that waits for the client's response.
#[derive(Debug, Clone)]
struct Asked {
    method: String,
    is_parked: bool,
}

/// One connection.
pub struct Relay {
    server: Arc<str>,
    rules: Arc<[McpRule]>,
    from_client: HashMap<Id, Open>,
    from_server: HashMap<Id, Asked>,
    cancelled: VecDeque<Id>,
    shared: Arc<Mutex<Shared>>,
    rates: Rates,
    /// By ticket.
    parked: BTreeMap<u64, Parked>,
    tickets: u64,
    told: u64,
    features: Features,
    streams: Streams,
    own: Own,
    tells_answers: bool,
}

/// What connections of one client to one server have in common.
#[derive(Debug, Default)]
struct Shared {
    tasks: Tasks,
    watch: Option<Watch>,
}

impl Relay {
    /// `server` is its name in the policy.
    pub fn new(server: &str, rules: Arc<[McpRule]>) -> Relay {
        Relay {
            server: server.into(),
            features: Features::new(server, &rules),
            rules,
            from_client: HashMap::new(),
            from_server: HashMap::new(),
            cancelled: VecDeque::new(),
            shared: Arc::default(),
            rates: Rates::default(),
            parked: BTreeMap::new(),
            tickets: 0,
            told: 0,
            streams: Streams::default(),
            own: Own::default(),
            tells_answers: false,
        }
    }

    /// Another connection of the same client, to which each request is one: with no request open, but the same rules, counts,
    /// tasks and pins.
    #[must_use]
    pub fn beside(&self) -> Relay {
        let fresh = Relay::new(&self.server, Arc::clone(&self.rules));
        let (shared, rates) = (Arc::clone(&self.shared), self.rates.clone());
        Relay { shared, rates, tells_answers: self.tells_answers, ..fresh }
    }

    /// Counts calls together with whoever else was given the same.
    #[must_use]
    pub fn counting(self, rates: &Rates) -> Relay {
        Relay { rates: rates.clone(), ..self }
    }

    /// Gives answers with what is told of them.
    #[must_use]
    pub fn telling_answers(self) -> Relay {
        Relay { tells_answers: true, ..self }
    }

    /// Asks the server for its tools itself where a client calls one without having asked, and something is pinned by it: for
    /// connections, on which what the relay says reaches the server as what the client says does.
    #[must_use]
    pub fn looking(mut self) -> Relay {
        self.own.enabled = true;
        self
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Whatever panicked, what is counted and known stays what it was.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the server to what is pinned of it; None: this is its first use, and what it shows will be pinned. That the
    /// identity is the one that is pinned, whoever starts the server has seen to.
    #[must_use]
    pub fn pinned(self, known: Option<Pinned>, identity: Identity, on_change: OnChange) -> Relay {
        self.shared().watch = Some(Watch::new(known, identity, on_change));
        self
    }

    /// From here on these rules hold. What was counted for rules that stay is kept, what was asked is answered as it was.
    pub fn judge_by(&mut self, rules: Arc<[McpRule]>) -> Vec<Step> {
        self.rules = rules;
        self.rates.keep(&self.rules);
        let steps = self.features.judge_by(&self.server, &self.rules);
        self.streams.in_order(steps)
    }

    /// A line of the client's; `message` is what is in it.
    pub fn client(&mut self, line: &[u8], message: &[u8], now: Now) -> Vec<Step> {
        if message.is_empty() {
            return Vec::new();
        }
        if let Some(escaped) = breaks::escaped(line) {
            return self.client(&escaped, breaks::escaped(message).as_deref().unwrap_or(message), now);
        }
        match Message::parse(message) {
            Ok(Message::Request { id, method, params }) => self.request(line, message, id, &method, &params, now),
            Ok(Message::Notification { method, params }) => self.client_tells(line, &method, &params, now),
            Ok(Message::Result { id, result }) => self.client_answers(line, Some(&id), Some(&result)),
            Ok(Message::Error { id, .. }) => self.client_answers(line, id.as_ref(), None),
            Err(fault) => {
                let answer = match &fault {
                    Fault::Json(_) => reply::unreadable(),
                    Fault::Batch => reply::invalid(None, "batches are not part of this revision"),
                    Fault::Envelope(_) => reply::invalid(self.id_in(message).as_ref(), "invalid message"),
                };
                vec![Step::dropped(Side::Client, &fault.to_string()), Step::Client(answer)]
            }
        }
    }

    /// The id of what is no message, where it is clear and an answer to it can be taken for no other.
    fn id_in(&self, message: &[u8]) -> Option<Id> {
        let value = Value::parse(message).ok()?;
        value.field("id").and_then(Id::read).filter(|id| !self.from_client.contains_key(id))
    }

    /// A line of the server's. What is no message (a banner) is dropped: it is never passed on unread.
    pub fn server(&mut self, line: &[u8], message: &[u8], now: Now) -> Vec<Step> {
        if message.is_empty() {
            return Vec::new();
        }
        if let Some(escaped) = breaks::escaped(line) {
            return self.server(&escaped, breaks::escaped(message).as_deref().unwrap_or(message), now);
        }
        match Message::parse(message) {
            Ok(Message::Request { id, method, params }) => self.server_asks(line, id, &method, &params, now),
            Ok(Message::Notification { method, params }) => self.server_tells(line, &method, &params, now),
            Ok(Message::Result { id, result }) => self.result(line, message, &id, &result, now),
            Ok(Message::Error { id: Some(id), error }) => self.error(line, &id, &error, now),
            Ok(Message::Error { id: None, .. }) => vec![Step::Client(line.to_vec())],
            Err(fault) => {
                let mut steps = vec![Step::dropped(Side::Server, &fault.to_string())];
                // Whoever waits for it need not wait on, where it is clear who that is.
                let id = Value::parse(message).ok().and_then(|value| value.field("id").and_then(Id::read));
                match id.and_then(|id| self.taken(&id).map(|open| (id, open))) {
                    Some((id, open)) if open.is_own => steps.extend(self.looked(&id, &open, None, now)),
                    Some((id, _)) => steps.push(Step::Client(reply::failed(&id, "the server's answer cannot be read"))),
                    None => {}
                }
                steps
            }
        }
    }

    /// What the rules say of a call of this method's part of the protocol, rates included.
    fn judged<'r>(&self, rules: &'r [McpRule], call: &Call<'_>, at: u64) -> (McpDecision<'r>, Why) {
        let decision = decide(rules, call);
        let why = Why::of(&decision);
        let Some((rule, rate)) = decision.rule.and_then(|rule| Some((rule, rule.rate?))) else {
            return (decision, why);
        };
        if decision.verdict == Verdict::Deny {
            return (decision, why);
        }
        if self.rates.take(rule, rate, at) {
            return (decision, why);
        }
        let reason = format!("more than {} calls in {} s", rate.calls, rate.per.as_secs());
        (McpDecision { verdict: Verdict::Deny, rule: Some(rule), argument: None }, Why::new(&rule.id, reason))
    }

    /// Whether a method that is put to the other side within something else is allowed outright.
    fn allows_method(&self, method: &str, params: Option<&Value>, now: Now) -> bool {
        let call = self.method_call(method, params, now);
        decide(&self.rules, &call).verdict == Verdict::Allow
    }

    fn method_call<'c>(&'c self, method: &'c str, params: Option<&'c Value>, now: Now) -> Call<'c> {
        Call {
            server: &self.server,
            subject: Subject::Method,
            name: method,
            arguments: params,
            moment: now.moment,
            terminal: now.terminal,
        }
    }

    /// What is told of a call that was judged.
    fn told_call(&mut self, side: Side, id: &Id, method: &str, call: &Call<'_>, decision: &McpDecision<'_>) -> Told {
        let keys = match call.arguments {
            Some(Value::Object(fields)) => fields.iter().map(|(key, _)| key.clone()).collect(),
            _ => Vec::new(),
        };
        self.told += 1;
        Told {
            number: self.told,
            side,
            id: id.clone(),
            method: method.to_owned(),
            name: call.name.to_owned(),
            verdict: Some(decision.verdict),
            rule: decision.rule.map_or(String::new(), |rule| rule.id.clone()),
            rule_id: decision.rule.map(|rule| rule.rule),
            argument: decision.argument.map(str::to_owned),
            keys,
            arguments: call.arguments.cloned(),
            duration: 0,
            size: 0,
            hidden: 0,
            error: None,
            answer: None,
        }
    }

    /// What is told of an answer of the server's.
    fn told_answer(&mut self, id: &Id, open: &Open, size: usize, now: Now) -> Told {
        self.told += 1;
        Told {
            number: self.told,
            side: Side::Server,
            id: id.clone(),
            method: open.method.clone(),
            name: open.name.clone(),
            verdict: None,
            rule: String::new(),
            rule_id: None,
            argument: None,
            keys: Vec::new(),
            arguments: None,
            duration: now.at.saturating_sub(open.started),
            size,
            hidden: 0,
            error: None,
            answer: None,
        }
    }
}
