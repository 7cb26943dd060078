//! `govsh mcp import`: the MCP servers that agents are configured with, as a section of a policy.
//!
//! Invariant: no value of a variable that may be a secret, and no header, goes from a configuration into a policy: it is named,
//! and everything that is left out is told. Nothing is written over.
//! Leaves to others: whether the policy is what its reader wants (`policy check`).

mod agents;
mod text;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::super::{json as printed, paint::home};
use crate::cli::McpImport;
use crate::recording::summary::home_short;
use crate::recording::visible;
use agents::Found;
use text::Written;

/// A configuration is no larger.
const LONGEST: u64 = 16 << 20;

/// A server as some agent is configured with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configured {
    pub name: String,
    /// Words; empty where there is a URL.
    pub command: Vec<String>,
    pub url: Option<String>,
    pub env: Vec<(String, String)>,
    /// Headers of requests, by name alone.
    pub headers: Vec<String>,
    /// The variable whose value is sent as a bearer token.
    pub bearer: Option<String>,
    /// Tools that alone may be called, and those that may not.
    pub tools: Vec<String>,
    pub without: Vec<String>,
    /// Settings that a policy has no word for.
    pub left_out: Vec<String>,
}

pub fn import(options: &McpImport) -> Result<i32> {
    let cwd = std::env::current_dir().context("cannot tell the working directory")?;
    let places = agents::places(options.from.as_deref(), Path::new(&home_dir()), &cwd);
    let mut found = Vec::new();
    for place in &places {
        if let Some(text) = read(&place.path)? {
            let servers = agents::read(place, &text, &cwd);
            found.extend(servers.with_context(|| format!("cannot understand '{}'", shown(&place.path)))?);
        } else if options.from.as_deref().is_some_and(|from| Path::new(from) == place.path) {
            bail!("there is no file '{}'", shown(&place.path));
        }
    }
    if found.is_empty() {
        let looked: Vec<_> = places.iter().map(|place| shown(&place.path)).collect();
        bail!("no MCP server is configured there: {}", looked.join(", "));
    }
    let written = text::of(unique(found));
    if options.json {
        let servers: Vec<_> = written.servers.iter().map(text::json).collect();
        let whole =
            json!({ "servers": servers, "policy": written.policy, "files": written.files, "notes": written.notes });
        printed::pretty(&mut io::stdout().lock(), &whole)?;
        return Ok(0);
    }
    match &options.to {
        None => print(&written)?,
        Some(to) => write(&written, to.as_deref())?,
    }
    for note in &written.notes {
        eprintln!("govsh: {}", visible(note.as_bytes()));
    }
    Ok(0)
}

/// The same name in two places: the first counts, and the other is told of.
fn unique(found: Vec<Found>) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    for mut one in found {
        let Some(known) = all.iter_mut().find(|known| known.server.name == one.server.name) else {
            all.push(one);
            continue;
        };
        let same = (&known.server.command, &known.server.url) == (&one.server.command, &one.server.url);
        if !same {
            let place = std::mem::take(&mut one.place);
            known.server.left_out.push(format!("another server of this name in {place}"));
        }
    }
    all
}

fn read(path: &Path) -> Result<Option<String>> {
    let failed = || format!("cannot read '{}'", shown(path));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(failed),
        Ok(found) if found.len() > LONGEST => bail!("'{}' is too large for a configuration", shown(path)),
        Ok(_) => {}
    }
    fs::read_to_string(path).map(Some).with_context(failed)
}

fn print(written: &Written) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(written.policy.as_bytes())?;
    for (name, text) in &written.files {
        writeln!(
            out,
            "\n# And as {name}.toml among your policies (~/.config/govsh/policies), without the '# ' in front:"
        )?;
        text.lines().try_for_each(|line| writeln!(out, "# {line}"))?;
    }
    Ok(())
}

/// Into the user's layer, or the file `to`; the policies of servers among the user's.
fn write(written: &Written, to: Option<&Path>) -> Result<()> {
    let config = super::super::library::own_policies();
    let layer = config.with_file_name("policy.d").join("mcp.toml");
    let mut files = vec![(to.unwrap_or(&layer).to_owned(), &written.policy)];
    files.extend(written.files.iter().map(|(name, text)| (config.join(format!("{name}.toml")), text)));
    if let Some((known, _)) = files.iter().find(|(path, _)| fs::symlink_metadata(path).is_ok()) {
        bail!("'{}' is there already: nothing was written\nhint: without --to the section is printed", shown(known));
    }
    for (path, text) in files {
        create(&path, text).with_context(|| format!("cannot write '{}'", shown(&path)))?;
        eprintln!("govsh: wrote {}", shown(&path));
    }
    Ok(())
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    File::options().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    home_short(path.as_os_str().as_bytes(), &home())
}

fn home_dir() -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(home()).into()
}
