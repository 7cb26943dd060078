//! The front's loop: terminal, streams, signals and the monitor, from the agent's start to its last byte.
//!
//! Invariant: nothing in the loop waits for the user's terminal or for a reader of our streams; only the recording's ring,
//! when it is full, makes us wait. Keys go to the agent whether or not its output finds a taker.
//! Leaves to others: one channel's bytes (`channel`), what is recorded where (`recorder`), the decisions (`supervisor`).

mod bounds;
mod control;
mod panel;
mod wishes;

pub use control::{BLOCKED, HEEDED, die_of_interrupt};

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bounds::Bounds;

use super::cgroup::Cgroup;
use super::channel::{CHUNK, Carries, Channel, Closed, End, Manner};
use super::control::Desk;
use super::overlay::Overlay;
use super::streams::{self, Relay};
use super::terminal::Terminal;
use super::wire::{Ended, Failure, Link, ToMonitor};
use super::{SessionError, reap};
use crate::bus::Bus;
use crate::event::Stream;
use crate::supervisor::Pauser;
use crate::supervisor::questions::{Attendance, Questions};
use crate::sys::signals::{Set, SignalFd};
use crate::sys::tty::Attributes;
use crate::sys::unix::{self, NO_POLL, PollFd};

/// How often we look whether the shell has put us into the foreground, which it does not tell.
const FOREGROUND_CHECK: Duration = Duration::from_millis(200);
/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the loop works on.
pub struct Setup {
    pub bus: Bus,
    pub signals: SignalFd,
    /// Ignored since before us: not passed on, since whoever started us did not want it to matter.
    pub ignored: Set,
    pub link: Link,
    /// Holds the supervisor's answers while we are stopped.
    pub pauser: Pauser,
    pub terminal: Option<Terminal>,
    pub leader: Option<OwnedFd>,
    pub relays: Vec<Relay>,
    pub keep_input: bool,
    /// Readable when the recording has failed and the session must end.
    pub stop: OwnedFd,
    /// Why it has.
    pub why: Arc<Mutex<String>>,
    pub wall: Option<Duration>,
    /// Bytes that the agent may write in all.
    pub output: Option<u64>,
    pub cgroup: Option<Cgroup>,
    /// What watchers want of the session.
    pub desk: Desk,
    /// The panel, where the terminal can show one.
    pub overlay: Option<Overlay>,
    /// Open as long as the panel can be shown: somebody is there to answer.
    pub attend: Option<Questions>,
    /// From before the agent's first call on.
    pub attendance: Option<Attendance>,
    /// Holds what else there is of the session still, or lets it go on.
    pub still: Box<dyn Fn(bool)>,
    /// Called once when nothing of the agent's is left, before whatever else is left of the session is ended.
    pub ending: Box<dyn FnOnce()>,
    /// Called once when the agent has ended and what it left behind goes on without the user's terminal.
    pub kept: Box<dyn FnOnce(Ended)>,
}

/// How it went.
#[derive(Debug)]
pub struct Finished {
    pub ended: Ended,
    /// The terminal was the agent's when it ended.
    pub engaged: bool,
}

pub struct Pump {
    bus: Bus,
    signals: SignalFd,
    ignored: Set,
    link: Option<Link>,
    pauser: Pauser,
    terminal: Option<Terminal>,
    leader: Option<OwnedFd>,
    /// From the agent's terminal to the user's, and back.
    screen: Option<Channel>,
    keys: Option<Channel>,
    relays: Vec<Relay>,
    stop: Option<OwnedFd>,
    why: Arc<Mutex<String>>,
    /// The policy's end of the session.
    bounds: Bounds,
    wall: Option<Instant>,
    desk: Desk,
    overlay: Option<Overlay>,
    attend: Option<Questions>,
    attendance: Option<Attendance>,
    /// Who wanted the session held still, or to go on, and has not been told yet.
    wished: Option<String>,
    /// When politeness ends.
    grace: Option<Instant>,
    still: Box<dyn Fn(bool)>,
    ending: Option<Box<dyn FnOnce()>>,
    kept: Option<Box<dyn FnOnce(Ended)>>,
    ended: Option<Ended>,
    engaged_at_end: bool,
    /// The terminal was the agent's at some time.
    had_terminal: bool,
    /// The agent was told to stop and has not been seen stopped yet.
    stopping: bool,
    /// The agent was told to go on and has not been seen to: until then keys wait.
    waking: bool,
    failure: Option<Failure>,
    /// Something that is an error of the session whatever the agent's status.
    trouble: Option<SessionError>,
    buffer: Box<[u8]>,
}

