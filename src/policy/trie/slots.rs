//! What matching rules say, right by right.
//!
//! Invariant: of each kind of word the lowest rule is kept, so that the answer does not hang on the order of matching.
//! Leaves to others: which words stand where (`load::compile`), what they come to together (`compiled`).

use crate::policy::Access;

/// What a matching rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Read,
    /// Every change.
    Write,
    Exec,
    /// Every right.
    Deny,
    /// Every change.
    Readonly,
    /// A built-in protection against writing, which a literal rule of a trusted policy lifts.
    Held,
    ExecDeny,
    /// What is asked about before it is read, changed in any way, or run.
    AskRead,
    AskWrite,
    AskExec,
    /// One kind of change alone.
    GrantContents,
    GrantCreate,
    GrantDelete,
    GrantRename,
    GrantChange,
    /// One right alone.
    DenyRead,
    DenyContents,
    DenyExec,
    DenyCreate,
    DenyDelete,
    DenyRename,
    DenyChange,
    /// One kind of change alone.
    AskContents,
    AskCreate,
    AskDelete,
    AskRename,
    AskChange,
    /// What is denied here is not there, as far as the target is told.
    Hide,
}

const SLOTS: usize = Slot::Hide as usize + 1;
const NONE: u32 = u32::MAX;

/// For one right alone: the right, what grants it, what refuses it, what asks about it.
const OF_RIGHTS: [(Access, Slot, Slot, Slot); 7] = [
    (Access::READ, Slot::Read, Slot::DenyRead, Slot::AskRead),
    (Access::WRITE, Slot::GrantContents, Slot::DenyContents, Slot::AskContents),
    (Access::EXEC, Slot::Exec, Slot::DenyExec, Slot::AskExec),
    (Access::CREATE, Slot::GrantCreate, Slot::DenyCreate, Slot::AskCreate),
    (Access::DELETE, Slot::GrantDelete, Slot::DenyDelete, Slot::AskDelete),
    (Access::RENAME, Slot::GrantRename, Slot::DenyRename, Slot::AskRename),
    (Access::CHANGE, Slot::GrantChange, Slot::DenyChange, Slot::AskChange),
];

impl Slot {
    /// What a rule that grants `access` says: every change in one word where it grants them all.
    pub fn granting(access: Access) -> Vec<Slot> {
        words(access, Slot::Write, |of| of.1)
    }

    /// What a rule that refuses `access` says.
    pub fn refusing(access: Access) -> Vec<Slot> {
        if access.is_all() { vec![Slot::Deny] } else { words(access, Slot::Readonly, |of| of.2) }
    }

    /// What a rule that asks about `access` says.
    pub fn asking(access: Access) -> Vec<Slot> {
        words(access, Slot::AskWrite, |of| of.3)
    }

    /// A protection of the path itself and of the way to it.
    pub(super) fn protects(self) -> bool {
        matches!(self, Slot::Deny | Slot::Readonly | Slot::Held) || OF_RIGHTS.iter().any(|of| of.2 == self)
    }

    /// A protection of the way to the path: for the path itself there is a question.
    pub(super) fn protects_way(self) -> bool {
        self != Slot::AskExec && (self == Slot::AskWrite || OF_RIGHTS.iter().any(|of| of.3 == self))
    }
}

fn words(access: Access, changes: Slot, word: impl Fn(&(Access, Slot, Slot, Slot)) -> Slot) -> Vec<Slot> {
    let whole = access.contains(Access::CHANGES);
    let single = if whole { access - Access::CHANGES } else { access };
    let singles = OF_RIGHTS.iter().filter(|of| single.contains(of.0)).map(word);
    singles.chain(whole.then_some(changes)).collect()
}

/// For each slot the lowest rule that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hits([u32; SLOTS]);

impl Hits {
    pub(super) const EMPTY: Hits = Hits([NONE; SLOTS]);

    /// The lowest rule of the slot that matched.
    pub fn rule(&self, slot: Slot) -> Option<u32> {
        let rule = self.0[slot as usize];
        (rule != NONE).then_some(rule)
    }

