//! Servers behind URLs, wired: how this machine reaches them, whom it trusts, and which credential they get.
//!
//! ```text
//! [network.upstream] ─▶ Straight: dial      system's store and its ca ─▶ TLS
//! [credentials] bound to the URL's host ─▶ Fixed   else: govsh mcp login's file ─▶ tokens::Kept
//! ```
//! Invariant: a credential is one that the policy binds to the server's own host, or one that the user logged in for at
//! this very address. None of it passes through the agent.
//! Leaves to others: speaking to the server (`mcp::http`), which server (`policy`).

mod tokens;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::header::HeaderValue;
use tokio::net::TcpStream;

use super::outside::upstream;
use crate::egress::credentials::{SourceError, fetch, fill};
use crate::egress::tls::{self, TlsError};
use crate::egress::{self, Upstream};
use crate::mcp::http::{Address, AddressFault, Authorizes, Certifies, Credential, Dial, Later, Nobody, Remote, Ways};
use crate::policy::mcp::{Launch, Server};
use crate::policy::{CredentialKind, Host, Inject, Place, Policy};
pub use tokens::{Kept, KeptError, Store};

/// Why a server cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("server '{0}' has a command, not a URL")]
    NoUrl(String),
    #[error("'{url}' of server '{name}' is {fault}")]
    Address { name: String, url: String, fault: AddressFault },
    #[error(transparent)]
    Upstream(#[from] super::outside::UpstreamError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot fetch credential '{id}'")]
    Source { id: Arc<str>, source: SourceError },
    #[error("credential '{id}' cannot stand in a header")]
    Header { id: Arc<str> },
    #[error(transparent)]
    Kept(#[from] KeptError),
}

/// Dials as the policy's `[network.upstream]` says.
struct Straight(Upstream);

impl Dial for Straight {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Later<'a, io::Result<TcpStream>> {
        Box::pin(async move {
            let place = Place::parse(host.as_bytes()).map_err(io::Error::other)?;
            egress::declared(&self.0, &place, port).await
        })
    }
}

/// A credential that does not change while the session lasts.
struct Fixed(Credential);

impl Authorizes for Fixed {
    fn authorize(&self, refused: Option<HeaderValue>) -> Later<'_, Result<Option<Credential>, String>> {
        let answer = match refused {
            None => Ok(Some(self.0.clone())),
            Some(_) => Err("the server does not take the credential that the policy binds to its host".to_owned()),
        };
        Box::pin(std::future::ready(answer))
    }
}

/// How servers are reached from here.
pub fn ways(policy: &Policy) -> Result<Ways, RemoteError> {
    let upstream = upstream::of(policy)?;
    let tls = tls::roots(&upstream.authorities)?;
    Ok(Ways { dial: Arc::new(Straight(upstream)), tls })
}

/// The address of a server; an error where it is started by a command.
pub fn address(server: &Server) -> Result<Address, RemoteError> {
    let Launch::Url(url) = &server.launch else { return Err(RemoteError::NoUrl(server.name.clone())) };
    Address::parse(url).map_err(|fault| RemoteError::Address { name: server.name.clone(), url: url.clone(), fault })
}

/// A server of the policy, ready to be spoken to. `tell` hears what a program's standard error would say; `store` is where
/// `govsh mcp login` keeps tokens; `certifies` sees the server's certificate.
pub fn of(
    policy: &Policy,
    server: &Server,
    store: &Store,
    certifies: Arc<dyn Certifies>,
    tell: Arc<dyn Fn(&str) + Send + Sync>,
) -> Result<Remote, RemoteError> {
    let address = address(server)?;
    let ways = ways(policy)?;
    let credential: Arc<dyn Authorizes> = match bound(policy, &address)? {
        Some(credential) => Arc::new(Fixed(credential)),
        None => match store.of(&server.name, &address)? {
            Some(kept) => Arc::new(kept.with(ways.clone())),
            None => Arc::new(Nobody),
        },
    };
    Ok(Remote { name: server.name.clone(), address, ways, credential, certifies, tell })
}

/// The credential that the policy binds to this address.
fn bound(policy: &Policy, address: &Address) -> Result<Option<Credential>, RemoteError> {
    let Ok(host) = Host::parse(&address.origin.host) else { return Ok(None) };
    let fits = |one: &&crate::policy::Credential| {
        let header = one.kind == CredentialKind::Header && one.inject == Inject::Always;
        header && one.binds(&host, address.origin.port) && one.covers("POST", address.path())
    };
    let Some(rule) = policy.credentials().iter().find(fits) else { return Ok(None) };
    let id = || Arc::clone(&rule.id);
    let fetched = fetch(&rule.source, &|name| std::env::var_os(name));
    let Some(value) = fetched.map_err(|source| RemoteError::Source { id: id(), source })? else { return Ok(None) };
    let text = std::str::from_utf8(&value).map_err(|_| RemoteError::Header { id: id() })?;
    fill::made(&rule.header, text).map(Some).ok_or_else(|| RemoteError::Header { id: id() })
}

/// Where tokens are kept: beside the user's own policies, which no agent can read.
pub fn store(config: PathBuf) -> Store {
    Store::at(config.join("govsh/mcp"))
}
