//! Documents → `Policy`: rules get their numbers, built-ins first, then file by file, bases before what builds on them,
//! and those that may only narrow behind all others.
//!
//! Invariant: every rule has a number, and with it its file, line and layer, before it can decide anything; no grant of a
//! file that may not widen gets one.
//! Leaves to others: reading files (`document`), patterns in place (`compile`), answering (`compiled`).

mod asks;
mod carves;
mod cedar;
mod compile;
mod credentials;
mod laid;
mod mcp;
mod network;
mod programs;
#[cfg(test)]
mod tests;
mod toggles;

use std::sync::Arc;

use super::builtin::{Protected, protections};
use super::chain::{self, Chained, Link};
use super::compiled::{Files, Fixed, Policy, Sockets};
use super::document::{Document, FileEntry, FileKey, NetworkEntry, Text};
use super::environment::By;
use super::http::{GitRule, HttpRule, RegistryRule};
use super::links::Links;
use super::merge::Settings;
use super::network::{Entry, Purpose, parse};
use super::pattern::{Fault, Pattern};
use super::sockets::{self, Place};
use super::{Access, Environment, Layer, Library, Network, PolicyError, Rule, RuleId, Source, Vars};

/// A path rule with its pattern.
#[derive(Debug)]
pub(super) struct PathRule {
    pub key: FileKey,
    pub rule: u32,
    pub pattern: Pattern,
    pub except: Vec<Pattern>,
    /// What it grants or takes away.
    pub access: Access,
    /// What it denies is not there, as far as the agent is told.
    pub hide: bool,
    /// Index of its file in the chain; None for what is built in.
    pub file: Option<usize>,
}

impl Policy {
    /// Reads `source` and what it extends, and puts the built-in protections above it.
    pub fn load(source: Source, library: &dyn Library, vars: &Vars) -> Result<Policy, PolicyError> {
        let named = matches!(source.layer, Layer::Shipped | Layer::User | Layer::Machine);
        let stem = source.name.rsplit('/').next().and_then(|file| file.strip_suffix(".toml"));
        let name = stem.filter(|_| named).unwrap_or(&source.name).to_owned();
        let key = answers_key(stem.unwrap_or("policy"), source.path.as_deref().filter(|_| !named));
        let Chained { links: chain, enrolled } = chain::resolve(source, library)?;
        let chain = super::toggles::unfold(chain)?;
        let mut build = Build::new(name, vars);
        build.policy.answers_key = key;
        build.policy.enrolled = enrolled;
        build.protect(&chain);
        let widening = chain.iter().take_while(|link| link.grants).count();
        for link in chain.iter().take(widening) {
            build.merge(link, library)?;
        }
        build.registered()?;
        build.own_program(library);
        for link in chain.iter().skip(widening) {
            build.merge(link, library)?;
        }
        build.refuse_network();
        build.answers(library)?;
        build.check_asks(&chain)?;
        build.check_required(&chain)?;
        build.note_withheld(&chain);
        Ok(build.finish(&chain, &mut Links::new(library)))
    }

    /// The programs that a policy was made for by its own `agent.match`; nothing else of it is looked at.
    pub fn matches(source: &Source) -> Result<Vec<String>, PolicyError> {
        let document = super::document::Document::parse(source)?;
        Ok(document.matches.into_iter().flatten().map(|name| name.value).collect())
    }
}

/// The name of the file that keeps this policy's answers: of a policy that is known by its place alone, with a sign of it.
fn answers_key(stem: &str, path: Option<&[u8]>) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let stem: String = stem.chars().take(64).map(safe).collect();
    match path {
        None => stem,
        Some(path) => {
            let sign = blake3::hash(path).to_hex();
            format!("{stem}-{}", sign.get(..12).unwrap_or_default())
        }
    }
}

