//! What git itself does in a repository whose hooks and configuration are protected: making a new one, and writing down in an old
//! one what runs nothing.
//!
//! Invariant: nothing that git would run, and nothing that leads what is there elsewhere, can be added or altered: what is
//! not known to be harmless is not. Entries that exist stay as they are; remotes and what branches follow can be taken out
//! (git then runs less, and reaches nothing it did not), and in the same session come back as they were, or not at all.
//! Leaves to others: the protected paths (`builtin`), reading and replacing the file (`supervisor::repository`).
//!
//! ```text
//! .git            made, as a directory                 .git/hooks/*.sample   made: git runs no file of such a name
//! .git/config     entries added: remotes, branches …   .git/hooks/*          never
//!                 removed: a whole remote, keys of a branch
//! config.worktree which files are laid out (sparse-checkout), nothing else
//! ```

use std::collections::HashMap;

pub mod modules;
pub mod shape;

use super::compiled::{Policy, Said};
use super::trie::Slot;
use super::{Access, Verdict};

/// What of a repository a protected path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `.git`
    Top,
    /// The directory of the hooks.
    Hooks,
    /// An example of a hook, which git does not run.
    Sample,
    /// `config`
    Config,
    /// `config.worktree`, which git reads where `extensions.worktreeConfig` says so.
    Worktree,
    /// Whatever else is protected.
    Other,
}

/// A protected path of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InRepository {
    pub part: Part,
    /// The repository lies beneath the one in use, or beneath a directory without one.
    pub is_nested: bool,
}

/// Larger files are not read: in bytes.
pub const LARGEST: u64 = 256 * 1024;
/// Values of one key, such as the refspecs of a remote.
const MOST_VALUES: usize = 8;
/// Names that are remembered as taken out: more are not taken out in one session.
const MOST_GONE: usize = 4096;

/// What a session took out of configurations: directory and name of each entry, with the values it had.
#[derive(Debug, Default)]
pub struct Gone(HashMap<(Vec<u8>, String), Vec<String>>);

/// What one change takes out.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken(Vec<((Vec<u8>, String), Vec<String>)>);

impl Gone {
    /// Remembers what was taken out. What it was before the session is what counts.
    pub fn note(&mut self, taken: Taken) {
        for (name, values) in taken.0 {
            self.0.entry(name).or_insert(values);
        }
    }
}

impl Policy {
    /// What `path` is of a repository, where nothing but the protection of repositories refuses `access` to it.
    pub fn in_repository(&self, path: &[u8], access: Access) -> Option<InRepository> {
        let hits = self.files.trie.hits(path);
        hits.rule(Slot::Held)?;
        if self.lifted(path) {
            return None;
        }
        let mut is_nested = true;
        for (rule, pattern) in self.files.held.iter().filter(|(_, pattern)| pattern.matches(path)) {
            is_nested &= !pattern.is_literal();
            if !self.files.repositories.contains(rule) {
                return None;
            }
        }
        match self.judge(path, access, &hits.without(Slot::Held)) {
            Said::Plainly(decision) if decision.verdict == Verdict::Allow => {
                Some(InRepository { part: part(path), is_nested })
            }
            _ => None,
        }
    }

    /// Whether the configuration of the repository at `dir` may become `new`, and what that takes out; if not, the entry that
    /// stands against it. `gone` is what this session took out before: were it forgotten, a remote could be led elsewhere
    /// in two steps.
    pub fn may_configure(&self, dir: &[u8], old: &[u8], new: &[u8], gone: &Gone) -> Result<Taken, String> {
        self.may_become(dir, (old, new), gone, |entry| entry.is_harmless(dir, &self.vars.workdir))
    }

    /// The same of a `config.worktree`: what stands there comes after the configuration, and in the place of what stands in it.
    pub fn may_lay_out(&self, dir: &[u8], old: &[u8], new: &[u8]) -> Result<(), String> {
        self.may_become(dir, (old, new), &Gone::default(), Entry::is_layout).map(drop)
    }

