//! One session's requests under another policy.
//!
//! Invariant: what is compared is the policies' own verdict: a question that was answered then counts as a question.
//! Leaves to others: which sessions, and how it is shown.

use std::collections::BTreeMap;

use crate::cmd::past;
use crate::event::{Judged, PolicyUsed, Start};
use crate::policy::learn::{Outcome, told};
use crate::policy::{Decision, Policy, Request, RuleId, Verdict};
use crate::recording::Requests;

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

/// What becomes of one request.
pub(super) enum Fate {
    Absent,
    Own,
    Unnamed,
    Same,
    Changed(Box<Shift>),
}

/// A verdict that is another one now.
pub(super) struct Shift {
    group: Group,
    object: String,
    key: &'static str,
    layer: &'static str,
}

/// Judges a recorded request by another policy.
pub(super) fn fate(judged: &Judged, policy: &Policy) -> Fate {
    match past::outcome(judged) {
        Outcome::Absent => Fate::Absent,
        Outcome::Own => Fate::Own,
        Outcome::Done | Outcome::Failed | Outcome::Denied => {
            let host = past::host(judged);
            let requests = past::requests(judged, host.as_ref());
            let Some((decision, request)) = worst(policy, &requests) else { return Fate::Unnamed };
            let (from, to) = (verdict_then(judged), Now::from(decision.verdict));
            if from == to {
                Fate::Same
            } else {
                Fate::Changed(Box::new(shift(policy, (from, to), decision.rule, request)))
            }
        }
    }
}

/// A session before its requests are counted.
pub(super) fn session(start: Option<&Start>, policy: Option<&PolicyUsed>, exact: bool) -> Session {
    let id = start.map(|start| start.id.clone()).unwrap_or_default();
    let reads = policy.is_none_or(|policy| policy.audit != "writes");
    Session { id, reads, exact, ..Session::default() }
}

impl Session {
    /// What it had, and what changes.
    pub(super) fn sum(mut self, read: Requests<Fate>) -> (Session, BTreeMap<Group, Change>) {
        self.lost = read.lost;
        let mut changed = Vec::new();
        for repeated in read.all {
            self.requests += repeated.count;
            self.different += 1;
            match repeated.fate {
                Fate::Same => {}
                Fate::Absent => self.absent += repeated.count,
                Fate::Own => self.own += repeated.count,
                Fate::Unnamed => self.unnamed += repeated.count,
                Fate::Changed(shift) => changed.push((repeated.seq, repeated.t, repeated.count, shift)),
            }
        }
        changed.sort_by_key(|(seq, ..)| *seq);
        let mut changes = BTreeMap::new();
        for (seq, t, times, shift) in changed {
            let Shift { group, object, key, layer } = *shift;
            // Of one session only the first.
            let first = if changes.contains_key(&group) { Vec::new() } else { vec![(self.id.clone(), t, seq)] };
            let change = Change { times, different: 1, objects: vec![object], first, key, layer };
            changes.entry(group).or_insert_with(Change::default).add(change);
        }
        (self, changes)
    }
}

/// The worst decision on the parts of a call, and the part it is on.
fn worst<'r>(policy: &Policy, requests: &'r [Request<'r>]) -> Option<(Decision, &'r Request<'r>)> {
    let decided = requests.iter().map(|request| (policy.decide(request), request));
    decided.min_by_key(|(decision, _)| Now::from(decision.verdict))
}

/// What the policy of then said: an answered question names the rule that asked behind the answer.
fn verdict_then(judged: &Judged) -> Now {
    let answered = judged.rule.ends_with(')') && judged.rule.contains(" (ask \"");
    if answered { Now::Asked } else { Now::from(judged.verdict) }
}

fn shift(policy: &Policy, (from, to): (Now, Now), rule: RuleId, request: &Request<'_>) -> Shift {
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
    Shift { group, object, key: rule.key, layer: rule.layer.name() }
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
