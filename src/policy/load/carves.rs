//! Whether something denied may lie inside something granted, without comparing each with each.
//!
//! Invariant: the answer is that of comparing all pairs. Two patterns can only meet where the literal beginning of one is
//! a directory above that of the other, or the same; a grant of one path is asked of the automaton.

use std::collections::BTreeMap;

use super::PathRule;
use crate::policy::Access;
use crate::policy::pattern::Pattern;
use crate::policy::trie::{Slot, Trie};

/// Grants by where they begin.
pub(super) struct Grants<'g> {
    by_root: BTreeMap<Vec<u8>, Vec<&'g Pattern>>,
    exact: Vec<Vec<u8>>,
}

impl<'g> Grants<'g> {
    pub fn new(grants: &[&'g PathRule]) -> Grants<'g> {
        let mut by_root: BTreeMap<Vec<u8>, Vec<&Pattern>> = BTreeMap::new();
        let mut exact = Vec::new();
        for grant in grants {
            let (root, _) = grant.pattern.literal_prefix();
            if grant.pattern.is_literal() && !grant.pattern.tree {
                exact.push(root);
            } else {
                by_root.entry(root).or_default().push(&grant.pattern);
            }
        }
        Grants { by_root, exact }
    }

    /// Some deny takes something out of a grant that no exception gives back as a whole. The automaton holds all denies.
    pub fn are_carved(&self, denies: &[&PathRule], trie: &Trie) -> bool {
        let refused = |trie: &Trie| {
            let refused = |path: &Vec<u8>| trie.hits(path).refused_rights(false).contains(Access::READ);
            self.exact.iter().any(refused)
        };
        // Few denials are walked in no time by themselves, whatever else there is.
        let found = match self.exact.len() > denies.len() {
            true => refused(&by_themselves(denies)),
            false => !denies.is_empty() && refused(trie),
        };
        if found {
            return true;
        }
        let carves = |deny: &&PathRule| {
            self.near(&deny.pattern).any(|(root, grant)| {
                let given_back = deny.except.iter().any(|except| except.tree && except.matches(root));
                grant.meets(&deny.pattern) && !given_back
            })
        };
        denies.iter().any(carves)
    }

    /// Some grant and the pattern have a path in common.
    pub fn meet(&self, pattern: &Pattern) -> bool {
        self.exact.iter().any(|path| pattern.matches(path)) || self.near(pattern).any(|(_, grant)| grant.meets(pattern))
    }

    /// The grants that begin above, at or beneath where the pattern begins.
    fn near(&self, pattern: &Pattern) -> impl Iterator<Item = (&[u8], &'g Pattern)> {
        let (root, _) = pattern.literal_prefix();
        let inside = if root == b"/" { root.clone() } else { [root.as_slice(), b"/"].concat() };
        let ends = root.iter().enumerate().filter(|(at, byte)| **byte == b'/' && *at > 0).map(|(at, _)| at);
        let mut above: Vec<&[u8]> = ends.filter_map(|end| root.get(..end)).collect();
        above.push(&root);
        if root != b"/" {
            above.push(b"/");
        }
        let upward: Vec<(&[u8], &Vec<&'g Pattern>)> =
            above.into_iter().filter_map(|dir| self.by_root.get_key_value(dir)).map(at_root).collect();
        let from = (std::ops::Bound::Excluded(inside.clone()), std::ops::Bound::Unbounded);
        let downward = self.by_root.range(from).map(at_root).take_while(move |(root, _)| root.starts_with(&inside));
        upward.into_iter().chain(downward).flat_map(|(root, grants)| grants.iter().map(move |grant| (root, *grant)))
    }
}

fn by_themselves(denies: &[&PathRule]) -> Trie {
    let mut trie = Trie::default();
    for deny in denies {
        trie.insert_each(&deny.pattern, &Slot::refusing(deny.access), deny.rule, &deny.except);
    }
    trie
}

fn at_root<'a, 'g>((root, grants): (&'a Vec<u8>, &'a Vec<&'g Pattern>)) -> (&'a [u8], &'a Vec<&'g Pattern>) {
    (root, grants)
}
