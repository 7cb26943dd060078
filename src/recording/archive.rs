//! Any place of a recording at once, also while it is being written.
//!
//! Invariant: memory is bounded whatever the file claims; what was seen once does not change, only grows. A frame that is damaged
//! is an error of its own: the others can still be read.
//! Leaves to others: reading all of it in order (`reader`), whether it is what was written (`verify`).

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use super::frame::{End, Index};
use super::readback::Got;
use super::{ReadError, Reader};
use crate::event::{Event, PolicyUsed, Stamped, Start};

mod cache;
mod decode;
mod hop;
mod screens;
mod tail;

use cache::Cache;
use decode::Decoder;
use hop::Found;
use screens::Dumps;
pub use screens::draw;
use tail::{Grown, Tail};

/// Frames of which an index is kept: half a terabyte of text, or years at a frame every few minutes.
const MOST: usize = 1 << 20;

/// A recording opened for random access.
pub struct Archive<R: Read + Seek> {
    source: R,
    frames: Vec<Index>,
    start: Option<Start>,
    policy: Option<PolicyUsed>,
    end: Option<End>,
    damage: Option<String>,
    tail: Tail,
    decoder: Decoder,
    cache: Cache,
    dumps: Dumps,
}

impl<R: Read + Seek> Archive<R> {
    /// Costs a few reads with a closed file, a hop for each frame with one that is being written or was cut.
    pub fn open(mut source: R) -> Result<Self, ReadError> {
        source.rewind()?;
        let first = first_events(&mut source)?;
        let found = hop::frames(&mut source)?;
        let mut decoder = Decoder::new()?;
        let mut cache = Cache::default();
        let mut clock = 0;
        if let (Some((last, before)), None) = (found.frames.split_last(), &found.end) {
            let next = before.last().map_or(0, |index| index.seq[1] + 1);
            clock = last.ns[1] / 1_000;
            // What is damaged is told when it is asked for.
            if let Ok(decoded) = decoder.events(&mut source, last, next) {
                clock = decoded.clock_us;
                cache.put(before.len(), Arc::new(decoded.events), decoded.text);
            }
        }
        let tail = Tail::after(found.frames.last(), found.next, clock)?;
        let Found { frames, end, .. } = found;
        let mut archive = Self {
            source,
            frames,
            start: None,
            policy: None,
            end,
            damage: None,
            tail,
            decoder,
            cache,
            dumps: Dumps::default(),
        };
        archive.meet(&first);
        archive.refresh()?;
        Ok(archive)
    }

    /// None while the file does not reach so far.
    pub fn start(&self) -> Option<&Start> {
        self.start.as_ref()
    }

    pub fn policy(&self) -> Option<&PolicyUsed> {
        self.policy.as_ref()
    }

    /// None when the recording was not closed.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Why nothing can be read behind the last frame, when the file is damaged there.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// The index of each complete frame. Times and places never run backwards.
    pub fn frames(&self) -> &[Index] {
        &self.frames
    }

    /// The complete frames, and one for the frame under way if anything of it can be read.
    #[allow(clippy::len_without_is_empty, reason = "a recording is not a collection; no frame at all is len() == 0")]
    pub fn len(&self) -> usize {
        self.frames.len() + usize::from(!self.tail.events().is_empty())
    }

    /// Time of the last event known, in nanoseconds since the session's start.
    pub fn duration(&self) -> u64 {
        let complete = self.frames.last().map_or(0, |index| index.ns[1]);
        self.tail.events().last().map_or(complete, |stamped| stamped.t.max(complete))
    }

