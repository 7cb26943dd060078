//! The lines before and after a run, on stderr: only where that is a terminal (in CI warnings always) and nobody asked for quiet.
//!
//! Invariant: printed only while the terminal is as the user left it; control characters of foreign text are made visible.
//! Leaves to others: what the closing lines say (`recording::Summary`).

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Run;
use super::recorder::{Outcome, Target};
use crate::policy::{Network, shipped};
use crate::recording;

/// What runs, under what, recorded where; and what was done to the agent's own sandbox.
pub fn opening(run: &Run, recording: Option<&Path>) {
    let agent = name(run);
    let (denies, asks) = run.policy.counts();
    let network = match run.policy.network() {
        Network::None => "no network",
        Network::All => "network open, every connection recorded",
        Network::List(_) => "network by list",
    };
    let recording = match recording.and_then(Path::file_name).map(OsStr::to_string_lossy) {
        Some(file) => format!("recording {}", file.strip_suffix(".cast.zst").unwrap_or(&file)),
        None => "not recorded".to_owned(),
    };
    let policy = run.policy.name();
    say(run, &format!("{agent} under policy {policy} (deny {denies}, ask {asks}) · {network} · {recording}"));
    for notice in &run.notice {
        warn(run, notice);
    }
    if !run.handed.told.is_empty() {
        say(run, &run.handed.told);
    }
    if !run.appended.is_empty() {
        let added = run.appended.join(" ");
        say(run, &format!("{agent}'s own sandbox is off ({added} added; --no-adapt to keep it)"));
    }
}

/// What went wrong and what was done, then what to type; in CI also for the step's summary.
pub fn closing(run: &Run, outcome: &Outcome) {
    let home = home();
    // By its id only where that is looked for.
    let session = match (&run.record, &outcome.path) {
        (Target::Default, Some(_)) => Some(run.id.as_str()),
        (_, path) => path.as_deref().and_then(Path::to_str),
    };
    for line in outcome.summary.closing_lines(session, &home) {
        say(run, &line);
    }
    if let Some(hint) = own_files(run, outcome) {
        say(run, &hint);
    }
    if let Some(why) = &outcome.unsigned {
        say(run, &format!("the recording is not signed: {why}"));
    }
    if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|_| in_ci()) {
        let file = std::fs::File::options().append(true).create(true).open(path);
        // The summary is a courtesy: the recording has everything.
        let _ = file.and_then(|mut file| file.write_all(recording::step_summary(&outcome.summary, &home).as_bytes()));
    }
}

/// What to type where a command was refused what it keeps under its own name: the default policy knows no agent's places.
fn own_files(run: &Run, outcome: &Outcome) -> Option<String> {
    let own = &run.policy.vars().command;
    let refused = outcome.summary.denied.kept().iter().any(|denial| {
        own.iter()
            .any(|dir| denial.object.strip_prefix(dir.as_slice()).is_some_and(|rest| matches!(rest, [] | [b'/', ..])))
    });
    let agent = name(run);
    (refused && run.policy.name() == shipped::DEFAULT)
        .then(|| format!("{agent} was refused files of its own: if it is an agent, govsh --policy other -- {agent}"))
}

/// One line, dimmed, if anybody is there to read it.
pub fn say(run: &Run, line: &str) {
    if std::io::stderr().is_terminal() {
        write(run, line);
    }
}

/// Something that is not as whoever started the run may believe: told in the log of a CI job, too, where no terminal is.
fn warn(run: &Run, line: &str) {
    if in_ci() || std::io::stderr().is_terminal() {
        write(run, line);
    }
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|ci| ci == "true")
}

fn write(run: &Run, line: &str) {
    if run.quiet || line.is_empty() {
        return;
    }
    let mut stderr = std::io::stderr();
    let line = recording::visible(line.as_bytes());
    let plain = std::env::var_os("NO_COLOR").is_some_and(|no| !no.is_empty())
        || in_ci()
        || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let line = if plain { format!("govsh: {line}\n") } else { format!("\x1b[2mgovsh: {line}\x1b[0m\n") };
    // A terminal that has gone away needs no lines.
    let _ = stderr.write_all(line.as_bytes());
}

/// A path with `~` for the home directory.
pub fn shown(path: &Path) -> String {
    recording::summary::home_short(path.as_os_str().as_bytes(), &home())
}

/// What is shown as `~`; empty when there is no home.
/// The home directory as the environment names it; empty for none.
pub fn home() -> Vec<u8> {
    std::env::var_os("HOME").unwrap_or_default().as_bytes().to_vec()
}

/// The agent as people call it.
fn name(run: &Run) -> String {
    let name = run.argv.first().map(Path::new).and_then(Path::file_name);
    name.unwrap_or_default().to_string_lossy().into_owned()
}