/// Where the entries of one poll(2) stand: two for each channel follow the first four.
const SIGNALS: usize = 0;
const LINK: usize = 1;
const STOP: usize = 2;
const DESK: usize = 3;
/// The panel's two.
const PANEL: usize = 4;
const CHANNELS: usize = 6;
/// Screen, keys, and at most three relays.
const MOST: usize = CHANNELS + 2 * 5;

impl Pump {
    pub fn new(setup: Setup) -> io::Result<Self> {
        let (mut screen, mut keys) = (None, None);
        if let (Some(terminal), Some(leader)) = (&setup.terminal, &setup.leader) {
            let manner = if terminal.is_private() { Manner::Plain } else { Manner::Shared };
            let user = || terminal.as_fd().try_clone_to_owned().map(|fd| End::new(fd, manner));
            let agent = || leader.try_clone().map(|fd| End::new(fd, Manner::Plain));
            screen = Some(Channel::new(agent()?, user()?, Carries::Output(Stream::Terminal)));
            keys = Some(Channel::new(user()?, agent()?, Carries::Keys { kept: setup.keep_input }));
            if let (Some(overlay), Some(screen)) = (&setup.overlay, &mut screen) {
                screen.mirror(overlay.model());
            }
        }
        Ok(Pump {
            stopping: false,
            waking: false,
            had_terminal: setup.terminal.as_ref().is_some_and(Terminal::is_engaged),
            bus: setup.bus,
            signals: setup.signals,
            ignored: setup.ignored,
            link: Some(setup.link),
            pauser: setup.pauser,
            terminal: setup.terminal,
            leader: setup.leader,
            screen,
            keys,
            relays: setup.relays,
            stop: Some(setup.stop),
            why: setup.why,
            wall: setup.wall.map(|wall| Instant::now() + wall),
            bounds: Bounds::new(setup.output, setup.cgroup),
            desk: setup.desk,
            overlay: setup.overlay,
            attend: setup.attend,
            attendance: setup.attendance,
            wished: None,
            grace: None,
            still: setup.still,
            ending: Some(setup.ending),
            kept: Some(setup.kept),
            ended: None,
            engaged_at_end: false,
            failure: None,
            trouble: None,
            buffer: vec![0; CHUNK].into_boxed_slice(),
        })
    }

    /// Until the agent has ended, all it left behind is dealt with, and every byte is delivered.
    pub fn run(mut self) -> Result<Finished, SessionError> {
        while !self.is_done() {
            let mut entries = self.entries();
            unix::poll(&mut entries, self.timeout()).map_err(SessionError::system("wait for events"))?;
            if entries[SIGNALS].revents != 0 {
                self.on_signals();
            }
            if entries[STOP].revents != 0 {
                self.on_stop(entries[STOP].revents & libc::POLLIN != 0);
            }
            if entries[DESK].revents != 0 {
                self.on_wishes();
            }
            self.serve(&entries);
            if entries[LINK].revents != 0 {
                self.on_message();
            }
            self.on_time();
            self.on_panel(entries[PANEL..CHANNELS].iter().any(|entry| entry.revents != 0));
        }
        drop(self.terminal.take());
        if let Some(ending) = self.ending.take() {
            ending();
        }
        self.hear_cgroup();
        // What the monitor could not do, or has left by dying.
        if !reap::end_all(PATIENCE) && self.trouble.is_none() {
            self.trouble = Some(SessionError::LeftBehind);
        }
        match (self.trouble, self.failure, self.ended) {
            (Some(trouble), ..) => Err(trouble),
            (_, Some(failure), _) => Err(SessionError::Agent(failure)),
            (_, _, Some(ended)) => Ok(Finished { ended, engaged: self.engaged_at_end }),
            (None, None, None) => Err(SessionError::MonitorLost),
        }
    }

