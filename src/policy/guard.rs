//! What protects a path whoever asks for it how: for moves and links, for names by which files are asked for, and for what a
//! refusal says.
//!
//! Invariant: what a rule refuses of a path is the same for every way to it.
//! Leaves to others: single decisions (`compiled`), the disk (`supervisor::scan`).

use super::asks::{Kept, Touch};
use super::compiled::Policy;
use super::trie::Slot;
use super::{Access, RuleId, Verdict};

impl Policy {
    /// The rights on `path` that a rule, and not the default, refuses.
    pub fn refused_rights(&self, path: &[u8]) -> Access {
        let hits = self.files.trie.hits(path);
        let held = hits.rule(Slot::Held).is_some() && !self.lifted(path);
        hits.refused_rights(held)
    }

    /// The rights on `path` that are asked about.
    pub fn asked_about(&self, path: &[u8]) -> Access {
        if self.asks.files.is_empty() {
            return Access::empty();
        }
        let asks = |right: &Access| self.decide_file(path, *right).verdict == Verdict::Ask;
        (Access::all() - Access::EXEC).iter().filter(asks).collect()
    }

    /// Whether a refusal says that nothing is there.
    pub fn hides(&self, path: &[u8]) -> bool {
        self.files.trie.hits(path).rule(Slot::Hide).is_some()
    }

    /// Some rule tells one change from another, so that what holds of one need not hold of all.
    pub fn tells_changes_apart(&self) -> bool {
        self.files.is_fine
    }

    /// What an answer about this file comes to, where `rule` asks about a file or directory once.
    pub fn holds_once(&self, rule: RuleId, path: &[u8], access: Access) -> Option<Kept> {
        self.asks.once.get(&rule.0).map(|touch: &Touch| Kept::touched(*touch, path, access))
    }
}
