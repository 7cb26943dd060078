//! open, openat, openat2, creat: judged by what the path really names, opened by us, handed over.
//!
//! ```text
//! plain path ── judged as written ── openat2 without any link on the way ── handed over      (fast)
//!      └ a link, "..", /proc, /dev, or denied ── resolved, held, judged, re-opened ── handed over
//! ```
//! A read is left to the kernel only where the policy has no carve-out among reads: whatever a racing thread makes of
//! the path then, Landlock permits only what the policy permits.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::act::{Act, At, access_of, join};
use super::resolve::{Found, is_plain};
use super::target::{Dir, lock};
use super::worker::{Answer, Call, Ruling, Told, Worker};
use crate::event::{Kind, Via};
use crate::policy::{Access, Verdict};
use crate::sandbox::beneath;
use crate::sys::{Errno, Sys, clone, file};

/// Flags that open(2) knows; it ignores others, openat2(2) refuses them.
const KNOWN: i32 = libc::O_ACCMODE
    | libc::O_CREAT
    | libc::O_EXCL
    | libc::O_NOCTTY
    | libc::O_TRUNC
    | libc::O_APPEND
    | libc::O_NONBLOCK
    | libc::O_DSYNC
    | libc::O_SYNC
    | libc::O_ASYNC
    | libc::O_DIRECT
    | libc::O_LARGEFILE
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | libc::O_NOATIME
    | libc::O_CLOEXEC
    | libc::O_TMPFILE;
const TEMPORARY: i32 = libc::O_TMPFILE & !libc::O_DIRECTORY;

/// An open as the target asked for it, copied.
pub struct Wanted {
    path: CString,
    flags: i32,
    mode: u32,
    /// RESOLVE_* of openat2(2).
    limits: u64,
}

impl Wanted {
    fn access(&self) -> Access {
        access_of(self.flags)
    }

    /// The same for what exists: nothing is made then, and the open that follows is not allowed to.
    fn of_existing(&self) -> Wanted {
        let makes = if self.has(TEMPORARY) { 0 } else { libc::O_CREAT | libc::O_EXCL };
        Wanted { path: self.path.clone(), flags: self.flags & !makes, ..*self }
    }

    fn has(&self, flag: i32) -> bool {
        self.flags & flag == flag
    }

    fn creates(&self) -> bool {
        self.flags & (libc::O_CREAT | TEMPORARY) != 0
    }

    /// The mode for openat2, which refuses one that is not used.
    fn mode(&self) -> u32 {
        if self.creates() { self.mode & 0o7777 } else { 0 }
    }
}

impl Worker {
    /// open(2) and creat(2).
    pub fn open_old(&mut self, call: &Call, flags: i32, mode: usize) -> Answer {
        let copy = call.copier().path(call.arg(0));
        self.open(call, copy, libc::AT_FDCWD, flags, call.arg(mode) as u32, 0)
    }

    /// openat(2).
    pub fn openat(&mut self, call: &Call) -> Answer {
        let copy = call.copier().path(call.arg(1));
        self.open(call, copy, call.int(0), call.int(2), call.arg(3) as u32, 0)
    }

    /// openat2(2): the structure is copied once. With O_PATH callers are told to fall back to openat.
    pub fn openat2(&mut self, call: &Call) -> Answer {
        let copier = call.copier();
        let how = match usize::try_from(call.arg(3)).unwrap_or(usize::MAX) {
            0..24 => Err(Errno(libc::EINVAL)),
            size @ 24..=4096 => copier.words(call.arg(2), size / 8),
            _ => Err(Errno(libc::E2BIG)),
        };
        let how = match how {
            Ok(how) => how,
            Err(errno) => return self.unreadable(call, "openat2", errno),
        };
        let [flags, mode, limits, newer @ ..] = how.as_slice() else { return Errno(libc::EINVAL).into() };
        if newer.iter().any(|word| *word != 0) {
            return Errno(libc::E2BIG).into();
        }
        let (Ok(flags), Ok(mode)) = (u32::try_from(*flags), u32::try_from(*mode)) else {
            return Errno(libc::EINVAL).into();
        };
        if flags as i32 & libc::O_PATH != 0 || *limits & !0x1f != 0 {
            return Errno(libc::ENOSYS).into();
        }
        if mode != 0 && flags as i32 & (libc::O_CREAT | TEMPORARY) == 0 {
            return Errno(libc::EINVAL).into();
        }
        let copy = copier.path(call.arg(1));
        self.open(call, copy, call.int(0), flags as i32, mode, *limits)
    }

