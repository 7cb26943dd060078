//! What a line leads to.

use super::super::message::Id;
use crate::policy::Verdict;
use crate::policy::mcp::{Call, McpDecision, Subject, Value};

/// Who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// One thing to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// To the server, with its line end.
    Server(Vec<u8>),
    /// To the client, with its line end.
    Client(Vec<u8>),
    /// Ask somebody, and then [`super::Relay::answered`].
    Park(Box<Question>),
    /// The client withdrew a call that is asked about.
    Unpark(Id),
    /// For the record.
    Told(Box<Told>),
    /// Something was not passed on, and why.
    Dropped { side: Side, what: String },
}

/// A call that a rule asks about.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub id: Id,
    pub method: String,
    pub subject: Subject,
    pub name: String,
    /// All of them: the one who answers sees what the server would get.
    pub arguments: Option<Value>,
    pub rule: String,
    pub reason: String,
}

/// A call or its answer, for the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub side: Side,
    pub id: Id,
    pub method: String,
    pub name: String,
    /// None: this is the answer.
    pub verdict: Option<Verdict>,
    /// The rule's own id; empty for the default.
    pub rule: String,
    /// The argument that decided.
    pub argument: Option<String>,
    /// Keys of the arguments.
    pub keys: Vec<String>,
    /// Nanoseconds from the call to its answer.
    pub duration: u64,
    /// Bytes of the answer.
    pub size: usize,
    /// Elements of a list that were not shown.
    pub hidden: usize,
    pub error: Option<String>,
}

impl Step {
    pub(super) fn dropped(side: Side, what: &str) -> Step {
        Step::Dropped { side, what: what.to_owned() }
    }
}

impl Question {
    pub(super) fn of(id: &Id, method: &str, call: &Call<'_>, decision: &McpDecision<'_>) -> Question {
        Question {
            id: id.clone(),
            method: method.to_owned(),
            subject: call.subject,
            name: call.name.to_owned(),
            arguments: call.arguments.cloned(),
            rule: decision.rule.map_or(String::new(), |rule| rule.id.clone()),
            reason: decision.rule.map_or(String::new(), |rule| rule.reason.clone()),
        }
    }
}

impl Told {
    pub(super) fn judged(id: &Id, method: &str, call: &Call<'_>, decision: &McpDecision<'_>) -> Told {
        let keys = match call.arguments {
            Some(Value::Object(fields)) => fields.iter().map(|(key, _)| key.clone()).collect(),
            _ => Vec::new(),
        };
        Told {
            side: Side::Client,
            id: id.clone(),
            method: method.to_owned(),
            name: call.name.to_owned(),
            verdict: Some(decision.verdict),
            rule: decision.rule.map_or(String::new(), |rule| rule.id.clone()),
            argument: decision.argument.map(str::to_owned),
            keys,
            duration: 0,
            size: 0,
            hidden: 0,
            error: None,
        }
    }

    pub(super) fn answered(id: &Id, method: &str, name: &str, duration: u64, size: usize) -> Told {
        Told {
            side: Side::Server,
            id: id.clone(),
            method: method.to_owned(),
            name: name.to_owned(),
            verdict: None,
            rule: String::new(),
            argument: None,
            keys: Vec::new(),
            duration,
            size,
            hidden: 0,
            error: None,
        }
    }

    pub(super) fn of(self, side: Side) -> Told {
        Told { side, ..self }
    }
}
