//! The narrowest change to a policy that would alter one verdict.
//!
//! Invariant: whatever is proposed was applied in memory, loaded as a session would load it, and decided again; only
//! what then gives the other verdict is returned. Leaves to others: the disk (`Desk`), printing (`cmd`).
//!
//! ```text
//! denied, nothing grants it     an entry for this very path in files.read, .write, .exec or files.allow, or network.allow;
//!                             a socket by its service's name, where it has one
//! denied by a rule              an exception to that rule; for a program the rule is left out
//! asked about                   an answer, as "always" would keep it
//! allowed                       a deny of this very path, program or address
//! ```
//! Files that cannot be written are not changed: one's own file that builds on them is, or a copy that takes their place.

mod edit;
mod tries;

use std::cell::Cell;

use edit::Edited;
pub use edit::quoted;
use tries::{Place, Try, tries};

use super::{Access, Decision, Kind, Layer, Library, Policy, PolicyError, Request, Source, Vars, Verdict};

/// Steps that one change may need: a deny lifted, and then a grant for each kind of right.
const MOST: usize = 4;

/// What is known of where files lie.
pub struct Desk<'d> {
    /// The policy that is in use.
    pub source: &'d Source,
    pub library: &'d dyn Library,
    pub vars: &'d Vars,
    /// Directory of the user's own policies.
    pub own: &'d str,
    /// The file that keeps answers, by its key.
    pub answers: &'d dyn Fn(&str) -> String,
    /// The user can write this file.
    pub writable: &'d dyn Fn(&[u8]) -> bool,
    pub exists: &'d dyn Fn(&str) -> bool,
}

/// One step: a line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub file: String,
    /// The profile that the file is a copy of, where it does not exist yet and is one.
    pub copy_of: Option<String>,
    /// The file does not exist yet; with `copy_of` None these are its first lines.
    pub whole: Option<String>,
    /// From 1.
    pub line: usize,
    /// The line as it then stands.
    pub text: String,
    /// What is done: `add to files.read`.
    pub what: String,
    /// The entry itself, in TOML.
    pub entry: String,
}

/// Why nothing can be proposed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unchangeable {
    #[error("it is built in: nothing lifts it")]
    BuiltIn,
    #[error("the rule is the {0}'s: who looks after {0} policies would have to change it")]
    Above(&'static str),
    #[error("no one line in a file of yours alters it")]
    Nothing,
}

/// The steps that turn `decision` on `request` into its opposite: most often one.
pub fn narrowest(
    desk: &Desk<'_>,
    policy: &Policy,
    request: &Request<'_>,
    decision: Decision,
) -> Result<Vec<Change>, Unchangeable> {
    let wanted = if decision.verdict == Verdict::Allow { Verdict::Deny } else { Verdict::Allow };
    let mut drafts = Drafts { desk, over: Vec::new(), source: desk.source.clone(), answers: None };
    let mut done = Vec::new();
    let mut at = State { decision, missing: missing(policy, request) };
    let mut kept: Option<Policy> = None;
    for _ in 0..MOST {
        let now = kept.as_ref().unwrap_or(policy);
        forbidden_to_change(now, at.decision)?;
        let Some((next, changed, state, change)) = drafts.step(now, request, &at, wanted) else { break };
        done.push(change);
        drafts = next;
        if state.decision.verdict == wanted {
            return Ok(done);
        }
        at = state;
        kept = Some(changed);
    }
    Err(Unchangeable::Nothing)
}

fn forbidden_to_change(policy: &Policy, decision: Decision) -> Result<(), Unchangeable> {
    let rule = policy.rule(decision.rule);
    match rule.layer {
        _ if decision.verdict != Verdict::Deny => Ok(()),
        Layer::Org => Err(Unchangeable::Above("organisation")),
        Layer::Machine => Err(Unchangeable::Above("machine")),
        Layer::BuiltIn if rule.key == "files.deny" => Err(Unchangeable::BuiltIn),
        _ => Ok(()),
    }
}

/// Where things stand: a step has to bring one of them on.
#[derive(Clone, Copy)]
struct State {
    decision: Decision,
    missing: Access,
}

/// The rights that the default refuses.
fn missing(policy: &Policy, request: &Request<'_>) -> Access {
    let (path, access) = match *request {
        Request::File { path, access } => (path, access),
        Request::Exec { path, .. } => (path, Access::EXEC),
        _ => return Access::empty(),
    };
    let refused = |right: Access| policy.decide_file(path, right).verdict == Verdict::Deny;
    access.iter().filter(|right| refused(*right)).fold(Access::empty(), |all, right| all | right)
}

