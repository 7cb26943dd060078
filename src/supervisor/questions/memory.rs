//! Answers that hold for the rest of the session.
//!
//! Invariant: bounded; a denial is found before a permission; an answer for a program holds under the rule that asked.

use super::state::Open;
use super::subject::Subject;
use super::{Realm, Reply};
use crate::event::Scope;
use crate::policy::{Kept, RuleId, Vars, Verdict, Wanted};

/// Answers that are kept: past that, the oldest is asked again.
const MOST: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Memory {
    known: Vec<Known>,
}

#[derive(Debug)]
pub(super) struct Known {
    realm: Realm,
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
    /// What matches, where the rule asks about it once.
    Touched(RuleId, Kept),
}

impl Memory {
    /// Takes over what holds for longer than the calls that wait.
    pub fn keep(&mut self, open: &Open, reply: &Reply) {
        let Open { ask, rule, program, once, realm, .. } = open;
        let (rule, realm) = (*rule, *realm);
        let covers = match reply.scope {
            Scope::Once => {
                once.iter().for_each(|kept| self.put(realm, Covers::Touched(rule, kept.clone()), reply));
                return;
            }
            Scope::Never => Covers::Rule(rule),
            Scope::Program => Covers::Program(rule, program.clone()),
            Scope::Session | Scope::Always => {
                let Some(choice) = ask.choices.get(reply.choice) else { return };
                // A choice that was proposed reads back; should one not, it holds for the calls that wait and no more.
                match Kept::parse(&choice.key, &choice.text, &ask.path, &Vars::default()) {
                    Ok(kept) => Covers::Kept(kept),
                    Err(_) => return,
                }
            }
        };
        self.put(realm, covers, reply);
    }

    /// The rules have other numbers now: an answer by a rule that is gone is gone with it.
    pub fn renumber(&mut self, to: &dyn Fn(RuleId) -> Option<RuleId>) {
        self.known.retain_mut(|known| match &mut known.covers {
            _ if known.realm != 0 => true,
            Covers::Kept(_) => true,
            Covers::Rule(rule) | Covers::Program(rule, _) | Covers::Touched(rule, _) => {
                to(*rule).map(|new| *rule = new).is_some()
            }
        });
    }

    fn put(&mut self, realm: Realm, covers: Covers, reply: &Reply) {
        if self.known.len() >= MOST {
            self.known.remove(0);
        }
        self.known.push(Known { realm, verdict: reply.ruling(), covers, reply: reply.clone() });
    }

    /// The answer to this question, if one was given before to the same tree. `once` is empty unless `rule` alone asks,
    /// about each file once.
    pub fn find(&self, realm: Realm, subject: &Subject, rule: RuleId, program: &[u8], once: &[Kept]) -> Option<&Known> {
        let by = (!once.is_empty()).then_some(rule);
        let known = || self.known.iter().filter(move |known| known.realm == realm);
        denial(known(), subject, (rule, program), by).or_else(|| permission(&known, subject, (rule, program), by))
    }
}

/// A denial of any part is a denial of the whole.
fn denial<'k>(
    mut known: impl Iterator<Item = &'k Known>,
    subject: &Subject,
    (rule, program): (RuleId, &[u8]),
    by: Option<RuleId>,
) -> Option<&'k Known> {
    let wanted = subject.wanted();
    let denies =
        |known: &&Known| known.covers.is_of(rule, program) || wanted.iter().any(|wanted| known.covers.has(wanted, by));
    known.find(|known| known.verdict != Verdict::Allow && denies(known))
}

/// Each part must be allowed.
fn permission<'k, I: Iterator<Item = &'k Known>>(
    known: &dyn Fn() -> I,
    subject: &Subject,
    (rule, program): (RuleId, &[u8]),
    by: Option<RuleId>,
) -> Option<&'k Known> {
    let allowing = || known().filter(|known| known.verdict == Verdict::Allow);
    if let Some(known) = allowing().find(|known| known.covers.is_of(rule, program)) {
        return Some(known);
    }
    let mut found = None;
    for wanted in subject.wanted() {
        found = Some(allowing().find(|known| known.covers.has(&wanted, by))?);
    }
    found
}

impl Covers {
    fn is_of(&self, asked: RuleId, by: &[u8]) -> bool {
        match self {
            Covers::Rule(rule) => *rule == asked,
            Covers::Program(rule, program) => *rule == asked && !by.is_empty() && program == by,
            Covers::Kept(_) | Covers::Touched(..) => false,
        }
    }

    /// Whether it covers this piece; `by` is the rule that asks about each file once.
    fn has(&self, wanted: &Wanted<'_>, by: Option<RuleId>) -> bool {
        match self {
            Covers::Kept(kept) => kept.covers(wanted),
            Covers::Touched(rule, kept) => Some(*rule) == by && kept.covers(wanted),
            Covers::Rule(_) | Covers::Program(..) => false,
        }
    }
}
