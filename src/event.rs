//! The vocabulary: everything that happens in a session is one of these, on one clock, in one order.
//!
//! Invariant: an event owns its data and was made from copies, never from memory that the agent can change.
//! Leaves to others: ordering and bounds (`bus`), bytes on disk (`recording`).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

mod mcp;
mod net;

pub use mcp::{Mcp, McpCall, McpKey, McpPin, McpResult, McpSide, McpStart, McpWhat};
pub use net::{Credential, CredentialUse, Dns, Http, Tunnel, TunnelOp};

use crate::policy::{Access, Layer, Vars, Verdict};

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
        /// Who set it, as `user@pts/3` or `watch:user@pts/3`; empty where nobody is known.
        by: String,
    },
    Proc(Box<Proc>),
    /// A request and what was decided: kinds `file`, `exec`, `net` and `call`.
    Judged(Judged),
    /// A connection through the front: kind `net`, too.
    Tunnel(Box<Tunnel>),
    /// A name was looked up.
    Dns(Box<Dns>),
    /// A request on a connection that the front reads.
    Http(Box<Http>),
    /// A credential was put in, or kept from somebody.
    Credential(Box<Credential>),
    /// Something between the agent and an MCP server.
    Mcp(Box<Mcp>),
    /// A question was put: kind `ask`.
    Ask(Box<Ask>),
    /// And what became of it: kind `answer`, exactly one for each `ask` of a session that ended in order.
    Answer(Box<Answer>),
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

impl Event {
    /// What was decided, of an event that holds a decision on something that the agent wanted.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Event::Judged(judged) => Some(judged.verdict),
            Event::Tunnel(tunnel) => Some(tunnel.verdict),
            Event::Dns(dns) => Some(dns.verdict),
            Event::Http(http) => Some(http.verdict),
            Event::Credential(credential) => Some(match credential.what {
                CredentialUse::Used | CredentialUse::Redacted => Verdict::Allow,
                CredentialUse::PlaceholderBlocked | CredentialUse::SecretBlocked => Verdict::Deny,
            }),
            Event::Mcp(mcp) => mcp.verdict(),
            _ => None,
        }
    }
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
    /// What the user was told before the run: a project's policy that is not trusted, a setuid program.
    pub notices: Vec<String>,
    /// What the policy's variables stood for, but for `workdir` and `uid`, which are those of [`Start`]. None in recordings
    /// of versions before.
    pub vars: Option<Box<Vars>>,
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
    pub rule: Arc<str>,
    /// `enforced` (kernel), `brokered` (supervisor), `observed` (recorded only) or `missing`.
    pub how: &'static str,
    /// By which mechanism, or why it is missing.
    pub by: Cow<'static, str>,
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
    /// BLAKE3 of the bytes of `exe` when it was started; None where they could not be read in time, and at the end.
    pub digest: Option<[u8; 32]>,
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
    /// A system call that no policy allows, or a signal to somebody outside.
    Call,
    /// A request to or of an MCP server, in questions alone: what was judged of them is [`Event::Mcp`].
    Mcp,
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
    /// The name that was judged, where one was: what the client wrote, or what the address is known as.
    pub host: Option<Arc<str>>,
    /// The port where no address is known; else 0.
    pub port: u16,
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

/// A request that a rule says to ask about, as people are shown it. All calls that ask for the same are one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Counts the session's questions from 1.
    pub id: u64,
    pub of: Kind,
    /// As in [`Judged`]: the request as it was resolved when it was put.
    pub op: &'static str,
    pub access: Access,
    pub path: Vec<u8>,
    pub path2: Vec<u8>,
    pub addr: Option<SocketAddr>,
    pub host: Option<Arc<str>>,
    pub port: u16,
    /// Of [`Kind::Mcp`]: the server's name, what is called, and each argument as `key=JSON`.
    pub argv: Vec<Vec<u8>>,
    /// The first process that asked.
    pub pid: i32,
    /// The arguments of every process from the agent down to the asking one.
    pub ancestry: Vec<Vec<Vec<u8>>>,
    pub cwd: Vec<u8>,
    /// As `Rule::name`.
    pub rule: Arc<str>,
    pub layer: Layer,
    /// Why the rule asks, in its author's words; may be empty.
    pub reason: String,
    /// What *always* or *session* can add, the narrowest first; 1 to 4.
    pub choices: Vec<Choice>,
    /// The file that *always* writes to, as people are shown it; empty where nothing can be kept.
    pub file: String,
    /// Nanoseconds until it is denied.
    pub timeout: u64,
}

/// A rule that an answer can add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The kind of rule: `exec`, `files.read`, `files.write`, `files.exec` or `network`.
    pub key: String,
    /// Its pattern, as a policy would have it.
    pub text: String,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// [`Ask::id`].
    pub ask: u64,
    /// Allow or Deny.
    pub verdict: Verdict,
    pub scope: Scope,
    pub by: By,
    /// Who answered, as `user@pts/3`; empty where nobody did.
    pub who: String,
    /// Nanoseconds from the question to the answer.
    pub waited: u64,
    /// The rule that the answer added; empty for none.
    pub rule: String,
    /// How it could have been allowed, where nobody was there to ask; else empty.
    pub hint: String,
    /// Sequence number of the event, usually the question's own, at which the answerer saw the terminal.
    pub screen: Option<u64>,
    /// Calls that waited for it.
    pub calls: u64,
}

/// What an answer holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The calls that wait now.
    Once,
    /// Whatever matches the chosen rule, until the session ends.
    Session,
    /// Everything that this program asks by the same rule, until the session ends.
    Program,
    /// Whatever matches the chosen rule, in this and in later sessions.
    Always,
    /// Deny, and ask no more by this rule, until the session ends.
    Never,
}

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// The panel in the session's own terminal.
    Terminal,
    /// A watcher.
    Watch,
    /// `govsh answer`.
    Command,
    Timeout,
    /// Nobody was there to ask.
    Nobody,
    /// The last process that asked went away.
    Withdrawn,
}
