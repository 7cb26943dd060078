//! Dialling: by addresses that were checked, one after the other and a little overlapping, or through the machine's proxy.
//!
//! Invariant: an address that belongs to a name is dialled only if the policy in force does not forbid it as an answer of
//! that name (rebinding), however often it was checked before. Nothing here comes from the agent's environment.
//! Leaves to others: resolving (`dns`), whether to dial at all (`judge`).

mod forward;
mod race;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::errno;
use super::passage::{Dialled, Passage};
use super::shared::Shared;
use crate::policy::{Host, NetOp, Place, Reach, Verdict, is_stand_in};
use crate::sys::Errno;

pub use forward::{Direct, Forward, Upstream};

/// How long dialling may take in all, every address included.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Addresses tried at most.
const ADDRESSES: usize = 8;
/// How often a blocking caller asks whether it is still wanted.
const ASK: Duration = Duration::from_millis(25);

/// A connection to where the agent wanted.
#[derive(Debug)]
pub struct Server {
    pub stream: TcpStream,
    /// Where it really leads to: the name's address that answered, or the proxy of the machine.
    pub addr: SocketAddr,
}

/// Where to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Tried first; with `names`, only if it may be an answer of one of them.
    pub addr: Option<IpAddr>,
    /// The names it is reached by; empty for an address that was judged alone.
    pub names: Vec<Host>,
    pub port: u16,
    /// Somebody was asked about it, and said yes.
    pub asked: bool,
}

impl Wanted {
    /// A rule that asks is good for what was answered only.
    fn allows(&self, verdict: Verdict) -> bool {
        verdict == Verdict::Allow || verdict == Verdict::Ask && self.asked
    }

    pub fn of(passage: &Passage) -> Wanted {
        let names = if passage.by_name { passage.names.clone() } else { Vec::new() };
        Wanted { addr: Some(passage.to.ip().to_canonical()), names, port: passage.to.port(), asked: passage.asked }
    }
}

/// Connects, if the policy in force still lets it. Gives up after [`PATIENCE`].
pub async fn dial(shared: &Shared, wanted: &Wanted) -> io::Result<Server> {
    if !is_allowed_now(shared, wanted) {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    tokio::time::timeout(PATIENCE, anywhere(shared, wanted))
        .await
        .unwrap_or_else(|_| Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)))
}

/// Connects for the front itself to what the policy declares, through the machine's proxy where it has one; the agent's
/// rules, names and questions have no part in it. Gives up after [`PATIENCE`].
pub async fn declared(upstream: &Upstream, place: &Place, port: u16) -> io::Result<TcpStream> {
    let wanted = match place {
        Place::Name(name) => Wanted { names: vec![name.clone()], port, ..Wanted::default() },
        Place::Addr(ip) => Wanted { addr: Some(*ip), port, ..Wanted::default() },
    };
    let connecting = async {
        let addresses = match (upstream.proxy_for(&wanted), place) {
            (Some(proxy), _) => return forward::through(proxy, &wanted).await,
            (None, Place::Addr(ip)) => vec![*ip],
            (None, Place::Name(name)) => {
                tokio::net::lookup_host((name.as_str(), port)).await?.map(|addr| addr.ip()).take(ADDRESSES).collect()
            }
        };
        race::first(addresses, port).await
    };
    let dialled = tokio::time::timeout(PATIENCE, connecting).await;
    dialled.unwrap_or_else(|_| Err(io::Error::from_raw_os_error(libc::ETIMEDOUT))).map(|server| server.stream)
}

