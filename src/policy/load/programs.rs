//! `[exec]` of one file: each entry a path, or a command line that begins with a name or a path.
//!
//! Invariant: a deny and a question follow every symbolic link, an allow none that the agent could have placed.
//! Leaves to others: matching (`programs`).

use super::{Build, File};
use crate::policy::asks::{ArgvPattern, AskedProgram};
use crate::policy::document::{AskEntry, Document, Text};
use crate::policy::links::Links;
use crate::policy::pattern::{Fault, Pattern};
use crate::policy::programs::{Listed, Programs};
use crate::policy::trie::Slot;
use crate::policy::{PolicyError, Vars};

/// A program's path in `[exec]`, before links are followed.
pub(super) struct ProgramPath {
    rule: u32,
    slot: Slot,
    pattern: Pattern,
    /// For what is allowed, the layer whose list it stands in (`Link::group`); 0 for the profile's.
    group: usize,
    /// The arguments behind it as written; None where any will do.
    arguments: Option<String>,
}

/// One entry, read.
enum Entry {
    Paths(Vec<Pattern>, Option<String>),
    Line(ArgvPattern),
}

impl Build<'_> {
    pub(super) fn programs(&mut self, file: &File<'_>, document: &Document) -> Result<(), PolicyError> {
        for entry in &document.exec_deny {
            let rule = self.add(file.rule("exec.deny", &entry.value, entry.at));
            self.program(file, entry, rule, Slot::ExecDeny)?;
        }
        for entry in &document.exec_digests {
            let text = format!("blake3:{}", blake3::Hash::from(entry.value).to_hex());
            let rule = self.add(file.rule("exec.deny", &text, entry.at));
            self.policy.programs.digests.entry(entry.value).or_insert(rule);
        }
        let Some(allowed) = &document.exec_allow else { return Ok(()) };
        let group = file.list();
        let programs = &self.policy.programs;
        let fresh =
            if group == 0 { programs.unlisted.is_none() } else { programs.laid.iter().all(|list| list.group != group) };
        if fresh {
            let mut rule = file.rule("exec.allow", "nothing else", document.exec_allow_at);
            rule.name = format!("not in exec.allow {}:{}", file.shown, rule.line).into();
            let unlisted = self.add(rule);
            match group {
                0 => self.policy.programs.unlisted = Some(unlisted),
                _ => self.policy.programs.laid.push(Listed { group, unlisted, ..Listed::default() }),
            }
        }
        for entry in allowed {
            let rule = self.add(file.rule("exec.allow", &entry.value, entry.at));
            self.program(file, entry, rule, Slot::Exec)?;
        }
        Ok(())
    }

    /// `exec.ask` of one file, with the texts that answers are proposed from.
    pub(super) fn program_asks(&mut self, file: &File<'_>, entries: &[AskEntry]) -> Result<(), PolicyError> {
        for entry in entries {
            let rule = self.ask_rule(file, "exec.ask", entry);
            self.program(file, &entry.text, rule, Slot::AskExec)?;
            let fault = |fault| file.fault(entry.text.at, fault);
            match read(&entry.text.value, self.vars).map_err(fault)? {
                Entry::Line(pattern) => {
                    let text = pattern.text_of(&entry.text.value);
                    self.policy.asks.exec.push(AskedProgram { rule, pattern, text });
                }
                // A path alone asks whatever the arguments are.
                Entry::Paths(_, None) => {}
                Entry::Paths(patterns, Some(arguments)) => {
                    for pattern in patterns {
                        let text = format!("{} {arguments}", pattern.text().unwrap_or_default());
                        let pattern = ArgvPattern::parse_rule(&text).map_err(fault)?;
                        self.policy.asks.exec.push(AskedProgram { rule, pattern, text });
                    }
                }
            }
        }
        Ok(())
    }

    fn program(&mut self, file: &File<'_>, entry: &Text, rule: u32, slot: Slot) -> Result<(), PolicyError> {
        match read(&entry.value, self.vars).map_err(|fault| file.fault(entry.at, fault))? {
            Entry::Line(pattern) => match slot {
                Slot::ExecDeny => self.policy.programs.deny.add(rule, pattern),
                Slot::AskExec => self.policy.programs.ask.add(rule, pattern),
                _ => match self.policy.programs.list(file.list()) {
                    Some(list) => list.lines.add(rule, pattern),
                    None => self.policy.programs.allow.add(rule, pattern),
                },
            },
            Entry::Paths(patterns, arguments) => {
                for mut pattern in patterns {
                    // What may not be run takes along what it holds.
                    pattern.tree |= slot != Slot::Exec;
                    self.programs.push(ProgramPath {
                        rule,
                        slot,
                        group: file.list(),
                        pattern,
                        arguments: arguments.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Names a program in every list that leaves out what it does not name.
    pub(super) fn permit_program(&mut self, rule: u32, pattern: &Pattern) {
        let groups: Vec<usize> = self.policy.programs.laid.iter().map(|list| list.group).chain([0]).collect();
        for group in groups {
            let (slot, pattern, arguments) = (Slot::Exec, pattern.clone(), None);
            self.programs.push(ProgramPath { rule, slot, group, pattern, arguments });
        }
    }

    /// Puts the paths in place, as written and by real path.
    pub(super) fn place_programs(&mut self, links: &mut Links<'_>) {
        for path in std::mem::take(&mut self.programs) {
            if let Some(real) = links.real(&path.pattern) {
                let placed = real.by.iter().any(|link| self.could_be_placed(link));
                if path.slot != Slot::Exec || !placed {
                    self.place_program(&path, &real.pattern);
                }
            }
            self.place_program(&path, &path.pattern);
        }
    }

    fn place_program(&mut self, path: &ProgramPath, pattern: &Pattern) {
        let programs = &mut self.policy.programs;
        let Some(arguments) = &path.arguments else {
            return match programs.list(path.group).filter(|_| path.slot == Slot::Exec) {
                Some(list) => list.paths.insert(pattern, path.slot, path.rule, &[]),
                None => programs.paths.insert(pattern, path.slot, path.rule, &[]),
            };
        };
        if let Some(list) = programs.list(path.group).filter(|_| path.slot == Slot::Exec) {
            return list.lines.add_behind(path.rule, pattern.clone(), arguments);
        }
        let lines = match path.slot {
            Slot::ExecDeny => &mut programs.deny,
            Slot::AskExec => &mut programs.ask,
            _ => &mut programs.allow,
        };
        lines.add_behind(path.rule, pattern.clone(), arguments);
    }
}

impl File<'_> {
    /// Whose `exec.allow` an entry adds to: a layer's list narrows what the profile's lets run.
    fn list(&self) -> usize {
        if self.grants { self.group } else { self.group | NARROW }
    }
}

/// Set in the number of the list of a file that may only narrow: it adds to nobody else's.
const NARROW: usize = 1 << 32;

impl Programs {
    fn list(&mut self, group: usize) -> Option<&mut Listed> {
        self.laid.iter_mut().find(|list| list.group == group)
    }
}

/// A word without '/' is a program's name, one with it a path; what stands behind are arguments.
fn read(text: &str, vars: &Vars) -> Result<Entry, Fault> {
    let text = text.trim_matches([' ', '\t']);
    let (first, behind) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let is_path = !first.starts_with('"') && (first.contains('/') || first.starts_with(['~', '$']));
    if !is_path {
        let line = ArgvPattern::parse_rule(text)?;
        if line.wants_path() {
            let hint = Some("/opt/tool **, and no blanks in it".to_owned());
            return Err(Fault { reason: "a program's path in quotes".to_owned(), hint });
        }
        return Ok(Entry::Line(line));
    }
    // The arguments are read as they would be behind any name.
    let arguments = (!behind.is_empty()).then(|| behind.to_owned());
    if let Some(arguments) = &arguments {
        ArgvPattern::parse_rule(&format!("* {arguments}"))?;
    }
    Ok(Entry::Paths(Pattern::parse_all(first, vars)?, arguments))
}
