//! `attempt NAME [ARGUMENTS]`: tries one thing that a sandboxed agent must not manage, and says what happened.
//!
//! Prints one line, `{"name":…, "result":"ok" | "errno NAME" | "misuse", "detail":…}`, and exits 0 when the thing was
//! done, 1 when it was refused, 2 when it was called the wrong way. `attempt --list` prints every name.
//! Invariant: it behaves the same outside and inside a sandbox; it knows nothing of govsh.
//! Leaves to others: when it should be refused, and with what (`tests/escape`).
#![allow(clippy::undocumented_unsafe_blocks, reason = "breaking rules is this program's purpose")]
#![allow(clippy::unwrap_used, reason = "a broken attempt should be loud")]

mod call;
mod calls;
mod carve;
mod descriptors;
mod doors;
mod files;
mod floor;
mod gitdirs;
mod magic;
mod metadata;
mod names;
mod network;
mod outward;
mod parity;
mod parked;
mod paths;
#[path = "../diff/perform.rs"]
mod perform;
mod procs;
mod races;
mod racesnet;
mod report;
mod ring;
mod siege;
mod signals;
mod sockets;
mod spaces;
mod storm;
mod swaps;
mod terminal;
mod tricks;
mod unix;

use std::ffi::CString;

use report::{Misuse, Outcome};

/// One thing to try, by name.
pub type Attempt = (&'static str, fn(&Args) -> Outcome);

/// The words after the name.
pub struct Args(Vec<String>);

impl Args {
    /// The `i`th word, empty where there is none.
    pub fn text(&self, i: usize) -> &str {
        self.0.get(i).map_or("", String::as_str)
    }

    pub fn path(&self, i: usize) -> CString {
        call::c(self.text(i))
    }

    /// A number; `parent`: the parent process; `@FILE`: the number in a file that somebody is about to write (waits 10 s).
    pub fn number(&self, i: usize) -> i64 {
        let word = self.text(i);
        if word == "parent" {
            return i64::from(std::os::unix::process::parent_id());
        }
        let Some(file) = word.strip_prefix('@') else {
            return word.parse().unwrap_or(0);
        };
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while std::time::Instant::now() < end {
            if let Some(number) = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()) {
                return number;
            }
            std::thread::yield_now();
        }
        0
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

fn all() -> impl Iterator<Item = Attempt> {
    [
        floor::ATTEMPTS,
        spaces::ATTEMPTS,
        sockets::ATTEMPTS,
        network::ATTEMPTS,
        unix::ATTEMPTS,
        files::ATTEMPTS,
        names::ATTEMPTS,
        metadata::ATTEMPTS,
        descriptors::ATTEMPTS,
        procs::ATTEMPTS,
        terminal::ATTEMPTS,
        parity::ATTEMPTS,
        paths::ATTEMPTS,
        magic::ATTEMPTS,
        parked::ATTEMPTS,
        carve::ATTEMPTS,
        gitdirs::ATTEMPTS,
        races::ATTEMPTS,
        racesnet::ATTEMPTS,
        swaps::ATTEMPTS,
        storm::ATTEMPTS,
        calls::ATTEMPTS,
        tricks::ATTEMPTS,
        doors::ATTEMPTS,
        siege::ATTEMPTS,
        signals::ATTEMPTS,
        outward::ATTEMPTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

fn main() {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let args = Args(words.collect());
    if name == "--list" {
        all().for_each(|(name, _)| println!("{name}"));
        return;
    }
    let outcome = match all().find(|(known, _)| *known == name) {
        Some((_, attempt)) => attempt(&args),
        None => Misuse(format!("no attempt called '{name}'; 'attempt --list' names them")),
    };
    std::process::exit(outcome.report(&name));
}
