//! `[files]`: lists of patterns, each entry a text or a table that says more.
//!
//! Invariant: an entry that grants names its rights or stands in a list that does; only what narrows has exceptions.
//! Leaves to others: what the patterns mean (`pattern`), questions (`asks`).

use toml::Spanned;
use toml::de::DeValue;

use super::{Document, Text, bounded, limited};
use crate::policy::table::Table;
use crate::policy::{Access, PolicyError};

/// The keys of `[files]`, least trusted meaning last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKey {
    Read,
    Write,
    Exec,
    Allow,
    Deny,
    Readonly,
}

impl FileKey {
    pub const ALL: [(FileKey, &'static str, &'static str); 6] = [
        (FileKey::Read, "read", "files.read"),
        (FileKey::Write, "write", "files.write"),
        (FileKey::Exec, "exec", "files.exec"),
        (FileKey::Allow, "allow", "files.allow"),
        (FileKey::Deny, "deny", "files.deny"),
        (FileKey::Readonly, "readonly", "files.readonly"),
    ];

    /// Takes away instead of giving.
    pub fn narrows(self) -> bool {
        matches!(self, FileKey::Deny | FileKey::Readonly)
    }

    /// The rights that the list is about; for `allow`, whose entries say it, none.
    pub fn access(self) -> Access {
        match self {
            FileKey::Read => Access::READ,
            FileKey::Write => Access::READ | Access::CHANGES,
            FileKey::Exec => Access::READ | Access::EXEC,
            FileKey::Allow => Access::empty(),
            FileKey::Deny => Access::all(),
            FileKey::Readonly => Access::CHANGES,
        }
    }
}

/// One pattern of `[files]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    pub key: FileKey,
    /// `files.deny` and so on.
    pub name: &'static str,
    pub path: Text,
    pub except: Vec<Text>,
    /// What is granted, or taken away.
    pub access: Access,
    /// What is denied is not there, as far as the agent is told.
    pub hide: bool,
}

const RULE: &str = "a rule of [files]";

impl Document {
    pub(super) fn files(&mut self, top: &Table<'_>) -> Result<(), PolicyError> {
        let Some(table) = top.table("files", "[files]")? else { return Ok(()) };
        let keys: Vec<&str> = FileKey::ALL.iter().map(|key| key.1).chain(["ask"]).collect();
        table.only(&keys, &[])?;
        self.files_ask(&table)?;
        for (key, word, name) in FileKey::ALL {
            let items = table.items(word)?;
            bounded(&table, word, items.len())?;
            for item in items {
                self.files.push(entry(&table, key, name, word, item)?);
            }
        }
        Ok(())
    }
}

fn entry(
    table: &Table<'_>,
    key: FileKey,
    name: &'static str,
    word: &str,
    item: &Spanned<DeValue<'_>>,
) -> Result<FileEntry, PolicyError> {
    let at = item.span().start;
    let Some(rule) = table.item_table(item, RULE) else {
        let path = table.item_string(word, item)?;
        if key == FileKey::Allow {
            let hint = Some("{ path = \"…\", access = [\"read\", \"create\"] }".to_owned());
            return Err(table.fault(at, "files.allow without 'access'", hint));
        }
        return Ok(FileEntry { key, name, path, except: Vec::new(), access: key.access(), hide: false });
    };
    let mut known = vec!["path", "except"];
    let mut later = vec![("reason", "only questions have reasons")];
    match key {
        FileKey::Deny => known.extend(["access", "hide"]),
        FileKey::Allow => known.push("access"),
        _ => later
            .push(("access", "the list that the rule stands in says it; 'allow' and 'deny' grant and deny by right")),
    }
    rule.only(&known, &later)?;
    let Some(path) = rule.string("path")? else {
        return Err(rule.fault(at, "a rule without 'path'", Some("{ path = \"…\", except = [\"…\"] }".to_owned())));
    };
    let except = limited(&rule, "except")?;
    if let (Some(place), false) = (rule.place_of("except"), key.narrows()) {
        let hint = Some("add a deny for it instead".to_owned());
        return Err(rule.fault(place, format!("'except' in {name}: only deny and readonly have exceptions"), hint));
    }
    let given = if known.contains(&"access") { rights(&rule)? } else { None };
    let access = match given {
        // The kernel runs nothing that may not be read.
        Some(access) if key == FileKey::Allow && access.contains(Access::EXEC) => access | Access::READ,
        Some(access) => access,
        None if key == FileKey::Allow => {
            let hint = Some("access = [\"read\", \"create\"]".to_owned());
            return Err(rule.fault(at, "files.allow without 'access'", hint));
        }
        None => key.access(),
    };
    let hide = if key == FileKey::Deny { rule.boolean("hide")?.is_some_and(|hide| hide.value) } else { false };
    if let (true, Some(place), false) = (hide, rule.place_of("hide"), access.contains(Access::READ)) {
        let hint = Some("leave 'access' out, or 'hide'".to_owned());
        return Err(rule.fault(place, "what may be read cannot be hidden", hint));
    }
    Ok(FileEntry { key, name, path, except, access, hide })
}

/// `access = "read"` or `access = ["create", "delete"]`. `"write"` by itself is what the key of that name means: every
/// change; in a list each word is one right.
pub(super) fn rights(rule: &Table<'_>) -> Result<Option<Access>, PolicyError> {
    let Some(value) = rule.value("access") else { return Ok(None) };
    let at = value.span().start;
    let words: Vec<(&str, Access)> = Access::RIGHTS.iter().map(|(right, word)| (*word, *right)).collect();
    if !matches!(value.get_ref(), DeValue::Array(_)) {
        let alone = |(word, right): (_, Access)| (word, if right == Access::WRITE { Access::CHANGES } else { right });
        let words: Vec<_> = words.into_iter().map(alone).collect();
        return Ok(rule.word("access", &words)?.map(|access| access.value));
    }
    let mut access = Access::empty();
    for text in rule.strings("access")? {
        let Some((_, right)) = words.iter().find(|(word, _)| *word == text.value) else {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let hint = Some(format!("of: {}", names.join(", ")));
            return Err(rule.fault(text.at, format!("'{}' is no right", text.value), hint));
        };
        access |= *right;
    }
    if access.is_empty() {
        return Err(rule.fault(at, "'access' names no right", Some("leave it out where all are meant".to_owned())));
    }
    Ok(Some(access))
}
