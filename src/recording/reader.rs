//! A file into events.
//!
//! Invariant: memory is bounded whatever the file holds; a file that was cut gives the events before the cut and says so.
//! Leaves to others: what lines mean (`readback`), jumping to a place (`index`).

use std::io::{BufRead, Read, Seek};

use super::ReadError;
use super::frame::{DATA, End, LONGEST, Note, OURS, is_skippable};
use super::input::{Inflater, Input};
use super::readback::{self, Origin, Readback};
use super::table;
use crate::event::Stamped;

/// Longest line that is read, in bytes: far beyond any that the writer makes.
const LINE: usize = 64 << 20;
/// Most bytes of lines in one frame: the writer closes one at 256 KiB and an event.
const FRAME: usize = 32 << 20;

/// Reads a recording from its beginning: an iterator of events.
pub struct Reader<R: Read + Seek> {
    input: Input<R>,
    inflater: Inflater,
    readback: Readback,
    /// Decompressed text, `done` bytes of which were read.
    text: Vec<u8>,
    done: usize,
    /// What the frame under way has decompressed to, in bytes.
    inflated: usize,
    /// How far the search for a line break has come.
    searched: usize,
    line: Vec<u8>,
    state: State,
    format: u32,
    end: Option<End>,
    /// The table that ends a recording was seen.
    table: bool,
    /// Data frames that have ended.
    frames: u64,
}

/// Where in the file the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    InData,
    Over,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the header. An empty file, or one cut inside the header, has no events.
    pub fn open(source: R) -> Result<Self, ReadError> {
        let mut reader = Self {
            input: Input::new(source),
            inflater: Inflater::new()?,
            readback: Readback::default(),
            text: Vec::new(),
            done: 0,
            inflated: 0,
            searched: 0,
            line: Vec::new(),
            state: State::Between,
            format: 0,
            end: None,
            table: false,
            frames: 0,
        };
        let first = reader.input.peek(4)?;
        if !DATA.starts_with(first.get(..4).unwrap_or(first)) {
            return Err(ReadError::Foreign);
        }
        match reader.next_line() {
            Ok(false) => Ok(reader),
            Ok(true) => match readback::header(&reader.line) {
                Origin::Ours(format) => {
                    reader.format = format;
                    Ok(reader)
                }
                Origin::Newer(format) => Err(ReadError::Newer { format }),
                Origin::Foreign => Err(ReadError::Foreign),
            },
            Err(ReadError::Damaged { .. }) => Err(ReadError::Foreign),
            Err(error) => Err(error),
        }
    }

    /// The file ends before its session did. Known once the iteration has ended.
    pub fn truncated(&self) -> bool {
        // Format 1 had no table.
        self.end.is_none() || (self.format > 1 && !self.table)
    }

    /// Version of the file's format; 0 for a file that was cut in its header.
    pub fn format(&self) -> u32 {
        self.format
    }

    /// Data frames that were read to their end.
    pub fn frame(&self) -> u64 {
        self.frames
    }

    /// What the recording says at its end, once the iteration has ended.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Puts the next line without its break into `line`; false at the end.
    fn next_line(&mut self) -> Result<bool, ReadError> {
        self.line.clear();
        loop {
            let mut rest = self.text.get(self.done + self.searched..).unwrap_or_default();
            // Reading from a slice cannot fail.
            let count = rest.skip_until(b'\n')?;
            let end = self.done + self.searched + count;
            if count > 0 && self.text.get(end - 1) == Some(&b'\n') {
                self.line.extend_from_slice(&self.text[self.done..end - 1]);
                (self.done, self.searched) = (end, 0);
                return Ok(true);
            }
            self.searched += count;
            if self.text.len() - self.done > LINE {
                return Err(self.damaged("a line without end"));
            }
            self.text.drain(..self.done);
            self.done = 0;
            if !self.more_text()? {
                return Ok(false);
            }
        }
    }

    /// Decompresses some more text; false at the end.
    fn more_text(&mut self) -> Result<bool, ReadError> {
        loop {
            match self.state {
                State::Over => return Ok(false),
                State::Between => self.enter()?,
                State::InData => {
                    let before = self.text.len();
                    let input = self.input.peek(1)?;
                    let cut = input.is_empty();
                    let step = self.inflater.step(input, &mut self.text);
                    let step = step.map_err(|error| self.damaged(&error.to_string()))?;
                    self.input.skip_peeked(step.taken);
                    self.inflated += self.text.len() - before;
                    if self.inflated > FRAME {
                        return Err(self.damaged("a frame too long to be one"));
                    }
                    if step.ended {
                        self.state = State::Between;
                        self.frames += 1;
                    } else if cut && self.text.len() == before {
                        self.state = State::Over;
                    }
                    if self.text.len() > before {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// Enters the frame that begins here, or steps over it.
    fn enter(&mut self) -> Result<(), ReadError> {
        let head = self.input.peek(8)?;
        let (Some(magic), length) = (head.first_chunk::<4>().copied(), head.get(4..8)) else {
            self.state = State::Over;
            return Ok(());
        };
        if magic == DATA {
            if self.end.is_some() {
                return Err(self.damaged("lines after the end"));
            }
            self.inflater.begin()?;
            self.inflated = 0;
            self.state = State::InData;
            return Ok(());
        }
        if !is_skippable(magic) {
            return Err(self.damaged("no frame"));
        }
        let Some(length) = length.and_then(|length| length.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes))
        else {
            self.state = State::Over;
            return Ok(());
        };
        self.input.skip_peeked(8);
        if magic != OURS || length > LONGEST {
            if !self.input.skip(u64::from(length))? {
                self.state = State::Over;
            } else if magic == table::MAGIC {
                self.table = true;
            }
            return Ok(());
        }
        let content = self.input.peek(length as usize)?;
        let Some(content) = content.get(..length as usize) else {
            self.state = State::Over;
            return Ok(());
        };
        if let Some(Note::End(end)) = Note::decode(content) {
            self.end = Some(end);
        }
        self.input.skip_peeked(length as usize);
        Ok(())
    }

    fn damaged(&self, what: &str) -> ReadError {
        ReadError::Damaged { at: self.input.at(), what: what.to_owned() }
    }

    fn next_event(&mut self) -> Result<Option<Stamped>, ReadError> {
        while self.next_line()? {
            let event = self.readback.line(&mut self.line);
            if let Some(stamped) = event.map_err(|fault| self.damaged(&fault))? {
                return Ok(Some(stamped));
            }
        }
        Ok(None)
    }
}

impl<R: Read + Seek> Iterator for Reader<R> {
    type Item = Result<Stamped, ReadError>;

    /// Ends after the first error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Over && self.done == self.text.len() {
            return None;
        }
        let item = self.next_event().transpose();
        if matches!(item, None | Some(Err(_))) {
            self.state = State::Over;
            self.text.clear();
            self.done = 0;
        }
        item
    }
}
