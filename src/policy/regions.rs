//! Patterns as sets of paths: which holds all of which, and paths that lie in one or in two of them.
//!
//! Invariant: [`within`] says yes only where every path of the one is one of the other; a sample is a path that its
//! pattern matches, or there is none. Leaves to others: what the paths may be used for (`lint`, `diff`).

use super::pattern::{Glob, Pattern, Segment};

/// A name that no rule is likely to mention.
const FRESH: &[u8] = b"x.w";

/// Whether `outer` matches every path that `inner` matches. May say no where two globs would need a proof.
pub fn within(inner: &Pattern, outer: &Pattern) -> bool {
    let (ours, theirs) = (inner.segments.as_slice(), outer.segments.as_slice());
    let width = theirs.len() + 1;
    // holds[i][j]: what the segments from i on match, those from j on match too; worked out from the end
    let mut holds = vec![false; (ours.len() + 1) * width];
    for i in (0..=ours.len()).rev() {
        for j in (0..=theirs.len()).rev() {
            let at = |i: usize, j: usize| holds.get(i * width + j).copied().unwrap_or(false);
            let value = match (ours.get(i), theirs.get(j)) {
                (None, None) => outer.tree || !inner.tree,
                (Some(_), None) => outer.tree,
                (None, Some(Segment::Deep)) => at(i, j + 1),
                (Some(_), Some(Segment::Deep)) => at(i, j + 1) || at(i + 1, j),
                (None | Some(Segment::Deep), Some(_)) => false,
                (Some(ours), Some(theirs)) => name_within(ours, theirs) && at(i + 1, j + 1),
            };
            if let Some(cell) = holds.get_mut(i * width + j) {
                *cell = value;
            }
        }
    }
    holds.first().copied().unwrap_or(false)
}

fn name_within(inner: &Segment, outer: &Segment) -> bool {
    match (inner, outer) {
        (Segment::Literal(name), Segment::Literal(other)) => name == other,
        (Segment::Literal(name), Segment::Glob(glob)) => glob.matches(name),
        (Segment::Glob(a), Segment::Glob(b)) => a == b || glob_within(a, b),
        _ => false,
    }
}

/// A plain `outer`, one `*` and no more, holds whatever begins and ends as it does.
fn glob_within(inner: &Glob, outer: &Glob) -> bool {
    outer.parts().count() == 2 && inner.prefix().starts_with(outer.prefix()) && inner.suffix().ends_with(outer.suffix())
}

/// Paths that the pattern matches: the shortest, and where it has room, ones deeper down.
pub fn samples(pattern: &Pattern) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for deep in [0, 1] {
        let mut path = Vec::new();
        for segment in &pattern.segments {
            match segment {
                Segment::Literal(name) => push(&mut path, name),
                Segment::Glob(glob) => push(&mut path, &name_of(glob)),
                Segment::Deep => (0..deep).for_each(|_| push(&mut path, FRESH)),
            }
        }
        if pattern.tree {
            let below = [path.as_slice(), b"/", FRESH].concat();
            all.extend([[below.as_slice(), b"/", FRESH].concat(), below]);
        }
        all.push(if path.is_empty() { b"/".to_vec() } else { path });
        if !pattern.segments.contains(&Segment::Deep) {
            break;
        }
    }
    all
}

/// A path that both match, if one is found; for a tree that holds the other, one of the other.
pub fn meeting(a: &Pattern, b: &Pattern) -> Option<Vec<u8>> {
    let width = b.segments.len() + 1;
    let mut dead = vec![false; (a.segments.len() + 1) * width];
    let mut names = Vec::new();
    walk(a, b, (0, 0), &mut names, &mut dead).then(|| {
        let mut path = Vec::new();
        names.iter().for_each(|name| push(&mut path, name));
        if path.is_empty() { b"/".to_vec() } else { path }
    })
}

/// Goes on from the `at`-th segments of both; the names so far are in `names`.
fn walk(a: &Pattern, b: &Pattern, at: (usize, usize), names: &mut Vec<Vec<u8>>, dead: &mut [bool]) -> bool {
    let (i, j) = at;
    let cell = i * (b.segments.len() + 1) + j;
    if dead.get(cell).copied().unwrap_or(true) {
        return false;
    }
    let (ours, theirs) = (a.segments.get(i), b.segments.get(j));
    let step = |name: Vec<u8>, to, names: &mut Vec<Vec<u8>>, dead: &mut [bool]| {
        names.push(name);
        let found = walk(a, b, to, names, dead);
        if !found {
            names.pop();
        }
        found
    };
    let found = match (ours, theirs) {
        (None, None) => true,
        (Some(Segment::Deep), _) if walk(a, b, (i + 1, j), names, dead) => true,
        (_, Some(Segment::Deep)) if walk(a, b, (i, j + 1), names, dead) => true,
        (Some(Segment::Deep), Some(Segment::Deep)) => false,
        (Some(Segment::Deep), Some(theirs)) => step(name_for(theirs), (i, j + 1), names, dead),
        (Some(ours), Some(Segment::Deep)) => step(name_for(ours), (i + 1, j), names, dead),
        (Some(Segment::Deep), None) | (None, Some(Segment::Deep)) => false,
        (Some(ours), None) => b.tree && step(name_for(ours), (i + 1, j), names, dead),
        (None, Some(theirs)) => a.tree && step(name_for(theirs), (i, j + 1), names, dead),
        (Some(ours), Some(theirs)) => match common(ours, theirs) {
            Some(name) => step(name, (i + 1, j + 1), names, dead),
            None => false,
        },
    };
    if let Some(cell) = dead.get_mut(cell) {
        *cell = !found;
    }
    found
}

