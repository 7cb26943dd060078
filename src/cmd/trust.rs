//! `govsh trust`: which projects' policies may grant, shown before it is agreed to.
//!
//! Invariant: the text that is shown is the text that is trusted: it is read once; nothing is trusted from inside a session,
//! whose sandbox could not write it anyway.
//! Leaves to others: the entries (`library::trust`), what a policy would widen (`policy`).

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use super::library::trust::{Entry, Store};
use super::library::{self, Disk, told};
use super::paint::printed;
use crate::cli::Trust;
use crate::policy::{Kind, Layer, Library, Policy, PolicyError, Source, Withheld, shipped};
use crate::recording::visible;
use crate::session;
use crate::sys::process;

/// Exit status when it was not trusted.
const NOT_TRUSTED: i32 = 1;

/// Trusts, lists, or takes trust back.
pub fn trust(options: &Trust) -> Result<i32> {
    let store = library::store();
    if options.list {
        return list(&store, options.json);
    }
    if let Ok(outer) = std::env::var(session::MARKER)
        && process::seccomp_mode() != 0
    {
        bail!(
            "this is inside govsh session {}: what runs here cannot trust\nhint: type it outside of the session",
            visible(outer.as_bytes())
        );
    }
    if options.revoke {
        return revoke(&store, &options.place, options.json);
    }
    let disk = Disk::new();
    let files = files(&disk, &options.place)?;
    if files.is_empty() {
        bail!("there is no .govsh/policy.toml in '{}' or above it in its repository", options.place.display());
    }
    let mut status = 0;
    let mut rows = Vec::new();
    for source in files {
        let wanted = wanted(&source)?;
        let trusted = decide(&store, &source, &wanted, options)?;
        status = if trusted { status } else { NOT_TRUSTED };
        rows.push(row(&source, &wanted, trusted));
    }
    if options.json {
        printed(writeln!(io::stdout(), "{:#}", Value::Array(rows)), if options.yes { status } else { 0 })
    } else {
        Ok(status)
    }
}

/// The policies of a project by one of its directories, or the one file.
fn files(disk: &Disk, place: &Path) -> Result<Vec<Source>> {
    if place.is_dir() {
        // The variables of a policy are those of where it is used.
        std::env::set_current_dir(place).with_context(|| format!("cannot go to '{}'", place.display()))?;
        return Disk::new().projects().map_err(|error| anyhow!(told(&error)));
    }
    disk.project_file(place).map(|source| vec![source]).map_err(|error| anyhow!(told(&error)))
}

/// What it would grant on top of the profile `agent`.
fn wanted(source: &Source) -> Result<Vec<Withheld>> {
    let base =
        shipped::source(shipped::DEFAULT).ok_or_else(|| anyhow!("there is no profile '{}'", shipped::DEFAULT))?;
    let only = Only { disk: Disk::new(), source };
    let vars = library::vars(Path::new("/run/govsh/session"), &[]);
    let policy = Policy::load(base, &only, &vars).map_err(|error| anyhow!(told(&error)))?;
    if let Some(by) = policy.enrolled() {
        bail!("this machine is enrolled ({by}): what a project grants does not count, trusted or not");
    }
    Ok(policy.withheld().to_vec())
}

/// The disk with this one project file, which nobody trusts yet.
struct Only<'s> {
    disk: Disk,
    source: &'s Source,
}

impl Library for Only<'_> {
    fn load(&self, name_or_file: &str, from: &Source) -> Result<Source, PolicyError> {
        self.disk.load(name_or_file, from)
    }

    fn layers(&self) -> Result<Vec<Source>, PolicyError> {
        let mut layers = self.disk.layers()?;
        layers.retain(|layer| matches!(layer.layer, Layer::Org | Layer::Machine));
        layers.push(self.source.clone());
        Ok(layers)
    }

    fn realpath(&self, literal: &[u8]) -> Option<Vec<u8>> {
        self.disk.realpath(literal)
    }

    fn kind(&self, path: &[u8]) -> Kind {
        self.disk.kind(path)
    }
}

/// Whether it is trusted now.
fn decide(store: &Store, source: &Source, wanted: &[Withheld], options: &Trust) -> Result<bool> {
    let already = store.holds(source)?;
    if !options.json {
        let head = if already { " (trusted already)" } else { "" };
        println!("{}{head}\n{}", visible(source.name.as_bytes()), readable(wanted));
    }
    if already || wanted.is_empty() {
        return Ok(true);
    }
    if !options.yes && !options.json && !agreed()? {
        return Ok(false);
    }
    if options.yes || !options.json {
        store.add(source)?;
        if !options.json {
            println!("trusted, until its text changes");
        }
        return Ok(true);
    }
    Ok(false)
}

