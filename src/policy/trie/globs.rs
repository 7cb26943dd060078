//! The globs behind one node, found by what they end or begin with, or by a few bytes in them.
//!
//! Invariant: asking costs a bit test for almost every name, and a look-up for each length of piece otherwise, however
//! many globs there are, as long as they differ in some piece. Leaves to others: what a match leads to (`trie`).

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::policy::pattern::Glob;

/// Globs, each with the node that it leads to.
#[derive(Debug, Default)]
pub struct Globs {
    by_suffix: Buckets,
    by_prefix: Buckets,
    /// By some bytes of a piece between two `*`, where nothing else tells them apart.
    by_inner: Buckets,
    /// Those without any literal piece.
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

/// Bytes of an inner piece that are looked up.
const GRAM: usize = 4;

impl Globs {
    /// The node that the glob leads to: `fresh` if the glob is new. It is put where the fewest others are.
    pub fn insert(&mut self, glob: &Glob, fresh: u32) -> u32 {
        let grams = grams(glob);
        let (suffix, prefix) = (glob.suffix(), glob.prefix());
        let known = [self.by_suffix.bucket(Some(suffix)), self.by_prefix.bucket(Some(prefix)), Some(&*self.loose)];
        let inner = grams.iter().map(|gram| self.by_inner.bucket(Some(gram)));
        if let Some(edge) = known.into_iter().chain(inner).flatten().flatten().find(|edge| edge.0 == *glob) {
            return edge.1;
        }
        let crowd = |buckets: &Buckets, piece: &[u8]| match piece {
            [] => usize::MAX,
            piece => buckets.bucket(Some(piece)).map_or(0, <[_]>::len),
        };
        let (behind, before) = (crowd(&self.by_suffix, suffix), crowd(&self.by_prefix, prefix));
        let inner = grams.iter().map(|gram| (crowd(&self.by_inner, gram), *gram)).min();
        let place = match inner {
            // Looked up at every byte of a name: only where it tells much better.
            Some((inside, gram)) if inside.saturating_add(16) < behind.min(before) => self.by_inner.place(gram, None),
            _ if behind == usize::MAX && before == usize::MAX => &mut self.loose,
            _ if behind <= before => self.by_suffix.place(suffix, suffix.last()),
            _ => self.by_prefix.place(prefix, prefix.first()),
        };
        place.push((glob.clone(), fresh));
        fresh
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
        for length in &self.by_inner.lengths {
            for (at, window) in name.windows(*length).enumerate() {
                // The same bytes twice in a name are one piece.
                if !name.windows(*length).take(at).any(|before| before == window) {
                    self.by_inner.bucket(Some(window)).map(&mut check);
                }
            }
        }
        check(&self.loose);
    }
}

/// Every few bytes in the pieces between two `*`.
fn grams(glob: &Glob) -> Vec<&[u8]> {
    let pieces: Vec<&[u8]> = glob.parts().collect();
    let inner = pieces.get(1..pieces.len().saturating_sub(1)).unwrap_or_default();
    inner.iter().flat_map(|piece| piece.windows(GRAM.min(piece.len().max(1)))).collect()
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

    #[inline]
    fn bucket(&self, piece: Option<&[u8]>) -> Option<&[(Glob, u32)]> {
        self.globs.get(piece?).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most globs that have to be looked at for one name.
    fn crowd(globs: &Globs) -> usize {
        let buckets = [&globs.by_suffix, &globs.by_prefix, &globs.by_inner];
        buckets.iter().flat_map(|buckets| buckets.globs.values()).map(Vec::len).max().unwrap_or(0)
    }

    #[test]
    fn floods_are_told_apart() {
        for flood in ["x{}*y", "x*{}y", "*a{}b*", "pre*mid{}*post", "*{}*x*"] {
            let mut globs = Globs::default();
            for number in 0..10_000 {
                let text = flood.replace("{}", &number.to_string());
                globs.insert(&Glob::parse(&text).unwrap(), number);
            }
            assert!(globs.loose.is_empty() && crowd(&globs) <= 64, "{flood}: {}", crowd(&globs));
            let name = flood.replace("{}", "4711").replace('*', "-");
            let mut found = Vec::new();
            globs.matches(name.as_bytes(), |at| found.push(at));
            assert_eq!(found.iter().filter(|at| **at == 4711).count(), 1, "{flood}");
        }
    }

    #[test]
    fn finds_what_matches_one_by_one() {
        let texts = ["*.pem", "*.key", "a*.pem", ".env.*", ".e*", "*", "*x*", "*m", "a*b*c", "*x*x*", "*bx*"];
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
