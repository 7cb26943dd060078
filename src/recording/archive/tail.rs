//! The frame under way: what can be read of it grows with the file.
//!
//! Invariant: no byte of the file is read twice; an event is given once its lines are whole.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use super::super::ReadError;
use super::super::frame::{DATA, End, Index, LONGEST, Note, OURS, is_skippable};
use super::super::input::Inflater;
use super::super::readback::{self, Origin, Readback};
use super::decode::TEXT;
use super::hop::settle;
use crate::event::Stamped;

/// Among so many first events of a session are those that describe it.
pub(super) const FIRST: u64 = 8;
/// Bytes read from the file at once.
const PIECE: usize = 128 << 10;

/// What a step found.
pub(super) enum Grown {
    Not,
    /// More events of the frame under way.
    Events,
    /// The frame is complete: its index, its events and the length of its lines.
    Frame(Index, Arc<Vec<Stamped>>, usize),
    End(End),
}

pub(super) struct Tail {
    /// Place in the file of the next byte to be read.
    at: u64,
    /// Between the beginning and the end of a data frame.
    inside: bool,
    inflater: Inflater,
    /// Lines that are not whole yet.
    text: Vec<u8>,
    /// Bytes of lines so far.
    length: usize,
    readback: Readback,
    events: Arc<Vec<Stamped>>,
    /// As far as it is known without the index itself.
    index: Index,
    /// The index before.
    before: Option<Index>,
}

impl Tail {
    /// Begins after a complete frame and its notes, at `at`, where the intervals add up to `clock_us`.
    pub(super) fn after(before: Option<&Index>, at: u64, clock_us: u64) -> Result<Self, ReadError> {
        let next = before.map_or(0, |index| index.seq[1] + 1);
        Ok(Self {
            at,
            inside: false,
            inflater: Inflater::new()?,
            text: Vec::new(),
            length: 0,
            readback: Readback::at(clock_us, next),
            events: Arc::default(),
            index: Index::default(),
            before: before.cloned(),
        })
    }

    /// Those of the frame under way.
    pub(super) fn events(&self) -> Arc<Vec<Stamped>> {
        Arc::clone(&self.events)
    }

    /// Reads a piece of the file, which has `length` bytes.
    pub(super) fn advance<R: Read + Seek>(&mut self, source: &mut R, length: u64) -> Result<Grown, ReadError> {
        while self.at < length {
            source.seek(SeekFrom::Start(self.at))?;
            let grown = if self.inside { self.data(source)? } else { self.between(source, length)? };
            match grown {
                Some(grown) => return Ok(grown),
                None => continue,
            }
        }
        Ok(Grown::Not)
    }

    /// None: there is more to read. Some(Not): the file must grow first.
    fn between<R: Read + Seek>(&mut self, source: &mut R, length: u64) -> Result<Option<Grown>, ReadError> {
        let mut head = Vec::new();
        source.by_ref().take(8).read_to_end(&mut head)?;
        let Some(magic) = head.first_chunk::<4>().copied() else { return Ok(Some(Grown::Not)) };
        if magic == DATA {
            return self.begin();
        }
        if !is_skippable(magic) {
            return Err(self.damaged("no frame"));
        }
        let Some(size) = head.get(4..8).and_then(|size| size.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes))
        else {
            return Ok(Some(Grown::Not));
        };
        let whole = u64::from(size) + 8;
        if length - self.at < whole {
            return Ok(Some(Grown::Not));
        }
        let mut note = None;
        if magic == OURS && size <= LONGEST {
            let mut content = Vec::with_capacity(size as usize);
            source.by_ref().take(u64::from(size)).read_to_end(&mut content)?;
            note = Note::decode(&content);
        }
        self.at += whole;
        Ok(match note {
            Some(Note::Index(index)) => Some(self.complete(index)),
            Some(Note::End(end)) => Some(Grown::End(end)),
            Some(Note::Other) | None => None,
        })
    }

    fn begin(&mut self) -> Result<Option<Grown>, ReadError> {
        let mut grown = None;
        // The frame before has no index: it is made from its events.
        if self.index.at[1] > 0 {
            let mut index = Index { at: self.index.at, ..Index::default() };
            self.events.iter().for_each(|stamped| index.add(stamped));
            grown = Some(self.complete(index));
        }
        self.inflater.begin()?;
        self.inside = true;
        self.index.at = [self.at, 0];
        self.length = 0;
        Ok(grown)
    }

    fn complete(&mut self, mut index: Index) -> Grown {
        settle(&mut index, self.index.at, self.before.as_ref());
        let events = std::mem::take(&mut self.events);
        self.index = Index::default();
        self.before = Some(index.clone());
        Grown::Frame(index, events, self.length)
    }

    fn data<R: Read + Seek>(&mut self, source: &mut R) -> Result<Option<Grown>, ReadError> {
        let mut piece = Vec::with_capacity(PIECE);
        source.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            return Ok(Some(Grown::Not));
        }
        let before = self.events.len();
        let mut done = 0;
        loop {
            let held = self.text.len();
            let step = self.inflater.step(piece.get(done..).unwrap_or_default(), &mut self.text);
            let step = step.map_err(|error| self.damaged(&error.to_string()))?;
            done += step.taken;
            self.at += step.taken as u64;
            let grown = self.text.len() - held;
            self.length += grown;
            if self.length > TEXT {
                return Err(self.damaged("a frame too long to be one"));
            }
            self.lines()?;
            if step.ended {
                self.inside = false;
                self.index.at[1] = self.at - self.index.at[0];
                break;
            }
            if grown == 0 && step.taken == 0 {
                if done < piece.len() {
                    return Err(self.damaged("a frame that does not go on"));
                }
                break;
            }
        }
        Ok((self.events.len() > before).then_some(Grown::Events))
    }

    /// Reads the lines that are whole.
    fn lines(&mut self) -> Result<(), ReadError> {
        let Some(whole) = memchr::memrchr(b'\n', &self.text) else { return Ok(()) };
        let mut text = std::mem::take(&mut self.text);
        let rest = text.split_off(whole + 1);
        text.truncate(whole);
        self.text = rest;
        let events = Arc::make_mut(&mut self.events);
        for line in text.split_mut(|byte| *byte == b'\n') {
            if line.first() == Some(&b'{') {
                if let Origin::Foreign | Origin::Newer(_) = readback::header(line) {
                    return Err(self.damaged("neither an event nor a comment"));
                }
                continue;
            }
            match self.readback.line(line) {
                Ok(event) => events.extend(event),
                Err(what) => return Err(self.damaged(&what)),
            }
        }
        Ok(())
    }

    fn damaged(&self, what: &str) -> ReadError {
        ReadError::Damaged { at: self.at, what: what.to_owned() }
    }
}
