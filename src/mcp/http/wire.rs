//! HTTP/1.1 to one server: dialled, verified, its connections used again.
//!
//! Invariant: a request goes to the origin it was made for and nowhere else; plain HTTP carries no credential beyond this
//! machine; what nobody reads any more is closed at once, which is how a modern call is cancelled.
//! Leaves to others: by which way the machine is left ([`Dial`]), what is sent.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::certificate;
use crate::mcp::pins::sha256;

/// How long a server may take to be connected to, and to shake hands.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections kept for the next request.
const KEPT: usize = 8;
/// Headers of a response.
const HEADERS: usize = 128;

/// What somebody else does, and tells later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The way to servers: past the machine's proxy, where it has one.
pub trait Dial: Send + Sync {
    /// A connection to this place; `host` is a name, or an address without brackets.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Later<'a, io::Result<TcpStream>>;
}

/// How servers are reached and verified.
#[derive(Clone)]
pub struct Ways {
    pub dial: Arc<dyn Dial>,
    /// Whom to trust; which protocols are offered is said here.
    pub tls: Arc<ClientConfig>,
}

/// Whoever knows what servers were.
pub trait Certifies: Send + Sync {
    /// The server, verified, holds the key with this digest; an error in words ends the connection.
    fn certified(&self, key: String) -> Later<'_, Result<(), String>>;
}

/// For servers of which nothing is pinned.
pub struct Anybody;

impl Certifies for Anybody {
    fn certified(&self, _: String) -> Later<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Scheme, host and port (RFC 6454 §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub secure: bool,
    /// Lower case; an address without brackets.
    pub host: String,
    pub port: u16,
}

/// A server's address, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub origin: Origin,
    /// Path and query, at least `/`.
    pub target: String,
}