    /// Looks for what was appended, also to the frame under way; whether there was anything. Costs as much as was appended.
    pub fn refresh(&mut self) -> Result<bool, ReadError> {
        let mut grown = false;
        let length = self.source.seek(SeekFrom::End(0))?;
        while self.end.is_none() && self.damage.is_none() && self.frames.len() < MOST {
            let found = match self.tail.advance(&mut self.source, length) {
                Err(damaged @ ReadError::Damaged { .. }) => {
                    self.damage = Some(damaged.to_string());
                    break;
                }
                found => found?,
            };
            match found {
                Grown::Not => break,
                Grown::Events if self.frames.len() < tail::FIRST as usize => {
                    let events = self.tail.events();
                    self.meet(&events);
                }
                Grown::Events => {}
                Grown::Frame(index, events, bytes) => {
                    if self.frames.len() < tail::FIRST as usize {
                        self.meet(&events);
                    }
                    self.cache.put(self.frames.len(), events, bytes);
                    self.frames.push(index);
                }
                Grown::End(end) => self.end = Some(end),
            }
            grown = true;
        }
        Ok(grown)
    }

    /// The events of a frame, in order; the last one may be under way and have more after a [`Archive::refresh`].
    pub fn events(&mut self, frame: usize) -> Result<Arc<Vec<Stamped>>, ReadError> {
        let Some(index) = self.frames.get(frame) else {
            return Ok(self.tail.events());
        };
        if let Some(events) = self.cache.get(frame) {
            return Ok(events);
        }
        let decoded = self.decoder.events(&mut self.source, index, first_number(&self.frames, frame))?;
        let events = Arc::new(decoded.events);
        self.cache.put(frame, Arc::clone(&events), decoded.text);
        Ok(events)
    }

    /// Hands on what a complete frame holds, in order, and keeps nothing of it; output of a terminal is in `out` then,
    /// behind what was there.
    pub(super) fn pass(
        &mut self,
        frame: usize,
        out: &mut Vec<u8>,
        each: &mut dyn FnMut(Got, &mut Vec<u8>),
    ) -> Result<(), ReadError> {
        let Some(index) = self.frames.get(frame) else { return Ok(()) };
        self.decoder.pass(&mut self.source, index, first_number(&self.frames, frame), out, each)
    }

    /// The lines of a complete frame as they are; none for one that is under way or not there.
    pub(super) fn text(&mut self, frame: usize) -> Result<&[u8], ReadError> {
        match self.frames.get(frame) {
            Some(index) => self.decoder.text(&mut self.source, index),
            None => Ok(b""),
        }
    }

    /// The frame with the last event at or before `t`; the first one when there is none.
    pub fn frame_at(&self, t: u64) -> usize {
        if self.tail.events().first().is_some_and(|first| first.t <= t) {
            return self.frames.len();
        }
        self.frames.partition_point(|index| index.ns[0] <= t).saturating_sub(1)
    }

    /// Takes from the session's first events what describes it.
    fn meet(&mut self, events: &[Stamped]) {
        for stamped in events.iter().take_while(|stamped| stamped.seq < tail::FIRST) {
            match &stamped.event {
                Event::Start(start) if self.start.is_none() => self.start = Some(Start::clone(start)),
                Event::Policy(policy) if self.policy.is_none() => self.policy = Some(PolicyUsed::clone(policy)),
                _ => {}
            }
        }
    }
}

/// The first number that the events of `frame` can have.
fn first_number(frames: &[Index], frame: usize) -> u64 {
    frame.checked_sub(1).and_then(|before| frames.get(before)).map_or(0, |index| index.seq[1] + 1)
}

/// The indexes of the complete frames.
pub(super) fn frames<R: Read + Seek>(source: &mut R) -> Result<Vec<Index>, ReadError> {
    Ok(hop::frames(source)?.frames)
}

/// The events that describe the session. An error when this is no recording of ours.
fn first_events<R: Read + Seek>(source: &mut R) -> Result<Vec<Stamped>, ReadError> {
    let reader = Reader::open(source)?;
    // What is damaged later is told when it is asked for.
    Ok(reader.map_while(Result::ok).take_while(|stamped| stamped.seq < tail::FIRST).collect())
}
