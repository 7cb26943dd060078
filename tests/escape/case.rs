//! A case and its three runs: outside it works, under a policy that allows it it works, under the tested one it is refused.
//!
//! Invariant: every run starts from a fresh lab; all cases of a table run before their faults are reported together.
//! Leaves to others: which cases there are (the tables).

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::lab::{Lab, Said, is_root};
use crate::rules::Rules;

/// How an attempt goes outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// It works for the user that the suite runs as.
    Works,
    /// It works for root only.
    Root,
    /// It works, or it is refused so because this kernel was built without it.
    Unless(&'static str),
    /// As `Unless`, for root only.
    RootUnless(&'static str),
    /// Refused so on every kernel the suite meets; only the refusal inside is tested.
    Never(&'static str),
}

pub use Outside::{Never, Root, RootUnless, Unless, Works};

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The words after `attempt`, with `{work}` and the like.
    pub words: &'static str,
    pub outside: Outside,
    /// Which errno, or errnos separated by `|`, the tested policy gives.
    pub errno: &'static str,
    /// `OP PATH-OR-ADDRESS` of the event that the refusal leaves; `- REASON` where it leaves none.
    pub event: &'static str,
}

pub const fn case(words: &'static str, outside: Outside, errno: &'static str, event: &'static str) -> Case {
    Case { words, outside, errno, event }
}

/// A table's policies and how its labs look.
pub struct Table {
    pub set_up: fn(&mut Lab),
    pub tested: Rules,
    /// None where no policy can allow it.
    pub allowing: Option<Rules>,
}

/// Cases of one table that are tried at the same time.
const SIDES: usize = 3;

impl Table {
    /// Runs every case and panics with all that went wrong.
    pub fn check(&self, cases: &[Case]) {
        let next = AtomicUsize::new(0);
        // Most of a run is waiting for another process.
        let side = || {
            let mut wrong = Vec::new();
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.outside(case, &mut wrong);
                if std::env::var_os("GOVSH_ESCAPE_OUTSIDE").is_none() {
                    self.allowed(case, &mut wrong);
                    self.refused(case, &mut wrong);
                }
            }
            wrong
        };
        let wrong: Vec<String> = std::thread::scope(|scope| {
            let sides: Vec<_> = (0..SIDES.min(cases.len())).map(|_| scope.spawn(side)).collect();
            sides.into_iter().flat_map(|side| side.join().expect("a side of the table")).collect()
        });
        assert!(wrong.is_empty(), "{} of {} cases went wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }

    fn lab(&self) -> Lab {
        let mut lab = Lab::new();
        (self.set_up)(&mut lab);
        lab
    }

    fn outside(&self, case: &Case, wrong: &mut Vec<String>) {
        let (privileged, instead) = match case.outside {
            Works => (false, None),
            Root => (true, None),
            Unless(errno) => (false, Some(errno)),
            RootUnless(errno) => (true, Some(errno)),
            Never(errno) => (true, Some(errno)),
        };
        if privileged && !is_root() {
            eprintln!("not root: '{}' is not shown to work outside", case.words);
            return;
        }
        let said = self.lab().outside(case.words, privileged);
        let absent = instead.is_some_and(|errnos| errnos.split('|').any(|errno| errno == said.short()));
        if !said.worked() && !absent {
            wrong.push(fault(case, "outside", "ok", &said));
        }
    }

    fn allowed(&self, case: &Case, wrong: &mut Vec<String>) {
        let Some(rules) = &self.allowing else { return };
        if case.outside != Works {
            return;
        }
        let (said, _) = self.lab().recorded(rules, case.words);
        if !said.worked() {
            wrong.push(fault(case, "allowed", "ok", &said));
        }
    }

    fn refused(&self, case: &Case, wrong: &mut Vec<String>) {
        let mut lab = self.lab();
        let (said, events) = lab.inside(&self.tested, case.words);
        if said.status != 1 || !case.errno.split('|').any(|errno| errno == said.short()) {
            wrong.push(fault(case, "refused", case.errno, &said));
        }
        if let Some((op, object)) = lab.expand(case.event).split_once(' ')
            && op != "-"
            && !events.iter().any(|event| denied(event, op, object))
        {
            let near: Vec<String> =
                events.iter().filter(|event| event["verdict"] == "deny").map(Value::to_string).collect();
            wrong.push(format!("{}: no event 'deny {op} {object}'; denied were: {}", case.words, near.join(" ")));
        }
        if lab.expand("{pid}") != "{pid}" && !lab.victim_lives() {
            wrong.push(format!("{}: the process outside died", case.words));
        }
    }
}

fn fault(case: &Case, run: &str, expected: &str, said: &Said) -> String {
    let last = said.stderr.lines().last().unwrap_or_default();
    format!(
        "{}: {run}: expected {expected}, got '{}' (status {}) {} {last}",
        case.words, said.result, said.status, said.detail
    )
}

/// Whether an event is a denial of `op` on this path or address. `*` stands for any path.
pub fn denied(event: &Value, op: &str, object: &str) -> bool {
    let names = ["path", "path2", "addr"].iter().filter_map(|field| event[field].as_str());
    event["verdict"] == "deny"
        && event["op"]
            .as_str()
            .is_some_and(|said| op.split('|').any(|op| op == if said == "exchange" { "rename" } else { said }))
        && event["rule"].as_str().is_some_and(|rule| !rule.is_empty())
        && event["layer"].is_string()
        && (object == "*" || names.into_iter().any(|name| name == object))
}