/// Why a text is no address of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    #[error("no URL of http or https")]
    Scheme,
    #[error("a URL with a user in it")]
    User,
    #[error("a URL without a host")]
    Host,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("the server cannot be reached: {0}")]
    Dial(#[source] io::Error),
    #[error("no trusted connection to the server: {0}")]
    Tls(#[source] io::Error),
    #[error("{0}")]
    Certificate(String),
    #[error("the server's certificate cannot be read")]
    Unreadable,
    #[error("the server broke off: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be written")]
    Request,
}

impl Origin {
    /// It never leaves this machine.
    pub fn is_loopback(&self) -> bool {
        let name = self.host == "localhost" || self.host.ends_with(".localhost");
        name || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    /// Whether a secret may be sent there.
    pub fn keeps_secrets(&self) -> bool {
        self.secure || self.is_loopback()
    }

    /// As the `Host` header has it.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }
}

impl Address {
    pub fn parse(text: &str) -> Result<Address, AddressFault> {
        let uri: Uri = text.split('#').next().unwrap_or(text).parse().map_err(|_| AddressFault::Host)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(AddressFault::Scheme),
        };
        let authority = uri.authority().ok_or(AddressFault::Host)?;
        if authority.as_str().contains('@') {
            return Err(AddressFault::User);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        if host.is_empty() {
            return Err(AddressFault::Host);
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Address { origin: Origin { secure, host: host.to_ascii_lowercase(), port }, target })
    }

    /// What a reference in a response of this address means (RFC 3986 §5), for the forms that servers write.
    pub fn join(&self, reference: &str) -> Option<Address> {
        if reference.contains("://") {
            return Address::parse(reference).ok();
        }
        if reference.starts_with("//") {
            return Address::parse(&format!("{}:{reference}", if self.origin.secure { "https" } else { "http" })).ok();
        }
        let path = self.path();
        let target = match reference.as_bytes().first() {
            Some(b'/') => reference.to_owned(),
            Some(b'?') => format!("{path}{reference}"),
            _ => format!("{}/{reference}", path.rsplit_once('/').map_or("", |(above, _)| above)),
        };
        Address::parse(&format!("{}{target}", self.origin)).ok()
    }

    /// Without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or("/")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.target)
    }
}

/// Connections to one origin.
pub struct Wire {
    origin: Origin,
    ways: Ways,
    certifies: Arc<dyn Certifies>,
    kept: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Wire {
    pub fn new(origin: Origin, ways: Ways) -> Wire {
        Wire { origin, ways, certifies: Arc::new(Anybody), kept: Mutex::default() }
    }

    /// Whose connections are shown to `certifies` before anything is sent on them.
    #[must_use]
    pub fn certified_by(self, certifies: Arc<dyn Certifies>) -> Wire {
        Wire { certifies, ..self }
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Sends one request to `target`. Its body is sent whole; a connection that was closed before any of it was sent is
    /// made anew, once.
    pub async fn send(&self, target: &str, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, WireError> {
        *request.uri_mut() = target.parse().map_err(|_| WireError::Request)?;
        let host = HeaderValue::from_str(&self.origin.authority()).map_err(|_| WireError::Request)?;
        request.headers_mut().insert(header::HOST, host);
        if let Some(mut sender) = self.kept() {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(self.keep(sender, response)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failed.into_error().into()),
                },
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await?;
        Ok(self.keep(sender, response))
    }

    fn kept(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|sender| !sender.is_closed());
        let ready = kept.iter().position(SendRequest::is_ready)?;
        Some(kept.swap_remove(ready))
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>, response: Response<Incoming>) -> Response<Incoming> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(sender);
        }
        response
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, WireError> {
        let timed = |error: tokio::time::error::Elapsed| io::Error::from(error);
        let dialling = self.ways.dial.dial(&self.origin.host, self.origin.port);
        let dialled = tokio::time::timeout(PATIENCE, dialling).await.map_err(timed).and_then(|dialled| dialled);
        let stream = dialled.map_err(WireError::Dial)?;
        if !self.origin.secure {
            return shake(stream).await;
        }
        let name = ServerName::try_from(self.origin.host.clone()).map_err(|_| WireError::Request)?;
        let connector = TlsConnector::from(Arc::clone(&self.ways.tls));
        let shaking = connector.with_alpn(vec![b"http/1.1".to_vec()]).connect(name, stream);
        let shaken = tokio::time::timeout(PATIENCE, shaking).await.map_err(timed);
        let shaken = shaken.and_then(|shaken| shaken).map_err(WireError::Tls)?;
        let certificate = shaken.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let key = certificate.and_then(|certificate| certificate::key(certificate)).ok_or(WireError::Unreadable)?;
        self.certifies.certified(sha256(key)).await.map_err(WireError::Certificate)?;
        shake(shaken).await
    }
}

async fn shake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, WireError> {
    let (sender, connection) = http1::Builder::new().max_headers(HEADERS).handshake(TokioIo::new(stream)).await?;
    // It ends with its last request or when the other side closes; how is seen by the request.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn addresses_are_read_once() {
        let address = at("https://Mcp.Example.org/v1/mcp?x=1#y");
        assert_eq!(address.to_string(), "https://mcp.example.org/v1/mcp?x=1");
        assert_eq!(at("http://[::1]:8080").to_string(), "http://[::1]:8080/");
        assert!(at("http://[::1]:8080").origin.keeps_secrets() && !at("http://x.org").origin.keeps_secrets());
        assert!(!at("http://localhost.evil.org").origin.keeps_secrets());
        for wrong in ["ftp://x", "https://user@x.org/", "x.org", "https://", "/mcp"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn references_are_joined() {
        let base = at("https://x.org/a/sse?k=1");
        let joined = |reference: &str| base.join(reference).map(|address| address.to_string()).unwrap_or_default();
        assert_eq!(joined("/messages?s=1"), "https://x.org/messages?s=1");
        assert_eq!(joined("messages"), "https://x.org/a/messages");
        assert_eq!(joined("?s=1"), "https://x.org/a/sse?s=1");
        assert_eq!(joined("https://y.org/m"), "https://y.org/m");
        assert_eq!(joined("//y.org/m"), "https://y.org/m");
    }
}
