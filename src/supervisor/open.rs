//! open, openat, openat2, creat: judged by what the path really names, opened by us, handed over.
//!
//! ```text
//! plain path ── judged as written ── openat2 without any link on the way ── handed over      (fast)
//!      └ a link, "..", /proc, /dev, or denied ── resolved, held, judged, re-opened ── handed over
//! ```
//! A read is left to the kernel only where the policy has no carve-out among reads: whatever a racing thread makes of
//! the path then, Landlock permits only what the policy permits.

use std::ffi::CString;
use std::os::fd::OwnedFd;

mod plain;
mod resolved;

use super::act::access_of;
use super::worker::{Answer, Call, Ruling, Told, Worker};
use crate::event::{Kind, Via};
use crate::policy::{Access, Verdict};
use crate::sys::{Errno, Sys};

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

    fn hand_over(&mut self, call: &Call, wanted: &Wanted, fd: OwnedFd, path: &[u8], ruling: Ruling) -> Answer {
        self.tell(call, &self.told_open(wanted, path, Errno(0)), &ruling);
        Answer::Fd { fd, cloexec: wanted.has(libc::O_CLOEXEC) }
    }

    fn told_open<'a>(&self, wanted: &Wanted, path: &'a [u8], errno: Errno) -> Told<'a> {
        let access = wanted.access();
        Told { kind: Kind::File, op: "open", access, path, path2: b"", via: Via::Brokered, errno: errno.0 }
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
