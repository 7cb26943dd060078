//! What runs inside the sandbox: the open loop, the stop watch around a workload, the flood of text.
//!
//! Invariant: each prints one number or its text to stdout and nothing else; arguments come from this benchmark, so they are few and positional.
//! Leaves to others: everything outside the sandbox.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::measure::middle;

/// Opens per batch: under a supervisor about half a millisecond, much less than a scheduler's time slice.
const BATCH: usize = 100;
/// Batches per run.
const BATCHES: usize = 41;

/// One line of the flood, 80 bytes; a terminal turns its line feed into two bytes.
pub const LINE: &[u8; 80] = b"the quick brown fox jumps over the lazy dog, 0123456789 times a day, every day.\n";

/// `__opens PATH`: opens and closes PATH for reading, prints the median batch in nanoseconds per open+close.
pub fn opens(args: &[OsString]) -> Result<u8> {
    let [path] = args else { bail!("usage: __opens PATH") };
    let path = std::path::Path::new(path);
    let mut batches = Vec::with_capacity(BATCHES);
    for batch in 0..=BATCHES {
        let start = Instant::now();
        for _ in 0..BATCH {
            File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        }
        if batch > 0 {
            batches.push(start.elapsed().as_nanos() as f64 / BATCH as f64);
        }
    }
    println!("{}", middle(batches).unwrap_or_default());
    Ok(0)
}

/// `__timed COMMAND…`: runs COMMAND without input and output, prints its seconds.
pub fn timed(args: &[OsString]) -> Result<u8> {
    let [program, args @ ..] = args else { bail!("usage: __timed COMMAND…") };
    let start = Instant::now();
    let status = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).status();
    let seconds = start.elapsed().as_secs_f64();
    let status = status.with_context(|| format!("cannot run {}", program.display()))?;
    if !status.success() {
        bail!("{} ended with {status}", program.display());
    }
    println!("{seconds}");
    Ok(0)
}

/// `__flood BYTES`: writes at least BYTES of text lines in pieces of 64 KiB, as `cat` of a long file would.
pub fn flood(args: &[OsString]) -> Result<u8> {
    let bytes: usize =
        args.first().and_then(|n| n.to_str()).and_then(|n| n.parse().ok()).context("usage: __flood BYTES")?;
    let piece = LINE.repeat(65_536 / LINE.len());
    let mut out = File::from(std::os::fd::AsFd::as_fd(&std::io::stdout()).try_clone_to_owned()?);
    let mut left = bytes.div_ceil(LINE.len()) * LINE.len();
    while left > 0 {
        let take = left.min(piece.len());
        out.write_all(&piece[..take]).context("cannot write the flood")?;
        left -= take;
    }
    Ok(0)
}
