//! `govsh policy list`.

use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::{print, stem, word};
use crate::cmd::library::{Disk, told};
use crate::policy::{Layer, Library, Policy, Source, shipped};
use crate::recording::visible;

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
    let laid = laid()?;
    rows.extend(laid.iter().map(|(source, about)| Row {
        name: source.name.clone(),
        layer: word(source.layer),
        matches: Vec::new(),
        about: about.clone(),
        source: &source.name,
        hidden: false,
        kind: "layer",
    }));
    if json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        return print(&format!("{:#}\n", Value::Array(rows)));
    }
    // The files laid over all of them follow, by their places.
    let named = |row: &&Row| row.kind != "layer";
    let width = rows.iter().filter(named).map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows.iter().filter(|row| !row.hidden && named(row)) {
        let matches = if row.matches.is_empty() { String::new() } else { format!(" (for {})", row.matches.join(", ")) };
        writeln!(text, "{:width$}  {:8}  {}{matches}", row.name, row.layer, row.about)?;
    }
    for (index, row) in rows.iter().filter(|row| row.kind == "layer").enumerate() {
        let head = if index == 0 { "\nlaid over each of them:\n" } else { "" };
        writeln!(text, "{head}  {:8}  {}  {}", row.layer, visible(row.name.as_bytes()), row.about)?;
    }
    print(&text)
}

/// What is laid over every policy here, each with what there is to know of it.
fn laid() -> Result<Vec<(Source, String)>> {
    let disk = Disk::new();
    let mut laid = Vec::new();
    for source in disk.layers().map_err(|error| anyhow!(told(&error)))? {
        let trust = match source.layer {
            Layer::Project if disk.trusts(&source).map_err(|error| anyhow!(told(&error)))? => "(trusted) ",
            Layer::Project => "(not trusted: only narrows) ",
            _ => "",
        };
        let about = format!("{trust}{}", about(&source.text)).trim_end().to_owned();
        laid.push((source, about));
    }
    Ok(laid)
}

struct Row<'s> {
    name: String,
    layer: &'static str,
    matches: Vec<String>,
    about: String,
    source: &'s str,
    /// Another policy of this name comes first.
    hidden: bool,
    /// `profile`, what switches it on: `toolchain`, `device`, `socket`; or `layer`.
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

/// What a file says of itself in its first line of comment.
fn about(text: &str) -> String {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let comment: String = first.strip_prefix('#').unwrap_or_default().trim().chars().take(100).collect();
    comment.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_by_the_first_comment() {
        assert_eq!(about("\n# Codex: it.\nversion = 1"), "Codex: it.");
        assert_eq!(about("version = 1 # x"), "");
    }
}
