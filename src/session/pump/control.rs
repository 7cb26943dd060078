//! Signals, job control, and what the monitor reports.
//!
//! Invariant: while this process is stopped or has ended, the user's terminal is as it was; it is raw only while we are
//! its foreground group and the agent has it.
//! Leaves to others: bytes (`super`), the agent's own side of job control (`monitor`).

use std::time::{Duration, Instant};

use super::Pump;
use crate::event::Event;
use crate::session::terminal::Terminal;
use crate::session::wire::{Ended, FromMonitor, ToMonitor};
use crate::sys::process;
use crate::sys::signals::{self, Received, Set};
use crate::sys::tty::{self, Attributes};
use std::os::fd::AsFd;

/// Between a request to end and the end of everything.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// What the front reads here.
pub const HEEDED: [i32; 10] = [
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGTSTP,
    libc::SIGCONT,
    libc::SIGWINCH,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
];
/// What it blocks in all its threads: those, and what would stop it for touching the terminal from the background.
pub const BLOCKED: [i32; 12] = {
    let mut blocked = [libc::SIGTTOU; 12];
    blocked[0] = libc::SIGTTIN;
    let mut at = 0;
    while at < HEEDED.len() {
        blocked[at + 2] = HEEDED[at];
        at += 1;
    }
    blocked
};

impl Pump {
    pub(super) fn on_signals(&mut self) {
        while let Ok(Some(received)) = self.signals.read() {
            // Our own, sent to the group that we are in.
            let own = !received.from_kernel && u32::try_from(received.sender) == Ok(std::process::id());
            if !own && !self.ignored.has(received.signal) {
                self.on_signal(received);
            }
        }
    }

    fn on_signal(&mut self, received: Received) {
        let signal = received.signal;
        match signal {
            libc::SIGWINCH => self.follow_size(),
            libc::SIGCONT => self.resume(),
            // The agent has ended, and somebody does not want to wait for the rest of its output.
            libc::SIGINT | libc::SIGQUIT | libc::SIGTERM | libc::SIGHUP if self.ended.is_some() => self.abandon(),
            libc::SIGHUP => self.hang_up(),
            libc::SIGTERM if self.grace.is_some() => self.tell(&ToMonitor::End),
            libc::SIGTERM => {
                self.grace = Some(Instant::now() + GRACE);
                self.tell(&ToMonitor::Signal { signal, group: false });
            }
            // A key at a terminal that we share: the whole pipeline got it, and so must the agent's group.
            libc::SIGTSTP => {
                self.stopping = true;
                self.tell(&ToMonitor::Signal { signal, group: true });
            }
            _ => self.tell(&ToMonitor::Signal { signal, group: received.from_kernel }),
        }
    }

    fn abandon(&mut self) {
        self.screen = None;
        self.relays.clear();
        self.tell(&ToMonitor::End);
    }

    pub(super) fn on_message(&mut self) {
        let Some(link) = &mut self.link else { return };
        match link.receive::<FromMonitor>() {
            Ok(FromMonitor::Stopped { signal }) => self.on_stopped(signal),
            Ok(FromMonitor::Woken) => self.waking = false,
            Ok(FromMonitor::Frozen { processes, whole }) => self.on_frozen(processes, whole),
            Ok(FromMonitor::Thawed) => self.on_thawed(),
            Ok(FromMonitor::Ended(ended)) => self.on_ended(ended),
            Ok(FromMonitor::Over { what }) => self.bus.publish(Event::Limit { what }),
            Ok(FromMonitor::Kept) => self.on_kept(),
            Ok(FromMonitor::Failed(failure)) => self.failure = Some(failure),
            Ok(FromMonitor::Listener { .. }) => {}
            Err(_) => self.on_monitor_gone(),
        }
    }

    fn on_ended(&mut self, ended: Ended) {
        // The status of one that never became the agent is not the agent's.
        if self.failure.is_none() {
            self.ended = Some(ended);
        }
        self.close_panel();
        self.engaged_at_end = self.terminal.as_ref().is_some_and(Terminal::is_engaged);
        self.keys = None;
        self.wall = None;
        if let Some(terminal) = &self.terminal {
            terminal.listen_for_interrupt();
        }
    }

    /// Processes were left behind and are to go on: the user gets the terminal back, we go on recording.
    fn on_kept(&mut self) {
        self.drain_screen();
        self.screen = None;
        self.terminal = None;
        if let (Some(ended), Some(kept)) = (self.ended, self.kept.take()) {
            kept(ended);
        }
    }

    fn on_monitor_gone(&mut self) {
        self.link = None;
        if self.ended.is_none() && self.failure.is_none() {
            // Killed. What it watched over is ours now, and must not live a moment longer than needed.
            let _ = crate::session::reap::end_all(super::PATIENCE);
        }
    }

