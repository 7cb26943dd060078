//! What a line leads to.

use super::super::message::Id;
use super::super::pins::{Change, Pinned};
use super::super::reply::Why;
use crate::policy::mcp::{Call, Subject, Value};
use crate::policy::{RuleId, Verdict};

/// Who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// One thing to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// To the server: a line with its end.
    Server(Vec<u8>),
    /// To the client: a line with its end, or a piece of a long one. Nothing else may be written between the pieces.
    Client(Vec<u8>),
    /// Ask somebody, and then [`super::Relay::answered`] with the question's ticket.
    Park(Box<Question>),
    /// The question with this ticket is moot: what it was about was withdrawn.
    Unpark(u64),
    /// For the record.
    Told(Box<Told>),
    /// The server is not what it was pinned as; for the record.
    Changed(Box<Changed>),
    /// What is pinned from now on, for the pins file: the first use is over, or somebody accepted a change.
    Pin(Box<Pinned>),
    /// Something was not passed on, and why.
    Dropped { side: Side, what: String },
    /// The connection cannot go on because of this side, and why: both are to be ended. What the client has of a line has no
    /// last byte.
    Close { side: Side, why: String },
}

/// Something that a rule asks about, or a change of what is pinned.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Which question: unique in a connection.
    pub ticket: u64,
    /// Who wants it: the client of the server, or the server of the client.
    pub side: Side,
    pub id: Id,
    pub method: String,
    pub subject: Subject,
    pub name: String,
    /// All of them: the one who answers sees what the server would get.
    pub arguments: Option<Value>,
    pub rule: String,
    pub reason: String,
    /// What differs from what is pinned; empty where a rule asks.
    pub changes: Vec<Change>,
}

/// A server that is not what it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    pub changes: Vec<Change>,
    /// Deny: hidden and not called. Ask: so until somebody accepts. Allow: passed on all the same.
    pub verdict: Verdict,
}

/// A call or its answer, for the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Counts what is told of a connection, from 1: denials name it to the client.
    pub number: u64,
    pub side: Side,
    pub id: Id,
    pub method: String,
    pub name: String,
    /// None: this is the answer.
    pub verdict: Option<Verdict>,
    /// The rule's own id; empty for the default.
    pub rule: String,
    /// The same among all rules of the policy: ids are not unique over its files.
    pub rule_id: Option<RuleId>,
    /// The argument that decided.
    pub argument: Option<String>,
    /// Keys of the arguments.
    pub keys: Vec<String>,
    /// All of them.
    pub arguments: Option<Value>,
    /// Nanoseconds from the call to its answer.
    pub duration: u64,
    /// Bytes of the answer.
    pub size: usize,
    /// Elements of a list that were not shown.
    pub hidden: usize,
    pub error: Option<String>,
    /// An answer as the server wrote it, where [`super::Relay::telling_answers`] was asked for and it was short enough to be
    /// held.
    pub answer: Option<Vec<u8>>,
}

impl Question {
    /// That a rule asks; its ticket is given when it is parked.
    pub(super) fn of(side: Side, id: &Id, method: &str, call: &Call<'_>, why: Why) -> Question {
        Question {
            ticket: 0,
            side,
            id: id.clone(),
            method: method.to_owned(),
            subject: call.subject,
            name: call.name.to_owned(),
            arguments: call.arguments.cloned(),
            rule: why.rule,
            reason: why.reason,
            changes: Vec::new(),
        }
    }
}

impl Step {
    pub(super) fn dropped(side: Side, what: &str) -> Step {
        Step::Dropped { side, what: what.to_owned() }
    }
}
