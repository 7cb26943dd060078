//! What is odd about a policy that can be used: rules that never decide, secrets given away, trees too wide, carve-outs
//! that cost speed, questions that are never put.
//!
//! Invariant: a finding holds wherever the policy is used: it is looked for with variables that stand for places apart
//! from each other, and without any symbolic link. Rules of files that the checked one builds on are not found fault
//! with. Leaves to others: what makes a policy unusable (`load`), printing (`cmd`).
//!
//! ```text
//! # check: CODE: reason          a comment in the file: findings of this kind are meant so, and become notes
//! ```

mod mcp;
mod network;
mod paths;
mod secrets;
mod words;

use std::cell::RefCell;

use super::{Audit, Kind, Layer, Library, Policy, PolicyError, Rule, RuleId, Source, Vars};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No session can start with it.
    Error,
    Warning,
    /// Meant so, or only worth knowing.
    Note,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// `dead`, `shadowed`, `secret`, `wide`, `slow`, `unasked`.
    pub code: &'static str,
    pub source: String,
    /// From 1.
    pub line: usize,
    pub column: usize,
    /// The rule as written.
    pub text: String,
    pub says: String,
    pub hint: Option<String>,
}

/// What is found in `source` and in those of its bases that are not shipped, by place.
pub fn check(source: &Source, library: &dyn Library, vars: &Vars) -> Result<Vec<Finding>, PolicyError> {
    // What cannot be used here is refused as a session would refuse it.
    drop(Policy::load(source.clone(), library, vars)?);
    let apart = Apart { library, seen: RefCell::new(vec![source.clone()]) };
    let policy = Policy::load(source.clone(), &apart, &placeholders())?;
    let mut look = Look { policy: &policy, shipped: source.layer == Layer::Shipped, top: source, found: Vec::new() };
    paths::covered(&mut look);
    paths::wide(&mut look);
    secrets::granted(&mut look);
    words::programs(&mut look);
    words::network(&mut look);
    network::check(&mut look);
    mcp::check(&mut look);
    look.slow();
    let mut found = look.found;
    for finding in &mut found {
        accept(finding, &apart.seen.borrow());
    }
    found.sort_by(|a, b| (&a.source, a.line, a.column, a.code).cmp(&(&b.source, b.line, b.column, b.code)));
    found.dedup();
    Ok(found)
}

/// Findings of a kind that the file says are meant so are notes, with the reason.
fn accept(finding: &mut Finding, sources: &[Source]) {
    let shown = |source: &&Source| super::error::visible(&source.name) == finding.source;
    let Some(source) = sources.iter().find(shown) else { return };
    let reasons = source.text.lines().filter_map(|line| line.trim().strip_prefix("# check: ")?.split_once(": "));
    let accepted = reasons.filter(|(code, reason)| *code == finding.code && !reason.trim().is_empty());
    if let Some((_, reason)) = accepted.into_iter().next()
        && finding.severity == Severity::Warning
    {
        finding.severity = Severity::Note;
        finding.hint = Some(format!("meant so: {}", super::error::visible(reason.trim())));
    }
}

/// Places that cannot lie in each other, whatever the machine.
fn placeholders() -> Vars {
    let at = |name: &str| format!("/⟨{name}⟩").into_bytes();
    Vars {
        home: at("home"),
        workdir: at("workdir"),
        tmp: at("tmp"),
        session: at("session"),
        git: vec![at("git")],
        repo: vec![at("repo")],
        command: vec![at("command")],
        uid: 1000,
        env: Vec::new(),
        state_dirs: vec![at("govsh")],
    }
}

/// The library without its disk and what is laid over every policy here: nothing is a link.
struct Apart<'l> {
    library: &'l dyn Library,
    seen: RefCell<Vec<Source>>,
}

impl Library for Apart<'_> {
    fn load(&self, name: &str, from: &Source) -> Result<Source, PolicyError> {
        let source = self.library.load(name, from)?;
        self.seen.borrow_mut().push(source.clone());
        Ok(source)
    }

    /// Only what was typed beside the policy that is checked.
    fn layers(&self) -> Result<Vec<Source>, PolicyError> {
        let mut layers = self.library.layers()?;
        layers.retain(|layer| layer.layer == Layer::CommandLine);
        Ok(layers)
    }

    /// A project's file is looked at as if it held.
    fn trusts(&self, _: &Source) -> Result<bool, PolicyError> {
        Ok(true)
    }

    fn realpath(&self, literal: &[u8]) -> Option<Vec<u8>> {
        Some(literal.to_vec())
    }

    fn kind(&self, _: &[u8]) -> Kind {
        Kind::Absent
    }
}

/// A check while it goes on.
struct Look<'p> {
    policy: &'p Policy,
    shipped: bool,
    top: &'p Source,
    found: Vec<Finding>,
}

impl Look<'_> {
    /// Whether faults of this rule are looked for.
    fn own(&self, rule: u32) -> bool {
        let rule = self.policy.rule(RuleId(rule));
        match self.shipped {
            true => rule.layer == Layer::CommandLine || *rule.source == *super::error::visible(&self.top.name),
            false => !matches!(rule.layer, Layer::Shipped | Layer::BuiltIn),
        }
    }

    fn warn(&mut self, rule: u32, code: &'static str, says: String, hint: Option<&str>) {
        self.note_as(Severity::Warning, rule, code, says, hint);
    }

    fn note_as(&mut self, severity: Severity, rule: u32, code: &'static str, says: String, hint: Option<&str>) {
        let Rule { source, line, column, text, .. } = self.policy.rule(RuleId(rule));
        let (source, text) = (source.to_string(), text.to_string());
        let hint = hint.map(str::to_owned);
        self.found.push(Finding { severity, code, source, line: *line, column: *column, text, says, hint });
    }

    /// A rule with its place, as it is told of in what another one says.
    fn named(&self, rule: u32) -> String {
        let rule = self.policy.rule(RuleId(rule));
        format!("{} {}", rule.key, rule.name)
    }

    /// Denies and questions in readable trees: every open is then judged by the front.
    fn slow(&mut self) {
        let carving = paths::carving(self.policy);
        let Some(first) = carving.iter().copied().find(|rule| self.own(*rule)) else { return };
        if self.policy.record().audit == Some(Audit::Writes) {
            let says = "lies inside what may be read, which audit = \"writes\" cannot hold".to_owned();
            let hint = "leave record.audit out, or this and the like of it";
            self.note_as(Severity::Error, first, "slow", says, Some(hint));
            return;
        }
        let own = carving.iter().filter(|rule| self.own(**rule)).count();
        let says = match own {
            1 => "lies inside what may be read: every open there is judged by the front, and --audit writes is refused"
                .to_owned(),
            own => format!(
                "lies inside what may be read, as {} others do: every open there is judged by the front, and --audit writes is refused",
                own - 1
            ),
        };
        self.note_as(Severity::Note, first, "slow", says, None);
    }
}

#[cfg(test)]
mod tests;
