//! Grants of what is known to be secret: the shipped list of secrets, and govsh's own.
//!
//! Invariant: found is only what the policy lets be read without a question.

use std::collections::BTreeMap;

use super::{Look, placeholders};
use crate::policy::document::{Document, FileKey};
use crate::policy::pattern::Pattern;
use crate::policy::regions::samples;
use crate::policy::{Access, Verdict, shipped};

/// Where the list of secrets stands.
const LIST: &str = "secrets";

/// Each rule that lets a secret be read, with the first few.
pub(super) fn granted(look: &mut Look<'_>) {
    let mut given: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (text, pattern) in known() {
        for path in samples(&pattern) {
            let decision = look.policy.decide_file(&path, Access::READ);
            if decision.verdict == Verdict::Allow && look.own(decision.rule.0) {
                let secrets = given.entry(decision.rule.0).or_default();
                if !secrets.contains(&text) {
                    secrets.push(text.clone());
                }
            }
        }
    }
    for (rule, secrets) in given {
        let first: Vec<&str> = secrets.iter().take(3).map(String::as_str).collect();
        let more = match secrets.len() - first.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let says = format!("lets secrets be read: {}{more}", first.join(", "));
        look.warn(rule, "secret", says, Some("extends = [\"secrets\"] denies them, wherever they are granted"));
    }
}

/// The denied paths of the shipped list that stand at a place, each without its exceptions.
fn known() -> Vec<(String, Pattern)> {
    let Some(document) = shipped::source(LIST).and_then(|source| Document::parse(&source).ok()) else {
        return Vec::new();
    };
    let vars = placeholders();
    let denied = document.files.iter().filter(|entry| entry.key == FileKey::Deny && entry.except.is_empty());
    let at_a_place = denied.filter(|entry| entry.path.value.starts_with(['~', '/']));
    let read = |text: &str| Some((text.to_owned(), Pattern::parse(text, &vars).ok()?));
    at_a_place.filter_map(|entry| read(&entry.path.value)).collect()
}
