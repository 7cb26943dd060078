//! What watchers want done with the whole session.
//!
//! Invariant: whatever is done here is recorded with who wanted it; whoever waits for it is told once it is so.
//! Leaves to others: who may want something (`session::control`), the processes (`monitor`).

use std::time::Instant;

use super::Pump;
use super::control::GRACE;
use crate::event::Event;
use crate::session::control::{Frozen, What, Wish};
use crate::session::wire::ToMonitor;

impl Pump {
    pub(super) fn on_wishes(&mut self) {
        for Wish { what, by } in self.desk.wishes() {
            let frozen = self.desk.standing().frozen.is_some();
            match what {
                _ if self.ended.is_some() && !matches!(what, What::End { .. }) => {
                    self.desk.tell(|standing| standing.over = true);
                }
                What::Freeze if !frozen => {
                    self.wished = Some(by);
                    self.tell(&ToMonitor::Freeze);
                    (self.still)(true);
                }
                What::Thaw if frozen => {
                    self.wished = Some(by);
                    self.tell(&ToMonitor::Thaw);
                    (self.still)(false);
                }
                What::Freeze | What::Thaw => {}
                What::End { now } => self.end_for(by, now || frozen),
            }
        }
    }

    /// Held still, the agent could not follow a polite request.
    fn end_for(&mut self, by: String, now: bool) {
        self.mark("session ended", by);
        if now || self.grace.is_some() {
            self.tell(&ToMonitor::End);
        } else {
            self.grace = Some(Instant::now() + GRACE);
            self.tell(&ToMonitor::Signal { signal: libc::SIGTERM, group: false });
        }
    }

    pub(super) fn on_frozen(&mut self, processes: usize, whole: bool) {
        let by = self.wished.take().unwrap_or_default();
        let missed = if whole { "" } else { ", some escaped" };
        self.mark(&format!("session frozen ({processes} processes{missed})"), by.clone());
        self.desk.tell(|standing| standing.frozen = Some(Frozen { by, processes, whole }));
    }

    pub(super) fn on_thawed(&mut self) {
        let by = self.wished.take().unwrap_or_default();
        self.mark("session goes on", by);
        self.desk.tell(|standing| standing.frozen = None);
    }

    fn mark(&self, label: &str, by: String) {
        self.bus.publish(Event::Marker { label: label.to_owned(), by });
    }
}
