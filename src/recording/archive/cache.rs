//! The frames that were read last.
//!
//! Invariant: holds at most [`ROOM`] bytes and one frame more.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::Stamped;

/// Bytes of events that are kept, roughly.
const ROOM: usize = 16 << 20;

#[derive(Default)]
pub(super) struct Cache {
    /// Least recently used first: frame, events, bytes.
    kept: VecDeque<(usize, Arc<Vec<Stamped>>, usize)>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&mut self, frame: usize) -> Option<Arc<Vec<Stamped>>> {
        let at = self.kept.iter().position(|entry| entry.0 == frame)?;
        let entry = self.kept.remove(at)?;
        let events = Arc::clone(&entry.1);
        self.kept.push_back(entry);
        Some(events)
    }

    /// `text` is the length of the frame's lines in bytes.
    pub(super) fn put(&mut self, frame: usize, events: Arc<Vec<Stamped>>, text: usize) {
        let bytes = text + events.len() * size_of::<Stamped>();
        while self.bytes + bytes > ROOM
            && let Some((_, _, gone)) = self.kept.pop_front()
        {
            self.bytes -= gone;
        }
        self.kept.push_back((frame, events, bytes));
        self.bytes += bytes;
    }
}
