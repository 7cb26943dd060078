//! Changing names and metadata: every call of that kind, in its old and new forms, judged and performed by us.
//!
//! Invariant: both ends of a move are resolved to (open directory, name) before judging, under the session's lock on
//! changes; a carved-out path, or a directory on the way to one, is neither moved, linked, exchanged nor replaced.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::act::{Act, At, Last, PLACED};
use super::procfs;
use super::resolve::Found;
use super::worker::{Answer, Call, RESTART, Ruling, Told, Worker};
use crate::event::{Kind, Via};
use crate::policy::{Access, Verdict};
use crate::sys::{Errno, Sys, file, mutate};

mod moves;

/// Longest extended attribute (xattr(7)).
const XATTR_MAX: usize = 65536;

/// A path argument: which directory it starts from, and where its text is.
#[derive(Clone, Copy)]
pub struct PathArg {
    pub dirfd: i32,
    pub addr: u64,
}

impl PathArg {
    pub fn here(addr: u64) -> Self {
        Self { dirfd: libc::AT_FDCWD, addr }
    }
}

/// A path, and what is wanted of it.
pub type End<'a> = (&'a [u8], Access);

fn all_of(ends: &[End<'_>]) -> Access {
    ends.iter().fold(Access::empty(), |all, end| all | end.1)
}

/// A memory file (memfd_create(2)): no name leads to it.
fn is_memory(found: &Found) -> bool {
    found.path.starts_with(b"/memfd:") && file::stat(found.fd.as_fd()).is_ok_and(|s| s.links == 0)
}

fn carved() -> Ruling {
    Ruling::built_in(Verdict::Deny, "built-in: leads to a protected path")
}

impl Worker {
    fn place(&self, call: &Call, arg: PathArg) -> Sys<At> {
        let path = call.copier().path(arg.addr)?;
        let resolver = self.resolver(call);
        let base = resolver.base(arg.dirfd, path.to_bytes(), 0)?;
        let mut at = resolver.place(&base, path.to_bytes())?;
        if at.last == Last::Name && self.rules.policy.is_doubtful(&at.full()) {
            at.take_real_name()?;
        }
        Ok(at)
    }

    fn object(&self, call: &Call, arg: PathArg, follow: bool) -> Sys<Found> {
        let path = call.copier().path(arg.addr)?;
        let resolver = self.resolver(call);
        let base = resolver.base(arg.dirfd, path.to_bytes(), 0)?;
        resolver.existing(&base, path.to_bytes(), follow, 0)
    }

    /// The object behind one of the target's descriptors.
    fn held(&self, call: &Call, fd: i32) -> Sys<Found> {
        let fd = call.thread.process.descriptor(fd)?;
        Ok(Found { path: file::path_of(fd.as_fd())?, fd: Arc::new(fd) })
    }

    /// Judges, performs, records. `ends` are what is changed and how; the first two go into the event.
    fn change(&mut self, call: &Call, op: &'static str, ends: &[End<'_>], act: Act, creates: bool) -> Answer {
        let mut ruling = Ruling::built_in(Verdict::Allow, "default");
        for (path, access) in ends {
            let one = self.judge_guarded(call, path, *access).0;
            let one = self.unless_as_git(one, (path, *access), &act);
            if one.denies() {
                ruling = one;
                break;
            }
            // One question for both ends.
            if ruling.verdict != Verdict::Ask {
                ruling = one;
            }
        }
        let paths: Vec<_> = ends.iter().map(|end| end.0).collect();
        let ruling = self.settle_file(ruling, op, all_of(ends), &paths, ends);
        let ruling = self.unless_by_shape(call, ruling, ends, &act);
        self.conclude(call, op, ends, act, creates, ruling)
    }

    fn conclude(
        &mut self,
        call: &Call,
        op: &'static str,
        ends: &[End<'_>],
        act: Act,
        creates: bool,
        ruling: Ruling,
    ) -> Answer {
        if !self.still_waits(call) {
            return Errno(libc::EINTR).into();
        }
        let outcome = if ruling.allows() { self.perform(call, act, creates).map(drop) } else { Err(ruling.refusal()) };
        self.told(call, op, ends, &ruling, outcome)
    }

    /// Records what became of a change, and answers.
    pub fn told(&self, call: &Call, op: &'static str, ends: &[End<'_>], ruling: &Ruling, outcome: Sys<()>) -> Answer {
        let errno = outcome.err().map_or(0, |e| e.0);
        if errno != RESTART.0 {
            let path = |at: usize| ends.get(at).map(|end| end.0).unwrap_or_default();
            let (path, path2, access) = (path(0), path(1), all_of(ends));
            let told = Told { kind: Kind::File, op, access, path, path2, via: Via::Brokered, errno };
            self.tell(call, &told, ruling);
        }
        match outcome {
            Ok(()) => Answer::Value(0),
            Err(errno) => errno.into(),
        }
    }

    pub fn mkdir(&mut self, call: &Call, arg: PathArg, mode: u64) -> Answer {
        self.make(call, "mkdir", arg, |at| Act::Mkdir { at, mode: mode as u32 & 0o7777 })
    }

    /// Device nodes are refused: who may make one reads every disk.
    pub fn mknod(&mut self, call: &Call, arg: PathArg, mode: u64, device: u64) -> Answer {
        let kind = mode as u32 & libc::S_IFMT;
        if [libc::S_IFCHR, libc::S_IFBLK].contains(&kind) && device != 0 {
            return self.refuse(call, "mknod", b"device", Errno(libc::EPERM));
        }
        self.make(call, "mknod", arg, |at| Act::Mknod { at, mode: mode as u32, device })
    }

    pub fn symlink(&mut self, call: &Call, text: u64, arg: PathArg) -> Answer {
        match call.copier().path(text) {
            Ok(text) if text.is_empty() => Errno(libc::ENOENT).into(),
            Ok(text) => self.make(call, "symlink", arg, |at| Act::Symlink { text: text.clone(), at }),
            Err(errno) => self.unreadable(call, "symlink", errno),
        }
    }

    /// A new name: mkdir, mknod, symlink.
    fn make(&mut self, call: &Call, op: &'static str, arg: PathArg, act: impl Fn(At) -> Act) -> Answer {
        let shared = self.shared.clone();
        let _changes = shared.change_names();
        match self.place(call, arg) {
            Ok(at) if at.last != Last::Name => Errno(libc::EEXIST).into(),
            Ok(at) => {
                let full = at.full();
                // What exists is not denied but there already: `mkdir -p` walks over directories it may not write.
                if file::stat_at(at.dir.as_fd(), &at.name).is_ok() {
                    return Errno(libc::EEXIST).into();
                }
                let act = act(at);
                let wanted = if matches!(act, Act::Symlink { .. }) { PLACED } else { Access::CREATE };
                // A link in the place of a protected path's parent would lead the path elsewhere.
                if matches!(act, Act::Symlink { .. }) {
                    let carves = self.rules.policy.carves_beneath(&full);
                    let led = if carves { Some(carved()) } else { self.unless_link_astray(&full) };
                    if let Some(ruling) = led {
                        return self.conclude(call, op, &[(&full, wanted)], act, true, ruling);
                    }
                }
                self.change(call, op, &[(&full, wanted)], act, true)
            }
            Err(errno) => self.unreadable(call, op, errno),
        }
    }

    pub fn unlink(&mut self, call: &Call, arg: PathArg, flags: i32) -> Answer {
        let shared = self.shared.clone();
        let _changes = shared.change_names();
        let is_dir = flags & libc::AT_REMOVEDIR != 0;
        let op = if is_dir { "rmdir" } else { "unlink" };
        match self.place(call, arg) {
            Ok(At { last: Last::Dot, .. }) if is_dir => Errno(libc::EINVAL).into(),
            Ok(At { last: Last::DotDot, .. }) if is_dir => Errno(libc::ENOTEMPTY).into(),
            Ok(at) if at.last != Last::Name => Errno(if is_dir { libc::EBUSY } else { libc::EISDIR }).into(),
            Ok(at) => {
                let full = at.full();
                if file::stat_at(at.dir.as_fd(), &at.name) == Err(Errno(libc::ENOENT)) {
                    return Errno(libc::ENOENT).into();
                }
                let act = Act::Unlink { at, flags };
                if is_dir && self.rules.policy.carves_beneath(&full) && !self.is_removable(&full) {
                    return self.conclude(call, op, &[(&full, Access::DELETE)], act, false, carved());
                }
                self.change(call, op, &[(&full, Access::DELETE)], act, false)
            }
            Err(errno) => self.unreadable(call, op, errno),
        }
    }

    pub fn truncate(&mut self, call: &Call) -> Answer {
        let len = call.arg(1) as i64;
        if self.shared.is_too_large(call, len) {
            return Errno(libc::EFBIG).into();
        }
        self.on_object(call, "truncate", PathArg::here(call.arg(0)), true, |object| Act::Truncate { object, len })
    }

    pub fn chmod(&mut self, call: &Call, arg: PathArg, mode: u64, follow: bool) -> Answer {
        self.on_object(call, "chmod", arg, follow, |object| Act::Chmod { object, mode: mode as u32 & 0o7777 })
    }

    pub fn chown(&mut self, call: &Call, arg: PathArg, ids: (u64, u64), follow: bool) -> Answer {
        let (uid, gid) = (ids.0 as u32, ids.1 as u32);
        self.on_object(call, "chown", arg, follow, |object| Act::Chown { object, uid, gid })
    }

    pub fn times(&mut self, call: &Call, arg: PathArg, times: Sys<mutate::Times>, follow: bool) -> Answer {
        match times {
            Ok(times) => self.on_object(call, "utimes", arg, follow, |object| Act::Times { object, times }),
            Err(errno) => self.unreadable(call, "utimes", errno),
        }
    }

    pub fn set_xattr(&mut self, call: &Call, arg: PathArg, at: (u64, u64, u64), flags: i32, follow: bool) -> Answer {
        let (name, value, len) = at;
        let copier = call.copier();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > XATTR_MAX {
            return Errno(libc::E2BIG).into();
        }
        let copied = copier.string(name, 256).and_then(|name| Ok((name, copier.bytes(value, len)?)));
        match copied {
            Ok((name, value)) => self.on_object(call, "setxattr", arg, follow, |object| Act::SetXattr {
                object,
                name: name.clone(),
                value: value.clone(),
                flags,
            }),
            Err(errno) => self.unreadable(call, "setxattr", errno),
        }
    }

    pub fn remove_xattr(&mut self, call: &Call, arg: PathArg, name: u64, follow: bool) -> Answer {
        match call.copier().string(name, 256) {
            Ok(name) => self
                .on_object(call, "removexattr", arg, follow, |object| Act::RemoveXattr { object, name: name.clone() }),
            Err(errno) => self.unreadable(call, "removexattr", errno),
        }
    }

    /// Metadata of the object a path names; with a null path (`addr` 0) of the descriptor itself.
    fn on_object(
        &mut self,
        call: &Call,
        op: &'static str,
        arg: PathArg,
        follow: bool,
        act: impl Fn(Arc<OwnedFd>) -> Act,
    ) -> Answer {
        let wanted = if op == "truncate" { Access::WRITE } else { Access::CHANGE };
        let found = if arg.addr == 0 { self.held(call, arg.dirfd) } else { self.object(call, arg, follow) };
        match found {
            Ok(found) if procfs::is_nameless(&found.path) || is_memory(&found) => {
                // A pipe, socket or memory file: has no name that anybody else could reach.
                let ruling = Ruling::built_in(Verdict::Allow, "built-in: own descriptor");
                self.conclude(call, op, &[(&found.path, wanted)], act(found.fd.clone()), false, ruling)
            }
            Ok(found) => {
                let gone = file::stat(found.fd.as_fd()).is_ok_and(|s| s.links == 0);
                let path =
                    if gone { found.path.strip_suffix(b" (deleted)").unwrap_or(&found.path) } else { &found.path };
                if self.is_denied_inode(&found.fd) {
                    let ruling = Ruling::built_in(Verdict::Deny, "built-in: another name of a denied file");
                    return self.conclude(call, op, &[(path, wanted)], act(found.fd.clone()), false, ruling);
                }
                self.change(call, op, &[(path, wanted)], act(found.fd.clone()), false)
            }
            Err(errno) => self.unreadable(call, op, errno),
        }
    }
}
