//! What goes over the network: tunnels, names looked up, HTTP requests, credentials put in.
//!
//! Invariant: no secret and no value of a query stands in here; names are those that were judged, and what a client wrote
//! instead of a name is text that was made visible.
//! Leaves to others: deciding (`policy`), doing it (`egress`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::policy::{Layer, Verdict};

/// A connection through the front. Kind `net`, beside the [`super::Judged`] of the call that asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tunnel {
    /// Counts the session's tunnels from 1; the same in all events of one.
    pub id: u64,
    pub op: TunnelOp,
    /// The process that connected; 0 where that is not known.
    pub pid: i32,
    /// Where it was dialled; None where it was not.
    pub addr: Option<SocketAddr>,
    /// The name it was judged by.
    pub host: Option<Arc<str>>,
    /// 1–65535.
    pub port: u16,
    /// What the ClientHello names (RFC 6066 §3), visible; None without one.
    pub sni: Option<String>,
    pub verdict: Verdict,
    /// As `Rule::name`.
    pub rule: Arc<str>,
    pub layer: Layer,
    /// Bytes from the agent and to it, so far.
    pub up: u64,
    pub down: u64,
    /// Nanoseconds since it was accepted.
    pub duration: u64,
    /// Why it ended: `closed`, `reset`, `refused`, `timeout`, `denied`, `reload`, …; empty before.
    pub end: &'static str,
}

/// What of a tunnel's life is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TunnelOp {
    /// It was dialled, bytes may flow.
    Open,
    /// Bytes have flown: at most once a second, so that rates can be told.
    Flow,
    /// Exactly one for each tunnel that was accepted, also for one that was refused.
    Close,
}

/// A name that was looked up. Kind `dns`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dns {
    /// The process that asked; 0 where that is not known.
    pub pid: i32,
    /// As zone files have it (RFC 1035 §5.1: `\.` and `\DDD`), without the final dot, at most 1,016 bytes.
    pub name: String,
    /// As in the question (RFC 1035 §3.2.2).
    pub qtype: u16,
    pub verdict: Verdict,
    /// As `Rule::name`.
    pub rule: Arc<str>,
    pub layer: Layer,
    /// What the agent was told: `NOERROR`, `NXDOMAIN`, `SERVFAIL`, `NOTIMP`, `FORMERR`, `REFUSED`.
    pub rcode: &'static str,
    /// The addresses that it was told, at most 16.
    pub answers: Vec<IpAddr>,
    /// Nanoseconds from question to answer.
    pub duration: u64,
}

/// A request on a connection that the front reads. Kind `http`.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// [`Tunnel::id`].
    pub tunnel: u64,
    pub pid: i32,
    /// The name that was judged, or the address where none was.
    pub host: Arc<str>,
    pub port: u16,
    /// Token (RFC 9110 §9), visible.
    pub method: String,
    /// Visible; with the names of a query, its values as digests.
    pub path: String,
    /// 100–599; 0 where there was no response.
    pub status: u16,
    pub verdict: Verdict,
    /// As `Rule::name`.
    pub rule: Arc<str>,
    pub layer: Layer,
    /// Bytes of the bodies of request and response.
    pub up: u64,
    pub down: u64,
    /// Nanoseconds from the request's head to the end of its response.
    pub duration: u64,
}

/// What became of a credential, or of something that stands for one. Kind `credential`.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    /// Its name in the policy, never its value.
    pub name: Arc<str>,
    /// [`Tunnel::id`]; 0 where it was in none.
    pub tunnel: u64,
    pub pid: i32,
    /// Where the request went.
    pub host: Arc<str>,
    pub what: CredentialUse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialUse {
    /// Put into a request to its own host.
    Used,
    /// Its placeholder went to somebody else: the request was refused.
    PlaceholderBlocked,
    /// The real value went anywhere: the request was refused.
    SecretBlocked,
    /// A response held it: it was taken out.
    Redacted,
}
