//! The `ask` lists: each entry a pattern, or a table with the pattern and why it is asked.
//!
//! Leaves to others: what the patterns mean (`asks`, `pattern`, `network`).

use super::{Document, Text, bounded};
use crate::policy::table::Table;
use crate::policy::{Access, PolicyError, Touch};

/// One entry of an `ask` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskEntry {
    /// Path, command line or address.
    pub text: Text,
    /// For paths: what is asked about; without it everything.
    pub access: Access,
    /// How far an answer reaches by itself; None: no further than the calls that wait for it.
    pub once: Option<Touch>,
    /// For whoever is asked; empty for none.
    pub reason: String,
}

/// Longest reason, in characters: it stands in a panel.
const LONGEST_REASON: usize = 200;
const ONCE: &[(&str, Touch)] = &[("file", Touch::File), ("directory", Touch::Directory)];

impl Document {
    pub(super) fn files_ask(&mut self, table: &Table<'_>) -> Result<(), PolicyError> {
        self.files_ask = entries(table, "path", "a rule of files.ask", true)?;
        Ok(())
    }

    pub(super) fn exec_ask(&mut self, table: &Table<'_>) -> Result<(), PolicyError> {
        self.exec_ask = entries(table, "argv", "a rule of exec.ask", false)?;
        Ok(())
    }

    pub(super) fn network_ask(&mut self, table: &Table<'_>) -> Result<(), PolicyError> {
        self.network_ask = entries(table, "addr", "a rule of network.ask", false)?;
        Ok(())
    }
}

/// The entries of `ask` in `table`; in those that are tables the pattern stands under `key`.
fn entries(table: &Table<'_>, key: &str, name: &'static str, rights: bool) -> Result<Vec<AskEntry>, PolicyError> {
    let items = table.items("ask")?;
    bounded(table, "ask", items.len())?;
    let one = |item| {
        let Some(rule) = table.item_table(item, name) else {
            let text = table.item_string("ask", item)?;
            return Ok(AskEntry { text, access: Access::all(), once: None, reason: String::new() });
        };
        // `host` and `addr` are one: an entry is what it reads as.
        let key = if key == "addr" && rule.value("host").is_some() { "host" } else { key };
        let known: &[&str] = if rights { &[key, "access", "once", "reason"] } else { &[key, "reason"] };
        rule.only(known, &[("except", "a question has no exceptions; allow narrows nothing, deny does")])?;
        let Some(text) = rule.string(key)? else {
            let hint = Some(format!("{{ {key} = \"…\", reason = \"…\" }}"));
            return Err(rule.fault(item.span().start, format!("a rule without '{key}'"), hint));
        };
        let access = if rights { super::files::rights(&rule)? } else { None };
        let once = if rights { rule.word("once", ONCE)?.map(|once| once.value) } else { None };
        let reason = rule.string("reason")?;
        if let Some(long) = reason.as_ref().filter(|reason| reason.value.chars().count() > LONGEST_REASON) {
            return Err(rule.fault(long.at, "a reason nobody can read in time", Some("at most 200 characters".into())));
        }
        let reason = reason.map(|reason| reason.value).unwrap_or_default();
        Ok(AskEntry { text, access: access.unwrap_or(Access::all()), once, reason })
    };
    items.iter().map(one).collect()
}
