//! The index of every complete frame, without its lines.
//!
//! Invariant: what is given agrees with the file: frames follow each other, their places and times never run backwards. Stops
//! where the file was cut or is no recording any more.

use std::io::{self, Read, Seek};

use super::super::ReadError;
use super::super::frame::{DATA, End, Index, LONGEST, Note, OURS, is_skippable};
use super::super::input::Input;
use super::MOST;

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub frames: Vec<Index>,
    pub end: Option<End>,
    /// Place after the last complete frame and its notes.
    pub next: u64,
}

/// Bytes read at once: the head of a frame and a note.
const PIECE: usize = 1 << 10;

/// Hops from frame to frame.
pub(super) fn frames<R: Read + Seek>(source: &mut R) -> Result<Found, ReadError> {
    let mut found = Found::default();
    onwards(source, &mut found)?;
    Ok(found)
}

/// As far as there are complete frames after those that were found.
fn onwards<R: Read + Seek>(source: &mut R, found: &mut Found) -> Result<(), ReadError> {
    let mut input = Input::hopping(source, found.next, PIECE)?;
    // A data frame whose index was not seen yet: its place and length.
    let mut data = None;
    while found.end.is_none() && found.frames.len() < MOST {
        let at = input.at();
        let head = input.peek(8)?;
        let Some(magic) = head.first_chunk::<4>().copied() else { break };
        if magic == DATA {
            if data.is_some() || !over_data(&mut input)? {
                break;
            }
            data = Some([at, input.at() - at]);
            continue;
        }
        let Some(length) =
            head.get(4..8).and_then(|length| length.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes))
        else {
            break;
        };
        if !is_skippable(magic) {
            break;
        }
        if magic != OURS || length > LONGEST {
            if !input.skip(u64::from(length) + 8)? {
                break;
            }
            continue;
        }
        let whole = length as usize + 8;
        let Some(content) = input.peek(whole)?.get(8..whole) else { break };
        let note = Note::decode(content);
        input.skip_peeked(whole);
        match note {
            Some(Note::Index(mut index)) => {
                let Some(place) = data.take() else { break };
                settle(&mut index, place, found.frames.last());
                found.frames.push(index);
                found.next = input.at();
            }
            Some(Note::End(end)) => {
                found.end = Some(end);
                found.next = input.at();
            }
            Some(Note::Unknown) | None => {}
        }
    }
    Ok(())
}

/// Makes an index agree with where its frame was found and with the frame before, whatever it claims.
pub(super) fn settle(index: &mut Index, place: [u64; 2], before: Option<&Index>) {
    let (frame, ns, seq) = before.map_or((0, 0, 0), |before| (before.frame + 1, before.ns[1], before.seq[1]));
    index.frame = frame;
    index.at = place;
    index.ns[0] = index.ns[0].max(ns);
    index.ns[1] = index.ns[1].max(index.ns[0]);
    // Far from the end of the numbers, so that adding one is safe.
    index.seq[1] = index.seq[1].max(seq).min(u64::MAX / 2);
    index.seq[0] = index.seq[0].min(index.seq[1]);
}

/// Steps over a data frame by its blocks (RFC 8878 §3.1.1); false when the file ends in it or it is none.
fn over_data<R: Read + Seek>(input: &mut Input<R>) -> io::Result<bool> {
    let Some(descriptor) = input.peek(5)?.get(4).copied() else { return Ok(false) };
    let single = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content = match (descriptor >> 6, single) {
        (0, false) => 0,
        (0, true) => 1,
        (1, _) => 2,
        (2, _) => 4,
        _ => 8,
    };
    if !input.skip(5 + u64::from(!single) + dictionary + content)? {
        return Ok(false);
    }
    loop {
        let Some(&[low, middle, high]) = input.peek(3)?.first_chunk() else { return Ok(false) };
        let header = u32::from_le_bytes([low, middle, high, 0]);
        let size = match header >> 1 & 3 {
            0 | 2 => u64::from(header >> 3),
            1 => 1,
            _ => return Ok(false),
        };
        if !input.skip(3 + size)? {
            return Ok(false);
        }
        if header & 1 == 1 {
            break;
        }
    }
    input.skip(if descriptor & 4 != 0 { 4 } else { 0 })
}
