//! Git directories by what lies in them: refusing what would change what git runs there, and looking at what lies in a
//! directory at the moment in which it becomes one.
//!
//! ```text
//! D/config, hooks written     D has objects and refs: refused; a configuration put there by renaming is judged and copied
//! D/refs made beside objects  hooks hold examples alone, and the configuration runs nothing: it is written anew, in a file of
//!                             our own, so whoever holds the old one open holds nothing; else refused
//! ```
//! Invariant: all of it, from the look to the act, lies within the session's lock on changes; so what was seen still holds when
//! it is acted upon. A directory moves with what is in it, so its own name, and those above, need no look.
//! Leaves to others: names and contents (`policy::repository`), acting where the broker's domain ends (`warden`).

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use super::super::act::{Act, At, PLACED, join};
use super::super::change::End;
use super::super::target::lock;
use super::super::worker::{Call, Ruling, Worker};
use super::{WORKTREE, astray, contents, open, put, replace};
use crate::policy::repository::Gone;
use crate::policy::repository::shape::{Deed, HALVES, Part, Role, parts};
use crate::policy::{Access, Policy, Verdict};
use crate::sys::{Errno, Sys, file};

/// Entries of a directory of hooks that are looked at: git knows thirty.
const MOST_HOOKS: usize = 4096;

/// What is to be settled about a git directory.
#[derive(Clone)]
pub enum Settling {
    /// `from` takes the place of the configuration `to`.
    Configure { from: At, to: At, flags: u32 },
    /// The directory is about to become one.
    Complete { dir: Arc<OwnedFd> },
}

/// What the front knows of a session's repositories.
#[derive(Clone)]
pub struct Ledger {
    pub gone: Arc<Mutex<Gone>>,
    /// When the session began: directories that came to be since are the agent's own.
    pub began: std::time::Duration,
}

