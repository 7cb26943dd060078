//! The recording: what the file looks like, written and read back. `govsh-recording(5)` is its contract.
//!
//! Invariant: what the reader gives back equals what the writer was given, byte for byte; a file cut anywhere reads as a
//! prefix of it. Pure over Read, Write and Seek.
//! Leaves to others: where files lie, when to flush and to sync (`session::recorder`).

use std::io;

mod reader;
mod summary;
mod writer;

pub use reader::Reader;
pub use summary::{Summary, step_summary};
pub use writer::Writer;

/// Why a file cannot be read as a recording.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read the recording")]
    Io(#[from] io::Error),
    #[error("not a govsh recording")]
    Foreign,
    #[error("damaged at byte {at}: {what}")]
    Damaged { at: u64, what: String },
}
