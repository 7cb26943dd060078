//! Paths that were needed → the directories and patterns that a person would write.
//!
//! Invariant: every pattern covers what it stands for; a tree begins at an application's own directory or beneath it, and
//! holds no secret.
//! Leaves to others: which parts of names vary (`names`), where a path lies (`places`).
//!
//! ```text
//! project             all of it, as soon as something in it is needed
//! temporary files     all of them, as soon as one is made
//! home, system        by application: up to two paths as they are, more as one tree, at most one level beneath its directory
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::super::Access;
use super::super::pattern::{Glob, Pattern, Segment};
use super::names::varying;
use super::places::{Anchor, Places, Spot};
use super::{Key, Lesson, Line, Need, Use, holds_secret};

/// Paths of one application that are listed as they are.
const FEW: usize = 2;

/// What a line is about; the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Project,
    Temporary,
    Home,
    System,
    /// Not a file.
    Plain,
}

/// What is needed at one spot, over all lessons.
#[derive(Debug, Clone, Default)]
struct Wanted {
    keys: BTreeSet<Key>,
    by: Use,
}

/// A pattern in its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    anchor: Anchor,
    /// The literal pieces of each name around its `*`s.
    names: Vec<Vec<Vec<u8>>>,
    tree: bool,
}

type Spots<'s> = [(&'s Spot, &'s Use)];

pub(super) fn lines(lessons: &[Lesson<'_>]) -> Vec<Line> {
    let mut wanted: BTreeMap<Spot, Wanted> = BTreeMap::new();
    for lesson in lessons {
        for (path, need) in &lesson.files {
            let entry = wanted.entry(lesson.places.spot(path)).or_default();
            entry.keys.extend(keys(need));
            entry.by.add(&need.by);
        }
    }
    let mut lines = Vec::new();
    let mut granted: Vec<Shape> = Vec::new();
    // Writing and running imply reading: what they cover need not be read.
    for key in [Key::Write, Key::Exec, Key::Read] {
        let of_key = wanted.iter().filter(|(_, wanted)| wanted.keys.contains(&key));
        let left = of_key.filter(|(spot, _)| key != Key::Read || !granted.iter().any(|shape| shape.covers(spot)));
        let spots: Vec<(&Spot, &Use)> = left.map(|(spot, wanted)| (spot, &wanted.by)).collect();
        let shapes = Trees { lessons, key }.shapes(&spots);
        for shape in shapes {
            let mut by = Use::default();
            spots.iter().filter(|(spot, _)| shape.covers(spot)).for_each(|(_, used)| by.add(used));
            lines.extend(shape.line(key, by));
            granted.push(shape);
        }
    }
    lines
}

/// The lines for exactly one path; none where it cannot be written down.
pub(super) fn exact(places: &Places, path: &[u8], need: &Need) -> Vec<Line> {
    let spot = places.spot(path);
    let literal = |key: Key| {
        let names = spot.names.iter().map(|name| vec![name.clone()]).collect();
        Shape { anchor: spot.anchor, names, tree: false }.line(key, need.by.clone())
    };
    keys(need).into_iter().filter_map(literal).collect()
}

/// The lists that a need belongs into: reading only where nothing else implies it.
fn keys(need: &Need) -> Vec<Key> {
    let mut keys = Vec::new();
    if need.access.changes() {
        keys.push(Key::Write);
    }
    if need.access.contains(Access::EXEC) {
        keys.push(Key::Exec);
    }
    if keys.is_empty() {
        keys.push(Key::Read);
    }
    keys
}

struct Trees<'l, 'p> {
    lessons: &'l [Lesson<'p>],
    key: Key,
}

impl Trees<'_, '_> {
    fn shapes(&self, spots: &Spots<'_>) -> BTreeSet<Shape> {
        let mut shapes = BTreeSet::new();
        let mut by_root: BTreeMap<(Anchor, &[Vec<u8>]), Vec<(&Spot, &Use)>> = BTreeMap::new();
        for &(spot, by) in spots {
            let whole = spot.anchor.is_project() || spot.anchor.is_temporary() && self.key != Key::Read;
            if whole {
                shapes.insert(Shape { anchor: spot.anchor, names: Vec::new(), tree: true });
                continue;
            }
            let depth = root_depth(spot.anchor, &spot.names).min(spot.names.len());
            by_root.entry((spot.anchor, spot.names.get(..depth).unwrap_or_default())).or_default().push((spot, by));
        }
        for ((anchor, root), spots) in by_root {
            if root.len() < root_depth(anchor, root) {
                spots.iter().for_each(|(spot, _)| self.exactly(spot, &mut shapes));
            } else {
                self.settle(root.len(), &spots, &mut shapes);
            }
        }
        shapes
    }

    /// Spots that share their first `depth` names, which may stand for a tree.
    fn settle(&self, depth: usize, spots: &Spots<'_>, shapes: &mut BTreeSet<Shape>) {
        let distinct: BTreeSet<Shape> = spots.iter().map(|(spot, _)| self.shape_of(spot, false)).collect();
        let Some(((first, _), rest)) = spots.split_first() else { return };
        if distinct.len() <= FEW {
            shapes.extend(distinct);
            return;
        }
        let common = rest.iter().fold(first.names.len(), |common, (spot, _)| {
            first.names.iter().zip(&spot.names).take(common).take_while(|(a, b)| a == b).count()
        });
        let depth = common.clamp(depth, depth + 1).min(first.names.len());
        let top = Spot { anchor: first.anchor, names: first.names.iter().take(depth).cloned().collect() };
        if !self.holds_secret(&top) {
            shapes.insert(self.shape_of(&top, true));
            return;
        }
        let mut children: BTreeMap<&[Vec<u8>], Vec<(&Spot, &Use)>> = BTreeMap::new();
        for &(spot, by) in spots {
            match spot.names.get(..=depth) {
                Some(child) => children.entry(child).or_default().push((spot, by)),
                None => self.exactly(spot, shapes),
            }
        }
        for child in children.into_values() {
            self.settle(depth + 1, &child, shapes);
        }
    }