struct Build<'v> {
    vars: &'v Vars,
    policy: Policy,
    paths: Vec<PathRule>,
    programs: Vec<programs::ProgramPath>,
    sockets: Vec<(u32, Pattern)>,
    sockets_deny: Vec<(u32, Pattern)>,
    only_exec: Vec<asks::OnlyExec>,
    settings: Settings,
    laid: laid::Laid,
    net: Lists,
}

/// `[network]`, entry by entry.
#[derive(Debug, Default)]
struct Lists {
    allow: Listed,
    deny: Vec<Entry>,
    ask: Vec<Entry>,
    /// Questions about whatever nothing else mentions.
    ask_else: Vec<Entry>,
    narrow_ask: Vec<Entry>,
    private: Vec<Entry>,
    splice: Vec<Entry>,
    /// What repositories and registries open.
    git_places: Vec<Entry>,
    registry_places: Vec<Entry>,
    http: Vec<HttpRule>,
    git: Vec<GitRule>,
    registries: Vec<RegistryRule>,
}

/// `network.allow` of all files so far.
#[derive(Debug, Default)]
enum Listed {
    #[default]
    None,
    All,
    List(Vec<Entry>),
}

/// A file while its rules are numbered.
struct File<'s> {
    source: &'s Source,
    /// As in `Link`.
    grants: bool,
    group: usize,
    shown: Arc<str>,
    /// Byte offsets at which lines begin.
    lines: Vec<usize>,
}

