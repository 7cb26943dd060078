//! `govsh mcp pin` and `govsh mcp diff`: what is pinned of a server, how it differs, and what is accepted.
//!
//! Invariant: nothing is started and nobody asked: what differs is what a session saw last. Inside of a session nothing is accepted.
//! Leaves to others: pinning at the first use (`session`).

use std::fmt::Write as _;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::Loaded;
use crate::cli::{McpDiff, McpPin};
use crate::cmd::paint::Paint;
use crate::mcp::pins::{Change, Identity, Pinned, compare};
use crate::policy::Policy;
use crate::recording::visible;
use crate::session;
use crate::sys::process;

/// What a session saw last beside what is pinned, line by line.
pub fn diff(options: &McpDiff) -> Result<i32> {
    let Loaded { policy, pins } = super::loaded(options.policy.as_deref())?;
    let names = named(options.name.as_deref(), &policy);
    let mut all = Vec::new();
    for name in &names {
        let Some(known) = pins.known(name)? else {
            if options.name.is_some() {
                bail!("nothing is pinned of MCP server '{}'\nhint: its first use pins it", visible(name.as_bytes()));
            }
            continue;
        };
        let changes = pins.seen(name)?.map(|seen| compare(&known, &seen)).unwrap_or_default();
        all.push((name, changes));
    }
    let differs = all.iter().any(|(_, changes)| !changes.is_empty());
    if options.json {
        let all: Vec<_> =
            all.iter().map(|(name, changes)| json!({ "server": name, "changes": listed(changes) })).collect();
        crate::cmd::json::pretty(&mut std::io::stdout().lock(), &all)?;
        return Ok(i32::from(differs));
    }
    let (mut text, paint) = (String::new(), Paint::stdout());
    for (name, changes) in &all {
        if changes.is_empty() {
            writeln!(text, "{name}: as it is pinned")?;
        }
        for change in changes {
            writeln!(text, "{}: {}", paint.bold(name), paint.warm(&change.title()))?;
            change.diff().lines().try_for_each(|line| writeln!(text, "  {line}"))?;
        }
        if !changes.is_empty() {
            writeln!(text, "{}", paint.dim(&format!("to accept this: govsh mcp pin {name} --accept")))?;
        }
    }
    super::print(&text)?;
    Ok(i32::from(differs))
}

fn listed(changes: &[Change]) -> Vec<Value> {
    changes
        .iter()
        .map(|change| json!({ "what": change.title(), "tool": change.tool(), "diff": change.diff() }))
        .collect()
}

/// The one that was named, or all that the policy declares.
fn named(name: Option<&str>, policy: &Policy) -> Vec<String> {
    match name {
        Some(name) => vec![name.to_owned()],
        None => policy.servers().iter().map(|server| server.name.clone()).collect(),
    }
}

/// Shows what is pinned, accepts what was seen instead, or forgets it.
pub fn pin(options: &McpPin) -> Result<i32> {
    let Loaded { policy, pins } = super::loaded(options.policy.as_deref())?;
    let name = &options.name;
    // It names a file: a name that no policy declares may have any form.
    if !policy.servers().iter().any(|server| server.name == *name) {
        let names: Vec<_> = policy.servers().iter().map(|server| server.name.as_str()).collect();
        bail!(
            "policy '{}' declares no MCP server '{}'\nhint: it declares {}",
            visible(policy.name().as_bytes()),
            visible(name.as_bytes()),
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        );
    }
    let changes_pins = options.accept || options.forget;
    if changes_pins && std::env::var_os(session::MARKER).is_some() && process::seccomp_mode() != 0 {
        bail!("what is pinned cannot be changed from inside a session");
    }
    if options.forget {
        let had = pins.forget(name)?;
        return super::print(&if had {
            format!("{name}: its next use pins it anew\n")
        } else {
            format!("{name}: nothing was pinned\n")
        });
    }
    let known = pins.known(name)?;
    let seen = pins.seen(name)?;
    match (known, seen) {
        (None, _) => bail!("nothing is pinned of MCP server '{name}'\nhint: its first use pins it"),
        (Some(known), Some(seen)) if options.accept => {
            let changes = compare(&known, &seen);
            pins.keep(name, &seen)?;
            let mut text = String::new();
            changes.iter().try_for_each(|change| writeln!(text, "{name}: accepted: {}", change.title()))?;
            super::print(&text)
        }
        (Some(_), None) if options.accept => {
            super::print(&format!("{name}: as it is pinned: there is nothing to accept\n"))
        }
        (Some(known), seen) => shown(options, &known, seen.as_ref()),
    }
}

fn shown(options: &McpPin, known: &Pinned, seen: Option<&Pinned>) -> Result<i32> {
    let changes = seen.map(|seen| compare(known, seen)).unwrap_or_default();
    if options.json {
        let pinned: Value = serde_json::from_str(&known.to_json())?;
        let whole = json!({ "server": options.name, "pinned": pinned, "changes": listed(&changes) });
        crate::cmd::json::pretty(&mut std::io::stdout().lock(), &whole)?;
        return Ok(0);
    }
    let mut text = String::new();
    match &known.identity {
        Identity::Command { argv, files } => {
            writeln!(text, "{}  {}", options.name, visible(argv.join(" ").as_bytes()))?;
            for (path, digest) in files {
                writeln!(text, "  {}  {digest}", visible(path.as_bytes()))?;
            }
        }
        Identity::Url { url, .. } => writeln!(text, "{}  {}", options.name, visible(url.as_bytes()))?,
    }
    if let Some(instructions) = &known.instructions {
        writeln!(text, "  instructions, {} characters", instructions.chars().count())?;
    }
    for (tool, pinned) in &known.tools {
        writeln!(text, "  {}  {}", visible(tool.as_bytes()), pinned.digest)?;
    }
    for change in &changes {
        writeln!(text, "  seen since: {}", change.title())?;
    }
    if !changes.is_empty() {
        writeln!(text, "  'govsh mcp diff {0}' shows it, 'govsh mcp pin {0} --accept' accepts it", options.name)?;
    }
    super::print(&text)
}