impl Worker {
    /// An allowance, unless one of the ends would change what git runs in a directory that is one by its shape. The lock on
    /// changes is held by the caller.
    pub fn unless_by_shape(&mut self, call: &Call, ruling: Ruling, ends: &[End<'_>], act: &Act) -> Ruling {
        let deed = match act {
            Act::Mkdir { .. } => Deed::Mkdir,
            Act::Chmod { mode, .. } if mode & 0o111 != 0 => Deed::MakeRunnable,
            _ => Deed::Other,
        };
        if !ruling.allows() {
            return ruling;
        }
        ends.iter().find_map(|(path, access)| self.by_shape(call, path, *access, deed)).unwrap_or(ruling)
    }

    /// The denial of a change, if there is one.
    pub fn by_shape(&mut self, call: &Call, path: &[u8], access: Access, deed: Deed) -> Option<Ruling> {
        if !concerns(path, access) || !self.rules.policy.keeps_shape(path) {
            return None;
        }
        parts(path).find_map(|part| match self.in_the_way(call, &part, path, access, deed) {
            Ok(None) => None,
            Ok(Some(why)) => Some(Ruling::built_in(Verdict::Deny, &why)),
            // Where nothing can be seen nothing is allowed.
            Err(errno) => Some(Ruling::built_in(Verdict::Deny, &format!("{}: cannot look there: {errno}", MAKING))),
        })
    }

    fn in_the_way(&self, call: &Call, part: &Part<'_>, path: &[u8], access: Access, deed: Deed) -> Sys<Option<String>> {
        let completes = part.role == Role::Half && access.contains(Access::CREATE);
        if !completes && !part.refuses(access, deed) {
            return Ok(None);
        }
        let refusal = || self.rules.policy.rule(self.rules.policy.shape_rule()).name.to_string();
        if part.role == Role::Worktree {
            return Ok(Some(refusal()));
        }
        let Some(dir) = directory(part.dir)? else { return Ok(None) };
        let [objects, refs] = halves(&dir)?;
        if !completes {
            return Ok((objects && refs).then(refusal));
        }
        let is_objects = path.to_ascii_lowercase().ends_with(b"/objects");
        let (own, other) = if is_objects { (objects, refs) } else { (refs, objects) };
        if own || !other {
            return Ok(None);
        }
        let outcome = self.settle_shape(call, Settling::Complete { dir: Arc::new(dir) })?;
        Ok(outcome.err().map(|what| format!("{MAKING} {what}")))
    }

    /// Has the warden do it: such directories may lie where the broker's own domain ends.
    pub fn settle_shape(&self, call: &Call, what: Settling) -> Sys<Result<(), String>> {
        let credentials = if self.shared.root { Some(call.thread.credentials()?) } else { None };
        self.shared.warden.settle(what, self.shared.ledger.clone(), credentials)
    }

    /// Whether what stands at this name is the configuration of a git directory, which is known by its shape alone.
    pub fn is_shaped_config(&self, at: &At, path: &[u8]) -> bool {
        let is_worktree = at.name.as_c_str() == WORKTREE;
        let is_config = || is_worktree || parts(path).any(|part| part.role == Role::Config);
        is_config() && self.rules.policy.keeps_shape(path) && is_whole(&at.dir).unwrap_or(true)
    }
}

/// What begins the reason for not letting a directory become one.
const MAKING: &str = "built-in: a git directory in the making, whatever its name:";

/// Whether the path has a name that matters in git directories, and is to be changed.
pub fn concerns(path: &[u8], access: Access) -> bool {
    access.changes() && parts(path).next().is_some()
}

fn directory(path: &[u8]) -> Sys<Option<OwnedFd>> {
    let path = if path.is_empty() { b"/" } else { path };
    let path = std::ffi::CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
    match file::open_how(None, &path, libc::O_PATH | libc::O_DIRECTORY, 0, file::NO_SYMLINKS) {
        Ok(dir) => Ok(Some(dir)),
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Which of its halves are there, whatever they are: links are followed by git, and what they lead to can come later.
fn halves(dir: &OwnedFd) -> Sys<[bool; 2]> {
    let is_there = |name| match file::stat_at(dir.as_fd(), name) {
        Ok(_) => Ok(true),
        Err(Errno(libc::ENOENT)) => Ok(false),
        Err(errno) => Err(errno),
    };
    let [objects, refs] = HALVES;
    Ok([is_there(objects)?, is_there(refs)?])
}

fn is_whole(dir: &OwnedFd) -> Sys<bool> {
    Ok(halves(dir)? == [true, true])
}

/// Settles it, judging all paths anew; what stands against it, if something does.
pub fn settle(policy: &Policy, ledger: &Ledger, what: &Settling) -> Sys<Result<(), String>> {
    match what {
        Settling::Configure { from, to, flags } => {
            let dir = file::path_of(to.dir.as_fd())?;
            let may =
                |dir: &[u8], name: &[u8], access| policy.decide_file(&join(dir, name), access).verdict != Verdict::Deny;
            let source = file::path_of(from.dir.as_fd())?;
            if !may(&dir, to.name.to_bytes(), PLACED) || !may(&source, from.name.to_bytes(), Access::RENAME) {
                return Err(Errno(libc::EACCES));
            }
            if to.name.as_c_str() == WORKTREE {
                return replace((from, to), *flags, |old, new| policy.may_lay_out(&dir, old, new));
            }
            let is_new = file::born(to.dir.as_fd())?.is_some_and(|born| born >= ledger.began);
            if is_new {
                return replace((from, to), *flags, |_, new| {
                    policy.may_hold(&dir, new)?;
                    astray::leads_home(&dir, b"", new)
                });
            }
            replace((from, to), *flags, |old, new| {
                let taken = policy.may_configure(&dir, old, new, &lock(&ledger.gone))?;
                astray::leads_home(&dir, old, new)?;
                lock(&ledger.gone).note(taken);
                Ok(())
            })
        }
        Settling::Complete { dir } => complete(policy, dir),
    }
}

fn complete(policy: &Policy, dir: &Arc<OwnedFd>) -> Sys<Result<(), String>> {
    let path = file::path_of(dir.as_fd())?;
    // What the agent may not write is not of its making.
    let is_its_own = |name: &[u8]| {
        let path = join(&path, name);
        policy.keeps_shape(&path) && policy.decide_file(&path, PLACED).verdict != Verdict::Deny
    };
    if is_its_own(b"hooks/x")
        && let Some(hook) = hook_in(dir, &path)?
    {
        return Ok(Err(format!("it has a hook ({hook})")));
    }
    if is_its_own(b"config") { configured(policy, dir, path) } else { Ok(Ok(())) }
}

/// Something among the hooks that git could run.
fn hook_in(dir: &OwnedFd, path: &[u8]) -> Sys<Option<String>> {
    use std::os::unix::ffi::OsStrExt;
    match file::stat_at(dir.as_fd(), c"hooks") {
        Err(Errno(libc::ENOENT)) => return Ok(None),
        Ok(stat) if stat.is_symlink() => return Ok(Some("hooks is a link".to_owned())),
        Ok(stat) if !stat.is_dir() => return Ok(None),
        Ok(_) => {}
        Err(errno) => return Err(errno),
    }
    let failed = |error: std::io::Error| Errno(error.raw_os_error().unwrap_or(libc::EIO));
    let hooks = join(path, b"hooks");
    let entries = std::fs::read_dir(std::ffi::OsStr::from_bytes(&hooks)).map_err(failed)?;
    for (seen, entry) in entries.enumerate() {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let could_run = !name.as_bytes().contains(&b'.') && !is_dir;
        if could_run || seen > MOST_HOOKS {
            return Ok(Some(name.to_string_lossy().escape_debug().to_string()));
        }
    }
    Ok(None)
}

/// Looks at the configuration and writes it anew.
fn configured(policy: &Policy, dir: &Arc<OwnedFd>, path: Vec<u8>) -> Sys<Result<(), String>> {
    let at = At::new(Arc::clone(dir), path, c"config".to_owned());
    match file::stat_at(dir.as_fd(), &at.name) {
        Err(Errno(libc::ENOENT)) => return Ok(Ok(())),
        Err(errno) => return Err(errno),
        // Git ends there.
        Ok(stat) if stat.is_dir() => return Ok(Ok(())),
        Ok(stat) if stat.kind() != libc::S_IFREG => return Ok(Err("its config is no plain file".to_owned())),
        Ok(stat) if stat.links > 1 => return Ok(Err("its config has another name".to_owned())),
        Ok(_) => {}
    }
    let held = open(&at, &at.name)?;
    let mode = file::stat(held.as_fd())?.mode & 0o777;
    let text = match contents(held) {
        Ok(text) => text,
        Err(Errno(libc::EFBIG)) => return Ok(Err("its config is too large".to_owned())),
        Err(errno) => return Err(errno),
    };
    match policy.may_hold(&at.path, &text).and_then(|()| astray::leads_home(&at.path, b"", &text)) {
        Ok(()) => put(&at, &text, mode, 0).map(Ok),
        Err(entry) => Ok(Err(format!("its config may run something ({entry})"))),
    }
}
