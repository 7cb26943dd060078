//! Limits that the front holds: how long, how much output, and what the session's cgroup has to tell.
//!
//! Invariant: a limit that ends the session is an event before the agent hears of it, and ends it once.
//! Leaves to others: the other limits (`sandbox::limits`, `session::monitor`).

use std::time::{Duration, Instant};

use super::Pump;
use super::control::GRACE;
use crate::event::Event;
use crate::session::cgroup::Cgroup;
use crate::session::wire::ToMonitor;

/// Between two looks at the cgroup.
const LOOK: Duration = Duration::from_millis(250);

pub(super) struct Bounds {
    /// Bytes of output that are left; None without a limit, and once it was reached.
    left: Option<u64>,
    cgroup: Option<Cgroup>,
    next: Instant,
}

impl Bounds {
    pub(super) fn new(output: Option<u64>, cgroup: Option<Cgroup>) -> Bounds {
        Bounds { left: output, cgroup, next: Instant::now() + LOOK }
    }

    /// Until the next look.
    pub(super) fn pause(&self) -> Option<Duration> {
        let left = || self.next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        self.cgroup.is_some().then(left)
    }

    /// SIGKILL for all that is in the cgroup, if there is one.
    pub(super) fn kill(&self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
    }
}

impl Pump {
    /// So many bytes more came from the agent.
    pub(super) fn count_output(&mut self, bytes: usize) {
        let Some(left) = self.bounds.left else { return };
        let rest = left.checked_sub(bytes as u64);
        self.bounds.left = rest;
        if rest.is_none() {
            self.reach_limit("output_bytes: the session has written all it may".to_owned());
        }
    }

    /// The session is told to end, and ended if it does not.
    pub(super) fn reach_limit(&mut self, what: String) {
        self.bus.publish(Event::Limit { what });
        if self.grace.is_none() {
            self.grace = Some(Instant::now() + GRACE);
            self.tell(&ToMonitor::Signal { signal: libc::SIGTERM, group: true });
        }
    }

    pub(super) fn look_at_cgroup(&mut self) {
        if Instant::now() >= self.bounds.next {
            self.bounds.next = Instant::now() + LOOK;
            self.hear_cgroup();
        }
    }

    /// What the kernel refused or killed since the last look; also once at the end.
    pub(super) fn hear_cgroup(&mut self) {
        for what in self.bounds.cgroup.as_mut().map(Cgroup::news).unwrap_or_default() {
            self.bus.publish(Event::Limit { what });
        }
    }
}
