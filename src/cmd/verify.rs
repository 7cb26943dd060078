//! `govsh verify`: is a recording what was written, and who vouches for it?
//!
//! Invariant: every file gets its line; the exit status is that of the worst.
//! Leaves to others: the answer itself (`recording::verify`).

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::find::find;
use super::paint::{Paint, printed};
use super::show::typed;
use crate::cli::{FAILED, Verify};
use crate::recording::{Integrity, PublicKey, ReadError, Signer, verify, visible};
use crate::session::recorder::known_key;

/// Exit status where nothing is wrong as far as can be seen, but nobody vouches for the end.
const UNSEALED: i32 = 3;
/// And where something was changed.
const ALTERED: i32 = 4;

/// Verifies each of them. Exit status 0, 3, 4, or 125 when one could not be read.
pub fn run(options: &Verify) -> anyhow::Result<i32> {
    let wanted = options.key.as_deref().map(public_key).transpose()?;
    let own = known_key().ok().flatten().map(|key| key.public());
    let mut rows = Vec::new();
    let mut worst = 0;
    for session in &options.files {
        let found = find(session).map(|path| {
            let integrity = File::open(&path).map_err(ReadError::from).and_then(|file| verify(file, wanted.as_ref()));
            (path, integrity.map_err(|error| reason(&error)))
        });
        let (path, integrity) = match found {
            Ok((path, integrity)) => (path, integrity),
            Err(error) => (session.into(), Err(format!("{error:#}"))),
        };
        worst = worst.max(integrity.as_ref().map_or(FAILED, status));
        rows.push((path, integrity));
    }
    let mut out = io::stdout().lock();
    let outcome = if options.json {
        let all: Vec<_> = rows.iter().map(|(path, integrity)| object(path, integrity, own.as_ref())).collect();
        super::json::pretty(&mut out, &all)
    } else {
        rows.iter().try_for_each(|(path, integrity)| line(path, integrity, own.as_ref(), &mut out))
    };
    printed(outcome.and_then(|()| out.flush()), worst)
}

/// From its text, or from a file with it in.
fn public_key(given: &str) -> anyhow::Result<PublicKey> {
    if let Ok(key) = given.parse() {
        return Ok(key);
    }
    let shown = visible(given.as_bytes());
    let text = std::fs::read_to_string(given).with_context(|| format!("cannot read the key '{shown}'"))?;
    let word = text.split_ascii_whitespace().find(|word| word.starts_with("ed25519:")).unwrap_or_default();
    word.parse().with_context(|| format!("no key in '{shown}'"))
}

fn reason(error: &ReadError) -> String {
    match error {
        ReadError::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

fn status(integrity: &Integrity) -> i32 {
    match integrity {
        Integrity::Signed { .. } => 0,
        Integrity::Unsigned { .. } | Integrity::Open { .. } => UNSEALED,
        Integrity::Altered { .. } => ALTERED,
    }
}

/// What `show` says of it.
pub(super) fn in_short(integrity: &Integrity) -> String {
    match integrity {
        Integrity::Signed { by } => format!("intact, signed by {}", visible(by.name.as_bytes())),
        Integrity::Unsigned { chained: true } => "closed, not signed".to_owned(),
        Integrity::Unsigned { chained: false } => "closed, format 1: neither chain nor signature".to_owned(),
        Integrity::Open { .. } => "not closed: still running, killed or cut".to_owned(),
        Integrity::Altered { frame, what } => format!("ALTERED at frame {frame}: {}", visible(what.as_bytes())),
    }
}

fn line(
    path: &Path,
    integrity: &Result<Integrity, String>,
    own: Option<&PublicKey>,
    out: &mut impl Write,
) -> io::Result<()> {
    let paint = Paint::stdout();
    let name = typed(path);
    let text = match integrity {
        Err(error) => paint.warm(&format!("cannot be verified: {}", visible(error.as_bytes()))),
        Ok(Integrity::Signed { by }) => signed(by, own),
        Ok(Integrity::Open { frames, rest }) => {
            format!("intact prefix, not closed: {frames} frames; {rest} bytes after them are covered by nothing yet")
        }
        Ok(Integrity::Altered { frame, what }) => {
            paint.warm(&format!("altered at frame {frame}: {}", visible(what.as_bytes())))
        }
        Ok(unsigned @ Integrity::Unsigned { .. }) => in_short(unsigned),
    };
    writeln!(out, "{name}: {text}")
}

fn signed(by: &Signer, own: Option<&PublicKey>) -> String {
    let whose = if own == Some(&by.key) { "this machine's key" } else { "not this machine's key: compare it" };
    format!("intact, signed by {} ({}, {whose})", visible(by.name.as_bytes()), by.key.fingerprint())
}

fn object(path: &Path, integrity: &Result<Integrity, String>, own: Option<&PublicKey>) -> Value {
    let file = path.to_string_lossy();
    match integrity {
        Err(error) => json!({ "file": file, "state": "error", "error": error }),
        Ok(Integrity::Signed { by: Signer { key, name } }) => {
            let (text, fingerprint) = (key.to_string(), key.fingerprint());
            let by = json!({ "name": name, "key": text, "fingerprint": fingerprint, "own": own == Some(key) });
            json!({ "file": file, "state": "signed", "by": by })
        }
        Ok(Integrity::Unsigned { chained }) => json!({ "file": file, "state": "unsigned", "chained": chained }),
        Ok(Integrity::Open { frames, rest }) => {
            json!({ "file": file, "state": "open", "frames": frames, "uncovered_bytes": rest })
        }
        Ok(Integrity::Altered { frame, what }) => {
            json!({ "file": file, "state": "altered", "frame": frame, "what": what })
        }
    }
}
