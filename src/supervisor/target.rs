//! What is known of the processes being answered: identity, working directory, umask, credentials, program.
//!
//! Invariant: a cached working directory or umask is what the kernel has, or the call that changes it has not returned
//! yet; credentials are read anew whenever the thread itself may have changed them. Entries of dead processes go when
//! their last call says so, or at the next sweep.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::status::Status;
use crate::sys::{Errno, Sys, file, interrupt, pidfd};

/// Locks, also after a panic of another holder: the values below are replaced whole, never left half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory of the target, held open, and the path it had then.
#[derive(Debug)]
pub struct Dir {
    pub fd: Arc<OwnedFd>,
    pub path: Vec<u8>,
}

/// File-system credentials of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// An execve that was continued and whose image was not seen yet.
#[derive(Debug)]
pub struct PendingExec {
    pub tid: i32,
    /// Device and inode of the image that was judged, and of the one that ran before.
    pub image: (u64, u64),
    pub before: (u64, u64),
    /// Arguments of the image before, where it is the same file.
    pub before_argv: Option<Vec<Vec<u8>>>,
    /// The judged file is neither ELF nor a script: the kernel's binfmt_misc picks the image.
    pub foreign: bool,
    pub path: Vec<u8>,
    /// The path as the caller wrote it: the kernel puts it after a script's interpreter.
    pub asked: Vec<u8>,
    pub argv: Vec<Vec<u8>>,
    pub argv_cut: bool,
    /// A script runs under its interpreter, whose arguments come before the script's.
    pub script: bool,
    /// The file at `path`, and the one whose image runs: its interpreter, if it is a script.
    pub file: Arc<OwnedFd>,
    pub runs: Arc<OwnedFd>,
}

/// A thread group.
#[derive(Debug)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    pub pidfd: OwnedFd,
    cwd: Mutex<Option<Arc<Dir>>>,
    /// Threads whose chdir or umask was let through and may not have happened yet.
    unsettled: Mutex<HashSet<i32>>,
    any_unsettled: AtomicBool,
    /// u32::MAX: not known.
    umask: AtomicU32,
    /// The process shares its fs attributes in ways we do not follow (unshare(CLONE_FS)).
    pub uncached: AtomicBool,
    pub exec: Mutex<Option<Arc<PendingExec>>>,
    pub exec_pending: AtomicBool,
    /// Name of the program, for events of its end.
    pub seen_exec: AtomicBool,
    /// What it was forked from was checked: see `exec::check`.
    pub vetted: AtomicBool,
    /// The program it runs; empty before the first that was seen.
    pub exe: Mutex<Vec<u8>>,
    /// It was told of that no descriptor fits any more.
    pub full: AtomicBool,
}

/// A thread of a [`Process`].
#[derive(Debug)]
pub struct Thread {
    pub tid: i32,
    pub process: Arc<Process>,
    credentials: Mutex<Option<Arc<Credentials>>>,
}

impl Thread {
    /// Forgets the credentials: the thread is about to change them.
    pub fn forget_credentials(&self) {
        *lock(&self.credentials) = None;
    }

    /// The thread's credentials for files.
    pub fn credentials(&self) -> Sys<Arc<Credentials>> {
        let mut slot = lock(&self.credentials);
        if let Some(known) = &*slot {
            return Ok(known.clone());
        }
        let fresh = Arc::new(Status::of(self.tid)?.credentials());
        *slot = Some(fresh.clone());
        Ok(fresh)
    }
}

impl Process {
    /// The working directory, from the cache when that is safe.
    pub fn cwd(&self, tid: i32) -> Sys<Arc<Dir>> {
        if !self.cacheable(tid) {
            return self.read_cwd(tid);
        }
        let mut slot = lock(&self.cwd);
        if let Some(known) = &*slot {
            return Ok(known.clone());
        }
        let fresh = self.read_cwd(tid)?;
        *slot = Some(fresh.clone());
        Ok(fresh)
    }

