//! Files by the directory they lie in.
//!
//! Invariant: bounded: each file counts once while there is room to tell files apart, then each request counts.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

/// Files that are told apart.
const FILES: usize = 64 << 10;
/// Files that are kept by name, and bytes of their names.
const NAMED: usize = 2_000;
const NAMES: usize = 512 << 10;
/// Directories that are told apart.
const GROUPS: usize = 1_000;

#[derive(Debug, Default)]
pub struct Paths {
    seen: HashSet<u64, foldhash::fast::FixedState>,
    keys: foldhash::fast::RandomState,
    groups: HashMap<Vec<u8>, Group>,
    named: Vec<Vec<u8>>,
    names: usize,
    total: u64,
    /// Requests that came when there was no room to tell files apart.
    beyond: u64,
    /// Files in directories that are not kept.
    elsewhere: u64,
}

/// What lies in one directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    pub count: u64,
    /// The first few, whole.
    pub first: Vec<Vec<u8>>,
}

impl Paths {
    pub(super) fn add(&mut self, path: &[u8], cwd: &[u8]) {
        if self.seen.len() < FILES {
            if !self.seen.insert(self.keys.hash_one(path)) {
                return;
            }
        } else if self.seen.contains(&self.keys.hash_one(path)) {
            return;
        } else {
            self.beyond += 1;
        }
        self.total += 1;
        if self.named.len() < NAMED && self.names + path.len() <= NAMES {
            self.names += path.len();
            self.named.push(path.to_vec());
        }
        let directory = directory(path, cwd);
        if self.groups.len() >= GROUPS && !self.groups.contains_key(directory) {
            self.elsewhere += 1;
            return;
        }
        let group = self.groups.entry(directory.to_vec()).or_default();
        group.count += 1;
        if group.first.len() < 3 && path.len() <= 1 << 10 {
            group.first.push(path.to_vec());
        }
    }

    /// How many different files, see [`Paths::is_exact`].
    pub fn total(&self) -> u64 {
        self.total
    }

    /// False when there were too many to tell apart: some may have been counted twice.
    pub fn is_exact(&self) -> bool {
        self.beyond == 0
    }

    /// The first ones by name, in the order in which they were first touched.
    pub fn named(&self) -> &[Vec<u8>] {
        &self.named
    }

    /// The directories, fullest first: the first components beneath the working directory, top directories elsewhere.
    pub fn groups(&self) -> Vec<(&[u8], &Group)> {
        let mut all: Vec<_> = self.groups.iter().map(|(dir, group)| (&dir[..], group)).collect();
        all.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(b.0)));
        all
    }

    /// Files in directories beyond those of [`Paths::groups`].
    pub fn elsewhere(&self) -> u64 {
        self.elsewhere
    }
}

/// The directory a reviewer thinks of: one below the working directory, the working directory for what lies right in it,
/// else as many components as say whose it is.
fn directory<'a>(path: &'a [u8], cwd: &[u8]) -> &'a [u8] {
    let beneath = path.strip_prefix(cwd).filter(|rest| cwd.len() > 1 && rest.starts_with(b"/"));
    if beneath.is_some() {
        return leading(path, cwd.iter().filter(|byte| **byte == b'/').count() + 1);
    }
    let components = match path.split(|byte| *byte == b'/').nth(1) {
        Some(b"home") => 3,
        Some(b"root" | b"tmp" | b"var" | b"run" | b"opt" | b"mnt") => 2,
        _ => 1,
    };
    leading(path, components)
}

/// The first `count` components of an absolute path, but never its last one.
fn leading(path: &[u8], count: usize) -> &[u8] {
    let mut slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).skip(1);
    let last = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let end = slashes.nth(count.saturating_sub(1)).unwrap_or(last).min(last);
    path.get(..end.max(1)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_grouped_as_people_think_of_them() {
        let cwd = b"/home/u/shop";
        let of = |path: &'static str| String::from_utf8_lossy(directory(path.as_bytes(), cwd)).into_owned();
        assert_eq!(of("/home/u/shop/target/debug/x"), "/home/u/shop/target");
        assert_eq!(of("/home/u/shop/a.rs"), "/home/u/shop");
        assert_eq!(of("/home/u/.cargo/registry/x"), "/home/u/.cargo");
        assert_eq!(of("/home/u/.gitconfig"), "/home/u");
        assert_eq!(of("/usr/lib/x/y"), "/usr");
        assert_eq!(of("/tmp/x/y"), "/tmp/x");
        assert_eq!(of("/etc"), "/");
        assert_eq!(of("relative"), "r");
    }

    #[test]
    fn a_flood_of_names_is_counted_in_bounded_memory() {
        let mut paths = Paths::default();
        for n in 0..200_000u32 {
            paths.add(format!("/w/d{n}/{n}").as_bytes(), b"/w");
            paths.add(b"/w/d0/0", b"/w");
        }
        assert_eq!((paths.total(), paths.is_exact()), (200_000, false));
        assert_eq!((paths.groups().len(), paths.named().len()), (GROUPS, NAMED));
        assert_eq!(paths.elsewhere(), 200_000 - GROUPS as u64);
    }
}
