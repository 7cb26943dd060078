//! `govsh policy list`.

use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::{print, stem, word};
use crate::cmd::library::{Disk, told};
use crate::policy::{Layer, Policy, shipped};

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
