//! A single pattern against paths and other patterns.
//!
//! Invariant: time is at most segments × components, whatever is in either. Leaves to others: many patterns at once (`trie`).

use super::{Pattern, Segment, split};

impl Pattern {
    /// Whether the pattern matches the absolute `path`.
    pub fn matches(&self, path: &[u8]) -> bool {
        self.matches_from(path, self.tree)
    }

    /// Whether it matches `path` or a directory above it.
    pub fn covers(&self, path: &[u8]) -> bool {
        self.matches_from(path, true)
    }

    fn matches_from(&self, path: &[u8], tree: bool) -> bool {
        let mut names = split(path);
        let mut segments = self.segments.as_slice();
        while let [Segment::Literal(literal), rest @ ..] = segments {
            if names.next() != Some(&**literal) {
                return false;
            }
            segments = rest;
        }
        if segments.is_empty() {
            return tree || names.next().is_none();
        }
        let names: Vec<&[u8]> = names.collect();
        // reached[j]: the segments so far match the first j names
        let mut reached = vec![false; names.len() + 1];
        reached[0] = true;
        for segment in segments {
            let mut next = vec![false; names.len() + 1];
            for at in (0..reached.len()).filter(|&at| reached[at]) {
                match segment {
                    Segment::Deep => next[at..].fill(true),
                    single => {
                        if names.get(at).is_some_and(|name| single.matches(name)) {
                            next[at + 1] = true;
                        }
                    }
                }
            }
            reached = next;
        }
        if tree { reached.contains(&true) } else { reached[names.len()] }
    }

    /// How far it has matched at `path`, and all that decides what it covers beneath: two directories for which this is equal are
    /// alike to it.
    pub fn after(&self, path: &[u8]) -> Vec<bool> {
        // reached[i]: the first i segments match
        let mut reached = vec![false; self.segments.len() + 1];
        reached[0] = true;
        let skip = |reached: &mut Vec<bool>| {
            for (at, segment) in self.segments.iter().enumerate() {
                reached[at + 1] |= reached[at] && *segment == Segment::Deep;
            }
        };
        skip(&mut reached);
        for name in split(path) {
            let mut next = vec![false; reached.len()];
            // What has matched covers all beneath.
            next[self.segments.len()] = reached[self.segments.len()];
            for (at, segment) in self.segments.iter().enumerate().filter(|(at, _)| reached[*at]) {
                match segment {
                    Segment::Deep => next[at] = true,
                    single => next[at + 1] |= single.matches(name),
                }
            }
            reached = next;
            skip(&mut reached);
        }
        reached
    }

    /// Whether some path may be matched by both. May say yes for two globs in one segment that share nothing.
    pub fn meets(&self, other: &Pattern) -> bool {
        let (mut ours, mut theirs) = (self.segments.as_slice(), other.segments.as_slice());
        while let ([Segment::Literal(a), our_rest @ ..], [Segment::Literal(b), their_rest @ ..]) = (ours, theirs) {
            if a != b {
                return false;
            }
            (ours, theirs) = (our_rest, their_rest);
        }
        let width = theirs.len() + 1;
        let mut reached = vec![false; (ours.len() + 1) * width];
        reached[0] = true;
        for i in 0..=ours.len() {
            for j in 0..=theirs.len() {
                if !reached[i * width + j] {
                    continue;
                }
                let (ours_left, theirs_left) = (ours.get(i), theirs.get(j));
                match (ours_left, theirs_left) {
                    (None, None) => return true,
                    (None, Some(_)) if self.tree => return true,
                    (Some(_), None) if other.tree => return true,
                    _ => {}
                }
                if ours_left == Some(&Segment::Deep) {
                    reached[(i + 1) * width + j] = true;
                    if theirs_left.is_some() {
                        reached[i * width + j + 1] = true;
                    }
                } else if theirs_left == Some(&Segment::Deep) {
                    reached[i * width + j + 1] = true;
                    if ours_left.is_some() {
                        reached[(i + 1) * width + j] = true;
                    }
                } else if let (Some(a), Some(b)) = (ours_left, theirs_left)
                    && a.meets(b)
                {
                    reached[(i + 1) * width + j + 1] = true;
                }
            }
        }
        false
    }
}
