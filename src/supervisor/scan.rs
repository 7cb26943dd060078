//! Looking through a directory that is about to move for paths that a floating rule (`**/.env`) protects.
//!
//! Invariant: what cannot be looked at whole counts as protected; what this thread alone may not look at is an error,
//! so that the warden can.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use super::act::{At, join};
use crate::policy::{Access, Policy, Verdict};
use crate::sys::{Errno, Sys, file};

/// Entries looked at before giving up: a tree larger than this is not moved as a whole.
const MOST: usize = 200_000;

/// Whether something inside the directory `at` (now at `source`) is protected there and would not be at `target`, or the
/// other way round; moving within the reach of the same floating rule changes nothing.
/// EACCES where the thread's own Landlock domain ends, as it does in trees that did not exist at the start.
pub fn protected_inside(policy: &Policy, at: &At, source: &[u8], target: &[u8]) -> Sys<bool> {
    let fd = file::open_how(
        Some(at.dir.as_fd()),
        &at.name,
        libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW,
        0,
        file::NO_SYMLINKS,
    )?;
    let held = file::path_of(fd.as_fd())?;
    // Who is asked about the directory itself is asked about all that moves with it.
    let is_asked = policy.decide_file(source, Access::RENAME).verdict == Verdict::Ask;
    let asked = |path: &[u8]| if is_asked { Access::empty() } else { policy.asked_about(path) };
    let guarded = |path: &[u8]| (policy.refused_rights(path), asked(path));
    let mut open = vec![(held, Vec::new())];
    let mut seen = 0;
    while let Some((dir, inside)) = open.pop() {
        let entries = match std::fs::read_dir(OsStr::from_bytes(&dir)) {
            Ok(entries) => entries,
            Err(error) if error.raw_os_error() == Some(libc::EACCES) => return Err(Errno(libc::EACCES)),
            Err(_) => return Ok(true),
        };
        for entry in entries {
            let Ok(entry) = entry else { return Ok(true) };
            seen += 1;
            if seen > MOST {
                return Ok(true);
            }
            let name = entry.file_name();
            let inside = join(&inside, name.as_bytes());
            let inside = inside.strip_prefix(b"/").unwrap_or(&inside).to_vec();
            if guarded(&join(source, &inside)) != guarded(&join(target, &inside)) {
                return Ok(true);
            }
            let kind = entry.file_type().map_err(|e| Errno(e.raw_os_error().unwrap_or(libc::EIO)))?;
            if kind.is_dir() {
                open.push((join(&dir, name.as_bytes()), inside));
            }
        }
    }
    Ok(false)
}
