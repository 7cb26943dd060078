//! `govsh doctor`: what this machine has, what each mechanism gives, what is lost without.
//!
//! Invariant: the exit status says whether a default run has everything it needs; it is 0 or 1.
//! Leaves to others: trying (`sandbox::probe`).

use std::fmt::Write as _;
use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli::Doctor;
use crate::sandbox::probe::{Fault, Need, Probe, probe_all};
use crate::session::MARKER;

/// How long the trial session may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Tries everything, prints it, and returns the exit status.
pub fn run(options: &Doctor) -> anyhow::Result<i32> {
    let mut probes = probe_all();
    probes.push(Probe {
        name: "session",
        need: Need::Required,
        outcome: session(),
        gives: "all of it together: a command run, recorded and ended",
        without: "no run starts, though every part by itself may work",
    });
    let inside = std::env::var(MARKER).ok();
    let inside = inside.as_deref().map(|id| id.chars().filter(char::is_ascii_alphanumeric).collect::<String>());
    let text = if options.json { json(&probes, inside)? } else { draw(&probes, inside.as_deref()) };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(i32::from(!probes.iter().all(Probe::is_met)))
}

/// Runs `true` as anyone would, recorded in a directory that is removed again.
fn session() -> Result<String, Fault> {
    let fault = |act: &str, error: &dyn std::fmt::Display| Fault { act: format!("{act}: {error}"), errno: None };
    let dir = std::env::temp_dir().join(format!("govsh-doctor-{}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&dir).map_err(|error| fault("making a directory", &error))?;
    let outcome = session_in(&dir).map_err(|error| fault("running 'true'", &error));
    std::fs::remove_dir_all(&dir).map_err(|error| fault("removing a directory", &error))?;
    outcome
}

fn session_in(dir: &Path) -> anyhow::Result<String> {
    let errors = dir.join("errors");
    let start = Instant::now();
    let mut child = Command::new("/proc/self/exe")
        .args(["run", "--quiet", "--record"])
        .arg(dir)
        .args(["--", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create_new(&errors)?)
        .spawn()?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("no end after {} s", LIMIT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let text = std::fs::read(&errors)?;
    match (status.success(), String::from_utf8_lossy(&text).lines().next()) {
        (true, _) => Ok(format!("a session took {} ms", start.elapsed().as_millis())),
        (false, Some(line)) => anyhow::bail!("{line}"),
        (false, None) => anyhow::bail!("{status}"),
    }
}

fn mark(probe: &Probe) -> &'static str {
    match (&probe.outcome, probe.need) {
        (Ok(_), _) => "✔",
        (Err(_), Need::Required) => "✘",
        (Err(_), Need::Stronger) => "–",
    }
}

fn found(probe: &Probe) -> String {
    match &probe.outcome {
        Ok(found) => found.clone(),
        Err(fault) => fault.to_string(),
    }
}

/// `✔ landlock       ABI 7     the floor under every file rule`; a failure goes on with what is lost and what to do.
/// Inside a session the hints would be about the wrong machine.
fn draw(probes: &[Probe], inside: Option<&str>) -> String {
    let names = probes.iter().map(|probe| probe.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    if let Some(id) = inside {
        line(&mut text, format_args!("This is inside govsh session {id}: what it refuses, the machine may well have."));
        line(&mut text, format_args!("hint: run doctor outside of it"));
    }
    for (title, need) in [("A default run needs", Need::Required), ("Faster or stronger with", Need::Stronger)] {
        line(&mut text, format_args!("{title}"));
        for probe in probes.iter().filter(|probe| probe.need == need) {
            let (mark, name) = (mark(probe), probe.name);
            line(&mut text, format_args!("  {mark} {name:names$}  {}", probe.gives));
            line(&mut text, format_args!("    {:names$}  {}", "", found(probe)));
            if probe.outcome.is_err() {
                line(&mut text, format_args!("    {:names$}  without: {}", "", probe.without));
            }
            if let (Some(hint), None) = (probe.hint(), inside) {
                line(&mut text, format_args!("    {:names$}  hint: {hint}", ""));
            }
        }
    }
    let missing: Vec<_> = probes.iter().filter(|probe| !probe.is_met()).map(|probe| probe.name).collect();
    if missing.is_empty() {
        line(&mut text, format_args!("Ready: everything a default run needs is here."));
    } else {
        line(&mut text, format_args!("Not ready: {} missing.", missing.join(", ")));
    }
    text
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // writing to a string cannot fail
    let _ = writeln!(text, "{words}");
}

#[derive(serde::Serialize)]
struct Report<'a> {
    ready: bool,
    /// The session that doctor itself runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    inside: Option<String>,
    probes: Vec<Line<'a>>,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    name: &'a str,
    required: bool,
    works: bool,
    found: String,
    gives: &'a str,
    without: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

fn json(probes: &[Probe], inside: Option<String>) -> anyhow::Result<String> {
    let lines = probes.iter().map(|probe| Line {
        name: probe.name,
        required: probe.need == Need::Required,
        works: probe.outcome.is_ok(),
        found: found(probe),
        gives: probe.gives,
        without: probe.without,
        hint: probe.hint().filter(|_| inside.is_none()),
    });
    let probes_told = lines.collect();
    let report = Report { ready: probes.iter().all(Probe::is_met), inside, probes: probes_told };
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Errno;

    fn probe(name: &'static str, need: Need, outcome: Result<String, Fault>) -> Probe {
        Probe { name, need, outcome, gives: "this", without: "that" }
    }

    #[test]
    fn a_failure_says_what_is_lost_and_what_to_do() {
        let refused = Fault { act: "installing a listener".into(), errno: Some(Errno(libc::EBUSY)) };
        let text = draw(
            &[probe("filter", Need::Required, Ok("acts".into())), probe("listener", Need::Required, Err(refused))],
            None,
        );
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "  ✔ filter    this");
        assert_eq!(lines[3], "  ✘ listener  this");
        assert!(lines[4].starts_with("              installing a listener: "), "{text}");
        assert_eq!(lines[5], "              without: that");
        assert!(lines[6].starts_with("              hint: another supervisor listens"), "{text}");
        assert_eq!(lines.last(), Some(&"Not ready: listener missing."));
    }

    #[test]
    fn what_only_makes_it_stronger_may_be_missing() {
        let fault = Fault { act: "x".into(), errno: None };
        let text = draw(&[probe("cgroup", Need::Stronger, Err(fault))], None);
        assert!(text.contains("  – cgroup") && text.ends_with("is here.\n"), "{text}");
    }
}
