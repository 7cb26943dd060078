//! One session's requests under another policy.
//!
//! Invariant: what is compared is the policies' own verdict: a question that was answered then counts as a question.
//! Leaves to others: which sessions, and how it is shown.

use std::collections::BTreeMap;

use crate::cmd::past;
use crate::event::Judged;
use crate::policy::learn::{Outcome, told};
use crate::policy::{Decision, Policy, Request, RuleId, Verdict};
use crate::recording::{Repeated, Requests};

/// Objects and sessions of one group that are named.
const NAMED: usize = 3;
/// Names of a path that make the directory which requests are put together by, where no rule does it.
const DEEP: usize = 3;

/// What a session had, in requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    pub id: String,
    pub requests: u64,
    pub different: u64,
    /// Not judged: nothing was there, whatever the policy.
    pub absent: u64,
    /// Decided by the session itself, whatever the policy.
    pub own: u64,
    /// Without a path or address.
    pub unnamed: u64,
    /// Events that the recording lost.
    pub lost: u64,
    /// Reads were recorded.
    pub reads: bool,
    /// The session's own variables were.
    pub exact: bool,
}

/// Changes that are shown as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub to: Now,
    pub from: Now,
    /// `read`, `write`, `run`, `connect to`, …
    pub verb: String,
    pub rule: String,
    /// The directory, where the rule is the default.
    pub place: String,
}

/// A verdict, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Now {
    Denied,
    Asked,
    Allowed,
}

impl From<Verdict> for Now {
    fn from(verdict: Verdict) -> Now {
        match verdict {
            Verdict::Deny => Now::Denied,
            Verdict::Ask => Now::Asked,
            Verdict::Allow => Now::Allowed,
        }
    }
}

impl Now {
    pub(super) fn word(self) -> &'static str {
        match self {
            Now::Denied => "denied",
            Now::Asked => "asked",
            Now::Allowed => "allowed",
        }
    }
}

/// What is in a group.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    pub times: u64,
    /// Different requests.
    pub different: u64,
    /// The first few, without their verb.
    pub objects: Vec<String>,
    /// Where it happened first, for each session: session, nanoseconds, sequence number.
    pub first: Vec<(String, u64, u64)>,
    pub key: &'static str,
    pub layer: &'static str,
}

impl Change {
    pub(super) fn add(&mut self, other: Change) {
        self.times += other.times;
        self.different += other.different;
        for object in other.objects {
            if self.objects.len() < NAMED && !self.objects.contains(&object) {
                self.objects.push(object);
            }
        }
        self.first.extend(other.first);
        self.first.sort();
        (self.key, self.layer) = (other.key, other.layer);
    }
}

/// What a session had, and what changes.
pub(super) fn session(read: &Requests, policy: &Policy, exact: bool) -> (Session, BTreeMap<Group, Change>) {
    let id = read.start.as_ref().map(|start| start.id.clone()).unwrap_or_default();
    let reads = read.policy.as_ref().is_none_or(|policy| policy.audit != "writes");
    let mut session = Session { id, lost: read.lost, reads, exact, ..Session::default() };
    let mut changes = BTreeMap::new();
    for repeated in &read.all {
        session.requests += repeated.count;
        session.different += 1;
        let judged = &repeated.judged;
        match past::outcome(judged) {
            Outcome::Absent => session.absent += repeated.count,
            Outcome::Own => session.own += repeated.count,
            Outcome::Done | Outcome::Failed | Outcome::Denied => {
                let host = past::host(judged);
                let requests = past::requests(judged, host.as_ref());
                match worst(policy, &requests) {
                    None => session.unnamed += repeated.count,
                    Some((decision, request)) => {
                        let (from, to) = (verdict_then(judged), Now::from(decision.verdict));
                        if from != to {
                            note(&mut changes, &session.id, repeated, policy, (from, to), (decision.rule, request));
                        }
                    }
                }
            }
        }
    }
    (session, changes)
}

/// The worst decision on the parts of a call, and the part it is on.
fn worst<'r>(policy: &Policy, requests: &'r [Request<'r>]) -> Option<(Decision, &'r Request<'r>)> {
    let decided = requests.iter().map(|request| (policy.decide(request), request));
    decided.min_by_key(|(decision, _)| Now::from(decision.verdict))
}

/// What the policy of then said: an answered question names the rule that asked behind the answer.
fn verdict_then(judged: &Judged) -> Now {
    let answered = judged.rule.contains(" (ask \"") && judged.rule.ends_with(')');
    if answered { Now::Asked } else { Now::from(judged.verdict) }
}

fn note(
    changes: &mut BTreeMap<Group, Change>,
    id: &str,
    repeated: &Repeated,
    policy: &Policy,
    (from, to): (Now, Now),
    (rule, request): (RuleId, &Request<'_>),
) {
    let said = told(request);
    let verb_end = if said.starts_with("connect to ") || said.starts_with("send to ") { 2 } else { 1 };
    let verb = said.split(' ').take(verb_end).collect::<Vec<_>>().join(" ");
    let object = match request {
        Request::Exec { argv, .. } => line(argv),
        _ => said.get(verb.len() + 1..).unwrap_or_default().to_owned(),
    };
    let place = if rule == RuleId::DEFAULT { place(&object, request) } else { String::new() };
    let rule = policy.rule(rule);
    let group = Group { to, from, verb, rule: rule.name.to_string(), place };
    let change = Change {
        times: repeated.count,
        different: 1,
        objects: vec![object],
        first: vec![(id.to_owned(), repeated.t, repeated.seq)],
        key: rule.key,
        layer: rule.layer.name(),
    };
    match changes.get_mut(&group) {
        // Of one session only the first, which is known: requests come in their order.
        Some(known) => known.add(Change { first: Vec::new(), ..change }),
        None => {
            changes.insert(group, change);
        }
    }
}

/// A command line for people.
fn line(argv: &[Vec<u8>]) -> String {
    const LONGEST: usize = 100;
    let words: Vec<String> = argv.iter().map(|word| crate::recording::visible(word)).collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// The first directories of a path.
fn place(object: &str, request: &Request<'_>) -> String {
    match request {
        Request::File { .. } => {
            let names: Vec<&str> = object.split('/').filter(|name| !name.is_empty()).collect();
            let above = names.len().saturating_sub(1).min(DEEP);
            format!("/{}", names.get(..above).unwrap_or_default().join("/"))
        }
        _ => String::new(),
    }
}
