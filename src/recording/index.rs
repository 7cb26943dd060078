//! What a recording says of itself without being read: its first event and the figures of its frames.
//!
//! Invariant: costs a few reads, and a few more for each frame of a recording that was not closed. Believes what it reads: whether
//! that is what was written says `verify`.
//! Leaves to others: the events (`reader`).

use std::io::{self, Read, Seek, SeekFrom};

use super::frame::{End, LONGEST, Note, OURS};
use super::tally::Tally;
use super::{ReadError, Reader, archive, table};
use crate::event::{Event, Start};

/// A recording at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct Glance {
    /// None when the file was cut before it.
    pub start: Option<Start>,
    /// None when the recording was not closed: the session is running, was killed, or the file was cut.
    pub end: Option<End>,
    /// Of the whole recording, or of the frames that are complete.
    pub tally: Tally,
    /// Time of the last event that the frames tell of, in nanoseconds since the session's start.
    pub ns: u64,
}

/// Reads the beginning and the end of a recording, and where there is no end the figures of its frames.
pub fn glance<R: Read + Seek>(mut source: R) -> Result<Glance, ReadError> {
    source.rewind()?;
    let start = match Reader::open(&mut source)?.next() {
        Some(Ok(first)) => match first.event {
            Event::Start(start) => Some(*start),
            _ => None,
        },
        Some(Err(error)) => return Err(error),
        None => None,
    };
    if let Some(end) = end(&mut source)? {
        return Ok(Glance { start, tally: end.tally.clone(), ns: end.ns, end: Some(end) });
    }
    let mut glance = Glance { start, end: None, tally: Tally::default(), ns: 0 };
    for index in archive::frames(&mut source)? {
        glance.tally.merge(&index.tally);
        glance.ns = index.ns[1];
    }
    Ok(glance)
}

/// The end, when only the table comes after it.
pub(super) fn end<R: Read + Seek>(source: &mut R) -> Result<Option<End>, ReadError> {
    let mut length = source.seek(SeekFrom::End(0))?;
    // Format 1 ends in the end itself.
    if let Some(tail) = before(source, length)?
        && let Some(table) = table::length(&tail)
        && let Some(less) = length.checked_sub(table)
    {
        length = less;
    }
    let Some(back) = before::<_, 4>(source, length)? else { return Ok(None) };
    let whole = u64::from(u32::from_le_bytes(back));
    if whole < 16 || whole > length || whole > u64::from(LONGEST) {
        return Ok(None);
    }
    source.seek(SeekFrom::Start(length - whole))?;
    let mut frame = Vec::new();
    source.take(whole).read_to_end(&mut frame)?;
    let note = frame.strip_prefix(&OURS).and_then(|rest| Note::decode(rest.get(4..)?));
    Ok(match note {
        Some(Note::End(end)) => Some(end),
        _ => None,
    })
}

/// The last bytes before `place`.
fn before<R: Read + Seek, const N: usize>(source: &mut R, place: u64) -> Result<Option<[u8; N]>, ReadError> {
    let Some(from) = place.checked_sub(N as u64) else { return Ok(None) };
    source.seek(SeekFrom::Start(from))?;
    Ok(Some(bytes(source)?))
}

fn bytes<const N: usize>(source: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}
