//! The way out: every TCP connection of the agent ends here, is judged here once more, and is carried on from here.
//!
//! ```text
//! redirected connect(2) ─▶ listen ─ its peer is an expected passage? ─┐
//! HTTP CONNECT, absolute-form, SOCKS5 ─▶ listen ─ proxy ─ judge ─────┤ Tunnel
//!                                                                    ▼
//!                    sniff: first bytes of the client, while the server's may flow already
//!                      │ TLS: SNI is a judged name        │ plain HTTP: Host is one     │ neither
//!                      ├─ inspected? tls::terminate       ├─ http::plain                │
//!                      └──────────────▶ splice ◀──────────────────────────────────────-─┘
//!                                        │ dial: checked addresses only
//! ```
//! Invariant: nothing is dialled and no byte of the agent's leaves that the policy in force has not allowed; whatever is
//! not understood on a connection that was judged by name is refused. Every tunnel leaves exactly one closing event.
//! Leaves to others: redirecting the agent's calls (`supervisor`), rules (`policy`), wiring both (`session`).

mod canary;
mod client;
pub mod credentials;
mod dial;
pub mod dns;
mod duct;
mod errno;
pub mod git;
pub mod http;
mod judge;
mod listen;
mod live;
mod passage;
pub mod proxy;
mod shared;
pub mod sniff;
mod splice;
pub mod tls;
mod tunnel;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::bus::Bus;
use crate::policy::{Decision, Host, Layer, Policy, Verdict};
use crate::sys::Errno;

pub use dial::{Direct, Forward, Upstream, declared};
pub use live::Live;
pub use passage::{Dialled, Passage};
use shared::Shared;

/// Threads of the runtime.
const THREADS: usize = 2;
/// For the tasks to end with the session.
const PARTING: Duration = Duration::from_millis(300);

/// What one session's way out needs.
pub struct Setup {
    pub policy: Arc<Policy>,
    pub bus: Bus,
    pub asks: Arc<dyn Asks>,
    pub secrets: Arc<credentials::Secrets>,
    /// Of the machine's configuration only.
    pub upstream: Upstream,
}

/// Where connections are asked about that a rule says to ask about.
pub trait Asks: Send + Sync {
    /// Puts a question; the connection is parked until the answer comes. A dropped sender is a denial.
    fn ask(&self, question: NetQuestion) -> oneshot::Receiver<Ruling>;
}

/// A connection through the proxies that a rule says to ask about.
#[derive(Debug, Clone)]
pub struct NetQuestion {
    pub pid: i32,
    pub program: Arc<[u8]>,
    /// The name that the client gave; None where it gave an address.
    pub host: Option<Host>,
    pub addr: Option<SocketAddr>,
    pub port: u16,
    pub decision: Decision,
}

/// What was decided, as events have it.
#[derive(Debug, Clone)]
pub struct Ruling {
    /// Allow or Deny.
    pub verdict: Verdict,
    /// As `Rule::name`.
    pub rule: Arc<str>,
    pub layer: Layer,
}

/// Why there is no way out.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("cannot start the network runtime")]
    Runtime(#[source] io::Error),
    #[error("cannot listen on a loopback address for the session's connections")]
    Listen(#[source] io::Error),
    #[error("cannot answer names for the session")]
    Stub(#[source] io::Error),
    #[error("cannot verify servers")]
    Authority(#[source] tls::TlsError),
    #[error("cannot make the session's certificate authority: {0}")]
    NoAuthority(String),
    #[error("the network policy is not enforced: a connection that no policy allows was answered with '{0}'")]
    Canary(String),
}

/// The running way out of one session. Dropping it closes every tunnel.
pub struct Egress {
    shared: Arc<Shared>,
    listeners: listen::Addresses,
    stub: dns::Stub,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

impl Egress {
    /// Starts the runtime, the listeners and the stub, and tries them with connections that must be denied.
    pub fn start(setup: Setup) -> Result<Egress, EgressError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("egress")
            .enable_all()
            .build()
            .map_err(EgressError::Runtime)?;
        let tls = Arc::new(tls::Sessions::new(&setup.upstream.authorities).map_err(EgressError::Authority)?);
        let shared = Arc::new(Shared::new(setup, tls));
        runtime.block_on(canary::try_out(&shared))?;
        let (listeners, stub) = runtime.block_on(async {
            let listeners = listen::start(&shared).map_err(EgressError::Listen)?;
            let told = Arc::clone(&shared);
            tokio::spawn(async move { told.live.tell_flows().await });
            let stub = dns::Stub::start(shared.names.clone()).map_err(EgressError::Stub)?;
            Ok((listeners, stub))
        })?;
        Ok(Egress { shared, listeners, stub, runtime: Some(runtime) })
    }

    /// Names that the stub has answered with this address, the latest first, at most 16.
    #[must_use]
    pub fn names(&self, ip: IpAddr) -> Vec<Host> {
        self.shared.names.names(ip)
    }

    /// Connects to where `passage` goes and waits for that, while `still` holds. The errno is what connect(2) gives;
    /// EINTR when `still` did not hold any more. For threads outside of the runtime.
    pub fn dial(&self, passage: &Passage, still: &dyn Fn() -> bool) -> Result<Dialled, Errno> {
        let Some(runtime) = &self.runtime else { return Err(Errno(libc::ENETDOWN)) };
        dial::blocking(runtime.handle(), &self.shared, passage, still)
    }

    /// Announces a passage; where its socket is to be connected to, in the family of `from` (IPv4 for a mapped one).
    pub fn expect(&self, passage: Passage, dialled: Option<Dialled>) -> SocketAddr {
        let server = dialled.and_then(|dialled| self.shared.expected.dialled(dialled));
        let (to, door) = self.listeners.of(&passage);
        self.shared.expected.insert(passage, door, server);
        to
    }

    /// What was announced for this source does not arrive.
    pub fn forget(&self, from: SocketAddr) {
        self.shared.expected.forget(from);
    }

    /// The stub's UDP address that stands for this name server, for a socket that speaks IPv6 alone or any other.
    pub fn stub(&self, server: SocketAddr, six_only: bool) -> SocketAddr {
        self.stub.address(server, six_only)
    }

    /// What comes to the stub from this port is asked by this process.
    pub fn asks(&self, port: u16, pid: i32) {
        self.stub.asks(port, pid);
    }

    /// The listener for HTTP and SOCKS, v4 and v6; the v4 one twice where the machine has no IPv6.
    #[must_use]
    pub fn proxy(&self) -> [SocketAddr; 2] {
        self.listeners.proxy
    }

    /// Puts another policy in force: what is new is judged by it at once, tunnels that it does not allow are closed.
    pub fn reload(&self, policy: Arc<Policy>) {
        self.shared.policy.store(policy);
        self.shared.live.judge_anew(&self.shared);
    }

    /// What the agent's programs must trust; made by the first who asks.
    pub fn ca(&self) -> Result<&tls::Trust, EgressError> {
        self.shared.tls.trust().map_err(|why| EgressError::NoAuthority(why.to_owned()))
    }

    /// The tunnels that are open now, the oldest first.
    #[must_use]
    pub fn live(&self) -> Vec<Live> {
        self.shared.live.all()
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        // Every task is dropped with its tunnel, whose closing event is published by that.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(PARTING);
        }
    }
}

#[cfg(test)]
mod tests;
