//! The two ends of reading: a buffer over the file that knows its place, and the decompressor.
//!
//! Invariant: both hold a bounded amount, whatever lengths the file claims.

use std::io::{self, Read, Seek, SeekFrom};

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// Bytes read from the file at once.
const PIECE: usize = 128 << 10;
/// Bytes decompressed at once.
const STEP: usize = 128 << 10;
/// Largest window that a frame may ask for, in bits: the writer's is 18.
const WINDOW: u32 = 23;

/// A file read from front to back, with a look ahead.
pub(super) struct Input<R> {
    source: R,
    /// Bytes read from the file at once.
    piece: usize,
    buffer: Vec<u8>,
    done: usize,
    /// Place in the file of the buffer's first byte.
    base: u64,
}

impl<R: Read + Seek> Input<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, piece: PIECE, buffer: Vec::with_capacity(PIECE), done: 0, base: 0 }
    }

    /// From `base` on, reading only `piece` bytes at once: for looks here and there.
    pub(super) fn hopping(mut source: R, base: u64, piece: usize) -> io::Result<Self> {
        source.seek(SeekFrom::Start(base))?;
        Ok(Self { source, piece, buffer: Vec::with_capacity(piece), done: 0, base })
    }

    /// Another look, from `base` on.
    pub(super) fn again(&mut self, base: u64) -> io::Result<Input<&mut R>> {
        Input::hopping(&mut self.source, base, self.piece)
    }

    /// The place of the next byte in the file, if it was read from its beginning.
    pub(super) fn at(&self) -> u64 {
        self.base + self.done as u64
    }

    /// At least `count` of the next bytes, or all that are left.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.buffer.len() - self.done < count {
            self.base += self.done as u64;
            self.buffer.drain(..self.done);
            self.done = 0;
            let limit = (count - self.buffer.len()).max(self.piece) as u64;
            if self.source.by_ref().take(limit).read_to_end(&mut self.buffer)? == 0 {
                break;
            }
        }
        Ok(self.buffer.get(self.done..).unwrap_or_default())
    }

    /// Steps over bytes that were peeked.
    pub(super) fn skip_peeked(&mut self, count: usize) {
        self.done = (self.done + count).min(self.buffer.len());
    }

    /// Steps over `count` bytes; false when the file ends before.
    pub(super) fn skip(&mut self, count: u64) -> io::Result<bool> {
        let peeked = (self.buffer.len() - self.done) as u64;
        if count <= peeked {
            self.skip_peeked(count as usize);
            return Ok(true);
        }
        let place = self.source.stream_position()?;
        let length = self.source.seek(SeekFrom::End(0))?;
        let to = self.source.seek(SeekFrom::Start((place + (count - peeked)).min(length)))?;
        let whole = place + (count - peeked) <= length;
        self.base = to;
        self.buffer.clear();
        self.done = 0;
        Ok(whole)
    }
}

/// The decompressor of data frames.
pub(super) struct Inflater {
    decoder: Decoder<'static>,
}

/// What one step did.
pub(super) struct Step {
    /// Compressed bytes that were used up.
    pub taken: usize,
    /// The frame has ended and its checksum was right.
    pub ended: bool,
}

impl Inflater {
    pub(super) fn new() -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW))?;
        Ok(Self { decoder })
    }

    /// A new frame begins.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.decoder.reinit()
    }

    /// Appends some of what `input` decompresses to.
    pub(super) fn step(&mut self, input: &[u8], text: &mut Vec<u8>) -> io::Result<Step> {
        let from = text.len();
        text.reserve(STEP);
        let mut source = InBuffer::around(input);
        let hint = self.decoder.run(&mut source, &mut OutBuffer::around_pos(text, from))?;
        Ok(Step { taken: source.pos(), ended: hint == 0 })
    }
}
