//! Which recordings may go, and their going: for `govsh prune` and for `[record] retention` at the end of a run.
//!
//! Invariant: what is removed is a recording of govsh, whole enough to say so, that nobody is writing and that a bound names;
//! it was looked at and locked through the descriptor of the very file that is removed.
//! Leaves to others: the list (`shelf`), telling people (`cmd::prune`).

use std::fs::{self, File};
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::shelf::{self, Found};
use crate::event::{Event, Stamped};
use crate::policy::{Retention, Verdict};
use crate::recording::{self, ReadError};

/// A recording that was not closed may still be written by somebody who does not lock: left alone for so long.
const SETTLES: Duration = Duration::from_secs(3600);
/// At the end of a run the rest is left to the next one after this.
const PATIENCE: Duration = Duration::from_secs(2);
const DAY: u64 = 86_400;

/// What may stay. Nothing goes without a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Since the last change.
    pub age: Option<Duration>,
    /// So many of the newest.
    pub count: Option<u64>,
    /// Bytes, of all that stay together.
    pub size: Option<u64>,
    /// Whatever holds a denial stays.
    pub keep_denied: bool,
}

impl Bounds {
    /// Whether anything could go at all.
    pub fn any(&self) -> bool {
        self.age.is_some() || self.count.is_some() || self.size.is_some()
    }
}

impl From<Retention> for Bounds {
    fn from(kept: Retention) -> Self {
        let age = kept.days.map(|days| Duration::from_secs(days.saturating_mul(DAY)));
        Bounds { age, count: kept.count, size: kept.size, keep_denied: kept.keep_denied }
    }
}

/// The bound that a recording is beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    Age,
    Count,
    Size,
}

/// Why a recording that is beyond a bound stays all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stays {
    Running,
    /// Not closed, and changed a short while ago.
    Unsettled,
    /// So many denials, and they are to be kept.
    Denied(u64),
    /// No recording, or none that can be read: with the reason.
    Unknown(String),
}

/// What is to become of each recording, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    pub going: Vec<(Found, Beyond)>,
    pub staying: Vec<(Found, Stays)>,
    /// Recordings within all bounds.
    pub within: u64,
    /// Bytes of all that is left.
    pub left: u64,
}

/// Chooses among `all`, oldest first, by their age at `now`; `look` says of one that is beyond a bound why it stays.
pub fn choose(
    all: Vec<Found>,
    bounds: &Bounds,
    now: SystemTime,
    mut look: impl FnMut(&Found) -> Option<Stays>,
) -> Choice {
    let mut choice = Choice { left: all.iter().map(|found| found.size).sum(), ..Choice::default() };
    let count = all.len() as u64;
    for (place, found) in (1..=count).rev().zip(all) {
        let old = bounds.age.is_some_and(|age| now.duration_since(found.changed).is_ok_and(|is| is > age));
        let beyond = if old {
            Beyond::Age
        } else if bounds.count.is_some_and(|most| place > most) {
            Beyond::Count
        } else if bounds.size.is_some_and(|most| choice.left > most) {
            Beyond::Size
        } else {
            choice.within += 1;
            continue;
        };
        match look(&found) {
            Some(stays) => choice.staying.push((found, stays)),
            None => {
                choice.left -= found.size;
                choice.going.push((found, beyond));
            }
        }
    }
    choice
}

/// Why `found` stays, as far as the file itself says.
pub fn look(found: &Found, keep_denied: bool) -> Option<Stays> {
    match shelf::open(found) {
        Ok(file) => examine(found, &file, keep_denied),
        Err(error) => Some(Stays::Unknown(error.to_string())),
    }
}

fn examine(found: &Found, file: &File, keep_denied: bool) -> Option<Stays> {
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Some(Stays::Unknown("not a regular file".to_owned()));
    }
    if shelf::under_way(found, file) {
        return Some(Stays::Running);
    }
    let glance = match recording::glance(file) {
        Ok(glance) => glance,
        Err(ReadError::Io(error)) => return Some(Stays::Unknown(error.to_string())),
        Err(error) => return Some(Stays::Unknown(error.to_string())),
    };
    if glance.start.is_none() {
        return Some(Stays::Unknown("it holds no events".to_owned()));
    }
    let settled = found.changed.elapsed().is_ok_and(|is| is > SETTLES);
    if glance.end.is_none() && !settled {
        return Some(Stays::Unsettled);
    }
    let denied = match glance.tally.denied {
        _ if !keep_denied => 0,
        // The frame that was not closed is in no tally.
        0 if glance.end.is_none() => denials(file),
        denied => denied,
    };
    (denied > 0).then_some(Stays::Denied(denied))
}

/// Denials up to where the file was cut.
fn denials(mut file: &File) -> u64 {
    let denial = |stamped: &Stamped| matches!(&stamped.event, Event::Judged(judged) if judged.verdict == Verdict::Deny);
    let reader = file.rewind().map_err(ReadError::from).and_then(|()| recording::Reader::open(file));
    let events = reader.into_iter().flatten();
    events.map_while(Result::ok).filter(denial).count() as u64
}

/// Removes it, unless it has changed its mind since it was chosen: false when it stays.
pub fn remove(found: &Found, keep_denied: bool) -> io::Result<bool> {
    let file = match shelf::open(found) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    if examine(found, &file, keep_denied).is_some() || file.try_lock().is_err() {
        return Ok(false);
    }
    let (held, named) = (file.metadata()?, fs::symlink_metadata(&found.path)?);
    if (held.dev(), held.ino()) != (named.dev(), named.ino()) {
        return Ok(false);
    }
    fs::remove_file(&found.path)?;
    Ok(true)
}

/// What the policy says at the end of a run that was recorded in `own`: in that directory, without a word; the first error.
pub fn apply(kept: Retention, own: &Path) -> io::Result<()> {
    let (bounds, begun) = (Bounds::from(kept), Instant::now());
    let Some(dir) = own.parent().filter(|_| bounds.any()) else { return Ok(()) };
    let seen = |found: &Found| {
        let spared = found.path == own || begun.elapsed() > PATIENCE;
        if spared { Some(Stays::Running) } else { look(found, bounds.keep_denied) }
    };
    let choice = choose(shelf::recordings(dir)?, &bounds, SystemTime::now(), seen);
    let mut outcome = Ok(());
    for (found, _) in &choice.going {
        if begun.elapsed() > PATIENCE {
            break;
        }
        if let Err(error) = remove(found, bounds.keep_denied) {
            outcome = outcome.and(Err(error));
        }
    }
    outcome
}

#[cfg(test)]
mod tests;
