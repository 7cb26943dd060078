//! Bytes that wait to be written to one side, and which side has caused them.
//!
//! Invariant: they leave in the order they came. Leaves to others: how many may wait (`connection`).

use std::collections::VecDeque;

use super::Side;

/// Small messages are written together, up to so many bytes.
const TOGETHER: usize = 64 << 10;

/// A queue of bytes.
#[derive(Debug, Default)]
pub struct Outgoing {
    chunks: VecDeque<(Side, Vec<u8>)>,
    /// Bytes of the first chunk that are written.
    written: usize,
    client: usize,
    server: usize,
    /// Something was written that may not be on its way yet.
    unflushed: bool,
}

impl Outgoing {
    pub fn add(&mut self, by: Side, bytes: Vec<u8>) {
        *self.count(by) += bytes.len();
        match self.chunks.back_mut() {
            Some((same, last)) if *same == by && last.len() + bytes.len() <= TOGETHER => last.extend_from_slice(&bytes),
            _ => self.chunks.push_back((by, bytes)),
        }
    }

    /// The next bytes that lie together; none when nothing waits.
    pub fn next(&self) -> &[u8] {
        self.chunks.front().and_then(|(_, bytes)| bytes.get(self.written..)).unwrap_or_default()
    }

    /// So many of `next` are written; none: all that was written is on its way.
    pub fn taken(&mut self, bytes: usize) {
        self.unflushed = bytes > 0;
        self.written += bytes;
        if let Some((by, first)) = self.chunks.front()
            && first.len() <= self.written
        {
            let (by, length) = (*by, first.len());
            let count = self.count(by);
            *count = count.saturating_sub(length);
            self.chunks.pop_front();
            self.written = 0;
        }
    }

    /// Bytes that wait and were caused by this side, whole chunks.
    pub fn caused_by(&self, side: Side) -> usize {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// Nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.chunks.is_empty() && !self.unflushed
    }

    /// Forgets all of it: nobody is there to take it.
    pub fn clear(&mut self) {
        *self = Outgoing::default();
    }

    fn count(&mut self, by: Side) -> &mut usize {
        match by {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}