    fn exactly(&self, spot: &Spot, shapes: &mut BTreeSet<Shape>) {
        shapes.insert(self.shape_of(spot, false));
    }

    fn holds_secret(&self, top: &Spot) -> bool {
        self.lessons
            .iter()
            .any(|lesson| lesson.places.paths(top.anchor, &top.names).iter().any(|dir| holds_secret(lesson.floor, dir)))
    }

    /// The spot with a `*` for what varies, but where that would reach out of an application's directory or to a secret.
    fn shape_of(&self, spot: &Spot, tree: bool) -> Shape {
        let root = root_depth(spot.anchor, &spot.names);
        let names = spot.names.iter().enumerate().map(|(at, name)| glob(name, at, root)).collect();
        let shape = Shape { anchor: spot.anchor, names, tree };
        if shape.is_literal() || !self.meets_secret(&shape) {
            return shape;
        }
        Shape { names: spot.names.iter().map(|name| vec![name.clone()]).collect(), ..shape }
    }

    fn meets_secret(&self, shape: &Shape) -> bool {
        self.lessons.iter().any(|lesson| {
            let secrets = || lesson.floor.files.placed.iter().filter(|rule| rule.key.narrows());
            lesson.places.paths(shape.anchor, &[]).iter().any(|root| {
                let pattern = shape.pattern(root);
                secrets().any(|rule| {
                    let floats = rule.pattern.segments.contains(&Segment::Deep);
                    !floats && rule.pattern.meets(&pattern)
                })
            })
        })
    }
}

/// A name with a `*` for what varies: partly from an application's own directory on, as a whole only beneath it.
fn glob(name: &[u8], at: usize, root: usize) -> Vec<Vec<u8>> {
    let literal = vec![name.to_vec()];
    if at + 1 < root {
        return literal;
    }
    let Ok(text) = std::str::from_utf8(name) else {
        // No pattern can say it: any name there.
        return if at >= root { vec![Vec::new(), Vec::new()] } else { literal };
    };
    let Some(pieces) = varying(text) else { return literal };
    let kept = pieces.first().map_or(0, String::len);
    if at < root && kept < 3 {
        return literal;
    }
    pieces.into_iter().map(String::into_bytes).collect()
}

/// How many names of a path make the directory of one application, the widest that is granted as a whole.
fn root_depth(anchor: Anchor, names: &[Vec<u8>]) -> usize {
    let name = |at: usize| names.get(at).map_or(b"".as_slice(), Vec::as_slice);
    match anchor {
        Anchor::Home => home_depth(name(0)),
        Anchor::Root => match name(0) {
            b"etc" | b"opt" | b"dev" => 2,
            b"run" if name(1) == b"user" => 4,
            b"run" => 2,
            b"home" if names.len() > 2 => 2 + home_depth(name(2)),
            b"root" if names.len() > 1 => 1 + home_depth(name(1)),
            b"home" | b"root" => 3,
            b"var" | b"usr" | b"srv" | b"mnt" | b"media" | b"sys" | b"proc" | b"nix" | b"boot" | b"snap" => 3,
            _ => 2,
        },
        _ => 1,
    }
}

fn home_depth(first: &[u8]) -> usize {
    match first {
        b".cache" | b".config" => 2,
        b".local" | b".var" => 3,
        first if first.starts_with(b".") => 1,
        _ => 2,
    }
}

impl Shape {
    fn is_literal(&self) -> bool {
        self.names.iter().all(|pieces| pieces.len() == 1)
    }

    fn pattern(&self, root: &[u8]) -> Pattern {
        let mut pattern = Pattern::literal(root, self.tree);
        pattern.segments.extend(self.names.iter().map(|pieces| match pieces.as_slice() {
            [one] => Segment::Literal(one.as_slice().into()),
            several => Segment::Glob(Glob::new(several.to_vec())),
        }));
        pattern
    }

    fn covers(&self, spot: &Spot) -> bool {
        let deep = spot.names.len() == self.names.len() || self.tree && spot.names.len() > self.names.len();
        let matches = |(pieces, name): (&Vec<Vec<u8>>, &Vec<u8>)| match pieces.as_slice() {
            [one] => one == name,
            several => Glob::new(several.to_vec()).matches(name),
        };
        self.anchor == spot.anchor && deep && self.names.iter().zip(&spot.names).all(matches)
    }

    fn group(&self) -> Group {
        match self.anchor {
            anchor if anchor.is_project() => Group::Project,
            anchor if anchor.is_temporary() => Group::Temporary,
            Anchor::Home => Group::Home,
            _ => Group::System,
        }
    }

    /// None where a name is not UTF-8.
    fn line(&self, key: Key, by: Use) -> Option<Line> {
        let rest = match (self.names.is_empty(), self.tree) {
            (true, true) => "/**".to_owned(),
            (true, false) if self.anchor == Anchor::Root => "/".to_owned(),
            (true, false) => String::new(),
            (false, _) => self.pattern(b"").text()?,
        };
        Some(Line { key, group: self.group(), text: format!("{}{rest}", self.anchor.text()), by })
    }
}
