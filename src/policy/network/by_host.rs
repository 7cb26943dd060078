//! Rules that speak of hosts, found by the name.
//!
//! Invariant: whatever means a name is among what is found for it; what is found may mean others, so each rule is still asked.
//! The cost grows with the labels of the name and with the rules about it, not with how many rules there are.
//! Leaves to others: what the rules say (`http`).

use std::collections::HashMap;

use super::super::host::Host;
use super::names::HostPattern;

/// Rules, by what the names that they mean end in.
#[derive(Debug)]
pub struct ByHost<T> {
    all: Vec<T>,
    places: HashMap<Box<str>, Vec<u32>, foldhash::fast::FixedState>,
    /// About every name.
    every: Vec<u32>,
}

impl<T> Default for ByHost<T> {
    fn default() -> Self {
        Self { all: Vec::new(), places: HashMap::default(), every: Vec::new() }
    }
}

impl<T> ByHost<T> {
    /// `suffix` is what every name that a rule means ends in, at a dot or as a whole; None for every name.
    pub fn new(all: Vec<T>, suffix: impl Fn(&T) -> Option<&Host>) -> Self {
        let mut places: HashMap<Box<str>, Vec<u32>, _> = HashMap::default();
        let mut every = Vec::new();
        for (number, rule) in (0u32..).zip(&all) {
            match suffix(rule) {
                Some(suffix) => places.entry(suffix.as_str().into()).or_default().push(number),
                None => every.push(number),
            }
        }
        Self { all, places, every }
    }

    /// All of them, as they were read.
    pub fn all(&self) -> &[T] {
        &self.all
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that may mean the name.
    pub fn about<'s>(&'s self, host: &'s Host) -> impl Iterator<Item = &'s T> {
        let above = |rest: &&'s str| rest.split_once('.').map(|(_, behind)| behind);
        let ends = std::iter::successors((!self.places.is_empty()).then(|| host.as_str()), above);
        let of = |end| self.places.get(end).into_iter().flatten();
        ends.flat_map(of).chain(&self.every).filter_map(|number| self.all.get(*number as usize))
    }
}

impl HostPattern {
    /// What every name that it means ends in; None: it means every name.
    pub fn suffix(&self) -> Option<&Host> {
        self.suffix.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::Purpose;
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = String> {
        prop::collection::vec("[ab]{1,2}", 1..5).prop_map(|labels| labels.join("."))
    }

    proptest! {
        #[test]
        fn whatever_means_a_name_is_found(
            patterns in prop::collection::vec((0usize..4, name()), 0..20),
            host in name(),
        ) {
            let text = |(wild, name): &(usize, String)| match wild {
                0 => name.clone(),
                1 => format!("*.{name}"),
                2 => format!("**.{name}"),
                _ => "**".to_owned(),
            };
            let patterns: Vec<HostPattern> =
                patterns.iter().map(|one| HostPattern::parse(&text(one), Purpose::Deny).unwrap()).collect();
            let host = Host::parse(&host).unwrap();
            let wanted: Vec<&HostPattern> = patterns.iter().filter(|pattern| pattern.matches(&host)).collect();
            let rules = ByHost::new(patterns.clone(), HostPattern::suffix);
            let mut found: Vec<&HostPattern> = rules.about(&host).filter(|pattern| pattern.matches(&host)).collect();
            let at = |one: &HostPattern| patterns.iter().position(|pattern| pattern == one);
            found.sort_by_key(|one| at(one));
            let mut wanted = wanted;
            wanted.sort_by_key(|one| at(one));
            prop_assert_eq!(found, wanted);
        }
    }
}
