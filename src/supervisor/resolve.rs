//! A path as the target means it → the object or the place it names.
//!
//! Invariant: what is returned is held open, and its path is the one the kernel has for it; names that mean "myself"
//! (`/proc/self`, `/dev/fd/N`) mean the target, and links into other processes are followed only inside the session.
//! The target's root and mount namespace are ours: BPF refuses to change them, and targets with others are denied.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::act::{At, Last, join};
use super::procfs;
use super::target::{Dir, Thread};
use crate::sys::{Errno, Sys, file};

/// Links followed at most, as the kernel does (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// An object of the file system, held with O_PATH (or, behind a `/proc/PID/fd` link, what that link means).
#[derive(Debug, Clone)]
pub struct Found {
    pub fd: Arc<OwnedFd>,
    pub path: Vec<u8>,
}

/// Who decides whether a process belongs to the session.
pub trait Session {
    fn contains(&self, pid: i32) -> bool;
}

/// Resolves for one thread.
pub struct Resolver<'a> {
    pub thread: &'a Thread,
    pub session: &'a dyn Session,
    /// The way led through a process outside the session and was refused here, not by the kernel.
    pub refused: Cell<bool>,
}

fn component(name: &[u8]) -> Sys<CString> {
    CString::new(name).map_err(|_| Errno(libc::EINVAL))
}

impl Resolver<'_> {
    /// Where a relative path starts: the working directory or a descriptor of the target.
    /// With RESOLVE_IN_ROOT among `limits` an absolute path starts at the descriptor as well.
    pub fn base(&self, dirfd: i32, path: &[u8], limits: u64) -> Sys<Arc<Dir>> {
        if path.first() == Some(&b'/') && limits & file::IN_ROOT == 0 {
            return root();
        }
        if dirfd == libc::AT_FDCWD {
            return self.thread.process.cwd(self.thread.tid);
        }
        let fd = self.thread.process.descriptor(dirfd)?;
        let path = file::path_of(fd.as_fd())?;
        Ok(Arc::new(Dir { fd: Arc::new(fd), path }))
    }

    /// The object that `path` names; a final link is followed if `follow`. `limits` are RESOLVE_* flags the caller
    /// itself asked for. ENOENT, ELOOP, ENOTDIR, EACCES … as open(2).
    pub fn existing(&self, base: &Dir, path: &[u8], follow: bool, limits: u64) -> Sys<Found> {
        if path.is_empty() {
            return Err(Errno(libc::ENOENT));
        }
        let flags = libc::O_PATH | if follow { 0 } else { libc::O_NOFOLLOW };
        let text = component(path)?;
        match file::open_how(Some(base.fd.as_fd()), &text, flags, 0, limits | file::NO_MAGICLINKS) {
            Ok(fd) => {
                let found = Found { path: file::path_of(fd.as_fd())?, fd: Arc::new(fd) };
                if procfs::is_own(&found.path) { self.walk(base, path, follow) } else { Ok(found) }
            }
            // A magic link, perhaps, or one that the kernel does not even let us look through (another process's): then the
            // walk says which. With limits of its own the caller gets the kernel's word.
            Err(Errno(libc::ELOOP | libc::EACCES)) if limits == 0 => self.walk(base, path, follow),
            // A name below /proc/self that the front does not have, such as fd/N.
            Err(Errno(libc::ENOENT)) if limits == 0 && mentions_self(base, path) => self.walk(base, path, follow),
            Err(errno) => Err(errno),
        }
    }

    /// The directory and final name that `path` means; the name may not exist, and is not followed.
    /// "." and ".." and the root are told by `last`: they can be neither made nor removed.
    pub fn place(&self, base: &Dir, path: &[u8]) -> Sys<At> {
        let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
        let trimmed = path.get(..end).unwrap_or_default();
        if path.is_empty() {
            return Err(Errno(libc::ENOENT));
        }
        let split = trimmed.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
        let (parent, name) = trimmed.split_at(split);
        let parent = match parent {
            b"" if trimmed.is_empty() => b"/".as_slice(),
            b"" => b".",
            parent => parent,
        };
        let dir = self.existing(base, parent, true, 0)?;
        if !file::stat(dir.fd.as_fd())?.is_dir() {
            return Err(Errno(libc::ENOTDIR));
        }
        let last = match name {
            b"" => Last::Root,
            b"." => Last::Dot,
            b".." => Last::DotDot,
            _ => Last::Name,
        };
        Ok(At {
            dir: dir.fd,
            path: dir.path,
            name: component(name)?,
            last,
            slash: end < path.len() && last != Last::Root,
        })
    }

    /// Where a file that does not exist would be made: dangling final links are followed as open(2) with O_CREAT does.
    pub fn place_to_create(&self, base: &Dir, path: &[u8]) -> Sys<At> {
        let mut at = self.place(base, path)?;
        for _ in 0..MAX_LINKS {
            let text = match file::stat_at(at.dir.as_fd(), &at.name) {
                Ok(stat) if stat.is_symlink() => file::readlink(Some(at.dir.as_fd()), &at.name)?,
                _ => return Ok(at),
            };
            let base = Dir { fd: at.dir.clone(), path: at.path.clone() };
            let top = root()?;
            at = self.place(if text.first() == Some(&b'/') { &top } else { &base }, &text)?;
        }
        Err(Errno(libc::ELOOP))
    }

    /// Name by name, as path_resolution(7), for paths with magic links or links to "self".
    fn walk(&self, base: &Dir, path: &[u8], follow: bool) -> Sys<Found> {
        let top = root()?;
        let start = if path.first() == Some(&b'/') { &*top } else { base };
        let mut current = Found { fd: start.fd.clone(), path: start.path.clone() };
        let mut rest: VecDeque<Vec<u8>> = split(path);
        let must_be_dir = path.last() == Some(&b'/');
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            let last = rest.is_empty();
            if let Some(own) = self.own_name(&current.path, &name) {
                if last && !follow {
                    return self.step(&current, &name);
                }
                links += 1;
                own.into_iter().rev().for_each(|part| rest.push_front(part));
                continue;
            }
            let next = self.step(&current, &name)?;
            let is_link = file::stat(next.fd.as_fd())?.is_symlink();
            if !is_link || (last && !follow && !must_be_dir) {
                current = next;
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno(libc::ELOOP));
            }
            match procfs::magic(&current.path, &name) {
                Some(pid) if self.session.contains(pid) => current = self.through(&current, &name)?,
                Some(_) => {
                    self.refused.set(true);
                    return Err(Errno(libc::EACCES));
                }
                None => {
                    let text = file::readlink(Some(next.fd.as_fd()), c"")?;
                    if text.first() == Some(&b'/') {
                        current = Found { fd: top.fd.clone(), path: top.path.clone() };
                    }
                    split(&text).into_iter().rev().for_each(|part| rest.push_front(part));
                }
            }
        }
        if must_be_dir && !file::stat(current.fd.as_fd())?.is_dir() {
            return Err(Errno(libc::ENOTDIR));
        }
        Ok(current)
    }

    /// What `self` and `thread-self` in /proc stand for.
    fn own_name(&self, dir: &[u8], name: &[u8]) -> Option<Vec<Vec<u8>>> {
        let number = |n: i32| n.to_string().into_bytes();
        match (dir, name) {
            (b"/proc", b"self") => Some(vec![number(self.thread.process.pid)]),
            (b"/proc", b"thread-self") => {
                Some(vec![number(self.thread.process.pid), b"task".to_vec(), number(self.thread.tid)])
            }
            _ => None,
        }
    }

    /// One name further, a link itself not followed.
    fn step(&self, from: &Found, name: &[u8]) -> Sys<Found> {
        let fd = file::open(Some(from.fd.as_fd()), &component(name)?, libc::O_PATH | libc::O_NOFOLLOW, 0)?;
        let path = if name == b".." { file::path_of(fd.as_fd())? } else { join(&from.path, name) };
        Ok(Found { fd: Arc::new(fd), path })
    }

    /// Through a magic link, to the very object it means.
    fn through(&self, from: &Found, name: &[u8]) -> Sys<Found> {
        let fd = file::open(Some(from.fd.as_fd()), &component(name)?, libc::O_PATH, 0)?;
        Ok(Found { path: file::path_of(fd.as_fd())?, fd: Arc::new(fd) })
    }
}

