//! Files that may only narrow: what their rules still take from what all others allow.
//!
//! Invariant: with them a verdict is never wider than without them, whoever wrote them. Their rules are numbered behind all
//! others (`load`), so that the lowest hit of a slot is theirs only if no other rule stands there.
//! Leaves to others: which files those are (`chain`), leaving out what they grant (`load::laid`).

use super::compiled::{Policy, Said};
use super::trie::{Hits, Slot};
use super::{Access, Decision, Rule, RuleId, Verdict};

/// What a file that may not widen wants to grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The file as shown.
    pub source: String,
    /// Resolved; None for what is no file.
    pub path: Option<Vec<u8>>,
    pub layer: super::Layer,
    /// Its grants, those of what it builds on included. None of them is among the policy's rules.
    pub rules: Vec<Rule>,
}

impl Policy {
    /// What files of the project would grant if they were trusted.
    pub fn withheld(&self) -> &[Withheld] {
        &self.withheld
    }

    /// Where the machine is enrolled, so that projects and the command line only narrow: file and line.
    pub fn enrolled(&self) -> Option<&str> {
        self.enrolled.as_deref()
    }

    /// The strictest rule of this key in `[require]`, such as `require.audit`.
    pub fn required_by(&self, key: &str) -> Option<&Rule> {
        self.requires.get(key).map(|rule| self.rule(RuleId(*rule)))
    }

    /// Allowed by those rules alone that may widen.
    pub(super) fn granted(&self, path: &[u8], access: Access) -> bool {
        let hits = self.files.trie.hits(path).below(self.narrow_from);
        matches!(self.by_wide_rules(path, access, &hits), Said::Plainly(decision) if decision.verdict == Verdict::Allow)
    }

    /// What all rules say of a path, before answers are looked for.
    pub(super) fn judge(&self, path: &[u8], access: Access, hits: &Hits) -> Said {
        if self.narrow_from == u32::MAX {
            return self.by_wide_rules(path, access, hits);
        }
        let said = self.by_wide_rules(path, access, &hits.below(self.narrow_from));
        let (rule, rights) = match said {
            Said::Plainly(decision) if decision.verdict == Verdict::Deny => return said,
            Said::Plainly(_) => (None, Access::empty()),
            Said::Asks(rule, rights) => (Some(rule), rights),
        };
        let deny = |rule| Said::Plainly(Decision { verdict: Verdict::Deny, rule: RuleId(rule) });
        if let Some(rule) = hits.refused(access) {
            return deny(rule);
        }
        let narrows = |rule: &u32| *rule >= self.narrow_from;
        // What is asked about before it is read cannot be taken away under another name.
        let by_reading = |right: Access| if right == Access::EXEC { None } else { hits.rule(Slot::AskRead) };
        let mut asked = (rule, rights);
        for right in access.iter() {
            let by_itself = hits.asked(right).filter(narrows);
            if let Some(rule) = by_itself.or_else(|| by_reading(right).filter(narrows)) {
                asked = (asked.0.or(Some(rule)), asked.1 | right);
            }
        }
        match asked {
            (Some(rule), rights) => Said::Asks(rule, rights),
            (None, _) => said,
        }
    }
}
