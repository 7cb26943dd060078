//! The fast way of an open: a path that can be judged as it is written, or that led somewhere a moment ago.
//!
//! Invariant: what is opened without resolving it first is walked to without any link, so it is what was judged.
//! Leaves to others: everything else (`resolved`).

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::super::act::{Act, At, join};
use super::super::repository::concerns;
use super::super::resolve::{self, is_plain};
use super::super::target::Dir;
use super::super::worker::{Answer, Call, RESTART, Ruling, Told, Worker};
use super::Wanted;
use crate::event::{Kind, Via};
use crate::policy::Access;
use crate::sandbox::beneath;
use crate::sys::{Errno, Sys, clone, file};

impl Worker {
    /// The fast way, for paths that can be judged as written. None: go the long way.
    pub(super) fn open_plain(&mut self, call: &Call, wanted: &Wanted, base: &Arc<Dir>) -> Option<Answer> {
        let path = wanted.path.to_bytes();
        // A hard link of a denied file must be seen before it is opened, which may already truncate it.
        let looks_alike = !self.rules.denied_inodes.is_empty();
        if looks_alike || !is_plain(path) || wanted.limits != 0 || !base.path.starts_with(b"/") {
            return None;
        }
        let full = join(&base.path, path);
        if full.starts_with(b"/proc/") || full.starts_with(b"/dev/") {
            return None;
        }
        let access = wanted.access();
        if concerns(&full, access) {
            return None;
        }
        let shared = self.shared.clone();
        let _names = if wanted.creates() { Some(shared.keep_names()) } else { None };
        if wanted.creates() && !self.can_make(wanted, base) {
            return None;
        }
        let ruling = self.judge(&full, access);
        if !ruling.allows() || ruling.is_doubtful {
            return None;
        }
        let told = |via, errno| Told { kind: Kind::File, op: "open", access, path: &full, path2: b"", via, errno };
        if self.rules.continues_reads
            && access == Access::READ
            && self.shared.readable.iter().any(|root| beneath(&full, root))
        {
            return self.continue_read(call, wanted, base, &full, &ruling);
        }
        match self.open_without_links(call, wanted, base) {
            Ok(Some(fd)) => Some(self.hand_over(call, wanted, fd, &full, ruling)),
            Ok(None) | Err(Errno(libc::ELOOP)) => None,
            Err(errno) => {
                if errno != RESTART {
                    self.tell(call, &told(Via::Brokered, errno.0), &ruling);
                }
                Some(errno.into())
            }
        }
    }

    /// Whether a file can be made there while names are kept: its directory still has the name that is judged, and nothing is
    /// there that an open would wait for.
    fn can_make(&self, wanted: &Wanted, base: &Dir) -> bool {
        let is_named = file::path_of(base.fd.as_fd()).is_ok_and(|path| path == base.path);
        let waits = |stat: file::Stat| ![libc::S_IFREG, libc::S_IFDIR].contains(&stat.kind());
        is_named && !file::stat_at(base.fd.as_fd(), &wanted.path).is_ok_and(waits)
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
            Err(Errno(libc::EACCES | libc::EXDEV)) if !self.rules.late.is_empty() => {
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
    pub(super) fn open_remembered(&mut self, call: &Call, wanted: &Wanted, base: &Dir) -> Option<Answer> {
        if wanted.access() != Access::READ || wanted.limits != 0 || wanted.has(libc::O_NOFOLLOW) {
            return None;
        }
        let asked = join(&base.path, wanted.path.to_bytes());
        let real = self.links.get(&asked, call.started)?.to_vec();
        let ruling = self.judge(&real, Access::READ);
        let name = CString::new(real.strip_prefix(b"/")?).ok()?;
        let top = resolve::root().ok()?;
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
    pub(super) fn remember(&mut self, call: &Call, wanted: &Wanted, asked: &[u8], real: &[u8]) {
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
}