/// Whether the path may lead over a name that means the target itself.
fn mentions_self(base: &Dir, path: &[u8]) -> bool {
    let start = if path.first() == Some(&b'/') { path } else { &base.path };
    start.starts_with(b"/proc") || start.starts_with(b"/dev")
}

fn split(path: &[u8]) -> VecDeque<Vec<u8>> {
    path.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec).collect()
}

/// The root directory, opened once.
pub fn root() -> Sys<Arc<Dir>> {
    static ROOT: std::sync::OnceLock<Sys<Arc<Dir>>> = std::sync::OnceLock::new();
    ROOT.get_or_init(|| {
        let fd = file::open(None, c"/", libc::O_PATH | libc::O_DIRECTORY, 0)?;
        Ok(Arc::new(Dir { fd: Arc::new(fd), path: b"/".to_vec() }))
    })
    .clone()
}

/// Whether a path can be judged as it is written: no "." or "..", no empty parts, no NUL, no trailing slash.
#[must_use]
pub fn is_plain(path: &[u8]) -> bool {
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    !relative.is_empty() && relative.split(|b| *b == b'/').all(|part| !part.is_empty() && part != b"." && part != b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_normal_paths_are_plain() {
        for good in ["/usr/lib/x", "a", "a/b.c", "/a..b", "...", "/.x"] {
            assert!(is_plain(good.as_bytes()), "{good}");
        }
        for bad in ["", "/", "a/", "a//b", "./a", "a/..", "/../a", "a/./b"] {
            assert!(!is_plain(bad.as_bytes()), "{bad}");
        }
    }
}
