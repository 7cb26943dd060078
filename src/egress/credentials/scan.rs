//! Finding known strings in bytes that come in pieces, and putting others of the same length in their place.
//!
//! Invariant: what is handed on holds none of the strings, however the bytes were cut; at most the longest string less one
//! byte is held back, and only while what came last could be the beginning of one.
//! Leaves to others: which strings (`forms`), what a find means (`http`).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use zeroize::Zeroizing;

/// Whose string was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark {
    /// Position of the credential among the session's.
    pub credential: usize,
    /// The secret itself; else its placeholder.
    pub real: bool,
}

/// A string to look for.
pub struct Needle {
    pub mark: Mark,
    pub text: Zeroizing<Vec<u8>>,
    /// As long as `text`.
    pub instead: Zeroizing<Vec<u8>>,
}

/// The strings of one direction.
#[derive(Default)]
pub struct Needles(Vec<Needle>);

impl Needles {
    /// Empty strings are left out: they are everywhere.
    pub fn new(needles: impl IntoIterator<Item = Needle>) -> Needles {
        let fit = |needle: &Needle| !needle.text.is_empty() && needle.text.len() == needle.instead.len();
        Needles(needles.into_iter().filter(fit).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first one that stands in `text`, as a whole.
    pub fn find(&self, text: &[u8]) -> Option<Mark> {
        self.0.iter().find(|needle| memmem::find(text, &needle.text).is_some()).map(|needle| needle.mark)
    }

    /// All that stand in `text`, each once.
    pub fn marks(&self, text: &[u8]) -> Vec<Mark> {
        let standing = self.0.iter().filter(|needle| memmem::find(text, &needle.text).is_some());
        let mut marks: Vec<Mark> = standing.map(|needle| needle.mark).collect();
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    /// Puts the others in their places; gives those that were found.
    pub fn replace(&self, text: &mut [u8]) -> Vec<Mark> {
        let mut found = Vec::new();
        for needle in &self.0 {
            let mut from = 0;
            while let Some(at) = text.get(from..).and_then(|rest| memmem::find(rest, &needle.text)) {
                let end = from + at + needle.text.len();
                if let Some(place) = text.get_mut(from + at..end) {
                    place.copy_from_slice(&needle.instead);
                }
                from = end;
                found.push(needle.mark);
            }
        }
        found
    }

    /// How many bytes at the end of `text` could be the beginning of one.
    fn begun(&self, text: &[u8]) -> usize {
        let begun = |needle: &Needle| {
            let most = (needle.text.len() - 1).min(text.len());
            let ends = |length: &usize| match (text.get(text.len() - length..), needle.text.get(..*length)) {
                (Some(end), Some(start)) => end == start,
                _ => false,
            };
            (1..=most).rev().find(ends).unwrap_or(0)
        };
        self.0.iter().map(begun).max().unwrap_or(0)
    }
}

/// One stream of bytes on its way.
pub struct Scan {
    needles: Arc<Needles>,
    held: BytesMut,
}

/// What of a stream may go on, and what was found in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Cleared {
    pub bytes: Bytes,
    pub found: Vec<Mark>,
}

impl Scan {
    pub fn new(needles: Arc<Needles>) -> Scan {
        Scan { needles, held: BytesMut::new() }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: Bytes) -> Cleared {
        if self.held.is_empty() && self.needles.find(&piece).is_none() {
            let begun = self.needles.begun(&piece);
            let mut bytes = piece;
            let held = bytes.split_off(bytes.len() - begun);
            self.held.extend_from_slice(&held);
            return Cleared { bytes, found: Vec::new() };
        }
        self.held.extend_from_slice(&piece);
        let found = self.needles.replace(&mut self.held);
        let begun = self.needles.begun(&self.held);
        let bytes = self.held.split_to(self.held.len() - begun).freeze();
        Cleared { bytes, found }
    }

    /// The stream ended: what was held back was no string after all.
    pub fn end(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn needles(pairs: &[(&str, &str)]) -> Arc<Needles> {
        let needle = |(credential, (text, instead)): (usize, &(&str, &str))| Needle {
            mark: Mark { credential, real: true },
            text: Zeroizing::new(text.as_bytes().to_vec()),
            instead: Zeroizing::new(instead.as_bytes().to_vec()),
        };
        Arc::new(Needles::new(pairs.iter().enumerate().map(needle)))
    }

    fn passed(needles: &Arc<Needles>, pieces: &[&[u8]]) -> (Vec<u8>, usize) {
        let mut scan = Scan::new(Arc::clone(needles));
        let (mut out, mut found) = (Vec::new(), 0);
        for piece in pieces {
            let cleared = scan.push(Bytes::copy_from_slice(piece));
            out.extend_from_slice(&cleared.bytes);
            found += cleared.found.len();
        }
        out.extend_from_slice(&scan.end());
        (out, found)
    }

    #[test]
    fn found_across_pieces() {
        let needles = needles(&[("secret-token", "hidden-token")]);
        let (out, found) = passed(&needles, &[b"a secr", b"et-tok", b"en and a secret", b" garden"]);
        assert_eq!((out.as_slice(), found), (&b"a hidden-token and a secret garden"[..], 1));
    }

    #[test]
    fn what_begins_nothing_is_not_held_back() {
        let needles = needles(&[("secret-token", "hidden-token")]);
        let mut scan = Scan::new(needles);
        assert_eq!(scan.push(Bytes::from_static(b"data: 1\n\n")).bytes, "data: 1\n\n");
        assert_eq!(scan.push(Bytes::from_static(b"data: se")).bytes, "data: ");
        assert_eq!(scan.push(Bytes::from_static(b"nd\n\n")).bytes, "send\n\n");
    }

    fn cut(text: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        at.windows(2).map(|pair| text[pair[0]..pair[1]].to_vec()).collect()
    }

    proptest! {
        #[test]
        fn cutting_makes_no_difference(
            parts in prop::collection::vec(prop_oneof![
                Just("abcabd".to_owned()), Just("abc".to_owned()), Just("bdd".to_owned()), "[a-d]{0,8}",
            ], 0..12),
            cuts in prop::collection::vec(any::<usize>(), 0..20),
        ) {
            let needles = needles(&[("abcabd", "xxxxxx"), ("bddbd", "yyyyy")]);
            let text = parts.concat().into_bytes();
            let pieces = cut(&text, &cuts);
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (out, _) = passed(&needles, &pieces);
            prop_assert_eq!(out.len(), text.len());
            prop_assert!(needles.find(&out).is_none());
            // Nothing else was touched.
            prop_assert!(out.iter().zip(&text).all(|(new, old)| new == old || matches!(new, b'x' | b'y')));
            prop_assert_eq!(needles.find(&text).is_some(), out != text);
        }
    }
}
