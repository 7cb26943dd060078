//! The process between front and agent: `govsh __monitor SOCKET`, leader of the agent's session, sub-reaper, unfiltered.
//!
//! Invariant: single-threaded; when the front is gone, every descendant is killed before the monitor ends.
//! Leaves to others: every decision (the front); installing the sandbox (`sandbox::install`).

mod agent;
mod watch;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use watch::Watch;
pub use watch::Watched;

use super::freeze::Hold;
use super::wire::{Ended, FromMonitor, Link, Orders, ToMonitor};
use super::{reap, runtime};
use crate::sys::process::{self, Change, Fork};
use crate::sys::signals::{self, Set, SignalFd};
use crate::sys::{tty, unix};

/// How long killed processes may take to go: longer only when the kernel holds them in a call that cannot be interrupted.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs until the agent and, unless kept, all it left behind are gone. The status is not looked at.
pub fn run(socket: &Path) -> i32 {
    match start(socket) {
        Ok(mut monitor) => {
            monitor.watch();
            0
        }
        Err(_) => super::FAILED,
    }
}

struct Monitor {
    link: Link,
    /// Hangs up when the child executes or ends. Until then the socket's bytes are for it.
    starting: Option<OwnedFd>,
    signals: SignalFd,
    /// The agent's first process, and the number of its group.
    agent: i32,
    /// It has not ended.
    alive: bool,
    /// The terminal of the session is on 0.
    on_pty: bool,
    keep_background: bool,
    /// Everything is held still.
    hold: Option<Hold>,
    /// What nobody else holds to the policy's limits.
    watch: Option<Watch>,
}

/// Connects, takes the orders, forks what becomes the agent and waits until it has become it.
fn start(socket: &Path) -> io::Result<Monitor> {
    let (_dir, socket) = runtime::short(socket)?;
    let mut link = Link::new(UnixStream::connect(socket)?);
    signals::block(Set(u64::MAX))?;
    let signals = SignalFd::new(Set::of(&[libc::SIGCHLD, libc::SIGHUP]))?;
    process::become_subreaper()?;
    // Nobody of the same user has any business in here. The child undoes it for itself.
    process::set_dumpable(false)?;
    process::set_name(c"govsh-monitor")?;
    let orders: Orders = link.receive()?;
    let sent = if orders.sent > 0 { link.receive_descriptors()? } else { Vec::new() };
    let on_pty = orders.stdio.contains(&super::wire::Stdio::Pty);
    let keep_background = orders.keep_background;
    let watch = Watch::new(orders.watched);
    let (started, start_seen) = unix::pipe()?;
    let agent = match process::fork()? {
        Fork::Child => agent::become_agent(link, orders, &sent),
        Fork::Parent(pid) => pid,
    };
    drop((sent, start_seen));
    // The child does the same; whoever comes first.
    let _ = process::set_group(agent, agent);
    Ok(Monitor {
        link,
        starting: Some(started),
        signals,
        agent,
        alive: true,
        on_pty,
        keep_background,
        hold: None,
        watch,
    })
}

impl Monitor {
    fn watch(&mut self) {
        loop {
            let listen = if self.starting.is_some() { 0 } else { libc::POLLIN };
            let mut entries = [
                unix::poll_for(self.link.as_fd(), listen),
                unix::poll_for(self.signals.as_fd(), libc::POLLIN),
                self.starting.as_ref().map_or(unix::NO_POLL, |starting| unix::poll_for(starting.as_fd(), libc::POLLIN)),
            ];
            let pauses = [self.hold.as_ref().map(Hold::pause), self.watch.as_ref().map(Watch::pause)];
            let polled = unix::poll(&mut entries, pauses.into_iter().flatten().min().unwrap_or(-1));
            let hung_up = entries[0].revents != 0 && self.starting.is_some();
            if polled.is_err() || hung_up || (entries[0].revents != 0 && !self.obey()) {
                // The front is gone, with whatever it would have said about what happened here.
                let _ = reap::end_all(PATIENCE);
                return;
            }
            if entries[1].revents != 0 && !self.notice() {
                return;
            }
            if entries[2].revents != 0 {
                self.starting = None;
            }
            if let Some(what) = self.watch.as_mut().and_then(Watch::look) {
                self.watch = None;
                // A front that cannot be told is gone, and the socket will say so.
                let _ = self.link.send(&FromMonitor::Over { what });
                reap::kill_all();
            }
            if let Some(hold) = &mut self.hold {
                // Who was in the kernel's hands may have forked before it stopped.
                hold.seize();
            }
        }
    }

