//! The globs behind one node, found by what they end or begin with.
//!
//! Invariant: asking costs a bit test for almost every name, and one look-up for each length of suffix otherwise,
//! however many globs there are. Leaves to others: what a match leads to (`trie`).

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::policy::pattern::Glob;

/// Globs, each with the node that it leads to.
#[derive(Debug, Default)]
pub struct Globs {
    by_suffix: Buckets,
    /// Those that end in `*`.
    by_prefix: Buckets,
    /// Those that begin and end in `*`.
    loose: Vec<(Glob, u32)>,
}

/// Globs by a literal piece of theirs.
#[derive(Debug, Default)]
struct Buckets {
    /// The bytes that a piece has at the outer end, as bits.
    outer: [u64; 4],
    /// The lengths that pieces have.
    lengths: Vec<usize>,
    globs: HashMap<Box<[u8]>, Vec<(Glob, u32)>, RandomState>,
}

impl Globs {
    /// The node that the glob leads to: `fresh` if the glob is new.
    pub fn insert(&mut self, glob: &Glob, fresh: u32) -> u32 {
        let place = match (glob.suffix(), glob.prefix()) {
            ([], []) => &mut self.loose,
            ([], prefix) => self.by_prefix.place(prefix, prefix.first()),
            (suffix, _) => self.by_suffix.place(suffix, suffix.last()),
        };
        match place.iter().find(|edge| edge.0 == *glob) {
            Some(edge) => edge.1,
            None => {
                place.push((glob.clone(), fresh));
                fresh
            }
        }
    }

    /// Calls `found` with the node of every glob that matches.
    #[inline]
    pub fn matches(&self, name: &[u8], mut found: impl FnMut(u32)) {
        let mut check = |edges: &[(Glob, u32)]| {
            edges.iter().filter(|(glob, _)| glob.matches(name)).for_each(|(_, to)| found(*to));
        };
        if self.by_suffix.has(name.last()) {
            for length in &self.by_suffix.lengths {
                let suffix = name.len().checked_sub(*length).and_then(|start| name.get(start..));
                self.by_suffix.bucket(suffix).map(&mut check);
            }
        }
        if self.by_prefix.has(name.first()) {
            for length in &self.by_prefix.lengths {
                self.by_prefix.bucket(name.get(..*length)).map(&mut check);
            }
        }
        check(&self.loose);
    }
}

impl Buckets {
    fn place(&mut self, piece: &[u8], outer: Option<&u8>) -> &mut Vec<(Glob, u32)> {
        if let Some(&byte) = outer {
            self.outer[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
        if !self.lengths.contains(&piece.len()) {
            self.lengths.push(piece.len());
        }
        self.globs.entry(piece.into()).or_default()
    }

    #[inline]
    fn has(&self, outer: Option<&u8>) -> bool {
        outer.is_some_and(|&byte| self.outer[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1)
    }

    fn bucket(&self, piece: Option<&[u8]>) -> Option<&[(Glob, u32)]> {
        self.globs.get(piece?).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_matches_one_by_one() {
        let texts = ["*.pem", "*.key", "a*.pem", ".env.*", ".e*", "*", "*x*", "*m", "a*b*c"];
        let mut globs = Globs::default();
        for (at, text) in texts.iter().enumerate() {
            globs.insert(&Glob::parse(text).unwrap(), at as u32);
        }
        assert_eq!(globs.insert(&Glob::parse("*.key").unwrap(), 99), 1);
        for name in ["x.pem", "a.pem", ".env.local", ".env", "abc", "axbxc", "m", "q", ".pem", "é"] {
            let mut found = Vec::new();
            globs.matches(name.as_bytes(), |at| found.push(at));
            found.sort();
            let each = texts.iter().enumerate().filter(|(_, text)| Glob::parse(text).unwrap().matches(name.as_bytes()));
            assert_eq!(found, each.map(|(at, _)| at as u32).collect::<Vec<_>>(), "{name}");
        }
    }
}
