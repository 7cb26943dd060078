//! What waits for somebody's answer.
//!
//! Invariant: what waits was not sent; it goes once, or never. Leaves to others: asking, and how long (`session`).

use super::super::message::Id;
use super::super::pins::Change;
use super::super::reply;
use super::{Question, Relay, Side, Step};

/// Questions that may be open at a time; what would be one more is denied.
const MOST_PARKED: usize = 64;

/// One question.
#[derive(Debug, Clone)]
pub struct Parked {
    pub about: About,
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

impl Relay {
    /// The steps that ask; those of a denial where too much is asked already.
    pub(super) fn park(&mut self, parked: Parked, mut question: Question) -> Vec<Step> {
        if self.parked.len() >= MOST_PARKED {
            return self.settle(parked, false);
        }
        self.tickets += 1;
        question.ticket = self.tickets;
        self.parked.insert(self.tickets, parked);
        vec![Step::Park(Box::new(question))]
    }

    /// Somebody answered a question, or it ran out. Nothing, where it is moot.
    pub fn answered(&mut self, ticket: u64, allow: bool) -> Vec<Step> {
        let steps = match self.parked.remove(&ticket) {
            Some(parked) => self.settle(parked, allow),
            None => Vec::new(),
        };
        self.streams.in_order(steps)
    }

    fn settle(&mut self, parked: Parked, allow: bool) -> Vec<Step> {
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
            About::Answer(_, changes) => {
                if let Some(watch) = &mut self.shared().watch {
                    steps.extend(watch.settled(&changes, allow));
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
