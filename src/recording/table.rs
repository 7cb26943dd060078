//! The seek table of zstd's seekable format, so that its tools can read a part of a recording.
//!
//! Invariant: the last thing in a recording that was closed; nothing reads its entries but tools of others, and `verify`.
//!
//! ```text
//! table = 0x184D2A5E length { group text } groups descriptor=0 0x8F92EAB1     numbers 4 bytes little-endian, descriptor 1
//! ```
//! (zstd_seekable_compression_format.md 0.1.0, without checksums: the frames have their own.) Of each group, `group` is the
//! length in the file and `text` that of its lines.

/// First bytes.
pub(super) const MAGIC: [u8; 4] = 0x184D_2A5E_u32.to_le_bytes();
/// Last bytes.
pub(super) const FOOT: [u8; 4] = 0x8F92_EAB1_u32.to_le_bytes();
/// Bytes of magic and length, of an entry, and after the entries.
const HEAD: usize = 8;
const ENTRY: usize = 8;
pub(super) const TAIL: usize = 9;

/// Collects the lengths of groups.
#[derive(Default)]
pub(super) struct Table {
    entries: Vec<[u32; 2]>,
}

impl Table {
    /// A group of `length` bytes with `text` bytes of lines. What does not fit 32 bits makes the table useless, but nothing else.
    pub(super) fn add(&mut self, length: u64, text: u64) {
        self.entries.push([length, text].map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)));
    }

    /// The last group is longer by `length`.
    pub(super) fn stretch(&mut self, length: u64) {
        if let Some([group, _]) = self.entries.last_mut() {
            *group = group.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
        }
    }

    /// The whole frame.
    pub(super) fn encode(&self) -> Vec<u8> {
        let length = self.entries.len() * ENTRY + TAIL;
        let mut out = Vec::with_capacity(HEAD + length);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&(length as u32).to_le_bytes());
        for part in self.entries.as_flattened() {
            out.extend_from_slice(&part.to_le_bytes());
        }
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        out.push(0);
        out.extend_from_slice(&FOOT);
        out
    }
}

/// The length of the whole frame that ends in `tail`, the last bytes of a file; None when it is none of ours.
pub(super) fn length(tail: &[u8; TAIL]) -> Option<u64> {
    let (groups, rest) = tail.split_first_chunk::<4>()?;
    let groups = u64::from(u32::from_le_bytes(*groups));
    (rest == [&[0][..], &FOOT].concat()).then_some((HEAD + TAIL) as u64 + groups * ENTRY as u64)
}
