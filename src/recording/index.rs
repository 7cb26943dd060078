//! What a recording says of itself without being read: its first event and the figures of its frames.
//!
//! Invariant: costs a few reads a frame at most, however large the file.
//! Leaves to others: the events (`reader`).

use std::io::{self, Read, Seek, SeekFrom};

use super::frame::{DATA, End, LONGEST, Note, OURS, is_skippable};
use super::tally::Tally;
use super::{ReadError, Reader};
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

/// Reads the beginning and the end of a recording, and where there is no end hops from frame to frame.
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
    hop(&mut source, |note| match note {
        Note::Index(index) => {
            glance.tally.merge(&index.tally);
            glance.ns = glance.ns.max(index.ns[1]);
        }
        Note::End(_) | Note::Unknown => {}
    })?;
    Ok(glance)
}

/// The end, when it is the last thing in the file.
fn end<R: Read + Seek>(source: &mut R) -> Result<Option<End>, ReadError> {
    let length = source.seek(SeekFrom::End(0))?;
    let mut back = [0; 4];
    if length < 4 {
        return Ok(None);
    }
    source.seek(SeekFrom::End(-4))?;
    source.read_exact(&mut back)?;
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

/// Calls `seen` for every skippable frame of ours, stepping over data by its block headers. Stops quietly where the file was cut.
fn hop<R: Read + Seek>(source: &mut R, mut seen: impl FnMut(Note)) -> Result<(), ReadError> {
    let mut source = io::BufReader::with_capacity(1 << 10, source);
    source.seek(SeekFrom::Start(0))?;
    match hop_frames(&mut source, &mut seen) {
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        // A frame that is no frame: what was seen before it still holds.
        Err(ReadError::Foreign) => Ok(()),
        other => other,
    }
}

fn hop_frames<R: Read + Seek>(source: &mut io::BufReader<R>, seen: &mut impl FnMut(Note)) -> Result<(), ReadError> {
    loop {
        let magic: [u8; 4] = bytes(source)?;
        if magic == DATA {
            step_over_data(source)?;
        } else if is_skippable(magic) {
            let length = u32::from_le_bytes(bytes(source)?);
            if magic != OURS || length > LONGEST {
                source.seek_relative(i64::from(length))?;
                continue;
            }
            let mut content = vec![0; length as usize];
            source.read_exact(&mut content)?;
            Note::decode(&content).into_iter().for_each(&mut *seen);
        } else {
            return Err(ReadError::Foreign);
        }
    }
}

/// RFC 8878 §3.1.1: frame header, blocks, checksum.
fn step_over_data<R: Read + Seek>(source: &mut io::BufReader<R>) -> Result<(), ReadError> {
    let [descriptor] = bytes(source)?;
    let single = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content = match (descriptor >> 6, single) {
        (0, false) => 0,
        (0, true) => 1,
        (1, _) => 2,
        (2, _) => 4,
        _ => 8,
    };
    source.seek_relative(i64::from(!single) + dictionary + content)?;
    loop {
        let [low, middle, high] = bytes(source)?;
        let header = u32::from_le_bytes([low, middle, high, 0]);
        let size = match header >> 1 & 3 {
            0 | 2 => i64::from(header >> 3),
            1 => 1,
            _ => return Err(ReadError::Foreign),
        };
        source.seek_relative(size)?;
        if header & 1 == 1 {
            break;
        }
    }
    source.seek_relative(if descriptor & 4 != 0 { 4 } else { 0 })?;
    Ok(())
}

fn bytes<const N: usize>(source: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}