/// The files as they would be.
#[derive(Clone)]
struct Drafts<'d> {
    desk: &'d Desk<'d>,
    /// Sources that stand in for others: by the name and path of those.
    over: Vec<((String, Option<Vec<u8>>), Source)>,
    source: Source,
    answers: Option<Source>,
}

impl<'d> Drafts<'d> {
    fn step(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        at: &State,
        wanted: Verdict,
    ) -> Option<(Drafts<'d>, Policy, State, Change)> {
        for tried in tries(policy, self.desk.vars, request, at, wanted) {
            let Some((next, change)) = self.with(policy, at.decision, &tried) else { continue };
            let Ok(changed) = Policy::load(next.source.clone(), &next, self.desk.vars) else { continue };
            let decision = changed.decide(request);
            let state = State { decision, missing: missing(&changed, request) };
            let fewer = state.missing != at.missing && at.missing.contains(state.missing);
            let on = fewer || changed.rule(decision.rule) != policy.rule(at.decision.rule);
            if decision.verdict == wanted || wanted == Verdict::Allow && on {
                return Some((next, changed, state, change));
            }
        }
        None
    }

    /// The drafts with one more change, and the change in words.
    fn with(&self, policy: &Policy, decision: Decision, tried: &Try) -> Option<(Drafts<'d>, Change)> {
        match tried.place {
            Place::Own { table, key } => self.own(table, key, &tried.entry),
            Place::Answer => self.answer(policy, &tried.entry),
            Place::Except | Place::Without => self.at_rule(policy, decision, tried),
        }
    }

    fn own(&self, table: &'static str, key: &'static str, entry: &str) -> Option<(Drafts<'d>, Change)> {
        let what = format!("add to {table}.{key}");
        let (source, fresh) = self.own_file()?;
        let edited = edit::add(&source.text, table, key, entry)?;
        let whole = fresh.then(|| edited.text.clone());
        let change = told(&source.name, &edited, what, entry, None, whole);
        let mut next = self.clone();
        next.source = Source { text: edited.text, ..source };
        Some((next, change))
    }

    /// The file of one's own that the change goes into, and whether it is new.
    fn own_file(&self) -> Option<(Source, bool)> {
        let source = &self.source;
        let made = source.path.as_deref().is_some_and(|path| self.is_draft(path));
        let writable = source.path.as_deref().is_some_and(|path| (self.desk.writable)(path));
        if made || writable && matches!(source.layer, Layer::User | Layer::CommandLine | Layer::Project) {
            return Some((source.clone(), made));
        }
        let stem = stem(&source.name);
        let name = format!("{}/{stem}.toml", self.desk.own);
        if (self.desk.exists)(&name) {
            return None;
        }
        let text = format!("# {stem}, and what it lacks here.\nversion = 1\nextends = [{}]\n", quoted(stem));
        Some((Source { path: Some(name.clone().into_bytes()), name, text, layer: Layer::User }, true))
    }

    fn is_draft(&self, path: &[u8]) -> bool {
        std::str::from_utf8(path).is_ok_and(|path| path.starts_with(self.desk.own) && !(self.desk.exists)(path))
    }

    fn at_rule(&self, policy: &Policy, decision: Decision, tried: &Try) -> Option<(Drafts<'d>, Change)> {
        let rule = policy.rule(decision.rule);
        let found = self.find(policy, &rule.source)?;
        let at = offset(&found.text, rule.line, rule.column)?;
        let (edited, what) = match tried.place {
            Place::Except => (edit::except(&found.text, at, &tried.entry)?, format!("except it from {}", rule.text)),
            _ => (edit::remove(&found.text, at)?, format!("remove \"{}\" from {}", rule.text, rule.key)),
        };
        let own = found.path.as_deref().is_some_and(|path| self.is_draft(path) || (self.desk.writable)(path));
        let mut placed = Source { text: edited.text.clone(), ..found.clone() };
        let mut copy_of = None;
        if !own {
            let name = format!("{}/{}.toml", self.desk.own, stem(&found.name));
            if found.layer != Layer::Shipped || (self.desk.exists)(&name) {
                return None;
            }
            copy_of = Some(stem(&found.name).to_owned());
            placed = Source { path: Some(name.clone().into_bytes()), name, layer: Layer::User, ..placed };
        }
        let change = told(&placed.name, &edited, what, &tried.entry, copy_of, None);
        let mut next = self.clone();
        let known = (found.name, found.path);
        if (next.source.name.as_str(), &next.source.path) == (known.0.as_str(), &known.1) {
            next.source = placed;
        } else {
            next.over.retain(|(over, _)| *over != known);
            next.over.push((known, placed));
        }
        Some((next, change))
    }