    fn open(&mut self, call: &Call, copy: Sys<CString>, dirfd: i32, flags: i32, mode: u32, limits: u64) -> Answer {
        let path = match copy {
            Ok(path) => path,
            Err(errno) => return self.unreadable(call, "open", errno),
        };
        if !self.still_waits(call) {
            // The memory read may have been another's: nothing is done for a target that is gone.
            return Errno(libc::EINTR).into();
        }
        let wanted = Wanted { path, flags: flags & KNOWN, mode, limits };
        let base = match self.resolver(call).base(dirfd, wanted.path.to_bytes(), limits) {
            Ok(base) => base,
            Err(errno) => return errno.into(),
        };
        if let Some(answer) = self.open_plain(call, &wanted, &base) {
            return answer;
        }
        if let Some(answer) = self.open_remembered(call, &wanted, &base) {
            return answer;
        }
        self.open_resolved(call, &wanted, &base).unwrap_or_else(Into::into)
    }

    /// The fast way, for paths that can be judged as written. None: go the long way.
    fn open_plain(&mut self, call: &Call, wanted: &Wanted, base: &Arc<Dir>) -> Option<Answer> {
        let path = wanted.path.to_bytes();
        // A hard link of a denied file must be seen before it is opened, which may already truncate it.
        let looks_alike = !self.shared.denied_inodes.is_empty();
        if looks_alike || !is_plain(path) || wanted.limits != 0 || !base.path.starts_with(b"/") {
            return None;
        }
        let full = join(&base.path, path);
        if full.starts_with(b"/proc/") || full.starts_with(b"/dev/") {
            return None;
        }
        let access = wanted.access();
        let ruling = self.judge(&full, access);
        if !ruling.allows() {
            return None;
        }
        let told = |via, errno| Told { kind: Kind::File, op: "open", access, path: &full, path2: b"", via, errno };
        if self.shared.continues_reads
            && access == Access::READ
            && self.shared.readable.iter().any(|root| beneath(&full, root))
        {
            return self.continue_read(call, wanted, base, &full, &ruling);
        }
        match self.open_without_links(call, wanted, base) {
            Ok(Some(fd)) => Some(self.hand_over(call, wanted, fd, &full, ruling)),
            Ok(None) | Err(Errno(libc::ELOOP)) => None,
            Err(errno) => {
                if errno != super::worker::RESTART {
                    self.tell(call, &told(Via::Brokered, errno.0), &ruling);
                }
                Some(errno.into())
            }
        }
    }

    /// Leaves a read to the kernel. Where the agent can make links, the record would name what Landlock then refuses, so
    /// there the way is looked at first; that still costs less than handing a descriptor over. None: a link is on it.
    fn continue_read(
        &mut self,
        call: &Call,
        wanted: &Wanted,
        base: &Dir,
        full: &[u8],
        ruling: &Ruling,
    ) -> Option<Answer> {
        let mut told = self.told_open(wanted, full, Errno(0));
        told.via = Via::Continued;
        if !self.is_fixed(full) {
            let limits = file::NO_SYMLINKS | file::NO_MAGICLINKS;
            match file::open_how(Some(base.fd.as_fd()), &wanted.path, libc::O_PATH, 0, limits) {
                Ok(_) => {}
                Err(Errno(libc::ELOOP)) => return None,
                Err(errno) => {
                    (told.via, told.errno) = (Via::Brokered, errno.0);
                    self.tell(call, &told, ruling);
                    return Some(errno.into());
                }
            }
        }
        self.tell(call, &told, ruling);
        Some(Answer::Continue)
    }

