//! Numbered rules → automaton, grants and what lifts what.
//!
//! Invariant: a symbolic link that the agent could have placed never widens a grant; denies follow every link.
//! Leaves to others: reading and numbering the rules (`load`).

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::carves::Grants;
use super::{Build, Listed, PathRule};
use crate::policy::chain::Link;
use crate::policy::compiled::{Files, Lift, Policy};
use crate::policy::document::FileKey;
use crate::policy::links::Links;
use crate::policy::network::ByHost;
use crate::policy::pattern::Pattern;
use crate::policy::reach::Net;
use crate::policy::trie::{Slot, Trie};
use crate::policy::{Access, Cover, Grant, Layer, Network, Places, RuleId};

impl Build<'_> {
    /// Puts all patterns in place; the policy is complete.
    pub(super) fn finish(mut self, chain: &[Link], links: &mut Links<'_>) -> Policy {
        self.as_written();
        self.policy.files.roots = self.roots();
        self.by_real_path(links);
        self.lift(chain);
        let files = &mut self.policy.files;
        // Writing alone is judged whatever the kernel grants for reading.
        let reads = |path: &&PathRule| path.access.contains(Access::READ);
        let denied = self.paths.iter().filter(|path| path.key == FileKey::Deny).filter(reads);
        files.denied = denied
            .clone()
            .filter(|path| path.pattern.is_literal())
            .map(|path| path.pattern.literal_prefix().0)
            .collect();
        files.denied.sort();
        files.denied.dedup();
        let grants: Vec<&PathRule> = self.paths.iter().filter(|path| !path.key.narrows()).collect();
        let denied: Vec<&PathRule> = denied.collect();
        files.carves_reads = Grants::new(&grants).are_carved(&denied, &files.trie);
        files.grants = grants.into_iter().map(grant).collect();
        self.place_programs(links);
        self.place_asks(links);
        self.policy.files.placed = std::mem::take(&mut self.paths);
        self.place_network();
        self.settings.store(&mut self.policy);
        self.policy
    }

    fn place_network(&mut self) {
        let lists = std::mem::take(&mut self.net);
        let closed = matches!(lists.allow, Listed::None) && self.policy.fixed.network != 0;
        let opened = lists.git_places.into_iter().chain(lists.registry_places).filter(|_| !closed);
        let opened = Places::new(opened.collect());
        self.policy.network = match lists.allow {
            Listed::None if closed || opened.is_empty() => Network::None,
            Listed::None => Network::List(Places::default()),
            Listed::All => Network::All,
            Listed::List(entries) => Network::List(Places::new(entries)),
        };
        self.policy.net = Net {
            deny: Places::new(lists.deny),
            ask: Places::new(lists.ask),
            narrow_ask: Places::new(lists.narrow_ask),
            ask_else: Places::new(lists.ask_else),
            private: Places::new(lists.private),
            splice: Places::new(lists.splice),
            opened,
            http: ByHost::new(lists.http, |rule| rule.host.suffix()),
            git: ByHost::new(lists.git, |rule| Some(&rule.host)),
            registries: ByHost::new(lists.registries, |rule| Some(&rule.host)),
            resolvers: std::mem::take(&mut self.policy.net.resolvers),
        };
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
        for (rule, pattern) in &self.sockets {
            self.policy.sockets.paths.insert(pattern, Slot::Read, *rule, &[]);
        }
        for (rule, pattern) in &self.sockets_deny {
            self.policy.sockets.denied.insert(pattern, Slot::Deny, *rule, &[]);
        }
    }

    /// The writable trees that lie in no other.
    fn roots(&self) -> HashSet<Vec<u8>> {
        let trees = self.paths.iter().filter(|path| is_writable_tree(path));
        // Thousands of trees lie in few directories.
        let mut known: HashMap<Vec<u8>, bool, RandomState> = HashMap::default();
        let mut inner = |root: &[u8]| {
            let slash = root.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            let above = root.get(..slash.max(1)).unwrap_or(b"/");
            if let Some(known) = known.get(above) {
                return *known;
            }
            let writable = self.policy.files.trie.hits(above).granted(Access::CREATE).is_some();
            known.insert(above.to_vec(), writable);
            writable
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
            if is_writable_tree(path) {
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
        for (rule, pattern) in &self.sockets_deny {
            if let Some(real) = links.real(pattern) {
                self.policy.sockets.denied.insert(&real.pattern, Slot::Deny, *rule, &[]);
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
        let narrow_from = self.policy.narrow_from;
        let files = &mut self.policy.files;
        let trusted = |link: &Link| {
            // A denial of a file that only narrows must not make another one trusted.
            let own = |path| files.trie.hits(path).below(narrow_from);
            let hits = link.source.path.as_deref().map(own);
            let written =
                hits.is_some_and(|hits| hits.granted(Access::WRITE).is_some() && hits.rule(Slot::Deny).is_none());
            link.grants && link.source.layer != Layer::Project && !written
        };
        let trusted: Vec<bool> = chain.iter().map(trusted).collect();
        let trusted = |path: &PathRule| path.file.and_then(|file| trusted.get(file)).copied().unwrap_or(false);
        let lifting = |path: &&PathRule| path.key == FileKey::Write && trusted(path);
        let named = |path: &PathRule| crate::policy::repository::shape::is_named(&path.pattern);
        files.shapes =
            self.paths.iter().filter(lifting).filter(|path| named(path)).map(|path| path.pattern.clone()).collect();
        let literal = |path: &&PathRule| path.key == FileKey::Write && path.pattern.is_literal() && trusted(path);
        // By themselves they are walked in no time, whatever else there is.
        let mut protections = Trie::default();
        for (rule, pattern) in &files.held {
            protections.insert(pattern, Slot::Held, *rule, &[]);
        }
        for path in self.paths.iter().filter(literal) {
            let (root, _) = path.pattern.literal_prefix();
            if protections.hits(&root).rule(Slot::Held).is_none() {
                continue;
            }
            let held: Vec<u32> =
                files.held.iter().filter(|(_, pattern)| pattern.matches(&root)).map(|(rule, _)| *rule).collect();
            if !held.is_empty() {
                files.lifts.push(Lift { pattern: path.pattern.clone(), held });
            }
        }
    }

    /// Whether the rules as written let the agent make this link: not at the root of a writable tree.
    pub(super) fn could_be_placed(&self, link: &[u8]) -> bool {
        // By those rules alone that may widen: a denial that anyone can add must not make a link believed.
        let writable = self.policy.granted(link, Access::CREATE);
        writable && !self.policy.files.roots.contains(link)
    }
}

fn is_writable_tree(path: &PathRule) -> bool {
    !path.key.narrows() && path.access.changes() && path.pattern.tree && path.pattern.is_literal()
}

fn insert(files: &mut Files, path: &PathRule) {
    let mut slots = if path.key.narrows() { Slot::refusing(path.access) } else { Slot::granting(path.access) };
    slots.extend(path.hide.then_some(Slot::Hide));
    files.trie.insert_each(&path.pattern, &slots, path.rule, &path.except);
    files.is_fine |= !path.key.narrows() && path.access.changes() && !path.access.contains(Access::CHANGES);
    files.is_fine |= path.key.narrows() && !path.access.contains(Access::CHANGES);
}

fn grant(path: &PathRule) -> Grant {
    let cover = match (path.pattern.is_literal(), path.pattern.tree) {
        (true, true) => Cover::Tree,
        (true, false) => Cover::Exact,
        (false, _) => Cover::Beneath,
    };
    Grant { path: path.pattern.literal_prefix().0, access: path.access, cover, rule: RuleId(path.rule) }
}
