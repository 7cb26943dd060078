//! What the program that is learned from gets beside the floor: the arguments and variables of the profile made for it.
//!
//! Invariant: only variables that such a profile, or the user, names exactly.
//! Leaves to others: the floor itself (`policies/learn.toml`).

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, anyhow, bail};

use crate::cmd::library::{self, Disk, told};
use crate::policy::learn::Header;
use crate::policy::{Policy, Source, shipped};

/// The profile that a session of learning runs under.
const FLOOR: &str = "learn";

/// The program's own needs.
pub(super) struct Teacher {
    pub matches: Vec<String>,
    pub append_args: Vec<String>,
    /// Variables that the floor keeps back and that are to be passed.
    pub pass: Vec<String>,
}

impl Teacher {
    /// For `command`, which is empty where only recordings are read; `pass` are variables that the user names.
    pub(super) fn new(disk: &Disk, command: &[OsString], pass: &[String]) -> Result<Teacher> {
        let mut teacher = Teacher { matches: Vec::new(), append_args: Vec::new(), pass: Vec::new() };
        for name in pass {
            if name.is_empty() || name.contains(['=', '*', '\0']) {
                bail!("'{}' is no name of a variable", name.escape_debug());
            }
            teacher.pass.push(name.clone());
        }
        if let Some(word) = command.first() {
            teacher.meet(disk, word)?;
        }
        teacher.pass.sort();
        teacher.pass.dedup();
        Ok(teacher)
    }

    /// Takes over what the profile made for this program says.
    fn meet(&mut self, disk: &Disk, word: &OsString) -> Result<()> {
        let said = |error| anyhow!(told(&error));
        let source = disk.find_for(word).map_err(said)?;
        let name = Path::new(word).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !Policy::matches(&source).map_err(said)?.iter().any(|known| known == name) {
            return Ok(());
        }
        let here = library::vars(Path::new("/run/govsh/session"), &[]);
        let policy = Policy::load(source, disk, &here).map_err(said)?;
        let floor = Policy::load(floor()?, disk, &here).map_err(said)?;
        self.matches = vec![name.to_owned()];
        self.append_args.clone_from(&policy.agent().append_args);
        let named = policy.rules().iter().filter(|rule| rule.key == "environment.pass" && !rule.text.contains('*'));
        let held_back = named.filter(|rule| {
            let name = rule.text.as_bytes();
            policy.environment().keep(name)
                && !floor.environment().keep(name)
                && std::env::var_os(&*rule.text).is_some()
        });
        self.pass.extend(held_back.map(|rule| rule.text.to_string()));
        Ok(())
    }

    /// The floor with the program's own needs.
    pub(super) fn floor(&self) -> Result<Source> {
        let mut floor = floor()?;
        let header = Header {
            matches: self.matches.clone(),
            append_args: self.append_args.clone(),
            pass: self.pass.clone(),
            ..Header::default()
        };
        floor.text.push_str(&header.tables());
        Ok(floor)
    }
}

fn floor() -> Result<Source> {
    shipped::source(FLOOR).ok_or_else(|| anyhow!("the profile '{FLOOR}' is missing from this govsh"))
}
