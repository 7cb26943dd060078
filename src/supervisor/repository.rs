//! Git at work in a repository whose hooks and configuration are protected.
//!
//! Invariant: a configuration that git (or anybody) puts in the place of the old one by renaming is read here, judged
//! entry by entry, and written anew into a file of our own, which takes the place: whoever still holds the file that was
//! renamed can write to it what they like, it is no longer anything. The agent cannot open ours for writing: its name is
//! protected as the configuration's is, until it has that name.
//! Leaves to others: what is harmless (`policy::repository`), git directories of any name (`shape`).

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use super::act::{Act, At};
use super::change::End;
use super::target::lock;
use super::worker::{Answer, Call, Ruling, Worker};
use crate::policy::repository::{InRepository, LARGEST, Part};
use crate::policy::{Access, Verdict};
use crate::sys::{Errno, Sys, file, mutate};

pub mod astray;
mod shape;

pub use shape::{Ledger, Settling, concerns, settle};

/// Where the new configuration is written: protected (`policy::builtin`).
const FRESH: &std::ffi::CStr = c"config.govsh";

/// What git reads in addition, for one work tree.
const WORKTREE: &std::ffi::CStr = c"config.worktree";

/// Whose word a refusal of contents is: a protection above every policy.
const ABOVE: &str = "built-in";

fn as_git() -> Ruling {
    Ruling::built_in(Verdict::Allow, "built-in: a git repository, as git makes it")
}

impl Worker {
    /// A denial, unless it is of what git does to make a repository or to have one removed. None of it puts anything where
    /// git would run it: a directory is made empty, an example is a name that git never runs, a mode of `config` runs nothing;
    /// and whatever is removed is gone. Racing changes nothing of that: the acts are performed on what is held, by name.
    pub fn unless_as_git(&self, ruling: Ruling, end: End<'_>, act: &Act) -> Ruling {
        if !ruling.denies() {
            return ruling;
        }
        let Some(InRepository { part, is_nested }) = self.rules.policy.in_repository(end.0, end.1) else {
            return ruling;
        };
        let is_gits = match act {
            Act::Mkdir { .. } => matches!(part, Part::Top | Part::Hooks),
            Act::Chmod { .. } => part == Part::Config,
            Act::Unlink { .. } => is_nested,
            // Made by this very call, or the call fails: an older file is not written to.
            Act::Open { flags, .. } => part == Part::Sample && flags & libc::O_EXCL != 0 && flags & libc::O_CREAT != 0,
            _ => false,
        };
        if is_gits { as_git() } else { ruling }
    }

    /// Whether removing this protected directory is the agent's own matter: it belongs to a repository inside of the one in use.
    pub fn is_removable(&self, path: &[u8]) -> bool {
        self.rules.policy.in_repository(path, Access::DELETE).is_some_and(|at| at.is_nested)
    }

