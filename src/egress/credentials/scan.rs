//! Finding known strings in bytes that come in pieces, and putting others of the same length in their place.
//!
//! Invariant: what is handed on holds none of the strings, however the bytes were cut; what is held back is at most the
//! longest string less one byte, and only what could be the secret part of one. Of that, [`Scan::release`] gives up the
//! first [`FEW`] bytes of one, so that nobody waits for the last letter of a word.
//! Leaves to others: which strings (`forms`), what a find means (`http`).
//!
//! ```text
//! … no token here: ghp_16C7 │ next piece        begun: the last 8 bytes may be the beginning of "ghp_16C7e42F…"
//!                  ───▶ handed on: everybody's beginning, "ghp_"
//!                      ──── held: what is the secret's own
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use zeroize::Zeroizing;

/// Bytes of a string that may be given up when nothing follows them: too few to be worth anything.
const FEW: usize = 3;
/// How long a stream is silent before they are.
pub const SILENCE: Duration = Duration::from_millis(100);

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
    /// How many bytes at its beginning are no secret.
    pub common: usize,
}

/// The strings of one direction.
#[derive(Default, Clone)]
pub struct Needles(Vec<Arc<Needle>>);

impl Needles {
    /// Empty strings are left out: they are everywhere.
    pub fn new(needles: impl IntoIterator<Item = Needle>) -> Needles {
        let fit = |needle: &Needle| !needle.text.is_empty() && needle.text.len() == needle.instead.len();
        Needles(needles.into_iter().filter(fit).map(Arc::new).collect())
    }

    /// Those of all.
    pub fn joined<'n>(all: impl IntoIterator<Item = &'n Needles>) -> Needles {
        Needles(all.into_iter().flat_map(|needles| needles.0.iter().cloned()).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one stands in `text`, as a whole.
    fn stand_in(&self, text: &[u8]) -> bool {
        self.0.iter().any(|needle| memmem::find(text, &needle.text).is_some())
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

    /// How many bytes at the end of `text` could be the beginning of one, and how many of them no one may see.
    fn begun(&self, text: &[u8]) -> (usize, usize) {
        let (mut longest, mut secret) = (0, 0);
        for needle in &self.0 {
            let most = (needle.text.len() - 1).min(text.len());
            let ends = |length: &usize| match (text.get(text.len() - length..), needle.text.get(..*length)) {
                (Some(end), Some(start)) => end == start,
                _ => false,
            };
            let length = (1..=most).rev().find(ends).unwrap_or(0);
            longest = longest.max(length);
            secret = secret.max(length.saturating_sub(needle.common));
        }
        (longest, secret)
    }
}

/// One stream of bytes on its way.
pub struct Scan {
    needles: Arc<Needles>,
    /// What came last and could be the beginning of one.
    begun: BytesMut,
    /// Of that, handed on already.
    passed: usize,
}

/// What of a stream may go on, and what was found in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Cleared {
    pub bytes: Bytes,
    pub found: Vec<Mark>,
}

impl Scan {
    pub fn new(needles: Arc<Needles>) -> Scan {
        Scan { needles, begun: BytesMut::new(), passed: 0 }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: Bytes) -> Cleared {
        if self.begun.is_empty() && !self.needles.stand_in(&piece) {
            let (begun, secret) = self.needles.begun(&piece);
            let end = piece.len();
            self.begun.extend_from_slice(piece.get(end - begun..).unwrap_or_default());
            self.passed = begun - secret;
            return Cleared { bytes: piece.slice(..end - secret), found: Vec::new() };
        }
        let passed = self.passed;
        self.begun.extend_from_slice(&piece);
        // Of one whose beginning was handed on, that beginning stands in the other as well: it was no secret.
        let found = self.needles.replace(&mut self.begun);
        let (begun, secret) = self.needles.begun(&self.begun);
        let end = self.begun.len();
        // More may be held back now than before, never what is gone already.
        let bytes = Bytes::copy_from_slice(self.begun.get(passed..(end - secret).max(passed)).unwrap_or_default());
        let gone = (end - secret).max(passed);
        drop(self.begun.split_to(end - begun));
        self.passed = gone - (end - begun).min(gone);
        Cleared { bytes, found }
    }

    /// Whether something is held back that [`Scan::release`] would give up.
    pub fn is_waiting(&self) -> bool {
        (1..=FEW).contains(&(self.begun.len() - self.passed))
    }

    /// Nothing has followed for a while: gives up what is held back, where it is little.
    pub fn release(&mut self) -> Bytes {
        if !self.is_waiting() {
            return Bytes::new();
        }
        let bytes = Bytes::copy_from_slice(self.begun.get(self.passed..).unwrap_or_default());
        self.passed = self.begun.len();
        bytes
    }

    /// The stream ended: what was held back was no string after all.
    pub fn end(&mut self) -> Bytes {
        let bytes = self.begun.split().freeze();
        bytes.slice(std::mem::take(&mut self.passed).min(bytes.len())..)
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
            common: text.bytes().zip(instead.bytes()).take_while(|(text, instead)| text == instead).count(),
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

    #[test]
    fn a_beginning_that_everybody_knows_is_not_held_back() {
        let needles = needles(&[("ghp_secret", "ghp_hidden")]);
        let mut scan = Scan::new(needles);
        let mut push = |piece: &'static str| scan.push(Bytes::from_static(piece.as_bytes()));
        assert_eq!(push("ping").bytes, "ping");
        assert_eq!(push("hp_").bytes, "hp_");
        assert_eq!(push("se").bytes, "");
        assert_eq!(push("nd ghp_se").bytes, "send ghp_");
        let cleared = push("cret!");
        assert_eq!((&*cleared.bytes, cleared.found.len()), (&b"hidden!"[..], 1));
    }

    #[test]
    fn little_is_given_up_when_nothing_follows() {
        let mut scan = Scan::new(needles(&[("secret-token", "hidden-token")]));
        assert_eq!(scan.push(Bytes::from_static(b"yes")).bytes, "ye");
        assert!(scan.is_waiting());
        assert_eq!((scan.release(), scan.is_waiting()), (Bytes::from_static(b"s"), false));
        let cleared = scan.push(Bytes::from_static(b"ecret-token"));
        assert_eq!((&*cleared.bytes, cleared.found.len()), (&b"idden-token"[..], 1));
        assert_eq!(scan.push(Bytes::from_static(b" secre")).bytes, " ");
        assert_eq!((scan.release(), scan.end()), (Bytes::new(), Bytes::from_static(b"secre")));
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
            let needles = needles(&[("abcabd", "abxxxx"), ("bddbd", "yyyyy")]);
            let text = parts.concat().into_bytes();
            let pieces = cut(&text, &cuts);
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (out, _) = passed(&needles, &pieces);
            prop_assert_eq!(out.len(), text.len());
            prop_assert!(!needles.stand_in(&out));
            // Nothing else was touched.
            prop_assert!(out.iter().zip(&text).all(|(new, old)| new == old || matches!(new, b'x' | b'y')));
            prop_assert_eq!(needles.stand_in(&text), out != text);
        }
    }
}
