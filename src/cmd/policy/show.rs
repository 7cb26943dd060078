//! `govsh policy show`: as written, or every rule that holds.
//!
//! Invariant: what is shown as effective is the list that judges, built-ins included, each rule with its origin.

use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::{here, print, stem, word};
use crate::cmd::library::{Disk, told};
use crate::policy::{Policy, Rule, RuleId};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Layer, Source};

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