    fn read_cwd(&self, tid: i32) -> Sys<Arc<Dir>> {
        let link = proc_path(tid, "cwd")?;
        let fd = file::open(None, &link, libc::O_PATH | libc::O_DIRECTORY, 0)?;
        let path = file::path_of(fd.as_fd())?;
        Ok(Arc::new(Dir { fd: Arc::new(fd), path }))
    }

    /// The umask to create with.
    pub fn umask(&self, tid: i32) -> Sys<u32> {
        if !self.cacheable(tid) {
            return Ok(Status::of(tid)?.umask);
        }
        match self.umask.load(Ordering::Relaxed) {
            u32::MAX => {
                let mask = Status::of(tid)?.umask;
                self.umask.store(mask, Ordering::Relaxed);
                Ok(mask)
            }
            known => Ok(known),
        }
    }

    /// Whether what is cached holds for `tid`. A thread that calls again has finished its chdir.
    fn cacheable(&self, tid: i32) -> bool {
        if self.uncached.load(Ordering::Relaxed) {
            return false;
        }
        if !self.any_unsettled.load(Ordering::Relaxed) {
            return true;
        }
        let mut unsettled = lock(&self.unsettled);
        unsettled.remove(&tid);
        if unsettled.is_empty() {
            self.any_unsettled.store(false, Ordering::Relaxed);
            return true;
        }
        false
    }

    /// `tid` is about to change the working directory or umask.
    pub fn unsettle(&self, tid: i32) {
        lock(&self.unsettled).insert(tid);
        self.any_unsettled.store(true, Ordering::Relaxed);
        self.forget_places();
    }

    /// Forgets what a rename or chdir may have changed.
    pub fn forget_places(&self) {
        *lock(&self.cwd) = None;
        self.umask.store(u32::MAX, Ordering::Relaxed);
    }

    /// A copy of one of its descriptors. EBADF when it has none of that number.
    pub fn descriptor(&self, fd: i32) -> Sys<OwnedFd> {
        pidfd::get_fd(self.pidfd.as_fd(), fd)
    }

    /// SIGKILL for the whole process.
    pub fn kill(&self) {
        // The process may be gone already; then there is nothing to do.
        let _ = pidfd::send_signal(self.pidfd.as_fd(), libc::SIGKILL);
    }
}

/// Whether a path means to the target what it means to us: same root, same mounts. BPF lets nobody change either, so
/// this only ever fails for a way into the session that nobody thought of.
fn shares_our_view(tid: i32) -> Sys<bool> {
    let same = |name: &str| -> Sys<bool> {
        let of = |who: &CStr| file::stat_path(who).map(|s| (s.dev, s.ino));
        let own = CString::new(format!("/proc/self/{name}")).map_err(|_| Errno(libc::EINVAL))?;
        Ok(of(&proc_path(tid, name)?)? == of(&own)?)
    };
    Ok(same("root")? && same("ns/mnt")?)
}

/// "/proc/TID/NAME".
pub fn proc_path(tid: i32, name: &str) -> Sys<CString> {
    CString::new(format!("/proc/{tid}/{name}")).map_err(|_| Errno(libc::EINVAL))
}

/// All targets seen so far and still alive.
#[derive(Debug, Default)]
pub struct Table {
    threads: Mutex<HashMap<i32, Arc<Thread>, foldhash::fast::RandomState>>,
    /// A process died after an execve that was never checked, and was taken out.
    unseen: AtomicBool,
}

