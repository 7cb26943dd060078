//! The frames of the file and what stands in the skippable ones.
//!
//! Invariant: members that are not known are skipped, so that later versions can add to them.
//! Leaves to others: the data frames' content (`lines`), compression (`writer`, `reader`), links (`chain`), what a directory
//! lists (`directory`), the table (`table`).
//!
//! ```text
//! file      = group { group } end table             a file that was cut has no table
//! group     = data [ keyframe ] index [ directory ]
//! data      = one zstd frame with checksum (RFC 8878 §3.1.1): whole lines, about 256 KiB of them at most
//! the others  are skippable frames (RFC 8878 §3.1.2), table aside laid out like this:
//!     magic     4  0x184D2A57, little-endian
//!     length    4  of what follows, little-endian
//!     sign      6  "govsh" 0x00
//!     version   1  2
//!     kind      1  1 index, 2 end, 3 keyframe, 4 directory
//!     members      index, end: one JSON object; keyframe: one zstd frame; directory: see there
//!     link     32  index, end: of the chain, over everything before it
//!     signature 64 end: Ed25519 over the link; zeroes when nobody signed
//!     back      4  end: length of this whole frame, little-endian, so that it is found from the table
//! table     = the seek table of zstd's seekable format: one entry for each group
//! ```
//! Format 1 has version 1 in its notes, neither links nor signature, index and end alone, and no table.

use serde::{Deserialize, Serialize};

use super::chain::LINK;
use super::seal::SIGNATURE;
use super::tally::Tally;
use crate::event::Stamped;

/// First bytes of a zstd frame.
pub(super) const DATA: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// First bytes of our skippable frames.
pub(super) const OURS: [u8; 4] = 0x184D_2A57_u32.to_le_bytes();
/// What the content of ours begins with.
pub(super) const SIGN: [u8; 6] = *b"govsh\0";
/// Version of the notes that are written: that of the format.
pub(super) const VERSION: u8 = 2;
/// Of format 1.
pub(super) const UNCHAINED: u8 = 1;
/// Kinds of notes.
pub(super) const INDEX: u8 = 1;
pub(super) const END: u8 = 2;
pub(super) const KEYFRAME: u8 = 3;
pub(super) const DIRECTORY: u8 = 4;
/// Length of magic, length, sign, version and kind.
pub(super) const FIXED: usize = 16;
/// Length of the last member of an end.
const BACK: usize = 4;
/// Longest skippable frame that is read into memory; longer ones are not ours.
pub(super) const LONGEST: u32 = 4 << 20;

/// Whether `magic` begins a skippable frame, ours or another's.
pub(super) fn is_skippable(magic: [u8; 4]) -> bool {
    u32::from_le_bytes(magic) & 0xFFFF_FFF0 == 0x184D_2A50
}

/// Of a data frame: bytes before its first block, magic included, and after its last one, by its descriptor (RFC 8878 §3.1.1.1).
pub(super) fn data_header(descriptor: u8) -> (u64, u64) {
    let single = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content = match (descriptor >> 6, single) {
        (0, false) => 0,
        (0, true) => 1,
        (1, _) => 2,
        (2, _) => 4,
        _ => 8,
    };
    (5 + u64::from(!single) + dictionary + content, if descriptor & 4 != 0 { 4 } else { 0 })
}

/// Bytes after a block's header, and whether it is the last one (RFC 8878 §3.1.1.2); None for what is no block.
pub(super) fn block(header: [u8; 3]) -> Option<(u64, bool)> {
    let [low, middle, high] = header;
    let header = u32::from_le_bytes([low, middle, high, 0]);
    let size = match header >> 1 & 3 {
        0 | 2 => u64::from(header >> 3),
        1 => 1,
        _ => return None,
    };
    (size <= 128 << 10).then_some((size, header & 1 == 1))
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
    /// Length of the keyframe between the data frame and this, in bytes; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub key: u64,
    /// Place of the last directory before this; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dir: u64,
    #[serde(flatten)]
    pub tally: Tally,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
pub(super) fn is_zero(number: &u64) -> bool {
    *number == 0
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
    /// Place of the last directory; 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub dir: u64,
    /// The public key of whoever signed, as `PublicKey` writes it. It says nothing before the signature was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What the signer's machine is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(flatten)]
    pub tally: Tally,
}

/// A skippable frame of ours, read without looking at links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    Index(Index),
    End(End),
    /// A screen, or a directory: read by their places.
    Other,
}

