//! The objects of decisions, read once for all that have the same words before their process: nearly all lines of a
//! recording differ only in their path.
//!
//! Invariant: gives what [`parse::event`] gives, but for the process and the duration (a test); anything but a plain path
//! behind the process is left to it.
//! Leaves to others: which lines are read at all (`requests`).

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::event::{Event, Judged};
use crate::recording::parse;

/// Beginnings that are kept.
const MOST: usize = 4096;

/// What was read so far.
#[derive(Default)]
pub(super) struct Memo {
    /// By kind and by what stands before the process.
    known: HashMap<Box<[u8]>, Judged, RandomState>,
    key: Vec<u8>,
    whole: Option<Judged>,
}

impl Memo {
    /// The decision of a line with these members; `before` and `after` are what stands around the process. None for
    /// what is no decision.
    pub(super) fn judged(
        &mut self,
        kind: &str,
        members: &[u8],
        before: &[u8],
        after: &[u8],
    ) -> Result<Option<&Judged>, String> {
        let Some(path) = plain_path(after) else {
            self.whole = decision(event(kind, members)?);
            return Ok(self.whole.as_ref());
        };
        self.key.clear();
        self.key.extend_from_slice(kind.as_bytes());
        self.key.push(0);
        self.key.extend_from_slice(before);
        if !self.known.contains_key(self.key.as_slice()) {
            let Some(judged) = decision(event(kind, members)?) else { return Ok(None) };
            if self.known.len() >= MOST {
                self.known.clear();
            }
            self.known.insert(self.key.as_slice().into(), judged);
        }
        let judged = self.known.get_mut(self.key.as_slice());
        Ok(judged.map(|judged| {
            judged.path.clear();
            judged.path.extend_from_slice(path);
            &*judged
        }))
    }
}

fn decision(event: Option<Event>) -> Option<Judged> {
    match event {
        Some(Event::Judged(judged)) => Some(judged),
        _ => None,
    }
}

/// The path, where `members` are `,"path":"…"` and nothing else, in ASCII that stands for itself.
fn plain_path(members: &[u8]) -> Option<&[u8]> {
    let path = members.strip_prefix(b",\"path\":\"")?.strip_suffix(b"\"")?;
    let plain = |byte: &u8| matches!(byte, 0x20..0x7f) && !matches!(byte, b'"' | b'\\');
    // Without early ends the compiler takes many at a time.
    path.iter().fold(true, |all, byte| all & plain(byte)).then_some(path)
}

/// The event of a line whose members begin with the comma before them.
pub(super) fn event(kind: &str, members: &[u8]) -> Result<Option<Event>, String> {
    let mut object = members.to_vec();
    match object.first_mut() {
        Some(comma) if *comma == b',' => *comma = b'{',
        _ => object = b"{}".to_vec(),
    }
    parse::event(kind, &object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_all_that_differs() {
        let mut memo = Memo::default();
        let begin = ",\"op\":\"open\",\"access\":\"read\",\"verdict\":\"allow\",\"rule\":\"r\",\"layer\":\"user\",\"via\":\"brokered\"";
        for path in ["/a", "/b", "/a", "/\\u00e9", "/é", "/a\\\"", "/z\",\"path2\":\"/y"] {
            let after = format!(",\"path\":\"{path}\"");
            let members = format!("{begin},\"pid\":7{after},\"dur\":1.5}}");
            let whole = decision(event("file", members.as_bytes()).expect("valid")).expect("a decision");
            let read = memo.judged("file", members.as_bytes(), begin.as_bytes(), after.as_bytes());
            assert_eq!(read.expect("valid"), Some(&whole), "{path}");
        }
        assert_eq!(memo.known.len(), 1);
        assert!(memo.judged("file", b",\"op\":1}", b",\"op\":1", b",\"path\":\"/a\"").is_err());
    }
}
