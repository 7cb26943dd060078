//! Documents → `Policy`: rules get their numbers, built-ins come first, patterns their real forms.
//!
//! Invariant: a symbolic link that the agent could have placed never widens a grant; denies follow every link.
//! Leaves to others: reading files (`document`), answering (`compiled`).

use std::sync::Arc;

use super::builtin::{Protected, protections};
use super::chain::{self, Link};
use super::compiled::{Files, Fixed, Lift, Policy, Programs, Sockets};
use super::document::{FileEntry, FileKey, NetworkEntry, Text};
use super::links::Links;
use super::merge::Settings;
use super::pattern::{Fault, Glob, Pattern};
use super::sockets::{self, Place};
use super::trie::Slot;
use super::{
    Access, Cover, Environment, Grant, Layer, Library, NetRule, Network, PolicyError, Rule, RuleId, Source, Vars,
    Verdict,
};

/// A path rule with its pattern, before links are followed.
struct PathRule {
    key: FileKey,
    rule: u32,
    pattern: Pattern,
    except: Vec<Pattern>,
    /// Index of its file in the chain; None for what is built in.
    file: Option<usize>,
}

impl Policy {
    /// Reads `source` and what it extends, and puts the built-in protections above it.
    pub fn load(source: Source, library: &dyn Library, vars: &Vars) -> Result<Policy, PolicyError> {
        let name = source
            .name
            .strip_suffix(".toml")
            .filter(|_| source.layer == Layer::Shipped)
            .unwrap_or(&source.name)
            .to_owned();
        let chain = chain::resolve(source, library)?;
        let mut build = Build::new(name, vars);
        build.protect(&chain);
        for link in &chain {
            build.merge(link)?;
        }
        Ok(build.finish(&chain, &mut Links::new(library)))
    }

    /// The programs that a policy was made for by its own `agent.match`; nothing else of it is looked at.
    pub fn matches(source: &Source) -> Result<Vec<String>, PolicyError> {
        let document = super::document::Document::parse(source)?;
        Ok(document.matches.into_iter().flatten().map(|name| name.value).collect())
    }
}

struct Build<'v> {
    vars: &'v Vars,
    policy: Policy,
    paths: Vec<PathRule>,
    programs: Vec<(u32, Pattern)>,
    sockets: Vec<(u32, Pattern)>,
    settings: Settings,
}

/// A file while its rules are numbered.
struct File<'s> {
    source: &'s Source,
    shown: Arc<str>,
    /// Byte offsets at which lines begin.
    lines: Vec<usize>,
}

