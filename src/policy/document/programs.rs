//! `[exec]`: what may be run, what may not, and by its bytes.
//!
//! Leaves to others: what the texts mean (`load::programs`), `exec.ask` (`asks`).

use super::{Document, Text, bounded, given};
use crate::policy::PolicyError;
use crate::policy::table::{Located, Table};

/// A program's bytes, by their BLAKE3.
pub type DigestEntry = Located<[u8; 32]>;

const FORM: &str = "{ digest = \"blake3:…\" } with 64 hexadecimal digits, as 'govsh show --programs --json' has it";

impl Document {
    pub(super) fn exec(&mut self, table: &Table<'_>) -> Result<(), PolicyError> {
        table.only(&["allow", "deny", "ask"], &[])?;
        self.exec_allow = given(table, "allow")?;
        self.exec_allow_at = table.place_of("allow").unwrap_or(0);
        let items = table.items("deny")?;
        bounded(table, "deny", items.len())?;
        for item in items {
            match table.item_table(item, "a rule of exec.deny") {
                Some(rule) => self.exec_digests.push(digest(&rule, item.span().start)?),
                None => self.exec_deny.push(table.item_string("deny", item)?),
            }
        }
        self.exec_ask(table)
    }
}

fn digest(rule: &Table<'_>, at: usize) -> Result<DigestEntry, PolicyError> {
    rule.only(&["digest"], &[("except", "what is denied by its bytes has no exceptions")])?;
    let text: Text =
        rule.string("digest")?.ok_or_else(|| rule.fault(at, "a rule without 'digest'", Some(FORM.to_owned())))?;
    let value = text.value.strip_prefix("blake3:").and_then(|hex| blake3::Hash::from_hex(hex).ok());
    match value {
        Some(hash) => Ok(Located { value: *hash.as_bytes(), at: text.at }),
        None => Err(rule.fault(text.at, format!("'{}' is no digest", text.value), Some(FORM.to_owned()))),
    }
}