impl<'s> File<'s> {
    fn new(source: &'s Source, grants: bool, group: usize) -> File<'s> {
        let after = source.text.match_indices('\n').map(|(at, _)| at + 1);
        File {
            source,
            grants,
            group,
            shown: super::error::visible(&source.name).into(),
            lines: std::iter::once(0).chain(after).collect(),
        }
    }

    fn rule(&self, key: &'static str, text: &str, at: usize) -> Rule {
        let line = self.lines.partition_point(|start| *start <= at);
        let shown = super::error::shown(text);
        let name = format!("\"{shown}\" {}:{line}", self.shown).into();
        let text: Arc<str> = shown.into();
        let begin = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or(0);
        let column = self.source.text.get(begin..at).map_or(1, |before| before.chars().count() + 1);
        Rule { name, layer: self.source.layer, key, text, source: self.shown.clone(), line, column }
    }

    fn fault(&self, at: usize, fault: Fault) -> PolicyError {
        PolicyError::at(self.source, at, fault.reason, fault.hint)
    }
}

fn built_in(name: &str, key: &'static str, text: &str) -> Rule {
    Rule {
        name: name.into(),
        layer: Layer::BuiltIn,
        key,
        text: text.into(),
        source: "built-in".into(),
        line: 0,
        column: 0,
    }
}

/// The protection of git directories by what lies in them (`repository::shape`).
const SHAPE: &str = "built-in: configuration and hooks of a git directory, whatever its name";

impl<'v> Build<'v> {
    fn new(name: String, vars: &'v Vars) -> Build<'v> {
        let policy = Policy {
            name,
            sources: Vec::new(),
            rules: vec![built_in("default", "default", "deny")],
            files: Files::default(),
            programs: Default::default(),
            asks: Default::default(),
            answers_key: String::new(),
            sockets: Sockets::default(),
            network: Network::None,
            net: Default::default(),
            credentials: Vec::new(),
            servers: Vec::new(),
            on_change: Default::default(),
            mcp_rules: Vec::new(),
            direct_servers: None,
            upstream: Default::default(),
            enrolled: None,
            narrow_from: u32::MAX,
            withheld: Vec::new(),
            requires: Default::default(),
            fixed: Fixed::default(),
            environment: Environment::default(),
            limits: Default::default(),
            record: Default::default(),
            require: Default::default(),
            agent: Default::default(),
            vars: vars.meant(),
        };
        Build {
            vars,
            policy,
            paths: Vec::new(),
            programs: Vec::new(),
            sockets: Vec::new(),
            sockets_deny: Vec::new(),
            only_exec: Vec::new(),
            settings: Settings::default(),
            laid: laid::Laid::default(),
            net: Lists::default(),
        }
    }

    fn add(&mut self, rule: Rule) -> u32 {
        self.policy.rules.push(rule);
        u32::try_from(self.policy.rules.len() - 1).unwrap_or(u32::MAX)
    }

    /// The built-in rules, and the policy files themselves, which the agent may read but not write.
    fn protect(&mut self, chain: &[Link]) {
        self.policy.fixed.bind = self.add(built_in("built-in: binding to loopback", "network", "loopback"));
        self.policy.fixed.metadata =
            self.add(built_in("built-in: cloud metadata services", "network", "cloud metadata"));
        let fixed = |this: &mut Self, says: &str| this.add(built_in(&format!("built-in: {says}"), "network", says));
        self.policy.fixed.special = fixed(self, "link-local, multicast and unspecified addresses");
        self.policy.fixed.private = fixed(self, "private addresses reached by a name");
        self.policy.fixed.http = fixed(self, "no rule of network.http allows this request");
        self.policy.fixed.git = fixed(self, "no rule of network.git allows this");
        self.policy.fixed.registry = fixed(self, "packages are read, not published");
        self.policy.fixed.shape =
            self.add(built_in(SHAPE, "files.readonly", "config and hooks where objects and refs lie beside them"));
        for protection in protections(self.vars) {
            let literal = String::from_utf8_lossy(&protection.pattern.literal_prefix().0).into_owned();
            let text = if protection.pattern.is_literal() { None } else { protection.pattern.text() };
            let text = text.unwrap_or(literal);
            let name = format!("built-in: {}", protection.label);
            if protection.access == Protected::Everything {
                let rule = self.add(built_in(&name, "files.deny", &text));
                self.restrict(FileKey::Deny, rule, protection.pattern, protection.except);
            } else {
                let rule = self.add(built_in(&name, "files.readonly", &text));
                if protection.access == Protected::Repository {
                    self.policy.files.repositories.insert(rule);
                }
                self.policy.files.held.push((rule, protection.pattern));
            }
        }
        for path in chain.iter().filter_map(|link| link.source.path.as_deref()) {
            let rule =
                self.add(built_in("built-in: the policy in use", "files.readonly", &String::from_utf8_lossy(path)));
            self.restrict(FileKey::Readonly, rule, Pattern::literal(path, true), Vec::new());
        }
    }

    fn restrict(&mut self, key: FileKey, rule: u32, pattern: Pattern, except: Vec<Pattern>) {
        self.paths.push(PathRule { key, rule, pattern, except, access: key.access(), hide: false, file: None });
    }

    /// One file's rules, added to those of its bases.
    fn merge(&mut self, link: &Link, library: &dyn Library) -> Result<(), PolicyError> {
        let file = File::new(&link.source, link.grants, link.group);
        let document = &link.document;
        if !link.grants && self.policy.narrow_from == u32::MAX {
            self.policy.narrow_from = u32::try_from(self.policy.rules.len()).unwrap_or(u32::MAX);
        }
        self.policy.sources.push(file.shown.to_string());
        for entry in &document.files {
            self.path_rule(&file, entry)?;
        }
        self.programs(&file, document)?;
        for entry in &document.sockets {
            self.socket(&file, entry)?;
        }
        for entry in &document.sockets_deny {
            self.socket_deny(&file, entry)?;
        }
        self.toggles(&file, document)?;
        if let Some(entry) = &document.network {
            self.network(&file, entry)?;
        }
        self.network_deny(&file, document)?;
        self.ask(&file, document)?;
        self.requests(&file, document, library)?;
        self.credentials(&file, document)?;
        self.mcp(&file, document)?;
        self.cedar(&file, document, library)?;
        self.environment(&file, document)?;
        self.settings(&file, document)
    }

    /// Each `pass` narrows to a list in a profile; in a layer it is one more grant.
    fn environment(&mut self, file: &File<'_>, document: &Document) -> Result<(), PolicyError> {
        let by = By { layer: file.source.layer, group: file.group };
        if document.pass.is_some() && file.group == 0 && file.grants {
            self.policy.environment.narrow();
        }
        for name in document.pass.iter().flatten() {
            if self.hears(file, "environment.pass", &name.value, name.at)? {
                self.add(file.rule("environment.pass", &name.value, name.at));
                self.policy.environment.pass(by, &name.value);
            }
        }
        for name in &document.environment_deny {
            self.add(file.rule("environment.deny", &name.value, name.at));
            self.policy.environment.deny(by, &name.value);
        }
        Ok(())
    }

    fn path_rule(&mut self, file: &File<'_>, entry: &FileEntry) -> Result<(), PolicyError> {
        let parse =
            |text: &Text| Pattern::parse_all(&text.value, self.vars).map_err(|fault| file.fault(text.at, fault));
        let patterns = parse(&entry.path)?;
        let mut except = Vec::new();
        for text in &entry.except {
            except.extend(parse(text)?);
        }
        if !entry.key.narrows() && !self.hears(file, entry.name, &entry.path.value, entry.path.at)? {
            return Ok(());
        }
        let rule = self.add(file.rule(entry.name, &entry.path.value, entry.path.at));
        let file = self.policy.sources.len().checked_sub(1);
        for mut pattern in patterns {
            // what may not be touched takes along what it holds
            pattern.tree |= entry.key.narrows();
            let (key, access, hide) = (entry.key, entry.access, entry.hide);
            self.paths.push(PathRule { key, rule, pattern, except: except.clone(), access, hide, file });
        }
        Ok(())
    }

    fn socket(&mut self, file: &File<'_>, entry: &Text) -> Result<(), PolicyError> {
        let places = sockets::places(&entry.value, self.vars).map_err(|fault| file.fault(entry.at, fault))?;
        if !self.hears(file, "sockets.allow", &entry.value, entry.at)? {
            return Ok(());
        }
        let rule = self.add(file.rule("sockets.allow", &entry.value, entry.at));
        if sockets::is_named(&entry.value) {
            self.policy.sockets.named.insert(rule);
        }
        for place in places {
            match place {
                Place::Path(pattern) => self.sockets.push((rule, pattern)),
                Place::Abstract(name) => self.policy.sockets.abstracts.push((name, rule)),
            }
        }
        Ok(())
    }

    /// A list adds to the list of a base; a word replaces what bases say, and a list a base's word.
    fn network(&mut self, file: &File<'_>, entry: &NetworkEntry) -> Result<(), PolicyError> {
        if file.group != 0 || !file.grants {
            return self.laid_network(file, entry);
        }
        let list = match entry {
            NetworkEntry::None(at) => {
                self.policy.fixed.network = self.add(file.rule("network.allow", "none", *at));
                self.net.allow = Listed::None;
                // Nobody is asked about what is ruled out as a whole; this file's own questions come after it.
                self.net.ask.clear();
                self.net.ask_else.clear();
                self.net.narrow_ask.clear();
                return Ok(());
            }
            NetworkEntry::All(at) => {
                self.policy.fixed.network = self.add(file.rule("network.allow", "all", *at));
                self.net.allow = Listed::All;
                return Ok(());
            }
            NetworkEntry::List(list) => list,
        };
        self.policy.fixed.network = 0;
        let mut entries = match std::mem::take(&mut self.net.allow) {
            Listed::List(entries) => entries,
            Listed::None | Listed::All => Vec::new(),
        };
        for text in list {
            let rule = RuleId(self.add(file.rule("network.allow", &text.value, text.at)));
            entries.extend(parse(&text.value, Purpose::Allow, rule).map_err(|fault| file.fault(text.at, fault))?);
        }
        self.net.allow = Listed::List(entries);
        Ok(())
    }
}