async fn anywhere(shared: &Shared, wanted: &Wanted) -> io::Result<Server> {
    if let Some(proxy) = shared.upstream.proxy_for(wanted) {
        return forward::through(proxy, wanted).await;
    }
    let may = |ip: &IpAddr| wanted.names.is_empty() || !is_stand_in(*ip) && may_be(shared, wanted, *ip);
    let Some(ip) = wanted.addr.filter(may) else {
        return race::first(others(shared, wanted).await?, wanted.port).await;
    };
    let mut first = Box::pin(race::connect(SocketAddr::new(ip, wanted.port)));
    if wanted.names.is_empty() {
        return first.await;
    }
    // Names are resolved only where the address that the agent has from us keeps us waiting.
    let early = tokio::time::timeout(race::HEAD_START, &mut first).await;
    if let Ok(Ok(server)) = early {
        return Ok(server);
    }
    let mut rest = Box::pin(async {
        let others: Vec<IpAddr> = others(shared, wanted).await?.into_iter().filter(|other| *other != ip).collect();
        race::first(others, wanted.port).await
    });
    if let Ok(Err(failure)) = early {
        return rest.await.map_err(|_| failure);
    }
    tokio::select! {
        made = &mut first => match made {
            Ok(server) => Ok(server),
            Err(failure) => rest.await.map_err(|_| failure),
        },
        made = &mut rest => match made {
            Ok(server) => Ok(server),
            Err(_) => first.await,
        },
    }
}

/// Whether the policy in force lets one of the names, or the address alone, be reached at all. Judged before: this is for a
/// policy that came between.
fn is_allowed_now(shared: &Shared, wanted: &Wanted) -> bool {
    let policy = shared.policy.load();
    let addr = wanted.addr.map(|ip| SocketAddr::new(ip, wanted.port));
    match addr {
        Some(addr) if wanted.names.is_empty() => wanted.allows(policy.decide_net(NetOp::Connect, &addr).verdict),
        _ => {
            wanted.names.iter().any(|name| wanted.allows(policy.decide_reach(&Reach::named(name, wanted.port)).verdict))
        }
    }
}

/// Whether the policy in force lets one of the names stand for this address at this port.
fn may_be(shared: &Shared, wanted: &Wanted, ip: IpAddr) -> bool {
    let policy = shared.policy.load();
    let addr = SocketAddr::new(ip, wanted.port);
    wanted.names.iter().any(|name| wanted.allows(policy.decide_reach(&Reach::at(name, addr)).verdict))
}

/// The addresses of the first name, each of them checked once more.
async fn others(shared: &Shared, wanted: &Wanted) -> io::Result<Vec<IpAddr>> {
    let name = wanted.names.first().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let mut found = shared.names.addresses(name).await?;
    let known = found.len();
    found.retain(|ip| may_be(shared, wanted, *ip));
    found.truncate(ADDRESSES);
    match (known, found.is_empty()) {
        (_, false) => Ok(found),
        (0, true) => Err(io::Error::from(io::ErrorKind::NotFound)),
        (_, true) => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
    }
}

/// For a thread outside of the runtime: waits while `still` holds, and no longer than [`PATIENCE`].
pub fn blocking(
    runtime: &Handle,
    shared: &Arc<Shared>,
    passage: &Passage,
    still: &dyn Fn() -> bool,
) -> Result<Dialled, Errno> {
    let (tell, told) = mpsc::sync_channel(1);
    let (shared_there, wanted) = (Arc::clone(shared), Wanted::of(passage));
    let task = runtime.spawn(async move {
        let outcome = dial(&shared_there, &wanted).await;
        // Nobody listens any more: the connection is closed with the outcome.
        let _ = tell.send(outcome);
    });
    loop {
        match told.recv_timeout(ASK) {
            Ok(Ok(server)) => return shared.expected.keep(server).ok_or(Errno(libc::ENOBUFS)),
            Ok(Err(error)) => return Err(errno::of(&error)),
            Err(RecvTimeoutError::Timeout) if still() => {}
            Err(RecvTimeoutError::Timeout) => {
                task.abort();
                return Err(Errno(libc::EINTR));
            }
            Err(RecvTimeoutError::Disconnected) => return Err(Errno(libc::ENETDOWN)),
        }
    }
}
