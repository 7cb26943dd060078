//! `govsh policy`: one file a subcommand; here, which is which and what they share.
//!
//! Invariant: a policy is loaded as a session started in this directory would load it.
//! Leaves to others: finding and reading policies (`library`), judging (`policy`).

mod check;
mod diff;
mod expect;
mod explain;
mod list;
mod reload;
mod show;

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::library::{Disk, told, vars};
use crate::cli;
use crate::policy::{Layer, Library, Policy, RuleId, Source, Verdict};

/// Does what was asked of policies; the exit status.
pub fn run(options: cli::Policy) -> Result<i32> {
    match options {
        cli::Policy::List(options) => list::list(options.json),
        cli::Policy::Show(options) => show::show(&options.policy, options.effective, options.json),
        cli::Policy::Check(options) => check::check(&options),
        cli::Policy::Explain(options) => explain::explain(&options),
        cli::Policy::Diff(options) => diff::diff(&options),
        cli::Policy::Test(options) => expect::test(&options),
        cli::Policy::Reload(options) => reload::reload(&options),
        cli::Policy::Backtest(options) => super::backtest::backtest(&options),
    }
}

/// The disk, with the rules of this command line laid over everything on it.
fn disk(laid: &cli::Laid) -> Disk {
    let cwd = std::env::current_dir().unwrap_or_else(|_| "/".into());
    Disk::new().with_flags(super::run::laid::sources(laid, &cwd))
}

/// The policy of this name or file, as it holds here.
fn load(disk: &Disk, name: &str) -> Result<(Source, Policy)> {
    let source = disk.find(name).map_err(|error| anyhow!(told(&error)))?;
    let policy = loaded(disk, source.clone())?;
    Ok((source, policy))
}

fn loaded(library: &dyn Library, source: Source) -> Result<Policy> {
    Policy::load(source, library, &here()).map_err(|error| anyhow!(told(&error)))
}

/// `files.deny "~/.ssh/**" secrets.toml:3 (shipped)`; the default has no place.
fn rule_text(policy: &Policy, id: RuleId) -> String {
    let rule = policy.rule(id);
    match rule.line {
        _ if id == RuleId::DEFAULT => "none: what no rule mentions is denied".to_owned(),
        0 => rule.name.to_string(),
        line => {
            format!("{} \"{}\" {}:{line}:{} ({})", rule.key, rule.text, rule.source, rule.column, word(rule.layer))
        }
    }
}

fn rule_json(policy: &Policy, id: RuleId) -> Value {
    let rule = policy.rule(id);
    json!({
        "id": id.0, "key": rule.key, "text": &*rule.text, "name": &*rule.name, "source": &*rule.source,
        "line": rule.line, "column": rule.column, "layer": word(rule.layer),
    })
}

fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
        Verdict::Ask => "ask",
    }
}

/// As a session started here would have them; only its own directory is not known yet.
pub fn here() -> crate::policy::Vars {
    vars(Path::new("/run/govsh/session"), &[])
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

/// To stdout; a reader that went away is no fault.
fn print(text: &str) -> Result<i32> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}
