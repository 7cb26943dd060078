//! What waits for somebody's answer.
//!
//! Invariant: what waits was not sent; it goes once, or never, and only where nothing that holds by then is against it: the
//! rules may be others when the answer comes, and the tool may be. Leaves to others: asking, and how long (`session`).

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::message::Id;
use super::super::pins::Change;
use super::super::reply;
use super::{Now, PINS, Question, Relay, Side, Step};
use crate::policy::Verdict;
use crate::policy::mcp::{Call, McpDecision, Subject, decide};

/// Questions that may be open at a time; what would be one more is denied.
const MOST_PARKED: usize = 64;

/// One question.
#[derive(Debug, Clone)]
pub struct Parked {
    pub about: About,
    /// What is asked now.
    pub question: Question,
    /// And what is asked then, one after the other, as long as each is allowed.
    pub more: VecDeque<Question>,
    pub allowed: Vec<Step>,
    pub denied: Vec<Step>,
    /// The client's token for progress.
    pub token: Option<serde_json::Value>,
    /// How often it was told that its call waits.
    pub steps: u64,
}

/// Whose message waits.
#[derive(Debug, Clone, PartialEq)]
pub enum About {
    /// A request of the client's.
    Call(Id),
    /// A request of the server's.
    Asked(Id),
    /// An answer of the server's to this request, and what in it is not as it was pinned.
    Answer(Id, Vec<Change>),
}

impl Parked {
    /// Of one question, without a token.
    pub fn new(about: About, question: Question, [allowed, denied]: [Vec<Step>; 2]) -> Parked {
        Parked { about, question, more: VecDeque::new(), allowed, denied, token: None, steps: 0 }
    }
}

impl Relay {
    /// The steps that ask; those of a denial where too much is asked already.
    pub(super) fn park(&mut self, mut parked: Parked, now: Now) -> Vec<Step> {
        if self.parked.len() >= MOST_PARKED {
            return self.settle(parked, false, now);
        }
        self.tickets += 1;
        parked.question.ticket = self.tickets;
        let question = parked.question.clone();
        self.parked.insert(self.tickets, parked);
        vec![Step::Park(Box::new(question))]
    }

    /// Somebody answered a question, or it ran out. Nothing, where it is moot. What was allowed is judged once more, by what
    /// holds `now`: an answer is to the question that was asked, and no more than that.
    pub fn answered(&mut self, ticket: u64, allow: bool, now: Now) -> Vec<Step> {
        let Some(mut parked) = self.parked.remove(&ticket) else { return Vec::new() };
        let objection = if allow { self.objection(&parked.question, now) } else { None };
        let may = allow && objection.is_none();
        let steps = match parked.more.pop_front() {
            Some(next) if may => {
                parked.question = next;
                self.park(parked, now)
            }
            _ => self.settle(parked, may, now),
        };
        let steps = objection.into_iter().chain(steps).collect();
        self.streams.in_order(steps)
    }

    /// What speaks by now against what somebody allowed, for the record: rules that deny it or another one that asks, or a
    /// tool that is not what is pinned.
    fn objection(&mut self, question: &Question, now: Now) -> Option<Step> {
        if !question.changes.is_empty() {
            return None;
        }
        let (rules, server) = (Arc::clone(&self.rules), Arc::clone(&self.server));
        let call = Call {
            server: &server,
            subject: question.subject,
            name: &question.name,
            arguments: question.arguments.as_ref(),
            moment: now.moment,
            terminal: now.terminal,
        };
        let decision = decide(&rules, &call);
        let same = || decision.rule.is_some_and(|rule| rule.id == question.rule);
        let stands = decision.verdict == Verdict::Allow || decision.verdict == Verdict::Ask && same();
        let against = |watch: &super::Watch| watch.against(&question.name);
        let pinned = match question.subject {
            Subject::Tool => self.shared().watch.as_ref().and_then(against),
            _ => None,
        };
        if stands && pinned.is_none() {
            return None;
        }
        let denied = McpDecision { verdict: Verdict::Deny, ..decision };
        let mut told = self.told_call(question.side, &question.id, &question.method, &call, &denied);
        told.error = Some(pinned.unwrap_or("the rules are others now").to_owned());
        if stands {
            (told.rule, told.rule_id) = (PINS.to_owned(), None);
        }
        Some(Step::Told(Box::new(told)))
    }

    fn settle(&mut self, parked: Parked, allow: bool, now: Now) -> Vec<Step> {
        let mut steps = Vec::new();
        match parked.about {
            About::Call(id) if allow => {
                if let Some(open) = self.from_client.get_mut(&id) {
                    open.is_parked = false;
                }
            }
            About::Call(id) => drop(self.from_client.remove(&id)),
            About::Asked(id) if allow => {
                if let Some(asked) = self.from_server.get_mut(&id) {
                    asked.is_parked = false;
                }
            }
            About::Asked(id) => drop(self.from_server.remove(&id)),
            About::Answer(id, changes) => {
                if let Some(watch) = &mut self.shared().watch {
                    steps.extend(watch.settled(&changes, allow));
                }
                if self.own.is_asked(&id) {
                    steps.extend(self.go_on(now));
                }
            }
        }
        steps.splice(0..0, if allow { parked.allowed } else { parked.denied });
        steps
    }

    /// What is asked about this request is moot. None: nothing is.
    pub(super) fn unpark(&mut self, side: Side, id: &Id) -> Option<Step> {
        let is_it = |parked: &Parked| match (&parked.about, side) {
            (About::Call(own) | About::Answer(own, _), Side::Client) | (About::Asked(own), Side::Server) => own == id,
            _ => false,
        };
        let ticket = self.parked.iter().find(|(_, parked)| is_it(parked)).map(|(ticket, _)| *ticket)?;
        self.parked.remove(&ticket);
        match side {
            Side::Client => drop(self.from_client.remove(id)),
            Side::Server => drop(self.from_server.remove(id)),
        }
        Some(Step::Unpark(ticket))
    }

    /// Tells clients that gave a token that their calls still wait; for every few seconds.
    pub fn still_waiting(&mut self) -> Vec<Step> {
        let tell = |parked: &mut Parked| {
            let token = parked.token.as_ref()?;
            parked.steps += 1;
            Some(Step::Client(reply::waiting(token, parked.steps)))
        };
        let steps = self.parked.values_mut().filter_map(tell).collect();
        self.streams.in_order(steps)
    }
}
