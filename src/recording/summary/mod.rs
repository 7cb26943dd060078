//! What a session did, in bounded memory, from its events in order.
//!
//! Invariant: however much a hostile agent does, this holds a few megabytes: beyond its bounds things are counted, not kept,
//! and the counts say so. Pure: no clock, no environment.
//! Leaves to others: drawing the page (`cmd::show`).

use crate::event::{Event, Judged, Kind, PolicyUsed, Report, Stamped, Start};
use crate::policy::{Access, Verdict};

use super::lines::is_denied;
use super::words::pid_of;

mod asked;
mod closing;
mod credentials;
mod denials;
mod paths;
mod phrase;
mod programs;
mod reached;
mod servers;

pub use asked::{Asked, Question};
pub use closing::step_summary;
pub use credentials::{Credentials, Held};
pub use denials::{Denial, Denials, object, verb};
pub use paths::{Group, Paths};
pub use phrase::{clock, cut, home_short, lasted, size};
pub use programs::{Program, Programs};
pub use reached::{Reached, Spot, Visit};
pub use servers::{Server, Servers, Tool};

/// Alerts and limits that are kept word for word.
const NOTES: usize = 200;

/// Feed it all events of a session, in order.
#[derive(Debug, Default)]
pub struct Summary {
    pub start: Option<Start>,
    pub policy: Option<PolicyUsed>,
    pub report: Option<Report>,
    /// Exit status and signal, when the session ended in order.
    pub exit: Option<(i32, Option<i32>)>,
    /// Time of the last event, in nanoseconds since the session's start.
    pub last: u64,
    pub events: u64,
    pub denied: Denials,
    pub asked: Asked,
    pub programs: Programs,
    pub wrote: Paths,
    pub removed: Paths,
    pub read: Paths,
    pub reached: Reached,
    pub credentials: Credentials,
    pub servers: Servers,
    pub alerts: Notes,
    pub limits: Notes,
    pub markers: Notes,
    /// Bytes the agent wrote to its terminal and streams.
    pub output: u64,
    /// Bytes that went to the agent, redacted ones included.
    pub input: u64,
    /// Events that are not in the recording.
    pub lost: u64,
}

/// The first few of something in words, and how many there were.
#[derive(Debug, Default)]
pub struct Notes {
    /// With their times.
    pub first: Vec<(u64, String)>,
    pub total: u64,
}

impl Notes {
    fn add(&mut self, t: u64, text: &str) {
        self.total += 1;
        if self.first.len() < NOTES {
            self.first.push((t, cut(text, 400)));
        }
    }
}

impl Summary {
    pub fn feed(&mut self, stamped: &Stamped) {
        let t = stamped.t;
        self.events += 1;
        self.last = self.last.max(t);
        match &stamped.event {
            Event::Start(start) => self.start = Some(Start::clone(start)),
            Event::Policy(policy) => self.policy = Some(PolicyUsed::clone(policy)),
            Event::Report(report) => self.report = Some(Report::clone(report)),
            Event::Output { data, .. } => self.output += data.len() as u64,
            Event::Input { data } => self.input += data.len() as u64,
            Event::Redacted { bytes } => self.input = self.input.saturating_add(*bytes),
            Event::Resize { .. } => {}
            Event::Marker { label, .. } => self.markers.add(t, label),
            Event::Proc(proc) => self.programs.add(t, proc),
            Event::Judged(judged) => self.judged(stamped, judged),
            Event::Tunnel(tunnel) => self.reached.tunnel(t, tunnel, self.programs.name(tunnel.pid)),
            Event::Dns(dns) => {
                self.reached.dns(t, dns, self.programs.name(dns.pid));
                self.refused(stamped);
            }
            Event::Http(http) => {
                self.reached.http(t, http, self.programs.name(http.pid));
                self.refused(stamped);
            }
            Event::Credential(credential) => {
                self.credentials.add(t, credential);
                self.refused(stamped);
            }
            Event::Mcp(mcp) => {
                self.servers.add(t, mcp);
                self.refused(stamped);
            }
            Event::Ask(ask) => self.asked.add(t, ask),
            Event::Answer(answer) => self.asked.answered(answer),
            Event::Alert { what, .. } => self.alerts.add(t, what),
            Event::Limit { what } => self.limits.add(t, what),
            Event::Lost { events, .. } => self.lost = self.lost.saturating_add(*events),
            Event::Exit { status, signal } => self.exit = Some((*status, *signal)),
        }
    }

    /// What was not refused is no matter.
    fn refused(&mut self, stamped: &Stamped) {
        if !is_denied(&stamped.event) {
            return;
        }
        let pid = pid_of(&stamped.event).unwrap_or(0);
        self.denied.add(stamped.t, &stamped.event, self.programs.name(pid));
    }

    fn judged(&mut self, stamped: &Stamped, judged: &Judged) {
        if judged.kind == Kind::Net {
            self.reached.judged(stamped.t, judged, self.programs.name(judged.pid));
        }
        if judged.verdict == Verdict::Deny {
            // No rule names it and it is not there: without govsh it would not have opened, either.
            if judged.errno == libc::ENOENT && &*judged.rule == "default" {
                return;
            }
            return self.refused(stamped);
        }
        match judged.kind {
            Kind::File if judged.errno == 0 => self.file(judged),
            Kind::File | Kind::Exec | Kind::Net | Kind::Call | Kind::Mcp => {}
        }
    }

    /// Access to devices that hold nothing, or to a pipe by its descriptor, is not worth a reviewer's time.
    fn file(&mut self, judged: &Judged) {
        let Judged { op, path, path2, access, .. } = judged;
        let cwd = self.start.as_ref().map_or(&[][..], |start| &start.cwd);
        if matches!(&path[..], b"/dev/null" | b"/dev/tty" | b"/dev/zero" | b"/dev/full" | b"/dev/ptmx")
            || path.starts_with(b"/dev/pts/")
            || !path.starts_with(b"/")
        {
            return;
        }
        if op.starts_with("unlink") || op.starts_with("rmdir") {
            self.removed.add(path, cwd);
        } else if access.changes() {
            // What a rename or link makes is its second path.
            let made = if path2.is_empty() { path } else { path2 };
            self.wrote.add(made, cwd);
        } else if access.contains(Access::READ) {
            self.read.add(path, cwd);
        }
    }
}

#[cfg(test)]
mod tests;