    /// A rename onto the configuration of a repository. None: it is another kind of rename.
    pub fn configure(&mut self, call: &Call, places: (&At, &At), ends: &[End<'_>; 2], flags: u32) -> Option<Answer> {
        let (from, to) = places;
        let [(source, old), (target, new)] = *ends;
        let is_named = match self.rules.policy.in_repository(target, new) {
            Some(at) if matches!(at.part, Part::Config | Part::Worktree) => true,
            Some(_) => return None,
            None if self.is_shaped_config(to, target) && self.judge(target, new).allows() => false,
            None => return None,
        };
        let is_plain = flags == 0 || flags == libc::RENAME_NOREPLACE;
        if !is_plain || from.slash || to.slash || !self.judge(source, old).allows() {
            return None;
        }
        let (policy, gone) = (self.rules.policy.clone(), self.shared.ledger.gone.clone());
        // Denied is what the policy denies; what fails is told as it is.
        let outcome = if is_named {
            self.attempt(call, || {
                replace((from, to), flags, |old, new| {
                    if to.name.as_c_str() == WORKTREE {
                        return policy.may_lay_out(&to.path, old, new);
                    }
                    let taken = policy.may_configure(&to.path, old, new, &lock(&gone))?;
                    astray::leads_home(&to.path, old, new)?;
                    lock(&gone).note(taken);
                    Ok(())
                })
            })
        } else {
            self.settle_shape(call, Settling::Configure { from: from.clone(), to: to.clone(), flags })
        };
        let (ruling, outcome) = match outcome {
            Ok(Err(entry)) => {
                let why = format!("{ABOVE}: git configuration that may run something ({entry})");
                (Ruling::built_in(Verdict::Deny, &why), Err(Errno(libc::EACCES)))
            }
            Ok(Ok(())) => (as_git(), Ok(())),
            Err(errno) => (as_git(), Err(errno)),
        };
        Some(self.told(call, "rename", ends, &ruling, outcome))
    }
}

/// Puts the contents of `from` in the place of `to`, if `judge` has nothing against them in the place of the old ones; the
/// entry that stands against it, if there is one.
fn replace(
    (from, to): (&At, &At),
    flags: u32,
    judge: impl Fn(&[u8], &[u8]) -> Result<(), String>,
) -> Sys<Result<(), String>> {
    let source = open(from, &from.name)?;
    let stat = file::stat(source.as_fd())?;
    if stat.links > 1 {
        return Ok(Err("the file has another name".to_owned()));
    }
    let mode = stat.mode & 0o777;
    let new = contents(source)?;
    let old = match open(to, &to.name) {
        Ok(_) if flags == libc::RENAME_NOREPLACE => return Err(Errno(libc::EEXIST)),
        Ok(held) => contents(held)?,
        Err(Errno(libc::ENOENT)) => Vec::new(),
        Err(errno) => return Err(errno),
    };
    if let Err(entry) = judge(&old, &new) {
        return Ok(Err(entry));
    }
    put(to, &new, mode, flags)?;
    mutate::unlink(from.dir.as_fd(), &from.name, 0).map(Ok)
}

/// Writes a file of our own and puts it in the place of `to`.
fn put(to: &At, bytes: &[u8], mode: u32, flags: u32) -> Sys<()> {
    let dir = to.dir.as_fd();
    // What an earlier session may have left.
    match mutate::unlink(dir, FRESH, 0) {
        Ok(()) | Err(Errno(libc::ENOENT)) => {}
        Err(errno) => return Err(errno),
    }
    let making = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let fresh = file::open_how(Some(dir), FRESH, making, 0o600, file::NO_SYMLINKS)?;
    let placed = write(&fresh, bytes, mode).and_then(|()| mutate::rename((dir, FRESH), (dir, &to.name), flags));
    if placed.is_err() {
        // The name is ours alone; should it stay, the next one is written over it.
        let _ = mutate::unlink(dir, FRESH, 0);
    }
    placed
}

/// A file of that name, which is no link and cannot make us wait.
fn open(at: &At, name: &std::ffi::CStr) -> Sys<OwnedFd> {
    let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    file::open_how(Some(at.dir.as_fd()), name, flags, 0, file::NO_SYMLINKS)
}

/// All of a regular file, if it is not too large.
fn contents(held: OwnedFd) -> Sys<Vec<u8>> {
    if file::stat(held.as_fd())?.kind() != libc::S_IFREG {
        return Err(Errno(libc::EACCES));
    }
    let mut bytes = Vec::new();
    let failed = |error: std::io::Error| Errno(error.raw_os_error().unwrap_or(libc::EIO));
    File::from(held).take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST { Err(Errno(libc::EFBIG)) } else { Ok(bytes) }
}

fn write(fresh: &OwnedFd, bytes: &[u8], mode: u32) -> Sys<()> {
    let failed = |error: std::io::Error| Errno(error.raw_os_error().unwrap_or(libc::EIO));
    let mut file = File::from(fresh.try_clone().map_err(failed)?);
    file.write_all(bytes).map_err(failed)?;
    mutate::chmod(fresh.as_fd(), mode)
}