    /// Opens the path as it is written, straight from the copy; where the broker's domain ends, as an act for the warden.
    fn open_without_links(&self, call: &Call, wanted: &Wanted, base: &Dir) -> Sys<Option<OwnedFd>> {
        let resolve = file::NO_SYMLINKS | file::NO_MAGICLINKS;
        if wanted.creates() {
            clone::set_umask(call.thread.process.umask(call.tid())?);
        }
        let dir = Some(base.fd.as_fd());
        let open = || file::open_how(dir, &wanted.path, wanted.flags, wanted.mode(), resolve);
        match self.attempt(call, open) {
            Err(Errno(libc::EACCES | libc::EXDEV)) if !self.shared.late.is_empty() => {
                let path = wanted.path.to_bytes();
                let name = CString::new(path.strip_prefix(b"/").unwrap_or(path)).map_err(|_| Errno(libc::EINVAL))?;
                let at = At::new(base.fd.clone(), base.path.clone(), name);
                let act = Act::Open { at, flags: wanted.flags, mode: wanted.mode(), resolve };
                self.perform(call, act, wanted.creates())
            }
            outcome => outcome.map(Some),
        }
    }

    /// A read through links that were followed a moment ago (libraries at the start of a program): the real path is
    /// opened again without any link on the way, so what is opened is what was judged even if a link has changed since.
    fn open_remembered(&mut self, call: &Call, wanted: &Wanted, base: &Dir) -> Option<Answer> {
        if wanted.access() != Access::READ || wanted.limits != 0 || wanted.has(libc::O_NOFOLLOW) {
            return None;
        }
        let asked = join(&base.path, wanted.path.to_bytes());
        let real = self.links.get(&asked, call.started)?.to_vec();
        let ruling = self.judge(&real, Access::READ);
        let name = CString::new(real.strip_prefix(b"/")?).ok()?;
        let top = super::resolve::root().ok()?;
        let at = At::new(top.fd.clone(), top.path.clone(), name);
        let resolve = file::NO_SYMLINKS | file::NO_MAGICLINKS;
        match self.perform(call, Act::Open { at, flags: wanted.flags, mode: 0, resolve }, false) {
            Ok(Some(fd)) if ruling.allows() => Some(self.hand_over(call, wanted, fd, &real, ruling)),
            _ => {
                self.links.forget(&asked);
                None
            }
        }
    }

    /// Remembers where links led, when neither the way nor the file can be changed by the agent.
    fn remember(&mut self, call: &Call, wanted: &Wanted, asked: &[u8], real: &[u8]) {
        let special = |path: &[u8]| !path.starts_with(b"/") || path.starts_with(b"/proc") || path.starts_with(b"/dev");
        if wanted.access() != Access::READ || asked == real || special(asked) || special(real) {
            return;
        }
        let until = asked.windows(3).position(|w| w == b"/..").unwrap_or(asked.len());
        let fixed = asked.get(..until).unwrap_or_default();
        if self.is_fixed(fixed) && self.is_fixed(real) {
            self.links.put(asked.to_vec(), real.to_vec(), call.started);
        }
    }

    fn hand_over(&mut self, call: &Call, wanted: &Wanted, fd: OwnedFd, path: &[u8], ruling: Ruling) -> Answer {
        self.tell(call, &self.told_open(wanted, path, Errno(0)), &ruling);
        Answer::Fd { fd, cloexec: wanted.has(libc::O_CLOEXEC) }
    }

