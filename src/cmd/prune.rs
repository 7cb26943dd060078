//! `govsh prune`: removes recordings beyond an age, a number or a size; without `--yes` it only says which.
//!
//! Invariant: nothing is removed that was not listed, and nothing without `--yes`.
//! Leaves to others: which may go and their going (`session::retention`).

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::ls::day;
use super::paint::{Paint, printed};
use crate::cli::Prune;
use crate::recording::visible;
use crate::session::recorder::default_dir;
use crate::session::retention::{self, Beyond, Bounds, Choice, Stays, choose};
use crate::session::shelf::{self, Found};

/// What became of one that was to go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// Only said.
    Would,
    Gone,
    /// It has changed since: in use, or not what it was.
    Changed,
    Failed(String),
}

/// Prunes as asked. Exit status 0, 1 when something that was to go could not be removed.
pub fn prune(options: &Prune) -> anyhow::Result<i32> {
    let bounds = Bounds {
        age: options.older_than,
        count: options.keep,
        size: options.max_size,
        keep_denied: options.keep_denied,
    };
    if !bounds.any() {
        bail!("nothing says what may go\nhint: --older-than 30d, --keep 200 or --max-size 2G");
    }
    let dir = match &options.dir {
        Some(dir) if !dir.is_dir() => bail!("no directory '{}'", visible(dir.as_os_str().as_encoded_bytes())),
        Some(dir) => dir.clone(),
        None => default_dir()?,
    };
    let shown = visible(dir.as_os_str().as_encoded_bytes());
    let all = shelf::recordings(&dir).with_context(|| format!("cannot list '{shown}'"))?;
    let total = all.len() as u64;
    let mut choice = choose(all, &bounds, SystemTime::now(), |found| retention::look(found, bounds.keep_denied));
    let going = std::mem::take(&mut choice.going);
    let done: Vec<_> = going
        .into_iter()
        .map(|(found, beyond)| {
            let fate = if options.yes { removed(&found, bounds.keep_denied) } else { Fate::Would };
            (found, beyond, fate)
        })
        .collect();
    let failed = done.iter().any(|(.., fate)| matches!(fate, Fate::Failed(_)));
    let report = Report { shown, options, bounds, done, choice, total };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let outcome = if options.json { report.json(&mut out) } else { report.words(&mut out) };
    printed(outcome.and_then(|()| out.flush()), i32::from(failed))
}

fn removed(found: &Found, keep_denied: bool) -> Fate {
    match retention::remove(found, keep_denied) {
        Ok(true) => Fate::Gone,
        Ok(false) => Fate::Changed,
        Err(error) => Fate::Failed(error.to_string()),
    }
}

struct Report<'a> {
    shown: String,
    options: &'a Prune,
    bounds: Bounds,
    done: Vec<(Found, Beyond, Fate)>,
    choice: Choice,
    total: u64,
}

