//! The index of every complete frame, without its lines: from directories in a few reads, else by hopping.
//!
//! Invariant: what is given agrees with the file: frames follow each other, their places and times never run backwards. Stops
//! where the file was cut or is no recording any more.

use std::io::{self, Read, Seek, SeekFrom};

use memchr::memmem;

use super::super::directory::{self, LISTED};
use super::super::frame::{
    self, Content, DATA, DIRECTORY, End, INDEX, Index, LONGEST, Note, OURS, SIGN, VERSION, is_skippable,
};
use super::super::input::Input;
use super::super::{ReadError, index};
use super::MOST;

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub frames: Vec<Index>,
    pub end: Option<End>,
    /// Place after the last complete frame and its notes.
    pub next: u64,
}

/// Bytes at the end of a file among which the last index is looked for: far more than a frame under way takes.
const UNDER_WAY: u64 = 4 << 20;
/// Bytes read at once: the head of a frame and a note.
const PIECE: usize = 1 << 10;

/// From the directories, as far as there are any, then by hops.
pub(super) fn frames<R: Read + Seek>(source: &mut R) -> Result<Found, ReadError> {
    let mut found = Found::default();
    if let Some(last) = last_directory(source)?
        && let Some(listed) = listed(source, last)?
    {
        found = listed;
    }
    onwards(source, &mut found)?;
    Ok(found)
}

/// The place of the last directory, as the end says or, where there is none, the last index.
fn last_directory<R: Read + Seek>(source: &mut R) -> Result<Option<u64>, ReadError> {
    let place = match index::end(source)? {
        Some(end) => Some(end.dir),
        None => last_index(source)?.map(|index| index.dir),
    };
    Ok(place.filter(|place| *place > 0))
}

/// The last index in the file, looked for from its end: the frame under way is behind it.
fn last_index<R: Read + Seek>(source: &mut R) -> Result<Option<Index>, ReadError> {
    let length = source.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(UNDER_WAY);
    source.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    source.by_ref().take(UNDER_WAY).read_to_end(&mut bytes)?;
    // Bytes of the agent cannot look like this: in lines, control characters are escaped.
    for at in memmem::rfind_iter(&bytes, &[&SIGN[..], &[VERSION, INDEX]].concat()) {
        let Some(head) = at.checked_sub(8).and_then(|from| bytes.get(from..at)) else { break };
        let Some((magic, size)) = head.split_first_chunk::<4>() else { break };
        let size = size.first_chunk().map_or(0, |size| u32::from_le_bytes(*size)) as usize;
        if *magic == OURS
            && let Some(Note::Index(index)) = bytes.get(at..at + size).and_then(Note::decode)
        {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Follows the directories back to the first one. None when they do not agree with each other or with the file.
fn listed<R: Read + Seek>(source: &mut R, last: u64) -> Result<Option<Found>, ReadError> {
    let length = source.seek(SeekFrom::End(0))?;
    let mut lists = Vec::new();
    let mut next = None;
    let mut place = last;
    while place > 0 && lists.len() * LISTED < MOST {
        let Some(content) = note(source, place)? else { return Ok(None) };
        let members = Content::split(&content).filter(|note| note.kind == DIRECTORY).map(|note| note.members);
        let Some((before, indexes)) = members.and_then(directory::decode) else { return Ok(None) };
        if before >= place || indexes.len() > LISTED {
            return Ok(None);
        }
        next.get_or_insert(place + 8 + content.len() as u64);
        lists.push(indexes);
        place = before;
    }
    let mut frames: Vec<Index> = Vec::with_capacity(lists.len() * LISTED);
    let mut at = 0;
    for mut index in lists.into_iter().rev().flatten() {
        let [from, bytes] = index.at;
        let until = from.checked_add(bytes).and_then(|until| until.checked_add(index.key));
        let Some(until) = until.filter(|until| from >= at && *until <= length && index.frame == frames.len() as u64)
        else {
            return Ok(None);
        };
        at = until;
        settle(&mut index, [from, bytes], frames.last());
        frames.push(index);
    }
    Ok(next.map(|next| Found { frames, end: None, next }))
}

/// The content of the note at `place`.
fn note<R: Read + Seek>(source: &mut R, place: u64) -> Result<Option<Vec<u8>>, ReadError> {
    source.seek(SeekFrom::Start(place))?;
    let mut head = Vec::new();
    source.by_ref().take(8).read_to_end(&mut head)?;
    let size = head.strip_prefix(&OURS).and_then(|size| size.first_chunk()).map(|size| u32::from_le_bytes(*size));
    let Some(size) = size.filter(|size| *size <= LONGEST) else { return Ok(None) };
    let mut content = Vec::new();
    source.by_ref().take(u64::from(size)).read_to_end(&mut content)?;
    Ok((content.len() == size as usize).then_some(content))
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
            Some(Note::Other) | None => {}
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
    let (header, checksum) = frame::data_header(descriptor);
    if !input.skip(header)? {
        return Ok(false);
    }
    loop {
        let Some(header) = input.peek(3)?.first_chunk().copied() else { return Ok(false) };
        let Some((size, last)) = frame::block(header) else { return Ok(false) };
        if !input.skip(3 + size)? {
            return Ok(false);
        }
        if last {
            return input.skip(checksum);
        }
    }
}