    /// The long way: resolve, hold, judge what is held, open that very object.
    fn open_resolved(&mut self, call: &Call, wanted: &Wanted, base: &Arc<Dir>) -> Sys<Answer> {
        let path = wanted.path.to_bytes();
        let exclusive = wanted.has(libc::O_CREAT) && wanted.has(libc::O_EXCL);
        let follow = !wanted.has(libc::O_NOFOLLOW) && !exclusive;
        let resolver = self.resolver(call);
        let found = resolver.existing(base, path, follow, wanted.limits);
        let refused = resolver.refused.get();
        match found {
            Ok(found) if exclusive => self.refuse_or(call, wanted, &found.path, Errno(libc::EEXIST)),
            Ok(found) => self.open_found(call, wanted, base, found),
            Err(Errno(libc::ENOENT)) if wanted.has(libc::O_CREAT) => self.create(call, wanted, base),
            Err(errno) => {
                let full = join(&base.path, path);
                let mut ruling = self.judge(&full, wanted.access()).unless_asked();
                if refused {
                    ruling = Ruling::built_in(Verdict::Deny, "built-in: process outside the session");
                } else if !ruling.allows() && matches!(errno.0, libc::ENOENT | libc::ENOTDIR) {
                    // The kernel's own answer: nothing is withheld, so nothing was denied.
                    ruling = Ruling::built_in(Verdict::Allow, "built-in: nothing there");
                }
                self.tell(call, &self.told_open(wanted, &full, errno), &ruling);
                Err(errno)
            }
        }
    }

