//! All patterns of a policy as one automaton over path components, walked once for a path.
//!
//! Invariant: a walk visits each component once and finds, for every slot, the lowest rule that matches.
//! Leaves to others: what a slot means (`compiled`), what a single pattern means (`pattern`).
//!
//! ```text
//! root ─"home"→ · ─"u"→ · ─".ssh"→ (tree: deny 18)        a literal is one number, looked up once a component
//!   └──**→ ⟲ ─".env"→ (tree: deny 21)                      `**` is a state that stays
//!           └─*.pem→ (guarded: deny 22 but for …)
//! ```

mod globs;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use globs::Globs;

use super::pattern::{Pattern, Segment, split};

/// What a matching rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Read,
    Write,
    Exec,
    Deny,
    Readonly,
    /// A built-in protection against writing, which a literal rule of a trusted policy lifts.
    Held,
    ExecDeny,
    /// What is asked about before it is read, written or run.
    AskRead,
    AskWrite,
    AskExec,
}

impl Slot {
    /// A protection of the path itself and of the way to it.
    fn protects(self) -> bool {
        matches!(self, Slot::Deny | Slot::Readonly | Slot::Held)
    }

    /// A protection of the way to the path: for the path itself there is a question.
    fn protects_way(self) -> bool {
        matches!(self, Slot::AskRead | Slot::AskWrite)
    }
}

const SLOTS: usize = 10;
const NONE: u32 = u32::MAX;

/// For each slot the lowest rule that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hits([u32; SLOTS]);

impl Hits {
    const EMPTY: Hits = Hits([NONE; SLOTS]);

    /// The lowest rule of the slot that matched.
    pub fn rule(&self, slot: Slot) -> Option<u32> {
        let rule = self.0[slot as usize];
        (rule != NONE).then_some(rule)
    }

    /// Without what rules from `limit` on say. A slot whose lowest rule lies below it keeps that one.
    pub fn below(&self, limit: u32) -> Hits {
        Hits(self.0.map(|rule| if rule < limit { rule } else { NONE }))
    }

    fn note(&mut self, slot: Slot, rule: u32) {
        let lowest = &mut self.0[slot as usize];
        *lowest = rule.min(*lowest);
    }

    fn merge(&mut self, other: &Hits) {
        for (ours, theirs) in self.0.iter_mut().zip(other.0) {
            *ours = theirs.min(*ours);
        }
    }
}

/// A rule that does not hold for what its exceptions cover.
#[derive(Debug)]
struct Guarded {
    slot: Slot,
    rule: u32,
    except: Vec<Pattern>,
}

#[derive(Debug, Default)]
struct Node {
    /// Name → node, sorted by name.
    literals: Vec<(u32, u32)>,
    globs: Option<Box<Globs>>,
    guarded: Vec<Guarded>,
    /// The `**` state behind this one; 0 if there is none.
    deep: u32,
    /// Rules for the path that ends here: index into the trie's hits, 0 if there are none.
    exact: u32,
    /// Rules for this and all beneath, likewise.
    tree: u32,
    /// This is a `**`: it stays for every component.
    stays: bool,
    /// A literal protection stands here or beneath.
    anchored: bool,
    /// A protection with a glob in it stands here or beneath.
    floating: bool,
}

/// Which protections lie at or beneath a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beneath {
    pub anchored: bool,
    pub floating: bool,
}

/// Many patterns, matched together.
#[derive(Debug)]
pub struct Trie {
    names: HashMap<Box<[u8]>, u32, RandomState>,
    nodes: Vec<Node>,
    hits: Vec<Hits>,
}

/// The set of live states: inline while it is small.
struct States {
    few: [u32; 16],
    len: usize,
    more: Vec<u32>,
}

impl States {
    fn new() -> States {
        States { few: [0; 16], len: 0, more: Vec::new() }
    }

    fn clear(&mut self) {
        self.len = 0;
        self.more.clear();
    }

    /// Adds a state; false if it was there.
    fn add(&mut self, state: u32) -> bool {
        if self.few[..self.len].contains(&state) || self.more.contains(&state) {
            return false;
        }
        match self.few.get_mut(self.len) {
            Some(place) => {
                *place = state;
                self.len += 1;
            }
            None => self.more.push(state),
        }
        true
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.few[..self.len].iter().chain(&self.more).copied()
    }
}

impl Default for Trie {
    fn default() -> Trie {
        Trie { names: HashMap::default(), nodes: vec![Node::default()], hits: vec![Hits::EMPTY] }
    }
}

