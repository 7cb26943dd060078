//! `govsh policy list`, `show` and `check`.
//!
//! Invariant: what is shown as effective is the list that judges, built-ins included, each rule with its origin.
//! Leaves to others: finding and reading policies (`library`).

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::library::{Disk, told, vars};
use crate::policy::{Layer, Policy, PolicyError, Rule, RuleId, shipped};

/// Every policy that `--policy` knows by name.
pub fn list(json: bool) -> Result<i32> {
    let sources = Disk::new().all().map_err(|error| anyhow!(told(&error)))?;
    let mut rows = Vec::new();
    for source in &sources {
        let name = stem(&source.name);
        let hidden = rows.iter().any(|row: &Row| row.name == name);
        let matches = Policy::matches(source).map_err(|error| anyhow!(told(&error)))?;
        rows.push(Row {
            name,
            layer: word(source.layer),
            matches,
            about: about(&source.text),
            source: &source.name,
            hidden,
            kind: "profile",
        });
    }
    // what [toolchains], [devices] and [sockets] switch on
    rows.extend(shipped::parts().map(|(kind, name, about)| Row {
        name: format!("{}:{name}", kind.word()),
        layer: word(Layer::Shipped),
        matches: Vec::new(),
        about: about.to_owned(),
        source: "shipped",
        hidden: false,
        kind: kind.word(),
    }));
    if json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        return print(&format!("{:#}\n", Value::Array(rows)));
    }
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows.iter().filter(|row| !row.hidden) {
        let matches = if row.matches.is_empty() { String::new() } else { format!(" (for {})", row.matches.join(", ")) };
        writeln!(text, "{:width$}  {:8}  {}{matches}", row.name, row.layer, row.about)?;
    }
    print(&text)
}

struct Row<'s> {
    name: String,
    layer: &'static str,
    matches: Vec<String>,
    about: String,
    source: &'s str,
    /// Another policy of this name comes first.
    hidden: bool,
    /// `profile`, or what switches it on: `toolchain`, `device`, `socket`.
    kind: &'static str,
}

impl Row<'_> {
    fn json(&self) -> Value {
        json!({
            "name": self.name, "layer": self.layer, "match": self.matches, "about": self.about, "source": self.source,
            "hidden": self.hidden, "kind": self.kind,
        })
    }
}

/// A policy as it was written or, with `effective`, every rule that holds in this directory.
pub fn show(name: &str, effective: bool, json: bool) -> Result<i32> {
    let disk = Disk::new();
    let source = disk.find(name).map_err(|error| anyhow!(told(&error)))?;
    if !effective {
        let text = match json {
            true => format!(
                "{:#}\n",
                json!({ "name": stem(&source.name), "layer": word(source.layer), "source": source.name, "text": source.text })
            ),
            false => source.text,
        };
        return print(&text);
    }
    let policy = Policy::load(source, &disk, &here()).map_err(|error| anyhow!(told(&error)))?;
    if json {
        return print(&format!("{:#}\n", effective_json(&policy)));
    }
    print(&effective_text(&policy)?)
}

/// Nothing and 0 when the policy can be used, else its first fault and 1.
pub fn check(name: &str, json: bool) -> Result<i32> {
    let disk = Disk::new();
    let outcome = disk.find(name).and_then(|source| Policy::load(source, &disk, &here()));
    match (outcome, json) {
        (Ok(_), false) => Ok(0),
        (Ok(policy), true) => {
            print(&format!("{:#}\n", json!({ "ok": true, "name": policy.name(), "sources": policy.sources() })))
        }
        (Err(error), true) => {
            print(&format!("{:#}\n", error_json(&error)))?;
            Ok(1)
        }
        (Err(error), false) => {
            eprintln!("govsh: {}", told(&error));
            Ok(1)
        }
    }
}

/// As a session started here would have them; only its own directory is not known yet.
fn here() -> crate::policy::Vars {
    vars(Path::new("/run/govsh/session"), &[])
}

