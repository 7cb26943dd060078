//! `govsh show`: what happened in a session, on one page, as a tree of its programs, or event by event.
//!
//! Invariant: memory is bounded however large the recording is; a recording that was cut or damaged is shown up to there, and said so.
//! Leaves to others: reading (`recording`), which file (`find`).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, bail};

use super::find::find;
use super::paint::{Paint, home, printed};
use crate::recording::{Integrity, ReadError, Reader, Summary, verify, visible};
use crate::session::recorder::{default_dir, id_of};

mod events;
mod json;
mod page;
mod tree;

/// What to show of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShowOptions {
    /// One object with everything instead of the page; with `events` one object a line.
    pub json: bool,
    /// The tree of programs instead of the page.
    pub programs: bool,
    /// Event by event.
    pub events: bool,
    /// With `events`: only these kinds; all when empty.
    pub kinds: Vec<String>,
    /// With `events`: only what was denied.
    pub denied: bool,
}

/// How a recording ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ending {
    /// It could be read to its end: complete, or still running, killed, or cut.
    Read(Integrity),
    Damaged(String),
}

impl Ending {
    fn is_complete(&self) -> bool {
        matches!(self, Self::Read(Integrity::Signed { .. } | Integrity::Unsigned { .. }))
    }

    fn is_bad(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Read(Integrity::Altered { .. }))
    }
}

/// Shows `session`. Exit status 0, 1 when the recording is damaged or was altered.
pub fn show(session: &OsStr, opts: &ShowOptions) -> anyhow::Result<i32> {
    let path = find(session)?;
    let reader = open(&path)?;
    if opts.events {
        return self::events::list(reader, &path, opts);
    }
    let (summary, ending) = summarise(reader, &path);
    if summary.events == 0 {
        match ending {
            Ending::Damaged(what) => {
                bail!("recording '{}' is {}", visible(path.as_os_str().as_encoded_bytes()), visible(what.as_bytes()))
            }
            Ending::Read(_) => return Err(nothing_in(&path)),
        }
    }
    let status = i32::from(ending.is_bad());
    let name = typed(&path);
    let mut text = Vec::new();
    match (opts.json, opts.programs) {
        (true, _) => self::json::whole(&summary, &ending, &path, &mut text)?,
        (false, true) => self::tree::draw(&summary, Paint::stdout(), &mut text)?,
        (false, false) => self::page::draw(&summary, &ending, &name, &home(), Paint::stdout(), &mut text)?,
    }
    let mut out = io::stdout().lock();
    printed(out.write_all(&text).and_then(|()| out.flush()), status)
}

/// The recording in `path`, or why it cannot be read, in one line.
pub(super) fn open(path: &Path) -> anyhow::Result<Reader<File>> {
    let shown = visible(path.as_os_str().as_encoded_bytes());
    let file = File::open(path).with_context(|| format!("cannot open recording '{shown}'"))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        bail!("'{shown}' is a directory\nhint: 'govsh ls {shown}' lists the recordings in it");
    }
    match Reader::open(file) {
        Ok(reader) => Ok(reader),
        Err(ReadError::Foreign) => bail!("'{shown}' is not a govsh recording"),
        Err(error) => Err(error).with_context(|| format!("cannot read recording '{shown}'")),
    }
}

/// Says on stderr why there is no more, after what was printed.
pub(super) fn complain(path: &Path, error: ReadError) {
    let shown = visible(path.as_os_str().as_encoded_bytes());
    eprintln!("govsh: recording '{shown}': {:#}", anyhow::Error::from(error));
}

/// Why a recording without a single event cannot be shown.
pub(super) fn nothing_in(path: &Path) -> anyhow::Error {
    let shown = visible(path.as_os_str().as_encoded_bytes());
    anyhow::anyhow!("recording '{shown}' holds no events: it is empty, or was cut at its beginning")
}

fn summarise(mut reader: Reader<File>, path: &Path) -> (Summary, Ending) {
    let mut summary = Summary::default();
    for item in reader.by_ref() {
        match item {
            Ok(stamped) => summary.feed(&stamped),
            Err(ReadError::Io(error)) => return (summary, Ending::Damaged(format!("unreadable: {error}"))),
            Err(error) => return (summary, Ending::Damaged(error.to_string())),
        }
    }
    let ending = match File::open(path).map_err(ReadError::from).and_then(|file| verify(file, None)) {
        Ok(integrity) => Ending::Read(integrity),
        Err(error) => Ending::Damaged(error.to_string()),
    };
    (summary, ending)
}

/// What to type for the recording in `path`.
pub(super) fn typed(path: &Path) -> String {
    let own = default_dir().is_ok_and(|dir| path.parent() == Some(&dir));
    let id = path.file_name().and_then(id_of).filter(|_| own);
    id.map_or_else(|| visible(path.as_os_str().as_encoded_bytes()), |id| visible(id.as_bytes()))
}
