//! `govsh ls`: recordings, newest first.
//!
//! Invariant: a file that cannot be read is listed with the reason, never left out.
//! Leaves to others: which files there are (`find`), what they say of themselves (`recording`).

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::bail;
use serde_json::{Value, json};

use super::find::{Found, recordings};
use super::paint::{Paint, home, printed};
use crate::recording::summary::{cut, home_short, lasted};
use crate::recording::{Glance, ReadError, glance, visible};
use crate::session::recorder::default_dir;
use crate::session::shelf::under_way;

/// Lists those in `dir`, by default govsh's own; exit status 0, also when there are none.
pub fn ls(dir: Option<&Path>, json: bool) -> anyhow::Result<i32> {
    let own;
    let dir = match dir {
        Some(dir) if !dir.is_dir() => bail!("no directory '{}'", dir.display()),
        Some(dir) => dir,
        None => {
            own = default_dir()?;
            &own
        }
    };
    let mut all = recordings(dir)?;
    all.reverse();
    let rows = all.iter().map(|found| (found, look(found)));
    let mut out = io::BufWriter::new(io::stdout().lock());
    let outcome = if json {
        let rows: Vec<_> = rows.map(|(found, seen)| object(found, &seen)).collect();
        super::json::pretty(&mut out, &rows)
    } else if all.is_empty() {
        writeln!(out, "no recordings in '{}'", dir.display())
    } else {
        table(rows, &mut out)
    };
    printed(outcome.and_then(|()| out.flush()), 0)
}

/// What a recording says of itself. Whether that is true costs reading all of it: `govsh verify`.
struct Seen {
    glance: Glance,
    /// A session is writing it now.
    running: bool,
}

fn look(found: &Found) -> Result<Seen, String> {
    let seen = File::open(&found.path).map_err(ReadError::from).and_then(|file| {
        let running = under_way(found, &file);
        glance(file).map(|glance| Seen { glance, running })
    });
    seen.map_err(|error| match error {
        ReadError::Io(error) => error.to_string(),
        error => error.to_string(),
    })
}

/// One of the words in column STATE.
fn state(Seen { glance, running }: &Seen) -> String {
    match &glance.end {
        None if *running => "running".to_owned(),
        _ if glance.start.is_none() => "empty".to_owned(),
        None => "not closed".to_owned(),
        Some(end) => match (end.status, end.signal) {
            (_, Some(signal)) => format!("signal {signal}"),
            (Some(status), None) => format!("exit {status}"),
            (None, None) => "closed".to_owned(),
        },
    }
}

/// One of the words in column SEAL.
fn seal(glance: &Glance) -> &'static str {
    match &glance.end {
        None => "open",
        Some(end) if end.key.is_some() => "signed",
        Some(_) => "unsigned",
    }
}

fn object(found: &Found, seen: &Result<Seen, String>) -> Value {
    let file = found.path.to_string_lossy();
    match seen {
        Err(error) => json!({ "id": found.id, "file": file, "size": found.size, "error": error }),
        Ok(Seen { glance, running }) => {
            let start = glance.start.as_ref();
            let end = glance.end.as_ref();
            json!({
                "id": found.id,
                "file": file,
                "size": found.size,
                "argv": start.map(|start| lossy(&start.argv)),
                "cwd": start.map(|start| String::from_utf8_lossy(&start.cwd)),
                "started": start.map(|start| start.timestamp),
                "duration": glance.ns as f64 / 1e9,
                "complete": end.is_some(),
                "running": running,
                "seal": seal(glance),
                "signed_by": end.and_then(|end| end.by.as_ref()),
                "exit": end.and_then(|end| end.status),
                "signal": end.and_then(|end| end.signal),
                "denied": glance.tally.denied,
                "alerts": glance.tally.count("alert"),
                "events": glance.tally.counts.values().sum::<u64>(),
            })
        }
    }
}

fn lossy(argv: &[Vec<u8>]) -> Vec<String> {
    argv.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

fn table<'a>(rows: impl Iterator<Item = (&'a Found, Result<Seen, String>)>, out: &mut impl Write) -> io::Result<()> {
    let (paint, home) = (Paint::stdout(), home());
    let [id, started, took] = ["ID", "STARTED", "TOOK"];
    let [states, seals, denied, commands] = ["STATE", "SEAL", "DENIED", "COMMAND"];
    let head = format!("{id:<6}{started:<18}{took:>8}  {states:<12}{seals:<8}{denied:>7}  {commands:<16}WHERE");
    writeln!(out, "{}", paint.dim(&head))?;
    for (found, seen) in rows {
        let id = format!("{:<6}", cut(&visible(found.id.as_bytes()), 20));
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                writeln!(out, "{id}{} {}", paint.warm("unreadable:"), visible(error.as_bytes()))?;
                continue;
            }
        };
        let glance = &seen.glance;
        let (started, command, place) = match &glance.start {
            None => (String::new(), String::new(), String::new()),
            Some(start) => (day(start.timestamp), command(&start.argv), home_short(&start.cwd, &home)),
        };
        let denied = match glance.tally.denied {
            0 => format!("{:>7}", 0),
            count => paint.warm(&format!("{count:>7}")),
        };
        let (took, state, seal) = (lasted(glance.ns), state(&seen), seal(glance));
        writeln!(out, "{id}{started:<18}{took:>8}  {state:<12}{seal:<8}{denied}  {command:<16}{}", cut(&place, 60))?;
    }
    Ok(())
}

/// The program's name.
fn command(argv: &[Vec<u8>]) -> String {
    let path = argv.first().map_or(&[][..], |path| path);
    cut(&visible(path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)), 15)
}

/// Local date and time to the minute.
pub(super) fn day(timestamp: i64) -> String {
    local(timestamp, "%Y-%m-%d %H:%M")
}

pub(super) fn local(timestamp: i64, format: &str) -> String {
    let when = jiff::Timestamp::from_second(timestamp).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    when.to_zoned(jiff::tz::TimeZone::system()).strftime(format).to_string()
}
