//! Where symbolic links led a moment ago.
//!
//! Invariant: an entry is a hint. Whoever uses it opens the real path without links and judges that, so an old entry can
//! name an old file but never a forbidden one; and it is not used beyond [`FRESH`].

use std::collections::HashMap;

/// How long an entry is used, in nanoseconds: starts of programs come in bursts, changes of links do not.
const FRESH: u64 = 2_000_000_000;
/// Entries before the cache starts anew.
const MOST: usize = 4096;

/// Path as written → (real path, when it was seen).
#[derive(Debug, Default)]
pub struct Links {
    known: HashMap<Vec<u8>, (Vec<u8>, u64), foldhash::fast::RandomState>,
}

impl Links {
    /// The real path, unless it was seen too long before `now`.
    pub fn get(&self, asked: &[u8], now: u64) -> Option<&[u8]> {
        let (real, seen) = self.known.get(asked)?;
        (now.saturating_sub(*seen) < FRESH).then_some(real)
    }

    pub fn put(&mut self, asked: Vec<u8>, real: Vec<u8>, now: u64) {
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(asked, (real, now));
    }

    pub fn forget(&mut self, asked: &[u8]) {
        self.known.remove(asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_age_and_stay_few() {
        let mut links = Links::default();
        links.put(b"/lib/x".to_vec(), b"/usr/lib/x".to_vec(), 5);
        assert_eq!(links.get(b"/lib/x", FRESH), Some(b"/usr/lib/x".as_slice()));
        assert_eq!(links.get(b"/lib/x", FRESH + 5), None);
        (0..2 * MOST).for_each(|n| links.put(n.to_string().into_bytes(), Vec::new(), 0));
        assert!(links.known.len() <= MOST);
    }
}