    /// The monitor is gone, and nothing is left to deliver.
    fn is_done(&self) -> bool {
        let delivering = self.relays.iter().any(|relay| matches!(relay.channel.carries(), Carries::Output(_)));
        self.link.is_none() && self.screen.is_none() && !delivering
    }

    fn entries(&self) -> [PollFd; MOST] {
        let mut entries = [NO_POLL; MOST];
        entries[SIGNALS] = unix::poll_for(self.signals.as_fd(), libc::POLLIN);
        if let Some(link) = &self.link {
            entries[LINK] = unix::poll_for(link.as_fd(), libc::POLLIN);
        }
        if let Some(stop) = &self.stop {
            entries[STOP] = unix::poll_for(stop.as_fd(), libc::POLLIN);
        }
        entries[DESK] = unix::poll_for(self.desk.as_fd(), libc::POLLIN);
        self.panel_entries(&mut entries[PANEL..CHANNELS]);
        let keys = self.keys.as_ref().filter(|_| self.takes_keys());
        let channels = [self.screen.as_ref(), keys].into_iter();
        let channels = channels.chain(self.relays.iter().map(|relay| Some(&relay.channel)));
        for (at, channel) in channels.enumerate() {
            if let (Some(channel), Some(two)) = (channel, entries.get_mut(CHANNELS + 2 * at..CHANNELS + 2 * at + 2)) {
                two.copy_from_slice(&channel.poll_entries());
            }
        }
        entries
    }

    /// The terminal is the agent's, and the agent runs.
    fn takes_keys(&self) -> bool {
        !self.waking && self.terminal.as_ref().is_some_and(Terminal::is_engaged)
    }

