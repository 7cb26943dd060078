//! Before anybody may come in: the way in is tried with places that must be denied, by the policy that is in force.
//!
//! Invariant: what is tried is what serves the agent, from the first byte of a request on; only its events go nowhere and
//! its questions are answered with no. A session whose policy would not hold does not start.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::passage::Passage;
use super::shared::Shared;
use super::{Asks, EgressError, NetQuestion, Ruling, proxy};
use crate::bus;
use crate::policy::{Host, Layer, Verdict};

/// The unspecified address is special under every policy; port 9 is discard's.
const NOWHERE: &str = "0.0.0.0:9";
/// For the answer.
const TIME: Duration = Duration::from_secs(10);
/// Bytes of it that tell enough.
const ANSWER: u64 = 64;

/// Nobody is asked.
struct Nobody;

impl Asks for Nobody {
    fn ask(&self, _: NetQuestion) -> oneshot::Receiver<Ruling> {
        oneshot::channel().1
    }
}

/// Tries it.
pub async fn try_out(shared: &Shared) -> Result<(), EgressError> {
    let (silent, tap) = bus::bus(Instant::now());
    drop(tap);
    let tried = Arc::new(shared.silent(silent, Arc::new(Nobody)));
    expect_denial(&tried, 1, NOWHERE).await?;
    // A name that no policy names; those that allow or ask about every name are judged by what they say.
    let nobody = format!("govsh-{:x}.invalid", std::process::id());
    let Ok(host) = Host::parse(&nobody) else { return Ok(()) };
    if tried.policy.load().may_name(&host).verdict == Verdict::Allow {
        return Ok(());
    }
    expect_denial(&tried, 2, &format!("{nobody}:443")).await
}

async fn expect_denial(tried: &Arc<Shared>, id: u64, place: &str) -> Result<(), EgressError> {
    let answer = tokio::time::timeout(TIME, ask_for(tried, id, place))
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
        .map_err(EgressError::Listen)?;
    if answer.starts_with("HTTP/1.1 403 ") {
        return Ok(());
    }
    Err(EgressError::Canary(answer.lines().next().unwrap_or_default().escape_debug().to_string()))
}

async fn ask_for(tried: &Arc<Shared>, id: u64, place: &str) -> io::Result<String> {
    let listener = TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).await?;
    let to = listener.local_addr()?;
    let mut client = TcpStream::connect(to).await?;
    let (server, from) = loop {
        let (server, from) = listener.accept().await?;
        if from == client.local_addr()? {
            break (server, from);
        }
    };
    let passage = Passage {
        id,
        from,
        to,
        names: Vec::new(),
        by_name: false,
        asked: false,
        pid: 0,
        program: Arc::from([]),
        rule: Arc::from("default"),
        layer: Layer::BuiltIn,
        started: 0,
    };
    let seat = tried.live.seat(&passage).ok_or(io::ErrorKind::ResourceBusy)?;
    let serving = tokio::spawn(proxy::serve(Arc::clone(tried), server, passage, seat));
    client.write_all(format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    (&mut client).take(ANSWER).read_to_end(&mut answer).await?;
    drop(client);
    serving.abort();
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
