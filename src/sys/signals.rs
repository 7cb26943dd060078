//! Signals: sets, masks, dispositions, and signalfd(2).
//!
//! Invariant: no code of ours ever runs in a signal's frame; signals are blocked and read from a descriptor.
//! Leaves to others: what a signal means to a session.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::process::check;

/// Highest signal number of the kernel.
const LAST: i32 = 64;

/// A set of signals; signal n is bit n - 1, as in `/proc/PID/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Set(pub u64);

impl Set {
    pub fn of(signals: &[i32]) -> Self {
        Set(signals.iter().filter_map(|n| Self::bit(*n)).fold(0, |set, bit| set | bit))
    }

    pub fn has(self, signal: i32) -> bool {
        Self::bit(signal).is_some_and(|bit| self.0 & bit != 0)
    }

    pub fn with(self, signal: i32) -> Self {
        Set(self.0 | Self::bit(signal).unwrap_or(0))
    }

    pub fn without(self, signal: i32) -> Self {
        Set(self.0 & !Self::bit(signal).unwrap_or(0))
    }

    fn bit(signal: i32) -> Option<u64> {
        (1..=LAST).contains(&signal).then(|| 1 << (signal - 1))
    }

    fn native(self) -> libc::sigset_t {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the whole set; sigaddset then only sets bits in it and
        // refuses numbers that it does not know.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in 1..=LAST {
                if self.has(signal) {
                    libc::sigaddset(set.as_mut_ptr(), signal);
                }
            }
            set.assume_init()
        }
    }

    fn from_native(set: &libc::sigset_t) -> Self {
        // SAFETY: `set` is an initialised set; sigismember only reads it.
        let has = |signal: &i32| unsafe { libc::sigismember(set, *signal) } == 1;
        (1..=LAST).filter(has).fold(Set(0), Set::with)
    }
}

fn change_mask(how: i32, set: Set) -> io::Result<Set> {
    let mut old = MaybeUninit::<libc::sigset_t>::uninit();
    let new = set.native();
    // SAFETY: `new` is initialised and outlives the call, which fills in `old` when it succeeds.
    let result = unsafe { libc::pthread_sigmask(how, &new, old.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::from_raw_os_error(result));
    }
    // SAFETY: the call succeeded, so `old` is initialised.
    Ok(Set::from_native(unsafe { old.assume_init_ref() }))
}

/// Blocks these for the calling thread and the threads it starts later; returns the mask before.
pub fn block(set: Set) -> io::Result<Set> {
    change_mask(libc::SIG_BLOCK, set)
}

/// Lets these through to the calling thread; what was pending is delivered before this returns.
pub fn unblock(set: Set) -> io::Result<Set> {
    change_mask(libc::SIG_UNBLOCK, set)
}

/// Replaces the calling thread's mask.
pub fn set_mask(set: Set) -> io::Result<Set> {
    change_mask(libc::SIG_SETMASK, set)
}

/// Whether the signal is blocked and waiting.
pub fn is_pending(signal: i32) -> bool {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigpending fills the set in when it returns 0, and it is read only then.
    let set = unsafe { if libc::sigpending(set.as_mut_ptr()) == 0 { Some(set.assume_init()) } else { None } };
    set.is_some_and(|set| Set::from_native(&set).has(signal))
}

/// What a process does on a signal, as far as exec hands it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    Default,
    Ignore,
}

/// The two that the C library keeps to itself: it refuses to set and to tell them, and its posix_spawn(3) leaves them ignored.
/// The kernel's own layout is disposition, flags, restorer, mask.
const KEPT: std::ops::RangeInclusive<i32> = 32..=33;

/// Sets it; numbers that cannot be set (SIGKILL, SIGSTOP) give EINVAL.
pub fn set_disposition(signal: i32, disposition: Disposition) -> io::Result<()> {
    let action = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
    };
    if KEPT.contains(&signal) {
        let new = [action, 0, 0, 0];
        let old = std::ptr::null_mut::<usize>();
        // SAFETY: the kernel reads four words, which outlive the call, and writes nothing; neither disposition is a function.
        let done = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, new.as_ptr(), old, size_of::<u64>()) };
        return if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    }
    // SAFETY: neither disposition is a function, so no code of ours can run in a signal's frame.
    if unsafe { libc::signal(signal, action) } == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The signals that the process ignores now.
pub fn ignored() -> Set {
    (1..=LAST).filter(|signal| is_ignored(*signal)).fold(Set(0), Set::with)
}

/// Whether the process ignores this signal now.
pub fn is_ignored(signal: i32) -> bool {
    if KEPT.contains(&signal) {
        let mut old = [0usize; 4];
        let new = std::ptr::null::<usize>();
        // SAFETY: without a new action the kernel only fills in the four words, which are ours.
        let done = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, new, old.as_mut_ptr(), size_of::<u64>()) };
        return done == 0 && old.first() == Some(&libc::SIG_IGN);
    }
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with a null new action the call only fills in `action`, which is plain memory and zeroed before.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init_ref().sa_sigaction == libc::SIG_IGN
    }
}

/// One signal read from a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub signal: i32,
    /// Who sent it; 0 for the kernel.
    pub sender: i32,
    /// Sent by the kernel: a key at the terminal, a hang-up, a child.
    pub from_kernel: bool,
}

/// signalfd(2): the blocked signals of a set as readable records.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// The caller must have blocked the set in every thread.
    pub fn new(set: Set) -> io::Result<Self> {
        let native = set.native();
        // SAFETY: the set is initialised and outlives the call, which only reads it.
        let fd = check(unsafe { libc::signalfd(-1, &native, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })?;
        // SAFETY: the kernel just made this descriptor for us; nothing else owns it.
        Ok(SignalFd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next one, or `None` when nothing waits.
    pub fn read(&self) -> io::Result<Option<Received>> {
        let mut record = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        let size = std::mem::size_of::<libc::signalfd_siginfo>();
        // SAFETY: the kernel writes at most `size` bytes, which is what `record` has room for.
        let got = unsafe { libc::read(self.0.as_raw_fd(), record.as_mut_ptr().cast(), size) };
        if got == -1 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        }
        // SAFETY: plain integers, zeroed before; any bytes are valid.
        let record = unsafe { record.assume_init() };
        Ok(Some(Received {
            signal: i32::try_from(record.ssi_signo).unwrap_or(0),
            sender: i32::try_from(record.ssi_pid).unwrap_or(0),
            from_kernel: record.ssi_code > 0,
        }))
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