    fn timeout(&self) -> i32 {
        let now = Instant::now();
        let until = |at: Instant| at.saturating_duration_since(now) + Duration::from_millis(1);
        let check = self.waits_for_foreground().then_some(FOREGROUND_CHECK);
        let panel = self.overlay.as_ref().and_then(|overlay| overlay.deadline(now));
        let cgroup = self.bounds.pause();
        let next = [self.wall.map(until), self.grace.map(until), check, panel.map(until), cgroup];
        let next = next.into_iter().flatten().min();
        next.map_or(-1, |wait| i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
    }

    fn serve(&mut self, entries: &[PollFd; MOST]) {
        let pair = |at: usize| [entries[CHANNELS + 2 * at], entries[CHANNELS + 2 * at + 1]];
        // Keys first: Ctrl-C must not wait behind output.
        let takes_keys = self.takes_keys();
        if let Some(keys) = self.keys.as_mut().filter(|_| takes_keys)
            && pair(1).iter().any(|entry| entry.revents != 0)
        {
            let follower = self.leader.as_ref().and_then(|leader| Attributes::of(leader.as_fd()).ok());
            let served = match &mut self.overlay {
                Some(overlay) => {
                    panel::serve_keys(keys, overlay, pair(1), &mut self.buffer, &self.bus, follower.as_ref())
                }
                None => keys.serve(pair(1), &mut self.buffer, &self.bus, follower.as_ref()),
            };
            match served {
                Ok(bytes) => self.signal_siblings(bytes, follower.as_ref()),
                Err(Closed::Ended) => self.hang_up(),
                Err(Closed::Refused(_)) => self.keys = None,
            }
        }
        if pair(0).iter().any(|entry| entry.revents != 0) {
            self.serve_screen(pair(0));
        }
        // The relays' entries stand in their order, so none may be taken out before all were served.
        let (mut over, mut written) = ([false; 3], 0);
        for (at, relay) in self.relays.iter_mut().enumerate() {
            let ready = pair(2 + at);
            if ready.iter().any(|entry| entry.revents != 0) {
                let served = relay.channel.serve(ready, &mut self.buffer, &self.bus, None);
                if let (Ok(bytes), Carries::Output(_)) = (&served, relay.channel.carries()) {
                    written += bytes;
                }
                over[at] = served.is_err();
            }
        }
        for at in (0..self.relays.len()).rev().filter(|at| over[*at]) {
            // Whoever is at the other end must see that it is closed.
            let relay = self.relays.remove(at);
            relay.serves.into_iter().for_each(streams::give_up);
        }
        self.count_output(written);
    }

    fn serve_screen(&mut self, ready: [PollFd; 2]) {
        let Some(screen) = &mut self.screen else { return };
        if let (Some(terminal), Some(leader)) = (&self.terminal, &self.leader)
            && terminal.is_engaged()
            && terminal.is_shared()
            && let Ok(follower) = Attributes::of(leader.as_fd())
        {
            terminal.follow_output(&follower);
        }
        match screen.serve(ready, &mut self.buffer, &self.bus, None) {
            Ok(bytes) => self.count_output(bytes),
            Err(Closed::Ended) => self.screen = None,
            Err(Closed::Refused(_)) => self.hang_up(),
        }
    }

    /// Moves everything that the agent has written so far, as far as the terminal takes it: poll(2) on the leader
    /// makes the kernel hand over what is still on its way.
    fn drain_screen(&mut self) {
        const MOST_ROUNDS: usize = 256;
        for _ in 0..MOST_ROUNDS {
            let Some(screen) = &self.screen else { return };
            let mut ready = screen.poll_entries();
            if unix::poll(&mut ready, 0).is_err() || ready.iter().all(|entry| entry.revents == 0) {
                return;
            }
            self.serve_screen(ready);
        }
    }

    /// The user's terminal is gone: so is the agent's. The kernel tells the monitor, and it the agent.
    fn hang_up(&mut self) {
        let had_pty = self.leader.is_some();
        (self.overlay, self.attendance) = (None, None);
        self.screen = None;
        self.keys = None;
        self.terminal = None;
        self.leader = None;
        if !had_pty {
            self.tell(&ToMonitor::Signal { signal: libc::SIGHUP, group: true });
        }
    }

    /// Deadlines that have passed.
    fn on_time(&mut self) {
        let now = Instant::now();
        if self.wall.is_some_and(|at| now >= at) {
            self.wall = None;
            self.reach_limit("wall_seconds: the session's time is over".to_owned());
        }
        self.look_at_cgroup();
        if self.grace.is_some_and(|at| now >= at) {
            self.grace = None;
            self.tell(&ToMonitor::End);
            self.bounds.kill();
        }
        if self.waits_for_foreground() && self.terminal.as_ref().is_some_and(Terminal::is_foreground) {
            self.take_terminal();
        }
    }

    /// The recording has failed: nothing may happen that is not recorded.
    fn on_stop(&mut self, failed: bool) {
        self.stop = None;
        if !failed {
            // The recorder ended well, or there is nothing to record.
            return;
        }
        let why = self.why.lock().map(|why| why.clone()).unwrap_or_default();
        self.trouble = Some(SessionError::Recording(why));
        self.tell(&ToMonitor::End);
    }

    fn tell(&mut self, message: &ToMonitor) {
        if let Some(link) = &mut self.link {
            // A monitor that is gone is noticed when we next wait.
            let _ = link.send(message);
        }
    }
}
