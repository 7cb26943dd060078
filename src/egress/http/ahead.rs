//! Bodies that are read before they are sent on: those of them that must be looked at first.
//!
//! Invariant: all of them together take no more than [`MOST`]; who comes when that is full is refused, and nobody waits.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use hyper::StatusCode;

use super::answer::Refusal;

/// Bytes of all bodies that are kept at one time.
const MOST: usize = 128 << 20;

static KEPT: AtomicUsize = AtomicUsize::new(0);

/// The beginning of a body, or all of it.
#[derive(Default)]
pub struct Ahead {
    pub bytes: Bytes,
    _room: Room,
}

/// One that is being read.
#[derive(Default)]
pub struct Reading {
    pub bytes: BytesMut,
    room: Room,
}

/// Given back when dropped.
#[derive(Default)]
struct Room(usize);

impl Reading {
    pub fn add(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        if KEPT.fetch_add(piece.len(), Ordering::Relaxed) + piece.len() > MOST {
            KEPT.fetch_sub(piece.len(), Ordering::Relaxed);
            let why = "too many bodies that must be looked at as a whole come at once";
            return Err(Refusal::of(StatusCode::SERVICE_UNAVAILABLE, why));
        }
        self.room.0 += piece.len();
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    pub fn done(self) -> Ahead {
        Ahead { bytes: self.bytes.freeze(), _room: self.room }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        KEPT.fetch_sub(self.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back() {
        let piece = vec![0; 1 << 20];
        let mut all: Vec<Reading> = Vec::new();
        let refused = loop {
            let mut reading = Reading::default();
            match reading.add(&piece) {
                Ok(()) => all.push(reading),
                Err(refusal) => break refusal,
            }
        };
        assert_eq!((refused.status, all.len() <= MOST >> 20), (StatusCode::SERVICE_UNAVAILABLE, true));
        let kept: Vec<Ahead> = all.into_iter().map(Reading::done).collect();
        assert!(Reading::default().add(&piece).is_err());
        drop(kept);
        assert!(Reading::default().add(&piece).is_ok());
    }
}
