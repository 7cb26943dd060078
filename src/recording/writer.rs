//! Events into a file: lines, compressed in frames that stand alone.
//!
//! Invariant: an event that was given is in memory or in the file; a failed write loses nothing and can be tried again.
//! A frame holds whole events. Leaves to others: clocks, flushing in time and syncing (`session::recorder`).

use std::io::{self, Write};

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

use super::frame::{End, Index, Note};
use super::lines::Lines;
use crate::event::{Event, Stamped, Start};

/// Text after which a frame is closed, in bytes.
const FRAME: u64 = 256 << 10;
/// Time after which a frame is closed, in nanoseconds.
const SPAN: u64 = 2_000_000_000;
/// Text handed to the compressor at once, in bytes.
const PORTION: usize = 32 << 10;
/// Compressed bytes handed to the file at once.
const DRAIN: usize = 64 << 10;
/// Best speed at this ratio: see govsh-recording(5).
const LEVEL: i32 = 3;
/// A frame is hardly larger than this many bits of window: memory for nothing otherwise.
const WINDOW: u32 = 18;

/// Writes a recording. Without [`Writer::finish`] the file reads as one that was cut.
pub struct Writer<W: Write> {
    out: W,
    encoder: Encoder<'static>,
    lines: Lines,
    /// Lines not yet compressed.
    text: Vec<u8>,
    /// Compressed bytes not yet in the file.
    pending: Vec<u8>,
    /// Compressed bytes so far, pending ones included.
    length: u64,
    index: Index,
    /// The frame has lines, and the compressor holds some of them back.
    open: bool,
    dirty: bool,
    end: End,
    finished: bool,
}

impl<W: Write> Writer<W> {
    /// Begins with the header; `start` is still to be written as the first event.
    pub fn new(out: W, start: &Start) -> io::Result<Self> {
        let mut encoder = Encoder::new(LEVEL)?;
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        encoder.set_parameter(CParameter::WindowLog(WINDOW))?;
        let mut text = Vec::with_capacity(2 * PORTION);
        Lines::header(start, &mut text);
        Ok(Self {
            out,
            encoder,
            lines: Lines::default(),
            text,
            pending: Vec::with_capacity(2 * DRAIN),
            length: 0,
            index: Index::default(),
            open: true,
            dirty: true,
            end: End::default(),
            finished: false,
        })
    }

    /// Adds an event. After an error the event is kept in memory, see [`Writer::pending`].
    pub fn write(&mut self, stamped: &Stamped) -> io::Result<()> {
        if self.open && self.closes_before(stamped) {
            self.close()?;
        }
        self.index.add(stamped);
        self.end.ns = stamped.t;
        if let Event::Exit { status, signal } = stamped.event {
            (self.end.status, self.end.signal) = (Some(status), signal);
        }
        self.lines.add(stamped, &mut self.text);
        (self.open, self.dirty) = (true, true);
        if self.text.len() < PORTION {
            return Ok(());
        }
        self.compress()?;
        if self.pending.len() < DRAIN {
            return Ok(());
        }
        self.drain()
    }

    /// Everything written so far can be read from the file after this.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.dirty {
            self.compress()?;
            loop {
                let left = self.run(|encoder, out| encoder.flush(out))?;
                if left == 0 {
                    break;
                }
            }
            self.dirty = false;
        }
        self.drain()?;
        self.out.flush()
    }

    /// Closes the recording: from here on it is complete. May be called again after an error.
    pub fn finish(&mut self) -> io::Result<()> {
        if !self.finished {
            if self.open {
                self.close()?;
            }
            let from = self.pending.len();
            self.end.frames = self.index.frame;
            Note::End(self.end.clone()).encode(&mut self.pending);
            self.length += (self.pending.len() - from) as u64;
            self.finished = true;
        }
        self.drain()?;
        self.out.flush()
    }

    /// Tries again to put what waits in memory into the file.
    pub fn drain(&mut self) -> io::Result<()> {
        let mut done = 0;
        let mut outcome = Ok(());
        while done < self.pending.len() {
            match self.out.write(&self.pending[done..]) {
                Ok(0) => outcome = Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    done += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => outcome = Err(error),
            }
            break;
        }
        self.pending.drain(..done);
        outcome
    }

    /// Bytes that wait in memory because they could not be written.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    pub fn get_ref(&self) -> &W {
        &self.out
    }

    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    pub fn into_inner(self) -> W {
        self.out
    }

    fn closes_before(&self, stamped: &Stamped) -> bool {
        let started = !self.index.tally.counts.is_empty();
        let text = self.index.text[1] + self.text.len() as u64;
        text >= FRAME || (started && stamped.t.saturating_sub(self.index.ns[0]) >= SPAN)
    }

    /// Ends the data frame, writes its index and begins the next.
    fn close(&mut self) -> io::Result<()> {
        self.compress()?;
        loop {
            let left = self.run(|encoder, out| encoder.finish(out, true))?;
            if left == 0 {
                break;
            }
        }
        self.encoder.reinit()?;
        (self.open, self.dirty) = (false, false);
        self.index.at[1] = self.length - self.index.at[0];
        let index = std::mem::take(&mut self.index);
        self.end.tally.merge(&index.tally);
        let next = Index {
            frame: index.frame + 1,
            text: [index.text[0] + index.text[1], 0],
            clock_us: self.lines.clock(),
            ..Index::default()
        };
        let from = self.pending.len();
        Note::Index(index).encode(&mut self.pending);
        self.length += (self.pending.len() - from) as u64;
        self.index = Index { at: [self.length, 0], ..next };
        Ok(())
    }

    /// Hands the waiting lines to the compressor.
    fn compress(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        let mut input = InBuffer::around(&text);
        while input.pos() < text.len() {
            self.run(|encoder, out| encoder.run(&mut input, out))?;
        }
        self.index.text[1] += text.len() as u64;
        self.text = text;
        self.text.clear();
        Ok(())
    }

    /// One step of the compressor into `pending`.
    fn run(
        &mut self,
        step: impl FnOnce(&mut Encoder<'static>, &mut OutBuffer<'_, Vec<u8>>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let from = self.pending.len();
        self.pending.reserve(DRAIN);
        let left = step(&mut self.encoder, &mut OutBuffer::around_pos(&mut self.pending, from))?;
        self.length += (self.pending.len() - from) as u64;
        Ok(left)
    }
}
