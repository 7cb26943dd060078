//! The long way of an open: resolve, hold, judge what is held, open that very object; or judge the place and make the file there.
//!
//! Invariant: what is opened is the object that was judged, by its descriptor; what is made is made in the directory that was
//! judged, under a name that is no link.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::super::act::{Act, At, Last, join};
use super::super::repository::concerns;
use super::super::resolve::{Found, is_plain};
use super::super::target::{Dir, lock};
use super::super::worker::{Answer, Call, RESTART, Ruling, Worker};
use super::{TEMPORARY, Wanted};
use crate::policy::repository::shape::Deed;
use crate::policy::{Access, Verdict};
use crate::sys::{Errno, Sys, file};

impl Worker {
    /// The long way: resolve, hold, judge what is held, open that very object.
    pub(super) fn open_resolved(&mut self, call: &Call, wanted: &Wanted, base: &Arc<Dir>) -> Sys<Answer> {
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

    /// `errno` when the policy lets the path be used, else a denial.
    fn refuse_or(&mut self, call: &Call, wanted: &Wanted, path: &[u8], errno: Errno) -> Sys<Answer> {
        let ruling = self.judge_guarded(call, path, wanted.access()).0.unless_asked();
        let errno = if ruling.allows() { errno } else { ruling.refusal() };
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
        if !ruling.denies() && asked != path && is_plain(&asked) && self.rules.policy.protected(&asked) {
            let by_name = self.judge(&asked, wanted.access());
            ruling = if by_name.denies() || ruling.allows() { by_name } else { ruling };
        }
        let access = wanted.access();
        // Through a link, what it was asked by is part of the question.
        let by = if asked == path { &b""[..] } else { &asked };
        let ruling = self.settle_file(ruling, "open", access, &[path, by], &[(path, access), (&asked, access)]);
        let no_tty = matches!(path, b"/dev/tty" | b"/dev/console") && terminal.is_none();
        if !ruling.allows() || no_tty {
            let errno = if ruling.allows() { Errno(libc::ENXIO) } else { ruling.refusal() };
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
        let shared = self.shared.clone();
        // Who waits for a peer must not hold the lock; what is no plain file is no configuration that anybody could write.
        let plain = if stat.kind() == libc::S_IFREG && !gone { access } else { Access::empty() };
        let _names = concerns(path, plain).then(|| shared.keep_names());
        self.refuse_by_shape(call, wanted, path, plain, || file::path_of(found.fd.as_fd()))?;
        let flags = wanted.flags & !libc::O_NOFOLLOW;
        if terminal.is_none() && !gone && self.rules.denied_inodes.is_empty() {
            self.remember(call, wanted, &asked, path);
        }
        let opened = self.perform(call, Act::Reopen { object, flags }, false);
        self.opened(call, wanted, opened, path, ruling)
    }

    /// An error where opening would change what git runs in a directory that it would take for its own; with the lock on
    /// changes held, where the path has such a name. `now` is the path that the object has by then.
    fn refuse_by_shape(
        &mut self,
        call: &Call,
        wanted: &Wanted,
        path: &[u8],
        access: Access,
        now: impl Fn() -> Sys<Vec<u8>>,
    ) -> Sys<()> {
        if !concerns(path, access) {
            return Ok(());
        }
        let ruling = if now()? == path {
            self.by_shape(call, path, access, Deed::Other)
        } else {
            Some(Ruling::built_in(Verdict::Deny, "built-in: no path leads there"))
        };
        let Some(ruling) = ruling else { return Ok(()) };
        self.tell(call, &self.told_open(wanted, path, ruling.refusal()), &ruling);
        Err(ruling.refusal())
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
                if errno != RESTART {
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
        // Until it is made its directory keeps its name: it could be moved to where nothing may be made.
        let shared = self.shared.clone();
        let _names = shared.keep_names();
        let at = self.resolver(call).place_to_create(base, path)?;
        if at.last != Last::Name {
            return Err(Errno(libc::EISDIR));
        }
        let full = at.full();
        let access = wanted.access();
        let resolve = file::NO_SYMLINKS | file::NO_MAGICLINKS;
        let act = Act::Open { at, flags: wanted.flags, mode: wanted.mode(), resolve };
        let (ruling, _) = self.judge_guarded(call, &full, access);
        let ruling = self.unless_as_git(ruling, (&full, access), &act);
        let ruling = self.settle_file(ruling, "open", access, &[&full], &[(&full, access)]);
        if !ruling.allows() {
            self.tell(call, &self.told_open(wanted, &full, ruling.refusal()), &ruling);
            return Err(ruling.refusal());
        }
        self.refuse_by_shape(call, wanted, &full, access, || Ok(full.clone()))?;
        let opened = self.perform(call, act, true);
        self.opened(call, wanted, opened, &full, ruling)
    }
}
