//! The frames of the file and what stands in the skippable ones.
//!
//! Invariant: unknown kinds and members are skipped, so that later versions can add to them.
//! Leaves to others: the data frames' content (`lines`), compression (`writer`, `reader`).
//!
//! ```text
//! file      = data index { data index } end          a file that was cut has no end
//! data      = one zstd frame with checksum (RFC 8878 §3.1.1): whole lines, at most 2 s or about 256 KiB of them
//! index,end = one skippable frame (RFC 8878 §3.1.2):
//!     magic     4  0x184D2A57, little-endian
//!     length    4  of what follows, little-endian
//!     sign      6  "govsh" 0x00
//!     version   1  1
//!     kind      1  1 index, 2 end
//!     members      one JSON object
//!     back      4  end only: length of this whole frame, little-endian, so that it is found from the end of the file
//! ```

use serde::{Deserialize, Serialize};

use super::tally::Tally;
use crate::event::Stamped;

/// First bytes of a zstd frame.
pub(super) const DATA: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// First bytes of our skippable frames.
pub(super) const OURS: [u8; 4] = 0x184D_2A57_u32.to_le_bytes();
const SIGN: [u8; 6] = *b"govsh\0";
const VERSION: u8 = 1;
const INDEX: u8 = 1;
const END: u8 = 2;
/// Length of magic, length, sign, version and kind.
const FIXED: usize = 16;
/// Longest skippable frame that is read into memory; longer ones are not ours.
pub(super) const LONGEST: u32 = 4 << 20;

/// Whether `magic` begins a skippable frame, ours or another's.
pub(super) fn is_skippable(magic: [u8; 4]) -> bool {
    u32::from_le_bytes(magic) & 0xFFFF_FFF0 == 0x184D_2A50
}

/// What stands after each data frame.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Index {
    /// Counts data frames from 0.
    pub frame: u64,
    /// Time of the first and last event, in nanoseconds since the session's start.
    pub ns: [u64; 2],
    /// Sequence number of the first and last event.
    pub seq: [u64; 2],
    /// Place of the data frame in the file and its length, in bytes.
    pub at: [u64; 2],
    /// Place of its lines in the whole text and their length, in bytes.
    pub text: [u64; 2],
    /// Microseconds that the intervals of all event lines before this frame add up to.
    #[serde(default)]
    pub clock_us: u64,
    #[serde(flatten)]
    pub tally: Tally,
}

impl Index {
    pub fn add(&mut self, stamped: &Stamped) {
        if self.tally.counts.is_empty() {
            (self.ns[0], self.seq[0]) = (stamped.t, stamped.seq);
        }
        (self.ns[1], self.seq[1]) = (stamped.t, stamped.seq);
        self.tally.add(&stamped.event);
    }
}

/// What stands at the end of a recording that was closed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct End {
    /// Data frames.
    pub frames: u64,
    /// Time of the last event, in nanoseconds since the session's start.
    pub ns: u64,
    /// Exit status, when there was an `exit` event.
    pub status: Option<i32>,
    pub signal: Option<i32>,
    #[serde(flatten)]
    pub tally: Tally,
}

/// A skippable frame of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    Index(Index),
    End(End),
    /// Of a later version or a kind that this one does not know.
    Unknown,
}

impl Note {
    /// Appends the whole frame.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (kind, json) = match self {
            Note::Index(index) => (INDEX, serde_json::to_vec(index)),
            Note::End(end) => (END, serde_json::to_vec(end)),
            Note::Unknown => return,
        };
        // Numbers, strings and maps with string keys always serialise.
        let json = json.unwrap_or_default();
        let back = if kind == END { 4 } else { 0 };
        let whole = FIXED + json.len() + back;
        // A few hundred bytes: kinds are a closed set.
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
        out.extend_from_slice(&OURS);
        out.extend_from_slice(&length(whole - 8));
        out.extend_from_slice(&SIGN);
        out.extend_from_slice(&[VERSION, kind]);
        out.extend_from_slice(&json);
        if kind == END {
            out.extend_from_slice(&length(whole));
        }
    }

    /// The content of a skippable frame with our magic, after its length; None when it is not ours after all.
    pub(super) fn decode(content: &[u8]) -> Option<Note> {
        let rest = content.strip_prefix(&SIGN)?;
        let (&[version, kind], json) = rest.split_first_chunk()?;
        Some(match (version, kind) {
            (VERSION, INDEX) => Note::Index(serde_json::from_slice(json).ok()?),
            (VERSION, END) => Note::End(serde_json::from_slice(json.split_last_chunk::<4>()?.0).ok()?),
            _ => Note::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_read_back() {
        let mut tally = Tally { denied: 2, ..Tally::default() };
        tally.counts.add("file", 7);
        let index =
            Index { frame: 3, ns: [1, 2], seq: [3, 4], at: [5, 6], text: [7, 8], clock_us: 9, tally: tally.clone() };
        let end = End { frames: 4, ns: 12, status: Some(0), signal: None, tally };
        for note in [Note::Index(index), Note::End(end)] {
            let mut out = Vec::new();
            note.encode(&mut out);
            assert_eq!(out[..4], OURS);
            assert_eq!(u32::from_le_bytes(out[4..8].try_into().expect("four")) as usize, out.len() - 8);
            assert_eq!(Note::decode(&out[8..]), Some(note));
        }
    }

    #[test]
    fn later_versions_and_members_are_skipped() {
        assert_eq!(Note::decode(b"govsh\0\x02\x01{}"), Some(Note::Unknown));
        assert_eq!(Note::decode(b"govsh\0\x01\x09whatever"), Some(Note::Unknown));
        let more = b"govsh\0\x01\x01{\"frame\":0,\"ns\":[0,0],\"seq\":[0,0],\"at\":[0,0],\"text\":[0,0],\"later\":{}}";
        assert_eq!(Note::decode(more), Some(Note::Index(Index::default())));
        assert_eq!(Note::decode(b"another's"), None);
    }
}
