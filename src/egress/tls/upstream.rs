//! TLS towards the server: verified against the system's store and the machine's own authorities, nothing else.
//!
//! Invariant: the name that is verified is the name that was judged; nothing of the agent's environment is consulted.
//! Leaves to others: dialling (`tunnel`), what is spoken inside (`http`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::TlsError;
use super::authority::Protocol;
use super::store::Store;
use crate::policy::Host;

/// How long a server may take to shake hands.
const PATIENCE: Duration = Duration::from_secs(20);

/// How servers are verified.
pub struct Upstream {
    config: Arc<ClientConfig>,
}

impl Upstream {
    pub fn new(provider: Arc<CryptoProvider>, trusted: &Store) -> Result<Upstream, TlsError> {
        let mut roots = RootCertStore::empty();
        // Stores hold odd certificates that no verifier takes; those are left out.
        roots.add_parsable_certificates(trusted.certificates());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Upstream { config: Arc::new(config) })
    }

    /// Whom it trusts.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// Shakes hands as a client of `host` that offers `protocols`; which of them the server takes.
    pub async fn connect(
        &self,
        stream: TcpStream,
        host: &Host,
        protocols: &[Protocol],
    ) -> io::Result<(TlsStream<TcpStream>, Option<Protocol>)> {
        let name = ServerName::try_from(host.as_str().to_owned()).map_err(io::Error::other)?;
        let offered = protocols.iter().map(|protocol| protocol.name().to_vec()).collect();
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let shaking = connector.with_alpn(offered).connect(name, stream);
        let stream = tokio::time::timeout(PATIENCE, shaking).await.map_err(io::Error::from)??;
        let taken = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Some(Protocol::Http2),
            Some(_) => Some(Protocol::Http1),
            None => None,
        };
        Ok((stream, taken))
    }
}
