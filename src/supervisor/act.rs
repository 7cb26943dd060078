//! What is performed on the target's behalf: each act on objects that are already held open.
//!
//! Invariant: an act names its objects by descriptor and final name, so between judging and performing nothing can be
//! put in their place; the walk to a name with several parts refuses every symbolic link.

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use crate::policy::Access;
use crate::sys::{Errno, Sys, clone, file, mutate};

/// A name in a directory that is held open; `path` is the directory's own path.
#[derive(Debug, Clone)]
pub struct At {
    pub dir: Arc<OwnedFd>,
    pub path: Vec<u8>,
    pub name: CString,
    pub last: Last,
    /// The caller wrote a slash behind the name: it must be a directory, and the kernel is told so.
    pub slash: bool,
}

/// What the last part of a path is (path_resolution(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    Name,
    Dot,
    DotDot,
    Root,
}

impl At {
    /// A name, or several, to be walked from `dir`.
    pub fn new(dir: Arc<OwnedFd>, path: Vec<u8>, name: CString) -> Self {
        Self { dir, path, name, last: Last::Name, slash: false }
    }

    /// As the kernel is given it.
    fn asked(&self) -> Cow<'_, CStr> {
        if !self.slash {
            return Cow::Borrowed(&self.name);
        }
        let name = [self.name.to_bytes(), b"/"].concat();
        CString::new(name).map_or(Cow::Borrowed(self.name.as_c_str()), Cow::Owned)
    }

    /// Takes the name that the kernel has for what is there, in a directory to which different names are one.
    pub fn take_real_name(&mut self) -> Sys<()> {
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let found = match file::open(Some(self.dir.as_fd()), &self.name, flags, 0) {
            Ok(found) => found,
            // What is not there has no other name.
            Err(Errno(libc::ENOENT)) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        if file::stat(found.as_fd())?.links == 0 {
            return Ok(());
        }
        let path = file::path_of(found.as_fd())?;
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let asked = self.name.to_bytes();
        if !name.is_empty() && (name.eq_ignore_ascii_case(asked) || !asked.is_ascii()) {
            self.name = CString::new(name).map_err(|_| Errno(libc::EINVAL))?;
        }
        Ok(())
    }

    /// The absolute path of the name.
    #[must_use]
    pub fn full(&self) -> Vec<u8> {
        join(&self.path, self.name.to_bytes())
    }
}

/// `dir` + "/" + `name`; `dir` alone for an empty name, `name` alone when it is absolute.
#[must_use]
pub fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if name.first() == Some(&b'/') {
        return name.to_vec();
    }
    let mut path = Vec::with_capacity(dir.len() + name.len() + 1);
    path.extend_from_slice(dir);
    if !name.is_empty() {
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(name);
    }
    path
}

/// A call to perform.
#[derive(Debug, Clone)]
pub enum Act {
    /// openat2(2) of a name without links on the way.
    Open {
        at: At,
        flags: i32,
        mode: u32,
        resolve: u64,
    },
    /// open(2) of an object that is held with O_PATH, or as a copy of the target's descriptor.
    Reopen {
        object: Arc<OwnedFd>,
        flags: i32,
    },
    Mkdir {
        at: At,
        mode: u32,
    },
    Mknod {
        at: At,
        mode: u32,
        device: u64,
    },
    Unlink {
        at: At,
        flags: i32,
    },
    Rename {
        from: At,
        to: At,
        flags: u32,
    },
    Link {
        from: At,
        to: At,
    },
    LinkObject {
        object: Arc<OwnedFd>,
        to: At,
    },
    Symlink {
        text: CString,
        at: At,
    },
    Truncate {
        object: Arc<OwnedFd>,
        len: i64,
    },
    Chmod {
        object: Arc<OwnedFd>,
        mode: u32,
    },
    Chown {
        object: Arc<OwnedFd>,
        uid: u32,
        gid: u32,
    },
    Times {
        object: Arc<OwnedFd>,
        times: mutate::Times,
    },
    SetXattr {
        object: Arc<OwnedFd>,
        name: CString,
        value: Vec<u8>,
        flags: i32,
    },
    RemoveXattr {
        object: Arc<OwnedFd>,
        name: CString,
    },
}