impl Trie {
    /// Adds a rule. `except` takes paths out of it again.
    pub fn insert(&mut self, pattern: &Pattern, slot: Slot, rule: u32, except: &[Pattern]) {
        let literal = pattern.is_literal();
        let mut at = 0;
        let mark = |node: &mut Node| {
            node.anchored |= literal;
            node.floating |= !literal;
        };
        for segment in &pattern.segments {
            if slot.protects() || slot.protects_way() {
                mark(&mut self.nodes[at as usize]);
            }
            at = self.step(at, segment);
        }
        if slot.protects() {
            mark(&mut self.nodes[at as usize]);
        }
        let node = &mut self.nodes[at as usize];
        if !except.is_empty() {
            node.guarded.push(Guarded { slot, rule, except: except.to_vec() });
            return;
        }
        let place = if pattern.tree { &mut node.tree } else { &mut node.exact };
        if *place == 0 {
            *place = u32::try_from(self.hits.len()).unwrap_or(0);
            self.hits.push(Hits::EMPTY);
        }
        self.hits[*place as usize].note(slot, rule);
    }

    /// The node behind `segment`, made if it is new.
    fn step(&mut self, at: u32, segment: &Segment) -> u32 {
        let fresh = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        let known = self.names.len() as u32;
        let node = &mut self.nodes[at as usize];
        let next = match segment {
            Segment::Deep => {
                if node.deep == 0 {
                    node.deep = fresh;
                }
                node.deep
            }
            Segment::Literal(name) => {
                let name = match self.names.get(name) {
                    Some(name) => *name,
                    None => *self.names.entry(name.clone()).or_insert(known),
                };
                match node.literals.binary_search_by_key(&name, |edge| edge.0) {
                    Ok(found) => node.literals[found].1,
                    Err(place) => {
                        node.literals.insert(place, (name, fresh));
                        fresh
                    }
                }
            }
            Segment::Glob(glob) => node.globs.get_or_insert_default().insert(glob, fresh),
        };
        if next == fresh {
            self.nodes.push(Node { stays: *segment == Segment::Deep, ..Node::default() });
        }
        next
    }

    /// Every slot's lowest rule that matches the absolute, normalised `path`.
    pub fn hits(&self, path: &[u8]) -> Hits {
        let mut hits = Hits::EMPTY;
        let last = self.walk(path, &mut hits);
        for state in last.iter() {
            let exact = self.nodes[state as usize].exact;
            if exact != 0 {
                hits.merge(&self.hits[exact as usize]);
            }
        }
        hits
    }

    /// Which protections could match `dir` or something in it.
    pub fn beneath(&self, dir: &[u8]) -> Beneath {
        let mut hits = Hits::EMPTY;
        let last = self.walk(dir, &mut hits);
        let inside = [Slot::Deny, Slot::Readonly, Slot::Held].iter().any(|&slot| hits.rule(slot).is_some());
        let mut beneath = Beneath { anchored: inside, floating: false };
        for state in last.iter() {
            let node = &self.nodes[state as usize];
            beneath.anchored |= node.anchored;
            beneath.floating |= node.floating;
        }
        beneath
    }

    /// Goes through the components, noting tree rules on the way, to the states at the end.
    fn walk(&self, path: &[u8], hits: &mut Hits) -> States {
        let mut states = [States::new(), States::new()];
        let [now, next] = &mut states;
        let (mut now, mut next) = (now, next);
        self.enter(0, path, now, hits);
        for name in split(path) {
            let known = self.names.get(name).copied();
            next.clear();
            for state in now.iter() {
                let node = &self.nodes[state as usize];
                if node.stays {
                    next.add(state);
                }
                if let Some(known) = known
                    && let Ok(found) = node.literals.binary_search_by_key(&known, |edge| edge.0)
                {
                    self.enter(node.literals[found].1, path, next, hits);
                }
                if let Some(globs) = &node.globs {
                    globs.matches(name, |to| self.enter(to, path, next, hits));
                }
            }
            std::mem::swap(&mut now, &mut next);
            if now.len == 0 {
                break;
            }
        }
        std::mem::replace(now, States::new())
    }

    fn enter(&self, state: u32, path: &[u8], states: &mut States, hits: &mut Hits) {
        if !states.add(state) {
            return;
        }
        let node = &self.nodes[state as usize];
        if node.tree != 0 {
            hits.merge(&self.hits[node.tree as usize]);
        }
        for guarded in &node.guarded {
            if !guarded.except.iter().any(|except| except.covers(path)) {
                hits.note(guarded.slot, guarded.rule);
            }
        }
        if node.deep != 0 {
            states.add(node.deep);
        }
    }
}