fn name_for(segment: &Segment) -> Vec<u8> {
    match segment {
        Segment::Literal(name) => name.to_vec(),
        Segment::Glob(glob) => name_of(glob),
        Segment::Deep => FRESH.to_vec(),
    }
}

/// A name that the glob matches, with something in the place of each `*`.
fn name_of(glob: &Glob) -> Vec<u8> {
    let parts: Vec<&[u8]> = glob.parts().collect();
    parts.join(b"w".as_slice())
}

/// A name that both match: what both begin with, all that stands between, what both end in.
fn common(a: &Segment, b: &Segment) -> Option<Vec<u8>> {
    let fits = |name: &[u8]| {
        [a, b].iter().all(|segment| match segment {
            Segment::Literal(literal) => **literal == *name,
            Segment::Glob(glob) => glob.matches(name),
            Segment::Deep => true,
        })
    };
    let tried = match (a, b) {
        (Segment::Literal(name), _) | (_, Segment::Literal(name)) => name.to_vec(),
        (Segment::Glob(a), Segment::Glob(b)) => {
            let longer = |a: &[u8], b: &[u8]| if a.len() >= b.len() { a.to_vec() } else { b.to_vec() };
            let inner = |glob: &Glob| {
                let parts: Vec<&[u8]> = glob.parts().collect();
                parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default().concat()
            };
            [longer(a.prefix(), b.prefix()), inner(a), inner(b), b"w".to_vec(), longer(a.suffix(), b.suffix())].concat()
        }
        _ => FRESH.to_vec(),
    };
    fits(&tried).then_some(tried)
}

fn push(path: &mut Vec<u8>, name: &[u8]) {
    path.push(b'/');
    path.extend_from_slice(name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Vars;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text, &Vars::default()).expect(text)
    }

    #[test]
    fn one_pattern_lies_within_another() {
        let yes = [
            ("/a/b", "/a/**"),
            ("/a/**", "/a/**"),
            ("/a/b/**", "/a/**"),
            ("/a/**", "/**"),
            ("/a/*.pem", "/a/*"),
            ("/a/x*.pem", "/a/*.pem"),
            ("/a/**/.env", "**/.env"),
            ("**/a/.env", "**/.env"),
            ("/a/**/b/**", "/a/**"),
            ("/a/.env", "**/.env/**"),
            ("/a/*/c", "/a/**/c"),
            ("/a/**/b/**/c", "/a/**/c"),
        ];
        let no = [
            ("/a/**", "/a"),
            ("/a", "/a/b"),
            ("/**", "/a/**"),
            ("**/.env", "/a/**"),
            ("/a/**/c", "/a/*/c"),
            ("/a/*", "/a/*.pem"),
            ("/a/b/**", "/a/*"),
            ("**/.env/**", "**/.env"),
            ("/a/**", "/a/**/c"),
            ("/a/*x*", "/a/*y*"),
        ];
        for (inner, outer) in yes {
            assert!(within(&pattern(inner), &pattern(outer)), "{inner} in {outer}");
        }
        for (inner, outer) in no {
            assert!(!within(&pattern(inner), &pattern(outer)), "{inner} in {outer}");
        }
    }

    #[test]
    fn samples_lie_in_their_patterns() {
        for text in ["/a", "/", "/**", "/a/**", "**/.env", "/a/**/*.pem", "/a/*/b*c*d/**", "/a/**/b/**/c/**"] {
            let pattern = pattern(text);
            let samples = samples(&pattern);
            assert!(!samples.is_empty(), "{text}");
            for sample in samples {
                assert!(pattern.matches(&sample), "{text}: {}", String::from_utf8_lossy(&sample));
            }
        }
    }

    #[test]
    fn a_meeting_lies_in_both() {
        let met = [
            ("/a/**", "**/.env"),
            ("/a/b/**", "/a/**"),
            ("/a/*.pem", "/a/x*"),
            ("/a/**/c", "/a/b/**"),
            ("/**", "/a"),
            ("/a/**/x/y", "/a/x/**/y"),
            ("**/a", "/b/**"),
            ("/a/**", "/a"),
            ("/a/*1*", "/a/*2*"),
        ];
        for (a, b) in met {
            let (a, b) = (pattern(a), pattern(b));
            let path = meeting(&a, &b).unwrap_or_else(|| panic!("{a:?} {b:?}"));
            assert!(a.matches(&path) && b.matches(&path), "{}", String::from_utf8_lossy(&path));
        }
        for (a, b) in [("/a/**", "/b/**"), ("/a", "/a/b"), ("/a/*.pem", "/a/*.key"), ("/a/x", "/a/y*")] {
            assert_eq!(meeting(&pattern(a), &pattern(b)), None, "{a} {b}");
        }
    }
}
