//! Every question and what became of it.
//!
//! Invariant: bounded; every question is counted, whether it is kept or not.

use super::denials::{LONGEST, object, verb};
use super::phrase::{cut, home_short, lasted};
use crate::event::{Answer, Ask, By, Kind, Scope};
use crate::policy::Verdict;
use crate::recording::{place, visible};

/// Questions that are kept.
const KEPT: usize = 1_000;

#[derive(Debug, Default)]
pub struct Asked {
    kept: Vec<Question>,
    total: u64,
    unattended: u64,
    hint: String,
}

/// A question and, once it is known, its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Nanoseconds since the session's start.
    pub t: u64,
    pub id: u64,
    pub of: Kind,
    /// `read`, `connect`, `run`, …
    pub verb: &'static str,
    /// Path, address or command line.
    pub object: Vec<u8>,
    pub rule: std::sync::Arc<str>,
    pub answer: Option<Answer>,
}

impl Asked {
    pub(super) fn add(&mut self, t: u64, ask: &Ask) {
        self.total += 1;
        if self.kept.len() >= KEPT {
            return;
        }
        let mut object = match ask.of {
            Kind::Exec if !ask.argv.is_empty() => ask.argv.join(&b' '),
            _ => object(ask.of, place(ask.host.as_deref(), ask.addr, ask.port), &ask.path, &ask.path2, &ask.argv),
        };
        object.truncate(LONGEST);
        let (verb, rule) = (verb(ask.of, ask.op, ask.access), ask.rule.clone());
        self.kept.push(Question { t, id: ask.id, of: ask.of, verb, object, rule, answer: None });
    }

    pub(super) fn answered(&mut self, answer: &Answer) {
        if answer.by == By::Nobody {
            self.unattended += 1;
            if self.hint.is_empty() {
                self.hint = cut(&answer.hint, 400);
            }
        }
        if let Some(question) = self.kept.iter_mut().rev().find(|question| question.id == answer.ask) {
            question.answer.get_or_insert_with(|| Answer {
                who: cut(&answer.who, 200),
                rule: cut(&answer.rule, 400),
                hint: String::new(),
                ..answer.clone()
            });
        }
    }

    /// How many questions were put.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The first of them, in order.
    pub fn kept(&self) -> &[Question] {
        &self.kept
    }

    /// How many were denied because nobody was there to ask.
    pub fn unattended(&self) -> u64 {
        self.unattended
    }

    /// How the first of those could have been allowed; empty for none.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl Question {
    /// `run git push origin main`, the object in at most `most` characters.
    pub fn what(&self, home: &[u8], most: usize) -> String {
        let object = match self.of {
            Kind::File => home_short(&self.object, home),
            Kind::Exec | Kind::Net | Kind::Call | Kind::Mcp => visible(&self.object),
        };
        format!("{} {}", self.verb, cut(&object, most))
    }

    /// `allowed once after 6.0s, by user@pts/3 on the terminal`.
    pub fn outcome(&self) -> String {
        let Some(answer) = &self.answer else {
            return "not answered".to_owned();
        };
        let (waited, who) = (lasted(answer.waited), visible(answer.who.as_bytes()));
        let verdict = if answer.verdict == Verdict::Allow { "allowed" } else { "denied" };
        let scope = match answer.scope {
            Scope::Once => "once",
            Scope::Session => "for this session",
            Scope::Program => "for this program",
            Scope::Always => "always",
            Scope::Never => "and not asked again",
        };
        let place = match answer.by {
            By::Terminal => "on its terminal",
            By::Watch => "by watch",
            By::Command => "by govsh answer",
            By::Timeout => return format!("{verdict}: no answer in {waited}"),
            By::Nobody => return format!("{verdict}: nobody was there to ask"),
            By::Withdrawn => return format!("withdrawn after {waited}: the process went away"),
        };
        let rule =
            if answer.rule.is_empty() { String::new() } else { format!(" ({})", visible(answer.rule.as_bytes())) };
        format!("{verdict} {scope}{rule} after {waited}, {who} {place}")
    }
}