fn agreed() -> Result<bool> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        bail!("nobody can be asked without a terminal\nhint: --yes trusts without asking");
    }
    print!("Trust it? [y/N] ");
    io::stdout().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// What it would widen, a line for each grant.
fn readable(wanted: &[Withheld]) -> String {
    if wanted.is_empty() {
        return "  grants nothing that would have to be trusted: its rules hold as they are\n".to_owned();
    }
    let mut text = String::new();
    for file in wanted {
        text.push_str("  would allow sessions here, where nothing denies it:\n");
        for rule in &file.rules {
            let place = if *rule.source == *file.source {
                format!("line {}", rule.line)
            } else {
                format!("{}:{}", rule.source, rule.line)
            };
            text.push_str(&format!("    {:14} {:36} {place}\n", act(rule.key), rule.text));
        }
        if file.rules.iter().any(|rule| *rule.source != *file.source && rule.layer == Layer::Project) {
            text.push_str("  files of the project that it builds on are trusted by themselves: govsh trust FILE\n");
        }
    }
    text
}

/// A key of a policy as something that is done.
fn act(key: &str) -> &str {
    match key {
        "files.read" => "to read",
        "files.write" => "to change",
        "files.exec" => "to run",
        "files.allow" => "access to",
        "exec.allow" => "to run",
        "network.allow" => "to reach",
        "sockets.allow" => "the socket",
        "environment.pass" => "the variable",
        other => other,
    }
}

fn row(source: &Source, wanted: &[Withheld], trusted: bool) -> Value {
    let rules = wanted.iter().flat_map(|file| &file.rules);
    let rules =
        rules.map(|rule| json!({ "key": rule.key, "text": &*rule.text, "source": &*rule.source, "line": rule.line }));
    json!({
        "path": source.name, "blake3": blake3::hash(source.text.as_bytes()).to_hex().as_str(), "trusted": trusted,
        "grants": rules.collect::<Vec<_>>(),
    })
}

/// Whether the trusted text still stands there.
fn state(entry: &Entry) -> &'static str {
    match std::fs::read(&entry.path) {
        Err(_) => "gone",
        Ok(text) if blake3::hash(&text).to_hex().as_str() == entry.digest => "trusted",
        Ok(_) => "changed",
    }
}

fn list(store: &Store, as_json: bool) -> Result<i32> {
    let entries = store.entries()?;
    let mut out = io::stdout().lock();
    if as_json {
        let one = |entry: &Entry| json!({ "path": entry.path, "blake3": entry.digest, "since": entry.since, "state": state(entry) });
        return printed(writeln!(out, "{:#}", Value::Array(entries.iter().map(one).collect())), 0);
    }
    if entries.is_empty() {
        return printed(writeln!(out, "no project's policy is trusted"), 0);
    }
    let lines: String = entries
        .iter()
        .map(|entry| format!("{:8} {}  {}\n", state(entry), entry.since, visible(entry.path.as_bytes())))
        .collect();
    printed(out.write_all(lines.as_bytes()), 0)
}

/// By file, or by a directory of the project; also where the file is gone.
fn revoke(store: &Store, place: &Path, as_json: bool) -> Result<i32> {
    let place = std::fs::canonicalize(place).or_else(|_| std::path::absolute(place))?;
    let within = |path: &Path| {
        let home = path.parent().and_then(Path::parent);
        path == place || home.is_some_and(|project| place.is_dir() && place.starts_with(project))
    };
    let entries: Vec<Entry> = store.entries()?.into_iter().filter(|entry| within(Path::new(&entry.path))).collect();
    for entry in &entries {
        store.remove(entry)?;
    }
    let mut out = io::stdout().lock();
    let outcome = if as_json {
        let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        writeln!(out, "{:#}", json!({ "revoked": paths }))
    } else if entries.is_empty() {
        writeln!(out, "nothing of it was trusted")
    } else {
        entries.iter().try_for_each(|entry| writeln!(out, "no longer trusted: {}", visible(entry.path.as_bytes())))
    };
    printed(outcome, 0)
}