    fn may_become(
        &self,
        dir: &[u8],
        (old, new): (&[u8], &[u8]),
        gone: &Gone,
        is_harmless: impl Fn(&Entry) -> bool,
    ) -> Result<Taken, String> {
        let unclear = || "a line that is not plain".to_owned();
        let (old, new) = (entries(old).ok_or_else(unclear)?, entries(new).ok_or_else(unclear)?);
        let values = |all: &[Entry], name: &Entry| -> Vec<String> {
            all.iter().filter(|entry| entry.has_name_of(name)).map(|entry| entry.value.clone()).collect()
        };
        let mut taken: Vec<((Vec<u8>, String), Vec<String>)> = Vec::new();
        for entry in old.iter().chain(&new) {
            let (before, after) = (values(&old, entry), values(&new, entry));
            let name = (dir.to_vec(), entry.name());
            let whole = !new.iter().any(|left| left.has_section_of(entry));
            if after.is_empty() && entry.is_removable(whole) && gone.0.len() + taken.len() < MOST_GONE {
                if taken.iter().all(|(known, _)| *known != name) {
                    taken.push((name, before));
                }
                continue;
            }
            let kept = !before.is_empty() && before == after;
            // Git itself turns the version to and fro while it clones.
            let turns = entry.name() == "core.repositoryformatversion" || entry.is_layout();
            let is_open = before.is_empty() || turns && after.len() == 1;
            let as_it_was = entry.is_layout() || gone.0.get(&name).is_none_or(|was| *was == after);
            let added = is_open && as_it_was && after.len() <= MOST_VALUES && is_harmless(entry);
            if !kept && !added {
                return Err(entry.name());
            }
        }
        Ok(Taken(taken))
    }
}

fn part(path: &[u8]) -> Part {
    let mut names = path.rsplit(|byte| *byte == b'/');
    match (names.next().unwrap_or_default(), names.next().unwrap_or_default()) {
        (b".git", _) => Part::Top,
        (b"hooks", _) => Part::Hooks,
        (name, b"hooks") if name.ends_with(b".sample") => Part::Sample,
        (b"config", above) if above != b"hooks" => Part::Config,
        (b"config.worktree", _) => Part::Worktree,
        _ => Part::Other,
    }
}

/// One `key = value`, with where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// In lower case, as git takes it.
    section: String,
    subsection: Option<String>,
    key: String,
    value: String,
}

/// Reads a configuration in which every line speaks for itself. None for what git may take otherwise: lines that are
/// continued, several things on one line, control characters.
fn entries(text: &[u8]) -> Option<Vec<Entry>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut entries = Vec::new();
    let mut place: Option<(String, Option<String>)> = None;
    for line in text.split('\n') {
        if line.chars().any(|c| c.is_control() && c != '\t') || line.starts_with('\u{feff}') {
            return None;
        }
        let line = line.trim_matches([' ', '\t']);
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.ends_with('\\') {
            return None;
        }
        if let Some(header) = line.strip_prefix('[') {
            place = Some(section(header.strip_suffix(']')?)?);
            continue;
        }
        let (section, subsection) = place.clone()?;
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key.trim_end_matches([' ', '\t']), value.trim_start_matches([' ', '\t'])),
            None => (line, "true"),
        };
        if !is_name(key, "-") || !key.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        entries.push(Entry { section, subsection, key: key.to_ascii_lowercase(), value: value.to_owned() });
    }
    Some(entries)
}

/// `core` or `remote "origin"`.
fn section(header: &str) -> Option<(String, Option<String>)> {
    let Some((name, rest)) = header.split_once([' ', '\t']) else {
        return is_name(header, "-").then(|| (header.to_ascii_lowercase(), None));
    };
    let inside = rest.strip_prefix('"')?.strip_suffix('"')?;
    let plain = !inside.contains(['"', '\\', ']']) && is_name(name, "-");
    plain.then(|| (name.to_ascii_lowercase(), Some(inside.to_owned())))
}

