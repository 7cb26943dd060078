//! Events into a file: lines, compressed in frames that stand alone, linked, with keyframes and directories between them.
//!
//! Invariant: an event that was given is in memory or in the file; a failed write loses nothing and can be tried again.
//! A frame holds whole events. Leaves to others: clocks, flushing in time and syncing (`session::recorder`).

use std::io::{self, Write};

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

use super::canvas::Canvas;
use super::chain::Chain;
use super::directory::{self, LISTED};
use super::frame::{self, DIRECTORY, END, End, FIXED, INDEX, Index, KEYFRAME};
use super::lines::Lines;
use super::seal::{SIGNATURE, SecretKey};
use super::table::Table;
use crate::event::{Event, Stamped, Start};

/// Text after which a frame is closed, in bytes.
const FRAME: u64 = 256 << 10;
/// Time after which a frame with [`SOME`] text is closed, in nanoseconds.
const SPAN: u64 = 2_000_000_000;
/// Text that is worth a frame of its own, in bytes.
const SOME: u64 = 32 << 10;
/// Time after which any frame is closed.
const LONG: u64 = 10_000_000_000;
/// Output after which a keyframe is due, in bytes.
const DRAWN: u64 = 128 << 10;
/// Text with any output in it after which a keyframe is due.
const PASSED: u64 = 1 << 20;
/// Frames that need no directory.
const FEW: usize = 16;
/// Text handed to the compressor at once, in bytes.
const PORTION: usize = 32 << 10;
/// Compressed bytes handed to the file at once.
const DRAIN: usize = 64 << 10;
/// Levels of compression: for text that comes at less than [`SLOW`], and for what is faster. See govsh-recording(5).
const LEVEL: [i32; 2] = [9, 3];
/// Bytes a second.
const SLOW: u64 = 2 << 20;
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
    chain: Chain,
    index: Index,
    /// Indexes since the last directory.
    listed: Vec<Index>,
    table: Table,
    canvas: Canvas,
    /// Output and text since the last keyframe.
    drawn: u64,
    passed: u64,
    /// The frame has lines, and the compressor holds some of them back.
    open: bool,
    dirty: bool,
    end: End,
    finished: bool,
}

impl<W: Write> Writer<W> {
    /// Begins with the header; `start` is still to be written as the first event.
    pub fn new(out: W, start: &Start) -> io::Result<Self> {
        // The tables of the higher level are ten megabytes, which a session of one frame would feel at its launch.
        let mut encoder = Encoder::new(LEVEL[1])?;
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
            chain: Chain::new(),
            index: Index::default(),
            listed: Vec::new(),
            table: Table::default(),
            canvas: Canvas::new(start.cols, start.rows),
            drawn: 0,
            passed: 0,
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
        self.canvas.add(&stamped.event);
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
        self.seal(None)
    }

    /// As [`Writer::finish`], signed.
    pub fn seal(&mut self, key: Option<&SecretKey>) -> io::Result<()> {
        if !self.finished {
            if self.open {
                self.close()?;
            }
            // So few are hopped over as fast.
            if self.end.dir > 0 || self.listed.len() >= FEW {
                self.list()?;
            }
            let rest = std::mem::take(&mut self.listed);
            self.groups(&rest);
            self.end(key)?;
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
        let span = if started { stamped.t.saturating_sub(self.index.ns[0]) } else { 0 };
        text >= FRAME || (span >= SPAN && text >= SOME) || span >= LONG
    }

    /// Ends the data frame, writes a keyframe where one is due and the index, and begins the next.
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
        self.keyframe()?;
        self.index.dir = self.end.dir;
        let index = std::mem::take(&mut self.index);
        self.note(INDEX, &serde_json::to_vec(&index)?, |_| Vec::new());
        self.end.tally.merge(&index.tally);
        self.pace(&index)?;
        let next = Index {
            frame: index.frame + 1,
            text: [index.text[0] + index.text[1], 0],
            clock_us: self.lines.clock(),
            ..Index::default()
        };
        self.end.frames = next.frame;
        self.listed.push(index);
        if self.listed.len() == LISTED {
            self.list()?;
        }
        self.index = Index { at: [self.length, 0], ..next };
        Ok(())
    }

    /// A dump of the screen, once enough has passed since the last one to make it worth its bytes.
    fn keyframe(&mut self) -> io::Result<()> {
        let tally = &self.index.tally;
        self.drawn += if tally.draws() { tally.output.max(1) } else { 0 };
        self.passed += self.index.text[1];
        if self.drawn >= DRAWN || (self.drawn > 0 && self.passed >= PASSED) {
            let from = self.length;
            let members = zstd::bulk::compress(&self.canvas.dump(), LEVEL[0])?;
            self.note(KEYFRAME, &members, |_| Vec::new());
            self.index.key = self.length - from;
            (self.drawn, self.passed) = (0, 0);
        }
        Ok(())
    }

    /// Adapts the compression to the text's pace.
    fn pace(&mut self, index: &Index) -> io::Result<()> {
        let span = index.ns[1].saturating_sub(index.ns[0]).max(1);
        let pace = u128::from(index.text[1]) * 1_000_000_000 / u128::from(span);
        let fast = usize::from(pace > u128::from(SLOW) && index.text[1] > SOME);
        self.encoder.set_parameter(CParameter::CompressionLevel(LEVEL[fast]))
    }

    /// Writes a directory of what is not in one yet, and the lengths of its groups into the table.
    fn list(&mut self) -> io::Result<()> {
        if self.listed.is_empty() {
            return Ok(());
        }
        let listed = std::mem::take(&mut self.listed);
        let members = directory::encode(self.end.dir, &listed)?;
        self.end.dir = self.length;
        self.note(DIRECTORY, &members, |_| Vec::new());
        self.groups(&listed);
        Ok(())
    }

    /// Each group reaches to the next one, the last to here.
    fn groups(&mut self, listed: &[Index]) {
        let next = listed.iter().skip(1).map(|index| index.at[0]).chain([self.length]);
        for (index, next) in listed.iter().zip(next) {
            self.table.add(next - index.at[0], index.text[1]);
        }
    }

    fn end(&mut self, key: Option<&SecretKey>) -> io::Result<()> {
        self.end.key = key.map(|key| key.public().to_string());
        self.end.by = key.map(|key| key.name().to_owned());
        let members = serde_json::to_vec(&self.end)?;
        let from = self.length;
        let whole = FIXED + members.len() + frame::after(END);
        self.note(END, &members, |link| {
            let signature = key.map_or([0; SIGNATURE], |key| key.sign(link));
            [&signature[..], &(whole as u32).to_le_bytes()].concat()
        });
        self.table.stretch(self.length - from);
        let table = self.table.encode();
        self.pending.extend_from_slice(&table);
        self.length += table.len() as u64;
        Ok(())
    }

    /// Appends a note with its link, if its kind has one, and with what `after` makes of that.
    fn note(&mut self, kind: u8, members: &[u8], after: impl FnOnce(&[u8; 32]) -> Vec<u8>) {
        let from = self.pending.len();
        frame::begin(kind, members, frame::after(kind), &mut self.pending);
        self.chain.absorb(self.pending.get(from..).unwrap_or_default());
        if frame::after(kind) > 0 {
            let link = self.chain.link();
            self.pending.extend_from_slice(&link);
            self.pending.append(&mut after(&link));
        }
        self.length += (self.pending.len() - from) as u64;
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
        let made = self.pending.get(from..).unwrap_or_default();
        self.chain.absorb(made);
        self.length += made.len() as u64;
        Ok(left)
    }
}
