//! TLS that ends here: connections whose requests are judged or get a credential.
//!
//! Invariant: no request is read before the server was dialled by the judged name and its certificate verified for it; where
//! that failed, every request is answered with why, and nothing is sent on.
//! Leaves to others: requests (`http`), which connections end here (`tunnel`).
//!
//! ```text
//! ClientHello, read already ─▶ acceptor ─ which protocols does it offer? ─▶ upstream: dial, verify, which does it take?
//!                                                                            │
//!              http::serve ◀─ shake hands with the leaf of the judged name, offering just that ◀─┘
//! ```
//! A client that offers HTTP/1.1 alone, or nothing, leaves nothing to find out: then both hands are shaken at once.

mod authority;
mod store;
mod trust;
mod upstream;

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use tokio_rustls::LazyConfigAcceptor;

pub use authority::Protocol;
pub use trust::Trust;

use super::client::Client;
use super::http::{self, Way};
use super::tunnel::Tunnel;
use crate::policy::Host;
use authority::Authority;
use store::Store;
use upstream::Upstream;

/// How long a client may take to shake hands.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why no connection can be terminated.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("certificates of the machine's configuration cannot be read")]
    Authorities(#[source] rustls::pki_types::pem::Error),
    #[error("cannot sign a certificate")]
    Sign(#[from] rcgen::Error),
    #[error("cannot set up TLS")]
    Setup(#[from] rustls::Error),
}

/// Authority, leaves and verification of one session. What is trusted is read once, before anything of the agent's runs; keys
/// and verifier are made of it by whoever needs them first, which in most sessions is nobody.
pub struct Sessions {
    /// The system's store, and what is trusted upstream beside it.
    system: Arc<Store>,
    /// These two: why not, in words, where that failed; every connection that needs it is refused then.
    made: OnceLock<Result<Made, String>>,
    upstream: OnceLock<Result<Upstream, String>>,
}

struct Made {
    authority: Authority,
    trust: Trust,
}

impl Sessions {
    /// `authorities` is PEM, trusted upstream beside the system's store.
    pub fn new(authorities: &[u8]) -> Result<Sessions, TlsError> {
        let system = Arc::new(Store::read(authorities)?);
        Ok(Sessions { system, made: OnceLock::new(), upstream: OnceLock::new() })
    }

    /// What the agent's programs must trust; or why there is nothing.
    pub fn trust(&self) -> Result<&Trust, &str> {
        self.made().map(|made| &made.trust)
    }

    fn made(&self) -> Result<&Made, &str> {
        let make = || Made::new(&self.system).map_err(|error| error.to_string());
        self.made.get_or_init(make).as_ref().map_err(String::as_str)
    }

    fn upstream(&self) -> Result<&Upstream, &str> {
        let make = || Upstream::new(provider(), &self.system).map_err(|error| error.to_string());
        self.upstream.get_or_init(make).as_ref().map_err(String::as_str)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Made {
    fn new(system: &Arc<Store>) -> Result<Made, TlsError> {
        let now = SystemTime::now();
        let authority = Authority::new(provider(), now)?;
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let trust = Trust::new(authority.certificate(), Arc::clone(system), seconds);
        Ok(Made { authority, trust })
    }
}

/// How the front itself verifies servers that the policy declares: as the agent's are, by the system's store and `authorities`.
pub fn roots(authorities: &[u8]) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    Ok(Upstream::new(provider(), &Store::read(authorities)?)?.config())
}

/// A connection to the server that may carry requests.
pub type Server = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

/// Dials and verifies; which of `protocols` the server takes.
pub async fn reach(tunnel: &Tunnel, host: &Host, protocols: &[Protocol]) -> io::Result<(Server, Option<Protocol>)> {
    let upstream = tunnel.shared.tls.upstream().map_err(io::Error::other)?;
    let stream = tunnel.dial(host).await?;
    upstream.connect(stream, host, protocols).await
}

/// Carries a connection whose ClientHello (`hello`, and what came with it) names `host`. The word on how it ended.
pub async fn terminate(tunnel: Tunnel, hello: Vec<u8>, host: Host) -> &'static str {
    let tunnel = Arc::new(tunnel);
    let client = Client::new(hello, Arc::clone(&tunnel));
    let accepting = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), client);
    let Ok(Ok(start)) = tokio::time::timeout(PATIENCE, accepting).await else { return "reset" };
    let offered = offered(start.client_hello().alpn());
    let Some(protocols) = offered else { return "denied" };
    let sessions = &tunnel.shared.tls;
    let protocol = protocols.first().copied().unwrap_or(Protocol::Http1);
    let found = async {
        Ok(match reach(&tunnel, &host, &protocols).await {
            Ok((server, taken)) => Way::found(server, taken.unwrap_or(Protocol::Http1)),
            // Told to the client over a connection that works, since a broken one tells nobody why.
            Err(error) => Way::lost(&error, protocol),
        })
    };
    let shake = async |protocol| {
        let protocol = (!protocols.is_empty()).then_some(protocol);
        let made = sessions.made().map_err(|_| "refused")?;
        let config = made.authority.server(&host, protocol, SystemTime::now()).map_err(|_| "refused")?;
        let shaking = tokio::time::timeout(PATIENCE, start.into_stream(config));
        shaking.await.map_err(|_| "reset")?.map_err(|_| "reset")
    };
    let both = match protocols.as_slice() {
        [] | [Protocol::Http1] => tokio::try_join!(found, shake(Protocol::Http1)),
        _ => match found.await {
            Ok(way) => shake(way.protocol).await.map(|client| (way, client)),
            Err(word) => Err(word),
        },
    };
    match both {
        Ok((way, client)) => http::serve(Arc::clone(&tunnel), client, host, way).await,
        Err(word) => word,
    }
}

/// What the client offers of what we speak, in its order; empty where it offers nothing, None where nothing fits.
fn offered<'a>(alpn: Option<impl Iterator<Item = &'a [u8]>>) -> Option<Vec<Protocol>> {
    let Some(alpn) = alpn else { return Some(Vec::new()) };
    let known = |name: &[u8]| [Protocol::Http1, Protocol::Http2].into_iter().find(|own| own.name() == name);
    let protocols: Vec<Protocol> = alpn.filter_map(known).take(2).collect();
    (!protocols.is_empty()).then_some(protocols)
}
