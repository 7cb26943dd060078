//! One complete frame into its events.
//!
//! Invariant: at most [`TEXT`] bytes of lines are held, whatever the frame inflates to.

use std::io::{Read, Seek, SeekFrom};

use memchr::memchr;

use super::super::ReadError;
use super::super::frame::Index;
use super::super::input::Inflater;
use super::super::readback::{Got, Readback};
use crate::event::Stamped;

/// What a frame holds.
pub(super) struct Decoded {
    pub events: Vec<Stamped>,
    /// Length of its lines in bytes.
    pub text: usize,
    /// Sum of all intervals up to its end, in microseconds.
    pub clock_us: u64,
}

/// Most bytes of lines in one frame: the writer closes one at 256 KiB and an event.
pub(super) const TEXT: usize = 32 << 20;
/// Bytes read from the file at once.
const PIECE: u64 = 128 << 10;

pub(super) struct Decoder {
    inflater: Inflater,
    text: Vec<u8>,
    piece: Vec<u8>,
}

impl Decoder {
    pub(super) fn new() -> Result<Self, ReadError> {
        Ok(Self { inflater: Inflater::new()?, text: Vec::new(), piece: Vec::new() })
    }

    /// The frame that `index` speaks of; `next` is the first number that its events can have.
    pub(super) fn events<R: Read + Seek>(
        &mut self,
        source: &mut R,
        index: &Index,
        next: u64,
    ) -> Result<Decoded, ReadError> {
        self.inflate(source, index)?;
        let mut events = Vec::new();
        let clock_us = self.lines(index, next, |readback, line| {
            events.extend(readback.line(line)?);
            Ok(())
        })?;
        let decoded = Decoded { events, text: self.text.len(), clock_us };
        self.text.clear();
        self.text.shrink_to(1 << 20);
        Ok(decoded)
    }

    /// Hands on what the frame holds, in order; output of a terminal is in `out` then, behind what was there.
    pub(super) fn pass<R: Read + Seek>(
        &mut self,
        source: &mut R,
        index: &Index,
        next: u64,
        out: &mut Vec<u8>,
        each: &mut dyn FnMut(Got, &mut Vec<u8>),
    ) -> Result<(), ReadError> {
        self.inflate(source, index)?;
        let passed = self.lines(index, next, |readback, line| {
            if let Some(got) = readback.line_onto(line, out)? {
                each(got, out);
            }
            Ok(())
        });
        passed.map(drop)
    }

    /// Every line of the frame that was inflated; the sum of all intervals up to its end, in microseconds.
    fn lines(
        &mut self,
        index: &Index,
        next: u64,
        mut each: impl FnMut(&mut Readback, &mut [u8]) -> Result<(), String>,
    ) -> Result<u64, ReadError> {
        let mut rest = &mut self.text[..];
        // The first frame begins with the header.
        let mut is_header = index.frame == 0;
        let mut readback = Readback::at(index.clock_us, next);
        while !rest.is_empty() {
            let length = memchr(b'\n', rest).unwrap_or(rest.len());
            let (line, after) = rest.split_at_mut(length);
            rest = after.split_at_mut(after.len().min(1)).1;
            if std::mem::take(&mut is_header) {
                continue;
            }
            each(&mut readback, line).map_err(|what| ReadError::Damaged { at: index.at[0], what })?;
        }
        Ok(readback.clock())
    }

    /// The lines of a frame as they are, until the next call.
    pub(super) fn text<R: Read + Seek>(&mut self, source: &mut R, index: &Index) -> Result<&[u8], ReadError> {
        self.inflate(source, index)?;
        Ok(&self.text)
    }

    fn inflate<R: Read + Seek>(&mut self, source: &mut R, index: &Index) -> Result<(), ReadError> {
        let [at, mut left] = index.at;
        let damaged = |what: String| ReadError::Damaged { at, what };
        source.seek(SeekFrom::Start(at))?;
        self.inflater.begin()?;
        self.text.clear();
        loop {
            self.piece.clear();
            if source.by_ref().take(left.min(PIECE)).read_to_end(&mut self.piece)? == 0 {
                return Err(damaged("a frame without its end".to_owned()));
            }
            left -= self.piece.len() as u64;
            let mut done = 0;
            loop {
                let before = self.text.len();
                let input = self.piece.get(done..).unwrap_or_default();
                let step = self.inflater.step(input, &mut self.text).map_err(|error| damaged(error.to_string()))?;
                done += step.taken;
                if step.ended {
                    return Ok(());
                }
                if self.text.len() > TEXT {
                    return Err(damaged("a frame too long to be one".to_owned()));
                }
                if step.taken == 0 && self.text.len() == before {
                    break;
                }
            }
        }
    }
}