impl Act {
    /// Performs it with the rights of the calling thread; a `umask` is put in force first.
    pub fn run(&self, umask: Option<u32>) -> Sys<Option<OwnedFd>> {
        if let Some(umask) = umask {
            clone::set_umask(umask);
        }
        match self {
            Self::Open { at, flags, mode, resolve } => {
                file::open_how(Some(at.dir.as_fd()), &at.name, *flags, *mode, *resolve).map(Some)
            }
            Self::Reopen { object, flags } => {
                file::open(None, file::FdPath::new(object.as_fd()).as_c(), *flags, 0).map(Some)
            }
            Self::Mkdir { at, mode } => mutate::mkdir(at.dir.as_fd(), &at.asked(), *mode).map(|()| None),
            Self::Mknod { at, mode, device } => {
                mutate::mknod(at.dir.as_fd(), &at.asked(), *mode, *device).map(|()| None)
            }
            Self::Unlink { at, flags } => mutate::unlink(at.dir.as_fd(), &at.asked(), *flags).map(|()| None),
            Self::Rename { from, to, flags } => {
                mutate::rename((from.dir.as_fd(), &from.asked()), (to.dir.as_fd(), &to.asked()), *flags).map(|()| None)
            }
            Self::Link { from, to } => {
                mutate::link((from.dir.as_fd(), &from.asked()), (to.dir.as_fd(), &to.asked())).map(|()| None)
            }
            Self::LinkObject { object, to } => {
                mutate::link_fd(object.as_fd(), (to.dir.as_fd(), &to.asked())).map(|()| None)
            }
            Self::Symlink { text, at } => mutate::symlink(text, at.dir.as_fd(), &at.asked()).map(|()| None),
            Self::Truncate { object, len } => mutate::truncate(object.as_fd(), *len).map(|()| None),
            Self::Chmod { object, mode } => mutate::chmod(object.as_fd(), *mode).map(|()| None),
            Self::Chown { object, uid, gid } => mutate::chown(object.as_fd(), *uid, *gid).map(|()| None),
            Self::Times { object, times } => mutate::set_times(object.as_fd(), times).map(|()| None),
            Self::SetXattr { object, name, value, flags } => {
                mutate::set_xattr(object.as_fd(), name, value, *flags).map(|()| None)
            }
            Self::RemoveXattr { object, name } => mutate::remove_xattr(object.as_fd(), name).map(|()| None),
        }
    }

    /// The paths it touches and what it does to them, asked from the descriptors themselves.
    pub fn touches(&self) -> Sys<Vec<(Vec<u8>, Access)>> {
        let named = |at: &At| -> Sys<Vec<u8>> {
            let name = at.name.to_bytes();
            if name.split(|b| *b == b'/').any(|part| part == b"..") {
                return Err(Errno(libc::EACCES));
            }
            Ok(join(&file::path_of(at.dir.as_fd())?, name.strip_prefix(b"/").unwrap_or(name)))
        };
        match self {
            Self::Open { at, flags, .. } => Ok(vec![(named(at)?, access_of(*flags))]),
            Self::Reopen { object, flags } => Ok(vec![(file::path_of(object.as_fd())?, access_of(*flags))]),
            Self::Mkdir { at, .. } | Self::Mknod { at, .. } => Ok(vec![(named(at)?, Access::CREATE)]),
            Self::Symlink { at, .. } => Ok(vec![(named(at)?, PLACED)]),
            Self::Unlink { at, .. } => Ok(vec![(named(at)?, Access::DELETE)]),
            Self::Rename { from, to, flags } => {
                let (old, new) = ends_of_rename(*flags);
                Ok(vec![(named(from)?, old), (named(to)?, new)])
            }
            Self::Link { from, to } => Ok(vec![(named(from)?, LINKED), (named(to)?, PLACED)]),
            Self::LinkObject { object, to } => {
                let mut touched = vec![(named(to)?, PLACED)];
                // An object without a name has no path to judge; the name it gets has.
                if file::stat(object.as_fd())?.links > 0 {
                    touched.push((file::path_of(object.as_fd())?, LINKED));
                }
                Ok(touched)
            }
            Self::Truncate { object, .. } => Ok(vec![(file::path_of(object.as_fd())?, Access::WRITE)]),
            Self::Chmod { object, .. }
            | Self::Chown { object, .. }
            | Self::Times { object, .. }
            | Self::SetXattr { object, .. }
            | Self::RemoveXattr { object, .. } => Ok(vec![(file::path_of(object.as_fd())?, Access::CHANGE)]),
        }
    }
}

