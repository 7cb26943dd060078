//! The user's terminal: raw while the agent has it, as it was at every other time.
//!
//! Invariant: whatever ends this process except SIGKILL, the terminal gets back the attributes it had before.
//! Leaves to others: moving bytes (`channel`), when the agent needs the terminal (`pump`).

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Mutex;

use crate::sys::tty::{self, Attributes, Size};
use crate::sys::{process, unix};

/// What to put back when this process ends in a way that runs no destructor of `Terminal`.
static BEFORE: Mutex<Option<(OwnedFd, Attributes)>> = Mutex::new(None);

/// Puts the terminal back, if it is changed now.
pub fn restore() {
    let mut before = BEFORE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some((terminal, attributes)) = before.take() {
        // A terminal that is gone needs nothing.
        let _ = attributes.set(terminal.as_fd());
    }
}

/// From now on a panic on any thread restores the terminal, is told, and ends the process: half a front is none.
pub fn end_on_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        tell(panic);
        process::exit_now(super::FAILED);
    }));
}

/// The user's terminal, through an open file description of our own where that can be had.
#[derive(Debug)]
pub struct Terminal {
    device: OwnedFd,
    /// Reads and writes on `device` never wait.
    private: bool,
    /// Others share the terminal with us: some of our standard descriptors lead elsewhere.
    shared: bool,
    engaged: bool,
}

impl Terminal {
    /// The terminal among our standard descriptors, if there is one.
    pub fn of_stdio() -> Option<io::Result<Self>> {
        let terminals = [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()];
        let first = (0..3).find(|at| terminals[*at])?;
        let shared = terminals.contains(&false);
        Some(Self::open(first as i32, shared))
    }

    fn open(number: i32, shared: bool) -> io::Result<Self> {
        let reopen = |path: &str| {
            let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
            File::options().read(true).write(true).custom_flags(flags).open(path).map(OwnedFd::from)
        };
        // The second one is for a terminal of another user, after su(1) for example.
        let private = reopen(&format!("/proc/self/fd/{number}")).or_else(|_| reopen("/dev/tty"));
        let (device, private) = match private {
            Ok(device) => (device, true),
            Err(_) => (unix::duplicate(number)?, false),
        };
        Ok(Terminal { device, private, shared, engaged: false })
    }

    /// Whether reads and writes on it never wait.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// Some of our standard descriptors lead elsewhere: a pipeline, most often.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    pub fn is_engaged(&self) -> bool {
        self.engaged
    }

    /// Whether we are its foreground group. One that is not our controlling terminal has nobody else to serve.
    pub fn is_foreground(&self) -> bool {
        tty::foreground(self.as_fd()).map_or(true, |group| group == process::own_group())
    }

    /// As people call it: `pts/3`; `tty` where it has no name.
    pub fn name(&self) -> String {
        let own = format!("/proc/self/fd/{}", self.device.as_raw_fd());
        let path = std::fs::read_link(own).unwrap_or_default();
        path.strip_prefix("/dev").ok().and_then(|name| name.to_str()).unwrap_or("tty").to_owned()
    }

    pub fn size(&self) -> Size {
        tty::size(self.as_fd()).unwrap_or_default()
    }

    pub fn attributes(&self) -> io::Result<Attributes> {
        Attributes::of(self.as_fd())
    }

    /// Raw from now on: every key is the agent's.
    pub fn engage(&mut self) -> io::Result<()> {
        let now = self.attributes()?;
        let mut before = BEFORE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if before.is_none() {
            *before = Some((self.device.try_clone()?, now));
        }
        // Programs beside us in a pipeline still write lines to it.
        let raw = if self.shared { now.raw().with_output_of(&now) } else { now.raw() };
        raw.set(self.as_fd())?;
        self.engaged = true;
        Ok(())
    }

    /// Somebody else has taken the terminal and set it as they want it: there is nothing to put back.
    pub fn forget(&mut self) {
        self.engaged = false;
        BEFORE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    }

    /// As it was before `engage`.
    pub fn release(&mut self) {
        self.engaged = false;
        restore();
    }

    /// The agent has ended and its last output is still on its way: Ctrl-C is for us again, everything else stays.
    pub fn listen_for_interrupt(&self) {
        let before = BEFORE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let (Some((_, before)), Ok(now)) = (&*before, self.attributes()) {
            // A terminal that is gone sends nothing.
            let _ = now.with_signals_of(before).set(self.as_fd());
        }
    }

    /// While shared, its treatment of line ends follows the agent's terminal: a full-screen program turns it off.
    pub fn follow_output(&self, follower: &Attributes) {
        if let Ok(now) = self.attributes()
            && !now.has_output_of(follower)
        {
            // A terminal that is gone shows nothing.
            let _ = now.with_output_of(follower).set(self.as_fd());
        }
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.release();
    }
}