    fn told_open<'a>(&self, wanted: &Wanted, path: &'a [u8], errno: Errno) -> Told<'a> {
        let access = wanted.access();
        Told { kind: Kind::File, op: "open", access, path, path2: b"", via: Via::Brokered, errno: errno.0 }
    }

    /// `errno` when the policy lets the path be used, else a denial.
    fn refuse_or(&mut self, call: &Call, wanted: &Wanted, path: &[u8], errno: Errno) -> Sys<Answer> {
        let ruling = self.judge_guarded(call, path, wanted.access()).0.unless_asked();
        let errno = if ruling.allows() { errno } else { Errno(libc::EACCES) };
        self.tell(call, &self.told_open(wanted, path, errno), &ruling);
        Err(errno)
    }

    fn open_found(&mut self, call: &Call, wanted: &Wanted, base: &Dir, found: Found) -> Sys<Answer> {
        let wanted = &wanted.of_existing();
        let stat = file::stat(found.fd.as_fd())?;
        if stat.is_symlink() {
            return self.refuse_or(call, wanted, &found.path, Errno(libc::ELOOP));
        }
        let gone = stat.links == 0;
        let path = if gone { found.path.strip_suffix(b" (deleted)").unwrap_or(&found.path) } else { &found.path };
        // The name it was asked by counts too: a rule that denies `.env` means also a link of that name.
        let asked = join(&base.path, wanted.path.to_bytes());
        let (mut ruling, terminal) = if gone && path.starts_with(b"/memfd:") {
            (Ruling::built_in(Verdict::Allow, "built-in: own descriptor"), None)
        } else {
            self.judge_guarded(call, path, wanted.access())
        };
        if !ruling.denies() && self.is_denied_inode(&found.fd) {
            ruling = Ruling::built_in(Verdict::Deny, "built-in: another name of a denied file");
        }
        if !ruling.denies() && asked != path && is_plain(&asked) && self.shared.policy.protected(&asked) {
            let by_name = self.judge(&asked, wanted.access());
            ruling = if by_name.denies() || ruling.allows() { by_name } else { ruling };
        }
        let access = wanted.access();
        // Through a link, what it was asked by is part of the question.
        let by = if asked == path { &b""[..] } else { &asked };
        let ruling = self.settle_file(ruling, "open", access, &[path, by], &[(path, access), (&asked, access)]);
        let no_tty = matches!(path, b"/dev/tty" | b"/dev/console") && terminal.is_none();
        if !ruling.allows() || no_tty {
            let errno = Errno(if ruling.allows() { libc::ENXIO } else { libc::EACCES });
            self.tell(call, &self.told_open(wanted, path, errno), &ruling);
            return Err(errno);
        }
        let object = match &terminal {
            Some(tty) => {
                let tty = CString::new(tty.as_slice()).map_err(|_| Errno(libc::EINVAL))?;
                Arc::new(file::open(None, &tty, libc::O_PATH, 0)?)
            }
            None => found.fd.clone(),
        };
        if wanted.flags & TEMPORARY != 0 {
            let name = CString::new(".").unwrap_or_default();
            let at = At::new(object, path.to_vec(), name);
            let act = Act::Open { at, flags: wanted.flags & !libc::O_NOFOLLOW, mode: wanted.mode(), resolve: 0 };
            let opened = self.perform(call, act, true);
            return self.opened(call, wanted, opened, path, ruling);
        }
        let flags = wanted.flags & !libc::O_NOFOLLOW;
        if terminal.is_none() && !gone && self.shared.denied_inodes.is_empty() {
            self.remember(call, wanted, &asked, path);
        }
        let opened = self.perform(call, Act::Reopen { object, flags }, false);
        self.opened(call, wanted, opened, path, ruling)
    }

    fn opened(
        &mut self,
        call: &Call,
        wanted: &Wanted,
        opened: Sys<Option<OwnedFd>>,
        path: &[u8],
        ruling: Ruling,
    ) -> Sys<Answer> {
        match opened {
            Ok(Some(fd)) => {
                if path.ends_with(b"/ptmx")
                    && let Ok(number) = file::pty_number(fd.as_fd())
                {
                    lock(&self.shared.ptys).insert(number);
                }
                Ok(self.hand_over(call, wanted, fd, path, ruling))
            }
            Ok(None) => Err(Errno(libc::EIO)),
            Err(errno) => {
                if errno != super::worker::RESTART {
                    self.tell(call, &self.told_open(wanted, path, errno), &ruling);
                }
                Err(errno)
            }
        }
    }

    /// A file that does not exist yet.
    fn create(&mut self, call: &Call, wanted: &Wanted, base: &Dir) -> Sys<Answer> {
        let path = wanted.path.to_bytes();
        if path.last() == Some(&b'/') {
            return Err(Errno(libc::EISDIR));
        }
        let at = self.resolver(call).place_to_create(base, path)?;
        if at.last != super::act::Last::Name {
            return Err(Errno(libc::EISDIR));
        }
        let full = at.full();
        let access = wanted.access();
        let (ruling, _) = self.judge_guarded(call, &full, access);
        let ruling = self.settle_file(ruling, "open", access, &[&full], &[(&full, access)]);
        if !ruling.allows() {
            self.tell(call, &self.told_open(wanted, &full, Errno(libc::EACCES)), &ruling);
            return Err(Errno(libc::EACCES));
        }
        let resolve = file::NO_SYMLINKS | file::NO_MAGICLINKS;
        let act = Act::Open { at, flags: wanted.flags, mode: wanted.mode(), resolve };
        let opened = self.perform(call, act, true);
        self.opened(call, wanted, opened, &full, ruling)
    }

    /// The target's memory cannot be read: a bad pointer is its own error, anything else a denial with its reason.
    pub fn unreadable(&self, call: &Call, op: &'static str, errno: Errno) -> Answer {
        match errno.0 {
            libc::EPERM | libc::ESRCH | libc::EIO => {
                let told = Told {
                    kind: Kind::File,
                    op,
                    access: Access::empty(),
                    path: b"",
                    path2: b"",
                    via: Via::Brokered,
                    errno: libc::EACCES,
                };
                let why = "built-in: the program's memory cannot be read";
                self.tell(call, &told, &Ruling::built_in(Verdict::Deny, why));
                Errno(libc::EACCES).into()
            }
            _ => errno.into(),
        }
    }
}