/// The new name of something with contents of its own: what stands there afterwards is another file.
pub const PLACED: Access = Access::CREATE.union(Access::WRITE);
/// The old name of a hard link: the new one gives its directory's rights over the same file.
pub const LINKED: Access = Access::READ.union(Access::WRITE).union(Access::CHANGE);
/// The old name of what moves: it can be read where it comes to stand.
pub const MOVED: Access = Access::READ.union(Access::RENAME);

/// What a rename with these flags wants of its old name, and of its new one. Unless the kernel is told to replace nothing,
/// something may stand there by the time that it acts.
#[must_use]
pub fn ends_of_rename(flags: u32) -> (Access, Access) {
    if flags & libc::RENAME_EXCHANGE != 0 {
        let both = MOVED.union(PLACED).union(Access::DELETE);
        return (both, both);
    }
    let replaced = if flags & libc::RENAME_NOREPLACE == 0 { Access::DELETE } else { Access::empty() };
    (MOVED, PLACED | replaced)
}

/// What an open with these flags wants of the file. O_PATH wants nothing; truncating is writing.
#[must_use]
pub fn access_of(flags: i32) -> Access {
    let temporary = libc::O_TMPFILE & !libc::O_DIRECTORY;
    let mut access = match flags & libc::O_ACCMODE {
        libc::O_RDONLY => Access::READ,
        libc::O_WRONLY => Access::WRITE,
        // 3 opens for ioctl only, after checking for both rights (open(2)).
        _ => Access::READ | Access::WRITE,
    };
    if flags & libc::O_TRUNC != 0 {
        access |= Access::WRITE;
    }
    if flags & libc::O_CREAT != 0 || flags & temporary == temporary {
        access |= Access::CREATE;
    }
    access
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_wants_what_its_flags_say() {
        assert_eq!(access_of(libc::O_RDONLY), Access::READ);
        assert_eq!(access_of(libc::O_WRONLY), Access::WRITE);
        assert_eq!(access_of(libc::O_RDWR), Access::READ | Access::WRITE);
        assert_eq!(access_of(libc::O_RDONLY | libc::O_CREAT), Access::READ | Access::CREATE);
        assert_eq!(access_of(libc::O_RDONLY | libc::O_TRUNC), Access::READ | Access::WRITE);
        assert_eq!(access_of(libc::O_TMPFILE | libc::O_WRONLY), Access::WRITE | Access::CREATE);
        assert_eq!(access_of(libc::O_DIRECTORY), Access::READ);
    }

    #[test]
    fn a_rename_deletes_what_it_may_replace() {
        assert_eq!(ends_of_rename(0), (MOVED, PLACED | Access::DELETE));
        assert_eq!(ends_of_rename(libc::RENAME_NOREPLACE), (MOVED, PLACED));
        let (old, new) = ends_of_rename(libc::RENAME_EXCHANGE);
        assert!(old == new && old.contains(MOVED | PLACED | Access::DELETE));
    }

    #[test]
    fn joining_keeps_absolute_names_and_single_slashes() {
        assert_eq!(join(b"/", b"a"), b"/a");
        assert_eq!(join(b"/a", b"b/c"), b"/a/b/c");
        assert_eq!(join(b"/a", b"/b"), b"/b");
        assert_eq!(join(b"/a", b""), b"/a");
    }
}
