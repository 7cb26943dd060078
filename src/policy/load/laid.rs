//! What a file may say by the layer it stands in: which grants count, and how settings and networks of layers meet.
//!
//! Invariant: a file that may not widen adds nothing here but denials, tighter settings and requirements.
//! Leaves to others: which files may widen (`chain`), questions of such files (`compiled`).

use super::{Build, File, Listed};
use crate::policy::chain::Link;
use crate::policy::document::{Document, NetworkEntry, Text};
use crate::policy::merge::Manner;
use crate::policy::narrow::Withheld;
use crate::policy::network::{Entry, Purpose, parse};
use crate::policy::sockets::{self, Place};
use crate::policy::{Audit, Layer, OnFailure, PolicyError, Rule, RuleId};

/// What is found out file by file and put in place at the end.
#[derive(Debug, Default)]
pub(super) struct Laid {
    /// A layer's `network.allow = "none"`.
    no_network: Option<u32>,
    /// What files that may not widen would grant, by the file's index in the chain.
    withheld: Vec<(usize, Rule)>,
    /// `require.policies`: name, file's index in the chain, place in it.
    policies: Vec<(String, usize, usize)>,
}

impl Build<'_> {
    /// Whether a grant counts. One that does not is kept to be shown; on the command line it is an error, since
    /// whoever typed it believes that it holds.
    pub(super) fn hears(
        &mut self,
        file: &File<'_>,
        key: &'static str,
        text: &str,
        at: usize,
    ) -> Result<bool, PolicyError> {
        if file.grants {
            return Ok(true);
        }
        if file.source.layer == Layer::CommandLine {
            let by = self.policy.enrolled.clone().unwrap_or_default();
            let reason = format!("this machine is enrolled ({by}): the command line can only narrow, not grant");
            return Err(PolicyError::at(file.source, at, reason, None));
        }
        let index = self.policy.sources.len().saturating_sub(1);
        self.laid.withheld.push((index, file.rule(key, text, at)));
        Ok(false)
    }

    /// A layer's `network.allow`: what it lists comes on top of what the profile allows, `none` refuses everything.
    pub(super) fn laid_network(&mut self, file: &File<'_>, entry: &NetworkEntry) -> Result<(), PolicyError> {
        const KEY: &str = "network.allow";
        match entry {
            NetworkEntry::None(at) => {
                let rule = self.add(file.rule(KEY, "none", *at));
                self.laid.no_network.get_or_insert(rule);
            }
            NetworkEntry::All(at) => {
                if self.hears(file, KEY, "all", *at)? && !self.closed_network() {
                    self.policy.fixed.network = self.add(file.rule(KEY, "all", *at));
                    self.net.allow = Listed::All;
                }
            }
            NetworkEntry::List(list) => {
                for text in list {
                    let parsed = parse(&text.value, Purpose::Allow, RuleId::DEFAULT);
                    let parsed = parsed.map_err(|fault| file.fault(text.at, fault))?;
                    if !self.hears(file, KEY, &text.value, text.at)? {
                        continue;
                    }
                    let rule = RuleId(self.add(file.rule(KEY, &text.value, text.at)));
                    self.lay(parsed.into_iter().map(|entry| Entry { rule, ..entry }));
                }
            }
        }
        Ok(())
    }

    /// The profile says `network.allow = "none"`.
    pub(super) fn closed_network(&self) -> bool {
        matches!(self.net.allow, Listed::None) && self.policy.fixed.network != 0
    }

    /// Entries on top of what is allowed so far; lost where the network is closed as a whole, or open.
    pub(super) fn lay(&mut self, entries: impl Iterator<Item = Entry>) {
        if matches!(self.net.allow, Listed::None) && !self.closed_network() {
            self.net.allow = Listed::List(Vec::new());
        }
        if let Listed::List(list) = &mut self.net.allow {
            list.extend(entries);
        }
    }

    pub(super) fn network_deny(&mut self, file: &File<'_>, document: &Document) -> Result<(), PolicyError> {
        for text in &document.network_deny {
            let rule = RuleId(self.add(file.rule("network.deny", &text.value, text.at)));
            self.net.deny.extend(parse(&text.value, Purpose::Deny, rule).map_err(|fault| file.fault(text.at, fault))?);
        }
        Ok(())
    }

    pub(super) fn socket_deny(&mut self, file: &File<'_>, entry: &Text) -> Result<(), PolicyError> {
        let places = sockets::places(&entry.value, self.vars).map_err(|fault| file.fault(entry.at, fault))?;
        let rule = self.add(file.rule("sockets.deny", &entry.value, entry.at));
        for place in places {
            match place {
                Place::Path(pattern) => self.sockets_deny.push((rule, pattern)),
                Place::Abstract(name) => self.policy.sockets.abstracts_deny.push((name, rule)),
            }
        }
        Ok(())
    }

    /// A network that a layer rules out as a whole stays ruled out, and nobody is asked about it.
    pub(super) fn refuse_network(&mut self) {
        if let Some(rule) = self.laid.no_network {
            self.policy.fixed.network = rule;
            self.net.allow = Listed::None;
            self.net.ask.clear();
            self.net.ask_else.clear();
            self.net.narrow_ask.clear();
        }
    }

    pub(super) fn settings(&mut self, file: &File<'_>, document: &Document) -> Result<(), PolicyError> {
        let manner = match (file.grants, file.group) {
            (false, _) => Manner::Tightens,
            (true, 0) => Manner::Derives(file.source.layer),
            (true, _) => Manner::Layer(file.source.layer),
        };
        if manner == Manner::Tightens {
            self.withhold_settings(file, document)?;
        }
        for said in self.settings.merge(document, manner) {
            let rule = self.add(file.rule(said.key, &said.text, said.at));
            if said.holds && said.key.starts_with("require.") {
                self.policy.requires.insert(said.key, rule);
            }
        }
        for name in &document.require_policies {
            self.add(file.rule("require.policies", &name.value, name.at));
            let index = self.policy.sources.len().saturating_sub(1);
            self.laid.policies.push((name.value.clone(), index, name.at));
        }
        Ok(())
    }

    /// The settings that would loosen something.
    fn withhold_settings(&mut self, file: &File<'_>, document: &Document) -> Result<(), PolicyError> {
        if let Some(audit) = document.record_audit.as_ref().filter(|audit| audit.value != Audit::Full) {
            self.hears(file, "record.audit", "writes", audit.at)?;
        }
        if let Some(failure) = document.on_failure.as_ref().filter(|failure| failure.value != OnFailure::Stop) {
            self.hears(file, "record.on_failure", "continue", failure.at)?;
        }
        if let Some(input) = &document.record_input {
            self.hears(file, "record.input", &input.value.to_string(), input.at)?;
        }
        if let Some(retention) = &document.retention {
            self.hears(file, "record.retention", "…", retention.at)?;
        }
        Ok(())
    }

    /// `require.policies`: those that the machine asks for must not be ones that the user wrote under the same name.
    pub(super) fn check_required(&self, chain: &[Link]) -> Result<(), PolicyError> {
        for (name, index, at) in &self.laid.policies {
            let Some(asking) = chain.get(*index) else { continue };
            let file = format!("{name}.toml");
            let above = matches!(asking.source.layer, Layer::Org | Layer::Machine);
            let serves = |link: &&Link| {
                let named = link.source.name.rsplit('/').next() == Some(&file);
                let trusted = matches!(link.source.layer, Layer::Org | Layer::Machine | Layer::Shipped);
                named && (trusted || !above && link.source.layer == Layer::User)
            };
            if !chain.iter().any(|link| serves(&link)) {
                let by = format!("required by the {} layer", asking.source.layer.name());
                let reason = format!("require.policies: policy '{}' is not made of '{name}', {by}", self.policy.name);
                let hint = format!("--policy {name}, or one that says 'extends = [\"{name}\"]'");
                return Err(PolicyError::at(&asking.source, *at, reason, Some(hint)));
            }
        }
        Ok(())
    }

    /// Sorts what was withheld by the file that it is to be said of: a project's file stands for what it builds on.
    pub(super) fn note_withheld(&mut self, chain: &[Link]) {
        for (index, rule) in std::mem::take(&mut self.laid.withheld) {
            let Some(own) = chain.get(index) else { continue };
            let behind = chain.iter().skip(index).filter(|link| !link.grants && link.group == own.group);
            let mut heads = behind.filter(|link| link.source.layer == Layer::Project);
            let head = heads.next().map_or(&own.source, |link| &link.source);
            let withheld = &mut self.policy.withheld;
            match withheld.iter_mut().find(|known| known.path == head.path && known.source == head.name) {
                Some(known) => known.rules.push(rule),
                None => {
                    let (source, path) = (head.name.clone(), head.path.clone());
                    withheld.push(Withheld { source, path, layer: head.layer, rules: vec![rule] });
                }
            }
        }
    }
}
