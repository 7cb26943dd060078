//! `[toolchains]` and `[devices]` among the rules: what was switched on, and what could not be.
//!
//! Leaves to others: the paths behind the names, which `policy::toggles` has put in place already.

use super::{Build, File};
use crate::policy::document::{Document, ToolchainEntry};
use crate::policy::{Layer, PolicyError};

impl Build<'_> {
    pub(super) fn toggles(&mut self, file: &File<'_>, document: &Document) -> Result<(), PolicyError> {
        const TOOLCHAINS: &str = "toolchains.allow";
        match &document.toolchains {
            None => {}
            Some(ToolchainEntry::None(at)) => drop(self.add(file.rule(TOOLCHAINS, "none", *at))),
            Some(ToolchainEntry::All(at)) => drop(self.add(file.rule(TOOLCHAINS, "all", *at))),
            Some(ToolchainEntry::List(list)) => {
                for text in list {
                    // One that is on already is kept by its name here, also where nothing may be added.
                    // Of the command line it would leave out the others: whoever typed it believes that it adds.
                    let typed = file.source.layer == Layer::CommandLine && file.source.path.is_none();
                    let on = !typed && self.policy.sources.contains(&format!("toolchain/{}.toml", text.value));
                    if on || self.hears(file, TOOLCHAINS, &text.value, text.at)? {
                        self.add(file.rule(TOOLCHAINS, &text.value, text.at));
                    }
                }
            }
        }
        for text in &document.devices {
            if self.hears(file, "devices.allow", &text.value, text.at)? {
                self.add(file.rule("devices.allow", &text.value, text.at));
            }
        }
        Ok(())
    }
}
