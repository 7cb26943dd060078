//! How much has happened, told by the recorder's thread to whoever asks.
//!
//! Invariant: costs the recorder a few stores for each batch (and, for a session that is not recorded, drawing its terminal);
//! a reader holds a lock no longer than one copy takes; nobody else writes.
//! Leaves to others: what happened in full (the recording).

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::words;
use crate::event::{Event, Stamped};
use crate::recording::{Summary, draw};
use crate::screen::Screen;

/// See the module.
#[derive(Debug, Default)]
pub struct Pulse {
    events: AtomicU64,
    output: AtomicU64,
    denied: AtomicU64,
    asked: AtomicU64,
    /// Sequence number and time of the last event.
    seq: AtomicU64,
    at: AtomicU64,
    /// Columns in the upper half, rows in the lower.
    size: AtomicU64,
    last: Mutex<String>,
    /// Who follows the recording as it is written.
    followers: AtomicUsize,
    /// The terminal, where no recording has it.
    screen: Option<Mutex<Screen>>,
}

/// What it showed at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beat {
    pub events: u64,
    pub output: u64,
    pub denied: u64,
    pub asked: u64,
    pub seq: u64,
    /// Nanoseconds since the session's start.
    pub at: u64,
    pub cols: u16,
    pub rows: u16,
    pub last: String,
}

impl Pulse {
    /// Of a session that is not recorded: it keeps the terminal itself, of this size at first.
    pub fn with_screen(cols: u16, rows: u16) -> Self {
        Pulse { screen: Some(Mutex::new(Screen::new(cols, rows))), ..Pulse::default() }
    }

    /// The terminal as it is now; None where the recording has it.
    pub fn screen(&self) -> Option<Vec<u8>> {
        // A terminal that was drawn on half way is a terminal still.
        Some(self.screen.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).dump())
    }

    /// After each batch, with the summary that has it in.
    pub fn feed(&self, batch: &[Stamped], summary: &Summary) {
        let Some(newest) = batch.last() else { return };
        self.events.store(summary.events, Relaxed);
        self.output.store(summary.output, Relaxed);
        self.denied.store(summary.denied.total(), Relaxed);
        self.asked.store(summary.asked.total(), Relaxed);
        self.seq.store(newest.seq, Relaxed);
        self.at.store(newest.t, Relaxed);
        let size = batch.iter().rev().find_map(|stamped| match &stamped.event {
            Event::Resize { cols, rows } => Some((*cols, *rows)),
            Event::Start(start) => Some((start.cols, start.rows)),
            _ => None,
        });
        if let Some((cols, rows)) = size {
            self.size.store(u64::from(cols) << 16 | u64::from(rows), Relaxed);
        }
        if let Some(screen) = &self.screen {
            let mut screen = screen.lock().unwrap_or_else(PoisonError::into_inner);
            for stamped in batch {
                draw(&mut screen, &stamped.event);
            }
        }
        if let Some(last) = batch.iter().rev().find_map(|stamped| words::of(&stamped.event)) {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
        }
    }

    pub fn read(&self) -> Beat {
        let size = self.size.load(Relaxed);
        Beat {
            events: self.events.load(Relaxed),
            output: self.output.load(Relaxed),
            denied: self.denied.load(Relaxed),
            asked: self.asked.load(Relaxed),
            seq: self.seq.load(Relaxed),
            at: self.at.load(Relaxed),
            cols: (size >> 16) as u16,
            rows: size as u16,
            last: self.last.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Somebody follows the recording: it is kept fresher than otherwise.
    pub fn is_followed(&self) -> bool {
        self.followers.load(Relaxed) > 0
    }

    pub fn follow(&self, more: bool) {
        if more {
            self.followers.fetch_add(1, Relaxed);
        } else {
            self.followers.fetch_sub(1, Relaxed);
        }
    }
}