    /// The source that a rule names, among those that the policy is made of.
    fn find(&self, policy: &Policy, shown: &str) -> Option<Source> {
        let found = Cell::new(None);
        let look = Look { drafts: self, shown, found: &found };
        look.note(&self.source);
        // Loading it again goes by every file once more.
        let again = Policy::load(self.source.clone(), &look, self.desk.vars);
        again.is_ok_and(|again| again.sources() == policy.sources()).then(|| found.take()).flatten()
    }

    fn answer(&self, policy: &Policy, entry: &str) -> Option<(Drafts<'d>, Change)> {
        let file = (self.desk.answers)(policy.answers_key());
        let kept = self.answers(policy.answers_key()).ok()?;
        let (text, fresh) = kept.map_or(("version = 1\n".to_owned(), true), |kept| (kept.text, false));
        let gap = if text.ends_with('\n') { "" } else { "\n" };
        let before = format!("{text}{gap}\n");
        let edited = Edited { text: format!("{before}{entry}"), at: before.len() };
        let whole = fresh.then(|| edited.text.clone());
        let change = told(&file, &edited, "keep an answer".to_owned(), entry, None, whole);
        let mut next = self.clone();
        next.answers =
            Some(Source { name: file.clone(), text: edited.text, layer: Layer::User, path: Some(file.into()) });
        Some((next, change))
    }
}

/// The text of a policy with `entry`, already in TOML, more in the list `table.key`; None where it cannot be placed.
pub fn with_entry(text: &str, table: &str, key: &str, entry: &str) -> Option<String> {
    edit::add(text, table, key, entry).map(|edited| edited.text)
}

fn told(
    file: &str,
    edited: &Edited,
    what: String,
    entry: &str,
    copy_of: Option<String>,
    whole: Option<String>,
) -> Change {
    let (line, text) = (edited.line(), edited.shown().to_owned());
    Change { file: file.to_owned(), copy_of, whole, line, text, what, entry: entry.to_owned() }
}

impl Library for Drafts<'_> {
    fn load(&self, name: &str, from: &Source) -> Result<Source, PolicyError> {
        let found = self.desk.library.load(name, from)?;
        let over = self.over.iter().find(|((name, path), _)| *name == found.name && *path == found.path);
        Ok(over.map_or(found, |(_, source)| source.clone()))
    }

    fn answers(&self, key: &str) -> Result<Option<Source>, PolicyError> {
        match &self.answers {
            Some(source) => Ok(Some(source.clone())),
            None => self.desk.library.answers(key),
        }
    }

    fn layers(&self) -> Result<Vec<Source>, PolicyError> {
        self.desk.library.layers()
    }

    /// A file of the project that is changed is no longer the one that was trusted.
    fn trusts(&self, source: &Source) -> Result<bool, PolicyError> {
        self.desk.library.trusts(source)
    }

    fn realpath(&self, literal: &[u8]) -> Option<Vec<u8>> {
        self.desk.library.realpath(literal)
    }

    fn kind(&self, path: &[u8]) -> Kind {
        self.desk.library.kind(path)
    }
}

/// Finds a source by the name that its rules show.
struct Look<'l> {
    drafts: &'l Drafts<'l>,
    shown: &'l str,
    found: &'l Cell<Option<Source>>,
}

impl Look<'_> {
    fn note(&self, source: &Source) {
        if super::error::visible(&source.name) == self.shown {
            self.found.set(Some(source.clone()));
        }
    }
}

impl Library for Look<'_> {
    fn load(&self, name: &str, from: &Source) -> Result<Source, PolicyError> {
        let source = self.drafts.load(name, from)?;
        self.note(&source);
        Ok(source)
    }

    fn answers(&self, key: &str) -> Result<Option<Source>, PolicyError> {
        self.drafts.answers(key)
    }

    fn layers(&self) -> Result<Vec<Source>, PolicyError> {
        let layers = self.drafts.layers()?;
        layers.iter().for_each(|source| self.note(source));
        Ok(layers)
    }

    fn trusts(&self, source: &Source) -> Result<bool, PolicyError> {
        self.drafts.trusts(source)
    }

    fn realpath(&self, literal: &[u8]) -> Option<Vec<u8>> {
        self.drafts.realpath(literal)
    }

    fn kind(&self, path: &[u8]) -> Kind {
        self.drafts.kind(path)
    }
}

/// `~/.config/govsh/policies/team.toml` is `team`.
fn stem(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.strip_suffix(".toml").unwrap_or(file)
}

/// The byte at a line and a column of characters, both from 1.
fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let (at, _) = text.get(before..)?.char_indices().nth(column.checked_sub(1)?)?;
    Some(before + at)
}

#[cfg(test)]
mod tests;
