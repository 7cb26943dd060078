//! What protects a path whoever asks for it how: for moves and links, for names by which files are asked for, and for what a
//! refusal says.
//!
//! Invariant: what a rule refuses of a path is the same for every way to it.
//! Leaves to others: single decisions (`compiled`), the disk (`supervisor::scan`).

use super::asks::{Kept, Touch};
use super::compiled::{Lift, Policy};
use super::trie::{Slot, Trie};
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

    /// Whether all beneath `one` is refused and asked about as what has the same name beneath `other`, so that a directory that
    /// moves from one to the other need not be looked through. May say no where it is.
    pub fn alike(&self, one: &[u8], other: &[u8]) -> bool {
        let lifts = |lift: &Lift| lift.pattern.after(one) == lift.pattern.after(other);
        self.asks.answers.is_empty() && self.files.lifts.iter().all(lifts) && self.files.trie.alike(one, other)
    }

    /// Whether a directory that takes different names for one (upper and lower case, composed and decomposed letters) could have
    /// something protected under this name: then the name that the kernel has for it is the one to judge.
    pub fn is_doubtful(&self, path: &[u8]) -> bool {
        if !path.is_ascii() {
            return true;
        }
        let folded = self.files.folded.get_or_init(|| self.folded());
        let meant = folded.hits(&path.to_ascii_lowercase()).guarded_rights();
        !meant.is_empty() && !(meant - self.files.trie.hits(path).guarded_rights()).is_empty()
    }

    /// Makes what the first decision would wait for; a thread that has nothing else to do may call it.
    pub fn make_ready(&self) {
        self.files.folded.get_or_init(|| self.folded());
    }

    /// Exceptions are left out: what they cover is looked at more closely, and judged with them.
    fn folded(&self) -> Trie {
        let mut folded = Trie::default();
        let files = &self.files;
        for path in files.placed.iter().filter(|path| path.key.narrows()) {
            folded.insert_each(&path.pattern.folded(), &Slot::refusing(path.access), path.rule, &[]);
        }
        files.held.iter().for_each(|(rule, pattern)| folded.insert(&pattern.folded(), Slot::Held, *rule, &[]));
        for path in &self.asks.files {
            folded.insert_each(&path.pattern.folded(), &Slot::asking(path.access), path.rule, &[]);
        }
        folded
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