impl Note {
    /// The content of a skippable frame with our magic, after its length; None when it is not ours after all.
    pub(super) fn decode(content: &[u8]) -> Option<Note> {
        let content = Content::split(content)?;
        Some(match content.kind {
            INDEX => Note::Index(serde_json::from_slice(content.members).ok()?),
            END => Note::End(serde_json::from_slice(content.members).ok()?),
            _ => Note::Other,
        })
    }
}

/// The parts of a note.
pub(super) struct Content<'a> {
    pub version: u8,
    pub kind: u8,
    pub members: &'a [u8],
    /// Empty where the kind has none; so is the signature.
    pub link: &'a [u8],
    pub signature: &'a [u8],
    /// Length that the note says it has, with magic and length.
    pub back: Option<u32>,
}

impl<'a> Content<'a> {
    /// None for what is not ours or too short.
    pub(super) fn split(content: &'a [u8]) -> Option<Self> {
        let rest = content.strip_prefix(&SIGN)?;
        let (&[version, kind], rest) = rest.split_first_chunk()?;
        let (rest, back) = match kind {
            END if version <= VERSION => {
                let (rest, back) = rest.split_last_chunk::<BACK>()?;
                (rest, Some(u32::from_le_bytes(*back)))
            }
            _ => (rest, None),
        };
        let chained = version == VERSION;
        let signature = if chained && kind == END { SIGNATURE } else { 0 };
        let link = if chained && (kind == END || kind == INDEX) { LINK } else { 0 };
        let (rest, signature) = rest.split_at_checked(rest.len().checked_sub(signature)?)?;
        let (members, link) = rest.split_at_checked(rest.len().checked_sub(link)?)?;
        Some(Self { version, kind, members, link, signature, back })
    }
}

/// Appends a note up to the end of its members; `after` bytes are to follow.
pub(super) fn begin(kind: u8, members: &[u8], after: usize, out: &mut Vec<u8>) {
    // A few kilobytes: kinds of events are a closed set, keyframes and directories are bounded.
    let length = u32::try_from(FIXED + members.len() + after - 8).unwrap_or(u32::MAX);
    out.extend_from_slice(&OURS);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&SIGN);
    out.extend_from_slice(&[VERSION, kind]);
    out.extend_from_slice(members);
}

/// Bytes of a note after its members.
pub(super) const fn after(kind: u8) -> usize {
    match kind {
        INDEX => LINK,
        END => LINK + SIGNATURE + BACK,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: u8, json: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        begin(kind, json, after(kind), &mut out);
        out.resize(out.len() + after(kind), 0);
        out
    }

    #[test]
    fn notes_read_back() {
        let mut tally = Tally { denied: 2, ..Tally::default() };
        tally.counts.add("file", 7);
        let index = Index { frame: 3, ns: [1, 2], seq: [3, 4], at: [5, 6], text: [7, 8], tally, ..Index::default() };
        let out = note(INDEX, &serde_json::to_vec(&index).expect("JSON"));
        assert_eq!(u32::from_le_bytes(out[4..8].try_into().expect("four")) as usize, out.len() - 8);
        assert_eq!(Note::decode(&out[8..]), Some(Note::Index(index)));
        let end = End { frames: 4, ns: 12, status: Some(0), key: Some("k".to_owned()), ..End::default() };
        let out = note(END, &serde_json::to_vec(&end).expect("JSON"));
        assert_eq!(Note::decode(&out[8..]), Some(Note::End(end)));
    }

    #[test]
    fn later_kinds_and_members_are_skipped() {
        assert_eq!(Note::decode(b"govsh\0\x01\x09whatever"), Some(Note::Other));
        let more = b"govsh\0\x01\x01{\"frame\":0,\"ns\":[0,0],\"seq\":[0,0],\"at\":[0,0],\"text\":[0,0],\"later\":{}}";
        assert_eq!(Note::decode(more), Some(Note::Index(Index::default())));
        assert_eq!(Note::decode(b"another's"), None);
    }
}
