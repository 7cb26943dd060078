//! The vocabulary: everything that happens in a session is one of these, on one clock, in one order.
//!
//! Invariant: an event owns its data and was made from copies, never from memory that the agent can change.
//! Leaves to others: ordering and bounds (`bus`), bytes on disk (`recording`).

use std::net::SocketAddr;
use std::sync::Arc;

use crate::policy::{Access, Layer, Verdict};

/// An event with its place in the session.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamped {
    /// Counts from 0 without gaps over all events of the session.
    pub seq: u64,
    /// Nanoseconds since the session's start on CLOCK_MONOTONIC.
    pub t: u64,
    pub event: Event,
}

/// Which stream of the agent carried the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// The PTY: stdout and stderr of a terminal session are one stream.
    Terminal,
    Stdout,
    Stderr,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Start(Box<Start>),
    Policy(Box<PolicyUsed>),
    Report(Box<Report>),
    Output {
        stream: Stream,
        data: Vec<u8>,
    },
    Input {
        data: Vec<u8>,
    },
    /// Input typed while the terminal did not echo: only its length in bytes is kept.
    Redacted {
        bytes: u64,
    },
    Resize {
        cols: u16,
        rows: u16,
    },
    Marker {
        label: String,
    },
    Proc(Box<Proc>),
    /// A request and what was decided: kinds `file`, `exec` and `net`.
    Judged(Judged),
    /// Something that must not happen happened, or was tried in a way that is an attack.
    Alert {
        pid: i32,
        what: String,
    },
    /// A limit of the policy was reached.
    Limit {
        what: String,
    },
    /// Events or bytes that could not be recorded, never silently.
    Lost {
        events: u64,
        bytes: u64,
        why: String,
    },
    /// The session ended: exit status as `govsh run` returns it.
    Exit {
        status: i32,
        signal: Option<i32>,
    },
}

/// First event of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub id: String,
    /// Unix time in seconds.
    pub timestamp: i64,
    pub argv: Vec<Vec<u8>>,
    pub cwd: Vec<u8>,
    pub user: String,
    pub uid: u32,
    pub host: String,
    pub version: String,
    /// Terminal size and `TERM`, 80×24 and empty without a terminal.
    pub cols: u16,
    pub rows: u16,
    pub term: String,
    pub stdin_tty: bool,
    pub stdout_tty: bool,
    pub stderr_tty: bool,
}

/// The policy as it was used.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyUsed {
    pub name: String,
    /// Files that make it up, most derived last.
    pub sources: Vec<String>,
    pub audit: String,
    pub denies: usize,
    pub asks: usize,
    /// Arguments the profile added to the agent's command line.
    pub appended: Vec<String>,
}

/// What was really enforced, rule by rule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    pub landlock_abi: i32,
    pub lines: Vec<ReportLine>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ReportLine {
    /// The rule as written, or the mechanism's name.
    pub rule: String,
    /// `enforced` (kernel), `brokered` (supervisor), `observed` (recorded only) or `missing`.
    pub how: &'static str,
    /// By which mechanism, or why it is missing.
    pub by: String,
}

/// The life of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Proc {
    pub pid: i32,
    pub parent: i32,
    /// Seen for the first time, runs a new image, or ended.
    pub op: ProcOp,
    pub exe: Vec<u8>,
    pub argv: Vec<Vec<u8>>,
    /// More arguments were there than are kept.
    pub argv_cut: bool,
    pub cwd: Vec<u8>,
    /// Exit status as wait(2) would give it: 0–255, or None when it is not known.
    pub exit: Option<i32>,
    pub signal: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcOp {
    Exec,
    Exit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    File,
    Exec,
    Net,
}

/// By which mechanism a decision took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// Refused or permitted by Landlock or BPF without us.
    Kernel,
    /// Judged, then left to the kernel to perform.
    Continued,
    /// Performed by the front on the target's behalf, or refused by it.
    Brokered,
}

/// A request, copied once, and the decision on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    pub kind: Kind,
    /// The system call's own name or a close word for it: `open`, `rename`, `connect`, `exec`, …
    pub op: &'static str,
    pub pid: i32,
    pub access: Access,
    /// The path of what was really resolved, absolute; empty for internet addresses.
    pub path: Vec<u8>,
    /// The second path of rename and link; empty otherwise.
    pub path2: Vec<u8>,
    pub addr: Option<SocketAddr>,
    /// For exec only.
    pub argv: Vec<Vec<u8>>,
    pub verdict: Verdict,
    /// As `Rule::name`.
    pub rule: Arc<str>,
    pub layer: Layer,
    pub via: Via,
    /// What the target got: 0 or an errno.
    pub errno: i32,
    /// Nanoseconds from receipt to answer; 0 where it was not measured.
    pub duration: u64,
}
