//! The recording: what the file looks like, written and read back. `govsh-recording(5)` is its contract.
//!
//! Invariant: what the reader gives back equals what the writer was given, byte for byte; a file cut anywhere reads as a
//! prefix of it. Pure over Read, Write and Seek.
//! Leaves to others: where files lie, when to flush and to sync (`session::recorder`), drawing (`cmd`, `tui`).
//!
//! ```text
//! Stamped ─lines──▶ asciicast v3 and #govsh lines ─writer──▶ zstd frames, each with its index ──▶ file
//! file ──▶ reader ─▶ lines ─readback─▶ Stamped ──▶ summary, show, replay
//! ```

use std::io;

mod archive;
mod base64;
mod bound;
mod canvas;
mod chain;
mod directory;
mod encode;
pub mod errno;
mod frame;
mod index;
mod input;
mod json;
mod lines;
mod mcp;
mod network;
mod parse;
mod plain;
mod readback;
mod reader;
mod requests;
mod seal;
pub mod search;
pub mod summary;
mod table;
mod tally;
mod verify;
mod visible;
mod words;
mod writer;

pub use archive::{Archive, draw};
pub use base64::{decode as from_base64, encode as to_base64};
pub use encode::object;
pub use frame::{End, Index};
pub use index::{Glance, glance};
pub use lines::is_denied;
pub use mcp::{called, handed, phrase as mcp_phrase};
pub use network::{authority, leads, number_of, place, qtype};
pub use parse::from_object;
pub use reader::Reader;
pub use requests::{Recorded, Repeated, Requests};
pub use seal::{BadKey, PublicKey, SecretKey};
pub use summary::{Summary, step_summary};
pub use tally::{Counts, Tally};
pub use verify::{Integrity, Signer, verify};
pub use visible::{hides, visible};
pub use words::{Word, kind, pid_of};
pub use writer::Writer;

/// Why a file cannot be read as a recording.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read the recording")]
    Io(#[from] io::Error),
    #[error("not a govsh recording")]
    Foreign,
    #[error("made by a later govsh, in format {format}; this one reads formats 1 and 2")]
    Newer { format: u32 },
    #[error("damaged at byte {at}: {what}")]
    Damaged { at: u64, what: String },
}