    /// The agent stopped. When it only wants the terminal that we have for it, it gets it; else we stop as well.
    fn on_stopped(&mut self, signal: i32) {
        let wants_terminal = signal == libc::SIGTTIN || signal == libc::SIGTTOU;
        // It may stop for the terminal at the moment in which the user stops it: then that comes first.
        let stopping = std::mem::take(&mut self.stopping);
        if let Some(terminal) = &self.terminal
            && wants_terminal
            && !stopping
            && !terminal.is_engaged()
            && terminal.is_foreground()
        {
            self.take_terminal();
            return;
        }
        self.close_panel();
        self.drain_screen();
        let engaged = self.terminal.as_ref().is_some_and(Terminal::is_engaged);
        if let Some(terminal) = &mut self.terminal {
            terminal.release();
        }
        // The servers' trees are no jobs of the user's shell: nobody else holds them still meanwhile.
        (self.still)(true);
        let still = self.pauser.pause();
        let stopped = stop_self(self.terminal.is_some() && signal != libc::SIGSTOP);
        drop(still);
        (self.still)(false);
        if !stopped && wants_terminal {
            // Nobody can ever put us into the foreground, so nobody can ever answer it.
            self.tell(&ToMonitor::Signal { signal: libc::SIGHUP, group: true });
            return;
        }
        let foreground = self.terminal.as_ref().is_some_and(Terminal::is_foreground);
        if foreground && (engaged || wants_terminal) {
            self.take_terminal();
        } else {
            self.tell(&ToMonitor::Continue { foreground: false });
        }
    }

    /// The shell will put us into the foreground some time, or we are there and do not need the terminal.
    pub(super) fn waits_for_foreground(&self) -> bool {
        let waits = |terminal: &Terminal| !terminal.is_engaged() && !terminal.is_shared();
        self.ended.is_none() && self.terminal.as_ref().is_some_and(waits)
    }

    /// The user's terminal is the agent's from now on.
    pub(super) fn take_terminal(&mut self) {
        // Started in the background, the agent's terminal has the settings of a shell that was editing a line. Nobody
        // can have changed them: that too stops who does it in the background.
        if let (Some(terminal), Some(leader), false) = (&self.terminal, &self.leader, self.had_terminal)
            && let Ok(now) = terminal.attributes()
        {
            // A terminal that is gone is noticed next.
            let _ = now.set(leader.as_fd());
        }
        self.had_terminal = true;
        if let Some(terminal) = &mut self.terminal
            && terminal.engage().is_err()
        {
            self.hang_up();
            return;
        }
        if let Some(overlay) = &mut self.overlay {
            overlay.disturbed();
        }
        self.follow_size();
        // SIGCONT discards a stop that waits: a Ctrl-Z handed on before it would be lost, and with it the suspending.
        self.waking = true;
        self.tell(&ToMonitor::Continue { foreground: true });
    }

    /// After a stop that we had no part in (SIGSTOP): the shell has changed the terminal meanwhile.
    fn resume(&mut self) {
        let Some(terminal) = self.terminal.as_mut().filter(|terminal| terminal.is_engaged()) else { return };
        if !terminal.is_foreground() {
            // Continued in the background: the terminal is the shell's.
            terminal.forget();
        } else if terminal.engage().is_err() {
            self.hang_up();
        }
        self.follow_size();
    }

    /// The agent's terminal has the size of the user's.
    fn follow_size(&mut self) {
        let (Some(terminal), Some(leader)) = (&self.terminal, &self.leader) else { return };
        let size = terminal.size();
        if tty::size(leader.as_fd()).is_ok_and(|now| now != size) && tty::set_size(leader.as_fd(), size).is_ok() {
            self.bus.publish(Event::Resize { cols: size.cols, rows: size.rows });
            if let Some(overlay) = &mut self.overlay {
                overlay.resize(size.cols, size.rows);
            }
        }
    }

    /// In a pipeline the keys that make signals are for all of it, but only the agent's terminal sees them.
    pub(super) fn signal_siblings(&self, bytes: usize, follower: Option<&Attributes>) {
        let (Some(terminal), Some(follower)) = (&self.terminal, follower) else { return };
        if !terminal.is_shared() || !terminal.is_foreground() {
            return;
        }
        let typed = self.buffer.get(..bytes).unwrap_or_default();
        for signal in typed.iter().filter_map(|byte| follower.signal_of(*byte)) {
            // Ours is recognised by its sender.
            let _ = process::kill(0, signal);
        }
    }
}

/// Stops this process, and its siblings in a pipeline, as the terminal's driver would have. False when the kernel does
/// not stop us because nobody is there to continue us: in an orphaned group, see setpgid(2).
fn stop_self(siblings: bool) -> bool {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let stop = Set::of(&[libc::SIGTSTP]);
    // Blocked in every thread: for us it waits until it is let through here.
    let _ = process::kill(if siblings { 0 } else { own }, libc::SIGTSTP);
    let _ = signals::unblock(stop).and_then(|_| signals::block(stop));
    // What woke us is blocked too, and still there.
    signals::is_pending(libc::SIGCONT)
}

/// Ends this process as the signal ended the agent, so that a shell's loop or script around us ends too.
pub fn die_of_interrupt() {
    let interrupt = Set::of(&[libc::SIGINT]);
    let _ = signals::set_disposition(libc::SIGINT, signals::Disposition::Default);
    let _ = process::kill(0, libc::SIGINT);
    let _ = signals::unblock(interrupt);
}
