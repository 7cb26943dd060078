//! Answers that hold for the rest of the session.
//!
//! Invariant: bounded; a denial is found before a permission; an answer for a program holds under the rule that asked.

use super::Reply;
use super::subject::Subject;
use crate::event::{Ask, Scope};
use crate::policy::{Kept, RuleId, Vars, Verdict};

/// Answers that are kept: past that, the oldest is asked again.
const MOST: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Memory {
    known: Vec<Known>,
}

#[derive(Debug)]
pub(super) struct Known {
    verdict: Verdict,
    covers: Covers,
    pub reply: Reply,
}

#[derive(Debug)]
enum Covers {
    /// Whatever this rule asks about.
    Rule(RuleId),
    /// Whatever this rule asks about for this program.
    Program(RuleId, Vec<u8>),
    /// What matches a pattern.
    Kept(Kept),
}

impl Memory {
    /// Takes over what holds for longer than the calls that wait.
    pub fn keep(&mut self, ask: &Ask, rule: RuleId, program: &[u8], reply: &Reply) {
        let covers = match reply.scope {
            Scope::Once => return,
            Scope::Never => Covers::Rule(rule),
            Scope::Program => Covers::Program(rule, program.to_vec()),
            Scope::Session | Scope::Always => {
                let Some(choice) = ask.choices.get(reply.choice) else { return };
                // A choice that was proposed reads back; should one not, it holds for the calls that wait and no more.
                match Kept::parse(&choice.key, &choice.text, &ask.path, &Vars::default()) {
                    Ok(kept) => Covers::Kept(kept),
                    Err(_) => return,
                }
            }
        };
        if self.known.len() >= MOST {
            self.known.remove(0);
        }
        self.known.push(Known { verdict: reply.ruling(), covers, reply: reply.clone() });
    }

    /// The answer to this question, if one was given before.
    pub fn find(&self, subject: &Subject, rule: RuleId, program: &[u8]) -> Option<&Known> {
        self.denial(subject, rule, program).or_else(|| self.permission(subject, rule, program))
    }

    /// A denial of any part is a denial of the whole.
    fn denial(&self, subject: &Subject, rule: RuleId, program: &[u8]) -> Option<&Known> {
        let wanted = subject.wanted();
        self.known.iter().filter(|known| known.verdict != Verdict::Allow).find(|known| match &known.covers {
            Covers::Kept(kept) => wanted.iter().any(|wanted| kept.covers(wanted)),
            by_rule => by_rule.is_of(rule, program),
        })
    }

    /// Each part must be allowed.
    fn permission(&self, subject: &Subject, rule: RuleId, program: &[u8]) -> Option<&Known> {
        let allowing = || self.known.iter().filter(|known| known.verdict == Verdict::Allow);
        if let Some(known) = allowing().find(|known| known.covers.is_of(rule, program)) {
            return Some(known);
        }
        let mut found = None;
        for wanted in subject.wanted() {
            let covers = |known: &&Known| matches!(&known.covers, Covers::Kept(kept) if kept.covers(&wanted));
            found = Some(allowing().find(covers)?);
        }
        found
    }
}

impl Covers {
    fn is_of(&self, asked: RuleId, by: &[u8]) -> bool {
        match self {
            Covers::Rule(rule) => *rule == asked,
            Covers::Program(rule, program) => *rule == asked && !by.is_empty() && program == by,
            Covers::Kept(_) => false,
        }
    }
}