    /// One message of the front; false when there is no front any more or everything is to end.
    fn obey(&mut self) -> bool {
        match self.link.receive() {
            Ok(ToMonitor::Signal { signal, group }) => self.signal(signal, group),
            Ok(ToMonitor::Continue { foreground }) => self.wake(foreground),
            Ok(ToMonitor::Freeze) => self.freeze(),
            Ok(ToMonitor::Thaw) => self.thaw(),
            // How the agent ended is still to be told.
            Ok(ToMonitor::End) if self.alive => reap::kill_all(),
            Ok(ToMonitor::End) | Err(_) => return false,
        }
        true
    }

    /// Signals that came; false when nothing is left to watch.
    fn notice(&mut self) -> bool {
        while let Ok(Some(received)) = self.signals.read() {
            if received.signal == libc::SIGHUP {
                self.signal(libc::SIGHUP, true);
                self.signal(libc::SIGCONT, true);
            }
        }
        loop {
            match process::wait_any() {
                Ok(Some((pid, change))) if pid == self.agent && self.alive => {
                    if !self.report(change) {
                        return false;
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Tells the front; false when the session is over.
    fn report(&mut self, change: Change) -> bool {
        let ended = match change {
            // Our own doing: no job control.
            Change::Stopped(_) if self.hold.is_some() => return true,
            Change::Stopped(signal) => {
                // Signals reach it only after it was let go, so it reads the socket no more, executed or not.
                self.starting = None;
                // A front that cannot be told is gone, and the socket will say so.
                let _ = self.link.send(&FromMonitor::Stopped { signal });
                return true;
            }
            Change::Continued => return true,
            Change::Exited(status) => Ended::Exited(status),
            Change::Killed(signal) => Ended::Killed(signal),
        };
        self.alive = false;
        // As above.
        let _ = self.link.send(&FromMonitor::Ended(ended));
        if self.keep_background {
            self.leave_terminal();
            if !reap::has_children() {
                return false;
            }
            // As above.
            let _ = self.link.send(&FromMonitor::Kept);
            return true;
        }
        // The front looks again and says so if something is still there.
        let _ = reap::end_all(PATIENCE);
        false
    }

    /// The last one on the PTY must not be us: the front reads it until everybody has closed it.
    fn leave_terminal(&self) {
        if let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null") {
            for stdio in 0..3 {
                // Failing leaves the PTY open until the kept processes end, and nothing worse.
                let _ = unix::place(null.as_fd(), stdio);
            }
        }
    }

    fn signal(&mut self, signal: i32, group: bool) {
        if !self.alive {
            return;
        }
        if self.hold.is_some() && matches!(signal, libc::SIGTERM | libc::SIGHUP) {
            // Held still, nobody could follow it.
            self.thaw();
        }
        let target = if group { -self.agent } else { self.agent };
        // As init does for the same reason: somebody who asked for the end of a shell that ignores SIGTERM means a hang-up.
        let signal = if signal == libc::SIGTERM && self.agent_ignores(signal) { libc::SIGHUP } else { signal };
        // It may have just ended; we will hear of it.
        let _ = process::kill(target, signal);
        if signal == libc::SIGTERM || signal == libc::SIGHUP {
            // Stopped, it would never know.
            let _ = process::kill(target, libc::SIGCONT);
        }
    }

    fn freeze(&mut self) {
        let hold = self.hold.get_or_insert_default();
        let whole = hold.seize();
        let processes = hold.processes();
        // A front that cannot be told is gone, and the socket will say so.
        let _ = self.link.send(&FromMonitor::Frozen { processes, whole });
    }

    fn thaw(&mut self) {
        if let Some(hold) = self.hold.take() {
            hold.release();
        }
        // As above.
        let _ = self.link.send(&FromMonitor::Thawed);
    }

    fn agent_ignores(&self, signal: i32) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.agent)).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| Set(mask).has(signal))
    }

    fn wake(&mut self, foreground: bool) {
        if self.on_pty {
            let group = if foreground { self.agent } else { process::own_group() };
            // Fails only when the terminal was hung up.
            let _ = tty::set_foreground(io::stdin().as_fd(), group);
        }
        self.signal(libc::SIGCONT, true);
        // A front that cannot be told is gone, and the socket will say so.
        let _ = self.link.send(&FromMonitor::Woken);
    }
}