fn is_name(text: &str, more: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

impl Entry {
    fn name(&self) -> String {
        match &self.subsection {
            Some(subsection) => format!("{}.{}.{}", self.section, subsection.escape_debug(), self.key),
            None => format!("{}.{}", self.section, self.key),
        }
    }

    fn has_name_of(&self, other: &Entry) -> bool {
        (&self.section, &self.subsection, &self.key) == (&other.section, &other.subsection, &other.key)
    }

    fn has_section_of(&self, other: &Entry) -> bool {
        (&self.section, &self.subsection) == (&other.section, &other.subsection)
    }

    /// Whether git can do without it and then does no more than before: a remote as a `whole`, since its keys mean each
    /// other; of a branch, which keys name remotes and refs, any.
    fn is_removable(&self, whole: bool) -> bool {
        self.subsection.is_some() && (self.section == "branch" || self.section == "remote" && whole) || self.is_layout()
    }

    /// Whether it says which of its files git lays out in the work tree (git-sparse-checkout(1)).
    fn is_layout(&self) -> bool {
        let is_named = match (self.section.as_str(), self.key.as_str()) {
            ("core", key) => matches!(key, "sparsecheckout" | "sparsecheckoutcone"),
            ("index", key) => key == "sparse",
            _ => false,
        };
        is_named && self.subsection.is_none() && matches!(self.value.as_str(), "true" | "false")
    }

    /// Whether git runs nothing for it, reads no other file, and works nowhere else. `dir` is the repository's.
    fn is_harmless(&self, dir: &[u8], workdir: &[u8]) -> bool {
        let value = self.value.as_str();
        // What git would not take as it stands here.
        if value.contains(['"', '\\', '#', ';']) || value.starts_with('-') && self.key != "tagopt" {
            return false;
        }
        let is_bool = || matches!(value, "true" | "false");
        match (self.section.as_str(), &self.subsection, self.key.as_str()) {
            ("core", None, "repositoryformatversion") => matches!(value, "0" | "1"),
            ("core", None, "filemode" | "bare" | "ignorecase" | "precomposeunicode" | "symlinks") => is_bool(),
            ("core", None, "logallrefupdates") => is_bool() || value == "always",
            ("core", None, "worktree") => modules::is_at_home(dir, value.as_bytes(), workdir),
            ("extensions", None, "objectformat") => matches!(value, "sha1" | "sha256"),
            ("extensions", None, "refstorage") => matches!(value, "files" | "reftable"),
            ("extensions", None, "partialclone") => is_name(value, "-_"),
            // What is read then is judged as it is written.
            ("extensions", None, "worktreeconfig") => is_bool(),
            ("remote", Some(_), "url") | ("submodule", Some(_), "url") => is_address(value),
            ("remote", Some(_), "fetch") => {
                let (from, to) = value.strip_prefix('+').unwrap_or(value).split_once(':').unwrap_or_default();
                is_ref(from) && is_ref(to)
            }
            ("remote", Some(_), "promisor") | ("submodule", Some(_), "active") => is_bool(),
            ("remote", Some(_), "partialclonefilter") => is_name(value, ":=-_"),
            ("remote", Some(_), "tagopt") => matches!(value, "--tags" | "--no-tags"),
            ("branch", Some(_), "remote") => value == "." || is_name(value, "-_"),
            ("branch", Some(_), "merge") => is_ref(value),
            ("branch", Some(_), "rebase") => is_bool(),
            ("user", None, "name" | "email") => true,
            _ => self.is_layout(),
        }
    }
}

fn is_ref(text: &str) -> bool {
    text == "HEAD" || text.starts_with("refs/") && text.chars().all(|c| c.is_alphanumeric() || "/-_.+*@".contains(c))
}

/// An address that names no helper program: `ext::sh -c …`.
fn is_address(text: &str) -> bool {
    !text.is_empty() && !text.contains("::") && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests;
