//! All patterns of a policy as one automaton over path components, walked once for a path.
//!
//! Invariant: a walk visits each component once and finds, for every slot, the lowest rule that matches.
//! Leaves to others: what a slot means (`slots`, `compiled`), what a single pattern means (`pattern`).
//!
//! ```text
//! root ─"home"→ · ─"u"→ · ─".ssh"→ (tree: deny 18)        a literal is one number, looked up once a component
//!   └──**→ ⟲ ─".env"→ (tree: deny 21)                      `**` is a state that stays
//!           └─*.pem→ (guarded: deny 22 but for …)
//! ```

mod globs;
mod slots;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use globs::Globs;
pub use slots::{Hits, Slot};

use super::pattern::{Pattern, Segment, split};

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
    /// Rules for the path that ends here: index into the trie's `said`, 0 if there are none.
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
    /// What the rules at one place say; the first is for nothing.
    said: Vec<Vec<(Slot, u32)>>,
    /// Each exception once; as many as are compared for `alike`.
    excepts: Vec<Pattern>,
}

/// With more exceptions no two directories are taken for alike.
const MOST_EXCEPTS: usize = 256;

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

    fn len(&self) -> usize {
        self.len + self.more.len()
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.few[..self.len].iter().chain(&self.more).copied()
    }
}

impl Default for Trie {
    fn default() -> Trie {
        Trie { names: HashMap::default(), nodes: vec![Node::default()], said: vec![Vec::new()], excepts: Vec::new() }
    }
}

impl Trie {
    /// Adds a rule. `except` takes paths out of it again.
    pub fn insert(&mut self, pattern: &Pattern, slot: Slot, rule: u32, except: &[Pattern]) {
        self.insert_each(pattern, &[slot], rule, except);
    }

    /// As [`Trie::insert`], of a rule that says all these.
    pub fn insert_each(&mut self, pattern: &Pattern, slots: &[Slot], rule: u32, except: &[Pattern]) {
        let literal = pattern.is_literal();
        let mut at = 0;
        let mark = |node: &mut Node| {
            node.anchored |= literal;
            node.floating |= !literal;
        };
        let protects = slots.iter().any(|slot| slot.protects());
        let on_the_way = protects || slots.iter().any(|slot| slot.protects_way());
        for segment in &pattern.segments {
            if on_the_way {
                mark(&mut self.nodes[at as usize]);
            }
            at = self.step(at, segment);
        }
        if protects {
            mark(&mut self.nodes[at as usize]);
        }
        slots.iter().for_each(|slot| self.say(at, pattern.tree, *slot, rule, except));
    }

    fn say(&mut self, at: u32, tree: bool, slot: Slot, rule: u32, except: &[Pattern]) {
        let node = &mut self.nodes[at as usize];
        if !except.is_empty() {
            node.guarded.push(Guarded { slot, rule, except: except.to_vec() });
            for pattern in except {
                if self.excepts.len() < MOST_EXCEPTS && !self.excepts.contains(pattern) {
                    self.excepts.push(pattern.clone());
                }
            }
            return;
        }
        let place = if tree { &mut node.tree } else { &mut node.exact };
        if *place == 0 {
            *place = u32::try_from(self.said.len()).unwrap_or(0);
            self.said.push(Vec::new());
        }
        let said = &mut self.said[*place as usize];
        match said.iter_mut().find(|word| word.0 == slot) {
            Some(word) => word.1 = word.1.min(rule),
            None => said.push((slot, rule)),
        }
    }

    /// The node behind `segment`, made if it is new.
    fn step(&mut self, at: u32, segment: &Segment) -> u32 {
        let fresh = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
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
                self.note(exact, &mut hits);
            }
        }
        hits
    }

    /// Whether all beneath `one` is judged as what has the same name beneath `other`. May say no where it is.
    pub fn alike(&self, one: &[u8], other: &[u8]) -> bool {
        let mut hits = [Hits::EMPTY; 2];
        let [first, second] = &mut hits;
        let (here, there) = (self.walk(one, first), self.walk(other, second));
        // The automaton goes on from its states alone; exceptions are matched apart from it.
        let same = here.len() == there.len() && here.iter().all(|state| there.iter().any(|other| other == state));
        let goes_on = |except: &Pattern| except.after(one) == except.after(other);
        same && hits[0] == hits[1] && self.excepts.len() < MOST_EXCEPTS && self.excepts.iter().all(goes_on)
    }

    fn note(&self, place: u32, hits: &mut Hits) {
        self.said[place as usize].iter().for_each(|(slot, rule)| hits.note(*slot, *rule));
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
            self.note(node.tree, hits);
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
