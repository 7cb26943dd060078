//! What the program that is learned from gets beside the floor: the arguments and variables of the profile made for it.
//!
//! Invariant: only variables that such a profile, or the user, names exactly; of what agents log in with only its own.
//! Leaves to others: the floor itself (`policies/learn.toml`).

use std::ffi::{OsStr, OsString};
use std::path::Path;

use anyhow::{Result, anyhow, bail};

use crate::cmd::library::{self, Disk, told};
use crate::policy::change::{quoted, with_entry};
use crate::policy::learn::Header;
use crate::policy::pattern::Pattern;
use crate::policy::{Access, Policy, Source, Vars, Verdict, shipped};

/// The profile that a session of learning runs under.
const FLOOR: &str = "learn";
/// Names what agents log in with.
const ACCOUNTS: &str = "accounts";

/// The program's own needs.
pub(super) struct Teacher {
    pub matches: Vec<String>,
    pub append_args: Vec<String>,
    /// Variables that the floor keeps back and that are to be passed.
    pub pass: Vec<String>,
    /// What agents log in with, and no program that is learned from does.
    foreign: Vec<String>,
}

impl Teacher {
    /// For `command`, which is empty where only recordings are read; `pass` are variables that the user names.
    pub(super) fn new(disk: &Disk, command: &[OsString], pass: &[String]) -> Result<Teacher> {
        let foreign = accounts(disk)?;
        let mut teacher = Teacher { matches: Vec::new(), append_args: Vec::new(), pass: Vec::new(), foreign };
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

    /// Leaves its own account to the agent that a recording is of.
    pub(super) fn recognise(&mut self, disk: &Disk, word: &OsStr) -> Result<()> {
        if let Some(policy) = made_for(disk, word)? {
            let here = here();
            let is_own = |text: &String| {
                let path = Pattern::parse(text, &here).map(|pattern| pattern.literal_prefix().0);
                path.is_ok_and(|path| policy.decide_file(&path, Access::READ).verdict == Verdict::Allow)
            };
            self.foreign.retain(|text| !is_own(text));
        }
        Ok(())
    }

    /// Takes over what the profile made for this program says.
    fn meet(&mut self, disk: &Disk, word: &OsStr) -> Result<()> {
        let said = |error| anyhow!(told(&error));
        let Some(policy) = made_for(disk, word)? else { return Ok(()) };
        self.recognise(disk, word)?;
        let name = Path::new(word).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let here = here();
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
        for text in &self.foreign {
            let added = with_entry(&floor.text, "files", "deny", &quoted(text));
            floor.text = added.ok_or_else(|| anyhow!("the profile '{FLOOR}' has no place for '{text}'"))?;
        }
        floor.text.push_str(&header.tables());
        Ok(floor)
    }
}

/// As a session started here would have them.
fn here() -> Vars {
    library::vars(Path::new("/run/govsh/session"), &[])
}

/// The profile that has the program's name in its list.
fn made_for(disk: &Disk, word: &OsStr) -> Result<Option<Policy>> {
    let said = |error| anyhow!(told(&error));
    let source = disk.find_for(word).map_err(said)?;
    let name = Path::new(word).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !Policy::matches(&source).map_err(said)?.iter().any(|known| known == name) {
        return Ok(None);
    }
    Policy::load(source, disk, &here()).map(Some).map_err(said)
}

/// The patterns of the shipped list.
fn accounts(disk: &Disk) -> Result<Vec<String>> {
    let source =
        shipped::source(ACCOUNTS).ok_or_else(|| anyhow!("the profile '{ACCOUNTS}' is missing from this govsh"))?;
    let name = source.name.clone();
    let policy = Policy::load(source, disk, &here()).map_err(|error| anyhow!(told(&error)))?;
    let denied = policy.rules().iter().filter(|rule| rule.key == "files.deny" && *rule.source == *name);
    Ok(denied.map(|rule| rule.text.to_string()).collect())
}

fn floor() -> Result<Source> {
    shipped::source(FLOOR).ok_or_else(|| anyhow!("the profile '{FLOOR}' is missing from this govsh"))
}