fn effective_text(policy: &Policy) -> Result<String> {
    let (denies, asks) = policy.counts();
    let mut text = String::new();
    writeln!(text, "policy {} · from {} · deny {denies}, ask {asks}", policy.name(), policy.sources().join(", "))?;
    let reads = if policy.carves_reads() {
        "denies or questions lie inside what is readable: needs --audit full"
    } else {
        "no deny and no question inside what is readable"
    };
    writeln!(text, "{reads}")?;
    let mut rules: Vec<&Rule> = policy.rules().iter().collect();
    rules.sort_by_key(|rule| (order(rule.key), rule.key));
    let width = rules.iter().map(|rule| rule.text.chars().count()).max().unwrap_or(0).min(48);
    let mut key = "";
    for rule in rules {
        if rule.key != key {
            key = rule.key;
            writeln!(text, "\n{key}")?;
        }
        let origin = if rule.line == 0 { rule.name.to_string() } else { format!("{}:{}", rule.source, rule.line) };
        writeln!(text, "  {:width$}  {:12}  {origin}", rule.text, word(rule.layer))?;
    }
    Ok(text)
}

/// What takes away comes first, as it is judged first.
fn order(key: &str) -> usize {
    let order = [
        "files.deny",
        "files.readonly",
        "exec.deny",
        "answers",
        "files.ask",
        "exec.ask",
        "network.ask",
        "files.read",
        "files.write",
        "files.exec",
    ];
    order.iter().position(|first| *first == key).unwrap_or(if key == "default" { 99 } else { order.len() })
}

fn effective_json(policy: &Policy) -> Value {
    let rule = |(id, rule): (usize, &Rule)| {
        json!({
            "id": id, "key": rule.key, "text": &*rule.text, "name": &*rule.name, "source": &*rule.source, "line": rule.line,
            "layer": word(rule.layer), "reason": policy.reason(RuleId(u32::try_from(id).unwrap_or(0))),
        })
    };
    let rules: Vec<Value> = policy.rules().iter().enumerate().map(rule).collect();
    json!({
        "name": policy.name(), "sources": policy.sources(), "denies": policy.counts().0, "asks": policy.counts().1,
        "carves_reads": policy.carves_reads(), "rules": rules,
    })
}

fn error_json(error: &PolicyError) -> Value {
    match error {
        PolicyError::At { policy, line, column, reason, hint } => {
            json!({ "ok": false, "policy": policy, "line": line, "column": column, "reason": reason, "hint": hint })
        }
        PolicyError::Whole { policy, reason, hint } => {
            json!({ "ok": false, "policy": policy, "reason": reason, "hint": hint })
        }
    }
}

/// The layer as it stands in events.
pub fn word(layer: Layer) -> &'static str {
    match layer {
        Layer::BuiltIn => "built-in",
        Layer::Org => "org",
        Layer::Machine => "machine",
        Layer::User => "user",
        Layer::Shipped => "shipped",
        Layer::Project => "project",
        Layer::CommandLine => "command-line",
    }
}

/// `~/.config/govsh/policies/team.toml` is `team`.
fn stem(name: &str) -> String {
    Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What a file says of itself in its first line of comment.
fn about(text: &str) -> String {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let comment: String = first.strip_prefix('#').unwrap_or_default().trim().chars().take(100).collect();
    comment.chars().filter(|c| !c.is_control()).collect()
}

/// To stdout; a reader that went away is no fault.
fn print(text: &str) -> Result<i32> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Source;

    #[test]
    fn describes_by_the_first_comment() {
        assert_eq!(about("\n# Codex: it.\nversion = 1"), "Codex: it.");
        assert_eq!(about("version = 1 # x"), "");
    }

    #[test]
    fn shows_every_rule_once() {
        let source = Source {
            name: "x.toml".into(),
            text: "version = 1\n[files]\nread = ['/a']".into(),
            layer: Layer::User,
            path: None,
        };
        let policy = Policy::load(source, &Disk::new(), &here()).unwrap();
        let text = effective_text(&policy).unwrap();
        assert_eq!(text.matches("  /a ").count(), 1);
        assert!(text.contains("user          x.toml:3\n"), "{text}");
        let json = effective_json(&policy);
        assert_eq!(json["rules"].as_array().map(Vec::len), Some(policy.rules().len()));
    }
}