impl<'s> File<'s> {
    fn new(source: &'s Source) -> File<'s> {
        let after = source.text.match_indices('\n').map(|(at, _)| at + 1);
        File {
            source,
            shown: super::error::visible(&source.name).into(),
            lines: std::iter::once(0).chain(after).collect(),
        }
    }

    fn rule(&self, key: &'static str, text: &str, at: usize) -> Rule {
        let line = self.lines.partition_point(|start| *start <= at);
        let text: Arc<str> = super::error::visible(text).into();
        let name = format!("\"{text}\" {}:{line}", self.shown).into();
        Rule { name, layer: self.source.layer, key, text, source: self.shown.clone(), line }
    }

    fn fault(&self, at: usize, fault: Fault) -> PolicyError {
        PolicyError::at(self.source, at, fault.reason, fault.hint)
    }
}

fn built_in(name: &str, key: &'static str, text: &str) -> Rule {
    Rule { name: name.into(), layer: Layer::BuiltIn, key, text: text.into(), source: "built-in".into(), line: 0 }
}

impl<'v> Build<'v> {
    fn new(name: String, vars: &'v Vars) -> Build<'v> {
        let policy = Policy {
            name,
            sources: Vec::new(),
            rules: vec![built_in("default", "default", "deny")],
            files: Files::default(),
            programs: Programs::default(),
            sockets: Sockets::default(),
            network: Network::None,
            fixed: Fixed::default(),
            environment: Environment::default(),
            limits: Default::default(),
            record: Default::default(),
            require: Default::default(),
            agent: Default::default(),
        };
        Build {
            vars,
            policy,
            paths: Vec::new(),
            programs: Vec::new(),
            sockets: Vec::new(),
            settings: Settings::default(),
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
        for protection in protections(self.vars) {
            let text = String::from_utf8_lossy(&protection.pattern.literal_prefix().0).into_owned();
            let name = format!("built-in: {}", protection.label);
            if protection.access == Protected::Everything {
                let rule = self.add(built_in(&name, "files.deny", &text));
                self.restrict(FileKey::Deny, rule, protection.pattern);
            } else {
                let rule = self.add(built_in(&name, "files.readonly", &text));
                self.policy.files.held.push((rule, protection.pattern));
            }
        }
        for path in chain.iter().filter_map(|link| link.source.path.as_deref()) {
            let rule =
                self.add(built_in("built-in: the policy in use", "files.readonly", &String::from_utf8_lossy(path)));
            self.restrict(FileKey::Readonly, rule, Pattern::literal(path, true));
        }
    }

    fn restrict(&mut self, key: FileKey, rule: u32, pattern: Pattern) {
        self.paths.push(PathRule { key, rule, pattern, except: Vec::new(), file: None });
    }

    /// One file's rules, added to those of its bases.
    fn merge(&mut self, link: &Link) -> Result<(), PolicyError> {
        let file = File::new(&link.source);
        let document = &link.document;
        self.policy.sources.push(file.shown.to_string());
        for entry in &document.files {
            self.path_rule(&file, entry)?;
        }
        for entry in &document.exec_deny {
            self.program(&file, entry)?;
        }
        for entry in &document.sockets {
            self.socket(&file, entry)?;
        }
        if let Some(entry) = &document.network {
            self.network(&file, entry)?;
        }
        if let Some(pass) = &document.pass {
            self.policy.environment.narrow();
            for name in pass {
                self.add(file.rule("environment.pass", &name.value, name.at));
                self.policy.environment.pass(&name.value);
            }
        }
        for name in &document.environment_deny {
            self.add(file.rule("environment.deny", &name.value, name.at));
            self.policy.environment.deny(&name.value);
        }
        for (key, text, at) in self.settings.merge(document) {
            self.add(file.rule(key, &text, at));
        }
        Ok(())
    }

    fn path_rule(&mut self, file: &File<'_>, entry: &FileEntry) -> Result<(), PolicyError> {
        let parse = |text: &Text| Pattern::parse(&text.value, self.vars).map_err(|fault| file.fault(text.at, fault));
        let mut pattern = parse(&entry.path)?;
        // what may not be touched takes along what it holds
        pattern.tree |= entry.key.narrows();
        let except = entry.except.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let rule = self.add(file.rule(entry.name, &entry.path.value, entry.path.at));
        let file = self.policy.sources.len().checked_sub(1);
        self.paths.push(PathRule { key: entry.key, rule, pattern, except, file });
        Ok(())
    }

    fn program(&mut self, file: &File<'_>, entry: &Text) -> Result<(), PolicyError> {
        let text = entry.value.as_str();
        let rule = self.add(file.rule("exec.deny", text, entry.at));
        if text.is_empty() || text.contains([' ', '\t']) {
            let reason =
                if text.is_empty() { "empty program name" } else { "arguments cannot be judged by this version" };
            let hint = Some("a program's name or the path of one, without arguments".to_owned());
            return Err(file.fault(entry.at, Fault { reason: reason.into(), hint }));
        }
        if text.contains('/') || text.starts_with('~') || text.starts_with('$') {
            let mut pattern = Pattern::parse(text, self.vars).map_err(|fault| file.fault(entry.at, fault))?;
            pattern.tree = true;
            self.programs.push((rule, pattern));
        } else if let Some(glob) = Glob::parse(text) {
            self.policy.programs.globs.push((glob, rule));
        } else {
            self.policy.programs.names.entry(text.as_bytes().into()).or_insert(rule);
        }
        Ok(())
    }

    fn socket(&mut self, file: &File<'_>, entry: &Text) -> Result<(), PolicyError> {
        let places = sockets::places(&entry.value, self.vars).map_err(|fault| file.fault(entry.at, fault))?;
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
        let list = match entry {
            NetworkEntry::None(at) => {
                self.policy.fixed.network = self.add(file.rule("network.allow", "none", *at));
                self.policy.network = Network::None;
                return Ok(());
            }
            NetworkEntry::All(at) => {
                self.policy.fixed.network = self.add(file.rule("network.allow", "all", *at));
                self.policy.network = Network::All;
                return Ok(());
            }
            NetworkEntry::List(list) => list,
        };
        self.policy.fixed.network = 0;
        let mut rules = match std::mem::take(&mut self.policy.network) {
            Network::List(rules) => rules,
            Network::None | Network::All => Vec::new(),
        };
        for text in list {
            let rule = RuleId(self.add(file.rule("network.allow", &text.value, text.at)));
            rules.push(NetRule::parse(&text.value, rule).map_err(|fault| file.fault(text.at, fault))?);
        }
        self.policy.network = Network::List(rules);
        Ok(())
    }

    fn finish(mut self, chain: &[Link], links: &mut Links<'_>) -> Policy {
        self.as_written();
        self.policy.files.roots = self.roots();
        self.by_real_path(links);
        self.lift(chain);
        let files = &mut self.policy.files;
        let denied = self.paths.iter().filter(|path| path.key == FileKey::Deny);
        files.denied = denied
            .clone()
            .filter(|path| path.pattern.is_literal())
            .map(|path| path.pattern.literal_prefix().0)
            .collect();
        files.denied.sort();
        files.denied.dedup();
        let grants: Vec<&PathRule> = self.paths.iter().filter(|path| !path.key.narrows()).collect();
        files.carves_reads =
            denied.into_iter().any(|deny| grants.iter().any(|grant| grant.pattern.meets(&deny.pattern)));
        files.grants = grants.into_iter().map(grant).collect();
        self.settings.store(&mut self.policy);
        self.policy
    }

    /// Puts every pattern in place as it was written.
    fn as_written(&mut self) {
        let files = &mut self.policy.files;
        for path in &self.paths {
            insert(files, path);
        }
        for (rule, pattern) in &files.held {
            files.trie.insert(pattern, Slot::Held, *rule, &[]);
        }
        for (rule, pattern) in &self.programs {
            files.trie.insert(pattern, Slot::ExecDeny, *rule, &[]);
        }
        for (rule, pattern) in &self.sockets {
            self.policy.sockets.paths.insert(pattern, Slot::Read, *rule, &[]);
        }
    }

    /// The writable trees that lie in no other.
    fn roots(&self) -> std::collections::HashSet<Vec<u8>> {
        let trees = self
            .paths
            .iter()
            .filter(|path| path.key == FileKey::Write && path.pattern.tree && path.pattern.is_literal());
        let inner = |root: &[u8]| {
            let slash = root.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            let above = root.get(..slash.max(1)).unwrap_or(b"/");
            self.policy.files.trie.hits(above).rule(Slot::Write).is_some()
        };
        trees.map(|path| path.pattern.literal_prefix().0).filter(|root| root == b"/" || !inner(root)).collect()
    }

    /// Adds the real forms. Those of grants only where no link on the way is one that the agent could have placed.
    fn by_real_path(&mut self, links: &mut Links<'_>) {
        let mut fresh = Vec::new();
        for path in &self.paths {
            let except = path.except.iter().filter_map(|except| links.real(except)).map(|real| real.pattern);
            let except: Vec<Pattern> = path.except.iter().cloned().chain(except).collect();
            let Some(real) = links.real(&path.pattern) else {
                if except.len() > path.except.len() {
                    fresh.push(PathRule { except, pattern: path.pattern.clone(), ..*path });
                }
                continue;
            };
            let placed = real.by.iter().any(|link| self.could_be_placed(link));
            if path.key.narrows() || !placed {
                fresh.push(PathRule { except, pattern: real.pattern, ..*path });
            }
        }
        let files = &mut self.policy.files;
        for path in &fresh {
            insert(files, path);
            let (root, _) = path.pattern.literal_prefix();
            if path.key == FileKey::Write && path.pattern.tree && path.pattern.is_literal() {
                files.roots.insert(root);
            }
        }
        self.paths.append(&mut fresh);
        let held: Vec<(u32, Pattern)> =
            files.held.iter().filter_map(|(rule, pattern)| Some((*rule, links.real(pattern)?.pattern))).collect();
        for (rule, pattern) in held {
            files.trie.insert(&pattern, Slot::Held, rule, &[]);
            files.held.push((rule, pattern));
        }
        for (rule, pattern) in &self.programs {
            if let Some(real) = links.real(pattern) {
                files.trie.insert(&real.pattern, Slot::ExecDeny, *rule, &[]);
            }
        }
        for (rule, pattern) in &self.sockets {
            if let Some(real) = links.real(pattern) {
                self.policy.sockets.paths.insert(&real.pattern, Slot::Read, *rule, &[]);
            }
        }
    }

    /// Finds which rules name what is protected, and so lift it: not those of a file that the agent could have written.
    fn lift(&mut self, chain: &[Link]) {
        let files = &mut self.policy.files;
        let trusted = |link: &Link| {
            let hits = link.source.path.as_deref().map(|path| files.trie.hits(path));
            let written = hits.is_some_and(|hits| hits.rule(Slot::Write).is_some() && hits.rule(Slot::Deny).is_none());
            link.source.layer != Layer::Project && !written
        };
        let trusted: Vec<bool> = chain.iter().map(trusted).collect();
        let trusted = |path: &PathRule| path.file.and_then(|file| trusted.get(file)).copied().unwrap_or(false);
        let literal = |path: &&PathRule| path.key == FileKey::Write && path.pattern.is_literal() && trusted(path);
        for path in self.paths.iter().filter(literal) {
            let (root, _) = path.pattern.literal_prefix();
            let held: Vec<u32> =
                files.held.iter().filter(|(_, pattern)| pattern.matches(&root)).map(|(rule, _)| *rule).collect();
            if !held.is_empty() {
                files.lifts.push(Lift { pattern: path.pattern.clone(), held });
            }
        }
    }

    /// Whether the rules as written let the agent make this link: not at the root of a writable tree.
    fn could_be_placed(&self, link: &[u8]) -> bool {
        let writable = self.policy.decide_file(link, Access::WRITE).verdict == Verdict::Allow;
        writable && !self.policy.files.roots.contains(link)
    }
}

fn insert(files: &mut Files, path: &PathRule) {
    let slots: &[Slot] = match path.key {
        FileKey::Read => &[Slot::Read],
        FileKey::Write => &[Slot::Write, Slot::Read],
        FileKey::Exec => &[Slot::Exec, Slot::Read],
        FileKey::Deny => &[Slot::Deny],
        FileKey::Readonly => &[Slot::Readonly],
    };
    for slot in slots {
        files.trie.insert(&path.pattern, *slot, path.rule, &path.except);
    }
}

fn grant(path: &PathRule) -> Grant {
    let access = match path.key {
        FileKey::Write => Access::READ | Access::WRITE,
        FileKey::Exec => Access::READ | Access::EXEC,
        _ => Access::READ,
    };
    let cover = match (path.pattern.is_literal(), path.pattern.tree) {
        (true, true) => Cover::Tree,
        (true, false) => Cover::Exact,
        (false, _) => Cover::Beneath,
    };
    Grant { path: path.pattern.literal_prefix().0, access, cover, rule: RuleId(path.rule) }
}
