//! The seam between supervisor and egress: what the broker asks of the front's network side, without knowing it.
//!
//! ```text
//! worker: judge copy of address ─▶ names ─▶ dial (blocking sockets) ─▶ expect ─▶ connect(copy of the socket, front's listener)
//!                                                                        │ the source address is the key
//! front:  accept ─ peer's address among the expected passages? none: closed ─ sniff ─ tunnel
//! ```
//! Invariant: nothing passes the front that was not announced here by a worker that has judged it; a passage is used once.
//! Leaves to others: names, dialling and what flows (`egress`, wired in `session::outside`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::policy::{Host, Layer};
use crate::sys::Errno;

/// A connection of the agent's that was judged and will arrive at the front's listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Counts the session's passages from 1.
    pub id: u64,
    /// The agent's end, bound before the connection is made: a loopback address, unless the agent chose another one.
    pub from: SocketAddr,
    /// Where the agent wants to get to.
    pub to: SocketAddr,
    /// The names that were judged; empty where the address alone was.
    pub names: Vec<Host>,
    /// The address alone would not have been allowed: what is said inside must name one of `names`.
    pub by_name: bool,
    /// Somebody was asked, and said yes: without that a rule that asks, put in force meanwhile, lets it in no more.
    pub asked: bool,
    pub pid: i32,
    /// Path of the program that asked; empty where it is not known.
    pub program: Arc<[u8]>,
    /// As `Rule::name`, and its layer.
    pub rule: Arc<str>,
    pub layer: Layer,
    /// Nanoseconds of the session's clock at which the call was received.
    pub started: u64,
}

/// A connection that was made for a passage ahead of it; means something to the gate alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dialled(pub u64);

/// The network side of the front. Every method but `dial` returns at once.
pub trait Gate: Send + Sync {
    /// Names that the stub has answered with this address, the latest first, at most 16.
    fn names(&self, ip: IpAddr) -> Vec<Host>;

    /// Connects to where `passage` goes, and waits for that; `still` is asked at least every 50 ms whether the target
    /// still waits. The errno is what connect(2) is to give; EINTR when `still` said no. The `from` of the passage is not
    /// known yet and is the unspecified address.
    fn dial(&self, passage: &Passage, still: &dyn Fn() -> bool) -> Result<Dialled, Errno>;

    /// Announces a passage; where the socket is to be connected to, in the family of `from` (IPv4 also for a mapped one).
    fn expect(&self, passage: Passage, dialled: Option<Dialled>) -> SocketAddr;

    /// What was announced for this source does not arrive.
    fn forget(&self, from: SocketAddr);

    /// The stub's UDP address that stands for this name server, always the same one: loopback, IPv4 unless the socket speaks
    /// IPv6 alone. Past 16 servers, the last one's.
    fn stub(&self, server: SocketAddr, six_only: bool) -> SocketAddr;

    /// What comes to the stub from this port is asked by this process, for the record.
    fn asks(&self, port: u16, pid: i32);

    /// The listener for HTTP and SOCKS, v4 and v6. Connecting there is announced as a passage to it.
    fn proxy(&self) -> [SocketAddr; 2];
}