    /// Without what rules from `limit` on say. A slot whose lowest rule lies below it keeps that one.
    pub fn below(&self, limit: u32) -> Hits {
        Hits(self.0.map(|rule| if rule < limit { rule } else { NONE }))
    }

    /// As if no rule had said this.
    pub fn without(&self, slot: Slot) -> Hits {
        let mut hits = *self;
        hits.0[slot as usize] = NONE;
        hits
    }

    /// The rule that grants this one right.
    pub fn granted(&self, right: Access) -> Option<u32> {
        self.of(right, Slot::Write, |of| of.1)
    }

    /// The rule that asks about this one right.
    pub fn asked(&self, right: Access) -> Option<u32> {
        self.of(right, Slot::AskWrite, |of| of.3)
    }

    /// The rule that refuses some of these rights; what is built in is not looked at.
    pub fn refused(&self, access: Access) -> Option<u32> {
        let alone = |of: &(Access, Slot, Slot, Slot)| if access.contains(of.0) { self.rule(of.2) } else { None };
        let changing = if access.changes() { self.rule(Slot::Readonly) } else { None };
        self.rule(Slot::Deny).or(changing).or_else(|| OF_RIGHTS.iter().filter_map(alone).min())
    }

    /// All rights that a rule refuses; what is built in counts when `held`.
    pub fn refused_rights(&self, held: bool) -> Access {
        if self.rule(Slot::Deny).is_some() {
            return Access::all();
        }
        let unwritten = self.rule(Slot::Readonly).is_some() || held && self.rule(Slot::Held).is_some();
        let changes = if unwritten { Access::CHANGES } else { Access::empty() };
        OF_RIGHTS.iter().filter(|of| self.rule(of.2).is_some()).fold(changes, |all, of| all | of.0)
    }

    /// All rights that a rule refuses or asks about, what is built in included.
    pub fn guarded_rights(&self) -> Access {
        let asked = Access::all().iter().filter(|right| self.asked(*right).is_some()).collect::<Access>();
        self.refused_rights(true) | asked
    }

    fn of(&self, right: Access, changes: Slot, slot: impl Fn(&(Access, Slot, Slot, Slot)) -> Slot) -> Option<u32> {
        let alone = OF_RIGHTS.iter().find(|of| of.0 == right).and_then(|of| self.rule(slot(of)));
        let whole = if right.changes() { self.rule(changes) } else { None };
        match (alone, whole) {
            (Some(alone), Some(whole)) => Some(alone.min(whole)),
            (alone, whole) => alone.or(whole),
        }
    }

    pub(super) fn note(&mut self, slot: Slot, rule: u32) {
        let lowest = &mut self.0[slot as usize];
        *lowest = rule.min(*lowest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_sets_are_one_word() {
        assert_eq!(Slot::refusing(Access::all()), [Slot::Deny]);
        assert_eq!(Slot::refusing(Access::CHANGES), [Slot::Readonly]);
        assert_eq!(Slot::refusing(Access::READ | Access::DELETE), [Slot::DenyRead, Slot::DenyDelete]);
        assert_eq!(Slot::granting(Access::READ | Access::CHANGES), [Slot::Read, Slot::Write]);
        assert_eq!(Slot::asking(Access::all()), [Slot::AskRead, Slot::AskExec, Slot::AskWrite]);
    }

    #[test]
    fn rights_are_found_by_themselves_and_as_part_of_all_changes() {
        let mut hits = Hits::EMPTY;
        hits.note(Slot::Write, 9);
        hits.note(Slot::GrantCreate, 4);
        hits.note(Slot::DenyDelete, 7);
        assert_eq!((hits.granted(Access::CREATE), hits.granted(Access::DELETE)), (Some(4), Some(9)));
        assert_eq!((hits.granted(Access::READ), hits.refused(Access::CHANGES)), (None, Some(7)));
        assert_eq!((hits.refused(Access::CREATE), hits.refused_rights(true)), (None, Access::DELETE));
    }
}
