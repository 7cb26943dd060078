//! Where an access to a file belongs, so that those that belong together become one row.
//!
//! Invariant: what holds secrets, and what changes what runs outside, belongs to nothing but itself.

use super::super::words::{Bearings, beneath};
use crate::event::Judged;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// One and the same thing, again and again: verb and object.
    Same,
    /// Beneath a directory of the user's: the directory.
    Beneath(Vec<u8>),
    /// What belongs to the machine, and its devices: the top directories.
    Machine(Vec<Vec<u8>>),
}

/// Names that a reader wants to see by themselves even where they were allowed: what holds secrets, and what changes what runs
/// outside. Of the second only when it was written.
const SECRET: [&[u8]; 9] =
    [b".ssh", b".gnupg", b".aws", b".kube", b".netrc", b".env", b".npmrc", b".pypirc", b".git-credentials"];
const OUTSIDE: [&[u8]; 9] = [
    b"hooks",
    b".bashrc",
    b".bash_profile",
    b".profile",
    b".zshrc",
    b".zshenv",
    b".mcp.json",
    b".vscode",
    b"authorized_keys",
];

fn is_telling(judged: &Judged) -> bool {
    let written = judged.access.changes();
    let among = |path: &[u8]| {
        path.split(|byte| *byte == b'/').any(|name| SECRET.contains(&name) || (written && OUTSIDE.contains(&name)))
            || (written && path.ends_with(b"/.git/config"))
    };
    among(&judged.path) || among(&judged.path2)
}

/// Where an access that was allowed belongs.
pub(super) fn place(judged: &Judged, bearings: &Bearings) -> Place {
    let users = |dir: &[u8]| beneath(&judged.path, dir).is_some();
    if !judged.path.starts_with(b"/") || is_telling(judged) {
        Place::Same
    } else if !judged.path2.is_empty() {
        // Moves and links are alike where both ends are beneath one directory, and not in the user's own topmost ones.
        let dir = common(parent(&judged.path), parent(&judged.path2), bearings);
        let own = |dir: &[u8]| dir == bearings.cwd.as_slice() || dir == bearings.home.as_slice();
        dir.filter(|dir| !own(dir)).map_or(Place::Same, |dir| Place::Beneath(dir.to_vec()))
    } else if judged.path.starts_with(b"/dev/") {
        Place::Machine(vec![b"/dev".to_vec()])
    } else if users(&bearings.cwd) || users(&bearings.home) || judged.access.changes() {
        Place::Beneath(parent(&judged.path).to_vec())
    } else {
        Place::Machine(vec![top(&judged.path).to_vec()])
    }
}

/// The directory that both are in or beneath, where it says enough: no higher than a step beneath the working directory, home or
/// the root, or exactly both.
pub(super) fn common<'d>(one: &'d [u8], other: &[u8], bearings: &Bearings) -> Option<&'d [u8]> {
    if one == other {
        return Some(one);
    }
    let mut end = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let whole = |path: &[u8]| path.get(end).is_none_or(|byte| *byte == b'/');
    if !(whole(one) && whole(other)) {
        end = one.get(..end)?.iter().rposition(|byte| *byte == b'/')?;
    }
    let common = one.get(..end)?;
    let wide = common.is_empty() || [&bearings.cwd, &bearings.home].iter().any(|dir| dir.as_slice() == common);
    // A directory above the working directory or home says nothing of where within them.
    let above = [&bearings.cwd, &bearings.home].iter().any(|dir| beneath(dir, common).is_some());
    (!wide && !above).then_some(common)
}

fn parent(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.get(..end).filter(|dir| !dir.is_empty()).unwrap_or(b"/")
}

/// `/usr/lib` of `/usr/lib/x86_64-linux-gnu/libc.so.6`, `/etc` of `/etc/passwd`.
fn top(path: &[u8]) -> &[u8] {
    let dir = parent(path);
    let second = dir.iter().enumerate().filter(|(_, byte)| **byte == b'/').nth(2).map(|(at, _)| at);
    dir.get(..second.unwrap_or(dir.len())).unwrap_or(dir)
}
