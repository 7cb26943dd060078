//! Directories: the indexes of some hundred frames in one note, so that opening costs a few reads.
//!
//! Invariant: reads back what was written; what a hostile one claims is bounded by [`TEXT`] and [`LISTED`].
//! Leaves to others: whether it agrees with the file (`archive`).
//!
//! ```text
//! directory = before listed                before: place of the directory before this one, 8 bytes little-endian, 0 for none
//! listed    = one zstd frame of numbers in LEB128: count, kinds, kind { length bytes }, entry { … }
//! entry     = frame ns0 ns1 seq0 seq1 at0 at1 text0 text1 clock_us key denied asked out kinds { kind count }
//!             each up to clock_us as the difference to the entry before, in two's complement of 64 bits, zigzag
//! ```

use std::io::Read;

use super::frame::Index;
use super::tally::Tally;
use super::words::interned;

/// Frames after which a directory is written.
pub(super) const LISTED: usize = 256;
/// Most bytes that one inflates to.
const TEXT: u64 = 1 << 20;
/// Numbers that change little from frame to frame.
const STEADY: usize = 10;

/// The members of a note, for `indexes` of frames in a row.
pub(super) fn encode(before: u64, indexes: &[Index]) -> std::io::Result<Vec<u8>> {
    let mut kinds: Vec<&str> = Vec::new();
    let mut entries = Vec::new();
    let mut last = [0u64; STEADY];
    for index in indexes {
        let now = steady(index);
        for (now, last) in now.iter().zip(last) {
            number(zigzag(now.wrapping_sub(last)), &mut entries);
        }
        last = now;
        let tally = &index.tally;
        for plain in [index.key, tally.denied, tally.asked, tally.output, tally.counts.iter().count() as u64] {
            number(plain, &mut entries);
        }
        for (kind, count) in tally.counts.iter() {
            let place = kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
                kinds.push(kind);
                kinds.len() - 1
            });
            number(place as u64, &mut entries);
            number(count, &mut entries);
        }
    }
    let mut text = Vec::with_capacity(entries.len() + 128);
    number(indexes.len() as u64, &mut text);
    number(kinds.len() as u64, &mut text);
    for kind in kinds {
        number(kind.len() as u64, &mut text);
        text.extend_from_slice(kind.as_bytes());
    }
    text.append(&mut entries);
    let mut members = before.to_le_bytes().to_vec();
    members.append(&mut zstd::bulk::compress(&text, 9)?);
    Ok(members)
}

/// The place of the directory before, and the indexes; None for what is no directory.
pub(super) fn decode(members: &[u8]) -> Option<(u64, Vec<Index>)> {
    let (before, listed) = members.split_first_chunk::<8>()?;
    let mut text = Vec::new();
    zstd::Decoder::with_buffer(listed).ok()?.take(TEXT).read_to_end(&mut text).ok()?;
    let mut rest = &text[..];
    let count = take(&mut rest)?;
    let mut kinds = Vec::new();
    for _ in 0..take(&mut rest)? {
        let length = usize::try_from(take(&mut rest)?).ok()?;
        let (kind, after) = rest.split_at_checked(length)?;
        kinds.push(interned(std::str::from_utf8(kind).ok()?));
        rest = after;
    }
    let mut indexes = Vec::new();
    let mut last = [0u64; STEADY];
    for _ in 0..count {
        for number in &mut last {
            *number = number.wrapping_add(unzigzag(take(&mut rest)?));
        }
        let [frame, ns0, ns1, seq0, seq1, at0, at1, text0, text1, clock_us] = last;
        let (ns, seq, at, text) = ([ns0, ns1], [seq0, seq1], [at0, at1], [text0, text1]);
        let key = take(&mut rest)?;
        let mut tally = Tally { denied: take(&mut rest)?, asked: take(&mut rest)?, ..Tally::default() };
        tally.output = take(&mut rest)?;
        for _ in 0..take(&mut rest)? {
            let kind = kinds.get(usize::try_from(take(&mut rest)?).ok()?)?;
            tally.counts.add(kind, take(&mut rest)?);
        }
        indexes.push(Index { frame, ns, seq, at, text, clock_us, key, dir: 0, tally });
    }
    Some((u64::from_le_bytes(*before), indexes))
}

fn steady(index: &Index) -> [u64; STEADY] {
    let Index { frame, ns, seq, at, text, clock_us, .. } = index;
    [*frame, ns[0], ns[1], seq[0], seq[1], at[0], at[1], text[0], text[1], *clock_us]
}

fn zigzag(number: u64) -> u64 {
    (number << 1) ^ ((number as i64 >> 63) as u64)
}

fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

fn number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_reads_back() {
        let indexes: Vec<_> = (0..300u64)
            .map(|n| {
                let mut tally = Tally { denied: n % 3, asked: 1, output: n * n, ..Tally::default() };
                tally.counts.add("output", n);
                tally.counts.add(if n % 2 == 0 { "file" } else { "exec" }, u64::MAX - n);
                let (ns, seq) = ([n * 5, u64::MAX - n], [n, n + 1]);
                Index { frame: n, ns, seq, at: [n << 40, 3], text: [0, n], clock_us: n, key: n % 7, dir: 0, tally }
            })
            .collect();
        let members = encode(77, &indexes).expect("compressed");
        assert_eq!(decode(&members), Some((77, indexes)));
        for cut in 0..members.len() {
            // No panic, whatever it gives.
            let _ = decode(&members[..cut]);
        }
    }
}
