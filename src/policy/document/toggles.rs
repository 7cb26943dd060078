//! `[toolchains]` and `[devices]`: names that are switched on.
//!
//! Leaves to others: which names there are, and what they stand for (`toggles`).

use toml::de::DeValue;

use super::{Document, Text, limited};
use crate::policy::PolicyError;
use crate::policy::table::Table;

/// `toolchains.allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolchainEntry {
    /// Byte offset.
    None(usize),
    All(usize),
    List(Vec<Text>),
}

impl Document {
    pub(super) fn toggles(&mut self, top: &Table<'_>) -> Result<(), PolicyError> {
        if let Some(table) = top.table("toolchains", "[toolchains]")? {
            table.only(&["allow"], &[("deny", "what is not allowed is left out: list those that are")])?;
            self.toolchains = match table.value("allow") {
                None => None,
                Some(value) if matches!(value.get_ref(), DeValue::Array(_)) => {
                    Some(ToolchainEntry::List(limited(&table, "allow")?))
                }
                Some(_) => {
                    let words: &[(&str, fn(usize) -> ToolchainEntry)] =
                        &[("none", ToolchainEntry::None), ("all", ToolchainEntry::All)];
                    table.word("allow", words)?.map(|word| (word.value)(word.at))
                }
            };
        }
        if let Some(table) = top.table("devices", "[devices]")? {
            table.only(&["allow"], &[("deny", "devices that no rule grants are denied")])?;
            self.devices = limited(&table, "allow")?;
        }
        Ok(())
    }
}