impl Report<'_> {
    /// Number and bytes of those that went, or would.
    fn freed(&self) -> (u64, u64) {
        let went = self.done.iter().filter(|(.., fate)| matches!(fate, Fate::Would | Fate::Gone));
        went.fold((0, 0), |(count, bytes), (found, ..)| (count + 1, bytes + found.size))
    }

    fn words(&self, out: &mut impl Write) -> io::Result<()> {
        let paint = Paint::stdout();
        if !self.done.is_empty() {
            let head = format!("{:<6}{:<18}{:>10}  {:<14}SESSION", "ID", "LAST CHANGE", "SIZE", "WHY");
            writeln!(out, "{}", paint.dim(&head))?;
        }
        for (found, beyond, fate) in &self.done {
            let (id, name) = (visible(found.id.as_bytes()), visible(found.name.as_bytes()));
            let (day, size, why) = (day(changed(found)), bytes(found.size), word(*beyond));
            write!(out, "{id:<6}{day:<18}{size:>10}  {why:<14}{name}")?;
            match fate {
                Fate::Would | Fate::Gone => writeln!(out)?,
                Fate::Changed => writeln!(out, " {}", paint.warm("stays: it is in use or was replaced"))?,
                Fate::Failed(error) => writeln!(out, " {}", paint.warm(&format!("cannot be removed: {error}")))?,
            }
        }
        for (found, stays) in &self.choice.staying {
            writeln!(out, "{}", paint.dim(&format!("stays: {} ({})", visible(found.name.as_bytes()), reason(stays))))?;
        }
        let ((count, freed), verb) = (self.freed(), if self.options.yes { "removed" } else { "would go" });
        let total = self.total;
        if total == 0 {
            return writeln!(out, "no recordings in '{}'", self.shown);
        }
        let left = self.left();
        let stay = total - count;
        writeln!(out, "{count} of {total} {verb}, {} freed; {stay} stay, {}", bytes(freed), bytes(left))?;
        if let Some(most) = self.bounds.size.filter(|most| left > *most) {
            writeln!(out, "that is more than {}: what is left must stay", bytes(most))?;
        }
        if !self.options.yes && count > 0 {
            writeln!(out, "{}", paint.dim("nothing was removed: --yes does it"))?;
        }
        Ok(())
    }

    /// Bytes that stay, those that could not be removed included.
    fn left(&self) -> u64 {
        let kept = self.done.iter().filter(|(.., fate)| matches!(fate, Fate::Changed | Fate::Failed(_)));
        self.choice.left + kept.map(|(found, ..)| found.size).sum::<u64>()
    }

    fn json(&self, out: &mut impl Write) -> io::Result<()> {
        let (count, freed) = self.freed();
        let going: Vec<Value> = self
            .done
            .iter()
            .map(|(found, beyond, fate)| {
                let error = match fate {
                    Fate::Failed(error) => Some(error.as_str()),
                    Fate::Changed => Some("in use or replaced"),
                    Fate::Would | Fate::Gone => None,
                };
                let mut entry = object(found, word(*beyond));
                entry["removed"] = (*fate == Fate::Gone).into();
                entry["error"] = error.into();
                entry
            })
            .collect();
        let staying: Vec<Value> =
            self.choice.staying.iter().map(|(found, stays)| object(found, &reason(stays))).collect();
        let whole = json!({
            "dir": self.shown,
            "dry_run": !self.options.yes,
            "going": going,
            "staying": staying,
            "freed": freed,
            "left": { "recordings": self.total - count, "bytes": self.left() },
        });
        super::json::pretty(out, &whole)
    }
}

fn object(found: &Found, why: &str) -> Value {
    json!({
        "id": found.id,
        "file": found.path.to_string_lossy(),
        "size": found.size,
        "changed": changed(found),
        "why": why,
    })
}

/// Unix time of the last change, in seconds.
fn changed(found: &Found) -> i64 {
    let since = found.changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn word(beyond: Beyond) -> &'static str {
    match beyond {
        Beyond::Age => "age",
        Beyond::Count => "number",
        Beyond::Size => "size",
    }
}

fn reason(stays: &Stays) -> String {
    match stays {
        Stays::Running => "running".to_owned(),
        Stays::Unsettled => "not closed, and changed within the hour".to_owned(),
        Stays::Denied(1) => "1 denial".to_owned(),
        Stays::Denied(count) => format!("{count} denials"),
        Stays::Unknown(why) => visible(why.as_bytes()),
    }
}

/// `812 B`, `1.4 KiB`, `36 MiB`.
fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut unit, mut size) = (0, count as f64);
    while size >= 1023.95 && unit + 1 < units.len() {
        (unit, size) = (unit + 1, size / 1024.0);
    }
    let digits = usize::from(unit > 0 && size < 99.95);
    format!("{size:.digits$} {}", units.get(unit).unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let said = [0, 812, 1024, 1434, 1 << 20, 151_000_000, u64::MAX].map(bytes);
        assert_eq!(said, ["0 B", "812 B", "1.0 KiB", "1.4 KiB", "1.0 MiB", "144 MiB", "16384 PiB"]);
    }
}