impl Table {
    /// The entry of a thread, made on its first call.
    pub fn thread(&self, tid: i32) -> Sys<Arc<Thread>> {
        if let Some(known) = lock(&self.threads).get(&tid) {
            return Ok(known.clone());
        }
        let status = Status::of(tid)?;
        let leader = lock(&self.threads).get(&status.tgid).map(|t| t.process.clone());
        let process = match leader {
            Some(process) => process,
            None if !shares_our_view(tid)? => return Err(Errno(libc::EACCES)),
            None => Arc::new(Process {
                pid: status.tgid,
                parent: status.parent,
                pidfd: pidfd::open(status.tgid)?,
                cwd: Mutex::default(),
                unsettled: Mutex::default(),
                any_unsettled: AtomicBool::new(false),
                umask: AtomicU32::new(status.umask),
                uncached: AtomicBool::new(false),
                exec: Mutex::default(),
                exec_pending: AtomicBool::new(false),
                seen_exec: AtomicBool::new(false),
                vetted: AtomicBool::new(false),
                exe: Mutex::default(),
                full: AtomicBool::new(false),
            }),
        };
        let entry =
            |tid, credentials| Arc::new(Thread { tid, process: process.clone(), credentials: Mutex::new(credentials) });
        let thread = entry(tid, Some(Arc::new(status.credentials())));
        let mut threads = lock(&self.threads);
        threads.entry(status.tgid).or_insert_with(|| entry(status.tgid, None));
        threads.insert(tid, thread.clone());
        Ok(thread)
    }

    /// Forgets a process and its threads; returns whether it was known.
    pub fn remove(&self, pid: i32) -> Option<Arc<Process>> {
        let mut threads = lock(&self.threads);
        let process = threads.get(&pid).map(|t| t.process.clone());
        threads.retain(|_, thread| thread.process.pid != pid);
        process
    }

    /// Forgets the threads of a process but its leader: execve ended them.
    pub fn remove_siblings(&self, pid: i32) {
        lock(&self.threads).retain(|tid, thread| thread.process.pid != pid || *tid == pid);
    }

    /// A directory was moved: every cached path may be old.
    pub fn forget_places(&self) {
        for thread in lock(&self.threads).values() {
            *lock(&thread.process.cwd) = None;
        }
    }

    /// Whether a process of this id is known.
    pub fn knows(&self, pid: i32) -> bool {
        lock(&self.threads).get(&pid).is_some_and(|t| t.process.pid == pid)
    }

    /// The process of this id, if it has called before.
    pub fn process(&self, pid: i32) -> Option<Arc<Process>> {
        lock(&self.threads).get(&pid).filter(|t| t.process.pid == pid).map(|t| t.process.clone())
    }

    /// Some process died after an execve that was never checked: what it forked may run anything.
    pub fn lost_unchecked(&self) -> bool {
        if self.unseen.load(Ordering::Acquire) {
            return true;
        }
        let pending = |t: &Thread| t.process.exec_pending.load(Ordering::Acquire);
        let all: Vec<_> = lock(&self.threads).values().filter(|t| pending(t)).map(|t| t.process.clone()).collect();
        all.iter().any(|process| pidfd::has_exited(process.pidfd.as_fd()))
    }

    /// Takes out the processes that ended without saying so (killed by a signal).
    pub fn sweep(&self) -> Vec<Arc<Process>> {
        let all: Vec<Arc<Process>> = {
            let threads = lock(&self.threads);
            threads.iter().filter(|(tid, t)| **tid == t.process.pid).map(|(_, t)| t.process.clone()).collect()
        };
        let dead: Vec<_> = all.into_iter().filter(|p| pidfd::has_exited(p.pidfd.as_fd())).collect();
        for process in &dead {
            if process.exec_pending.load(Ordering::Acquire) {
                self.unseen.store(true, Ordering::Release);
            }
            self.remove(process.pid);
        }
        // A thread that ended alone says nothing; its number may come back as another process's.
        lock(&self.threads).retain(|tid, t| *tid == t.process.pid || interrupt::thread_exists(t.process.pid, *tid));
        dead
    }

    /// Takes out everything, at the end.
    pub fn drain(&self) -> Vec<Arc<Process>> {
        let mut threads = lock(&self.threads);
        let all = threads.iter().filter(|(tid, t)| **tid == t.process.pid).map(|(_, t)| t.process.clone()).collect();
        threads.clear();
        all
    }
}
