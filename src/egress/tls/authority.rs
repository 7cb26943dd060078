//! The session's certificate authority: made in memory, its key never written anywhere, its leaves renewed.
//!
//! Invariant: it signs leaves for hosts only (path length 0), each good for a day and none longer than the authority; the
//! number of leaves kept is bounded. Leaves to others: which host gets one (`tls`), telling the agent to trust it (`trust`).
//!
//! The authority lives for [`LIFE`], longer than any session: the agent's programs read it when they start and not again.
//! It is trusted by nobody else, and its key is gone with the front. It carries no name constraints: a policy that is
//! reloaded may inspect hosts that were not known when it was made. Nor does it publish revocations: a leaf that should not
//! be is one that nobody but the front can make. A client that insists on a list of them needs its host in `splice`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ProducesTickets;

use super::TlsError;
use crate::policy::Host;

/// How long the authority is good for.
const LIFE: Duration = Duration::from_secs(30 * DAY);
/// How long a leaf is good for, and how much of that it is at least good for when it is shown to a client.
const LEAF: Duration = Duration::from_secs(DAY);
const LEFT: Duration = Duration::from_secs(DAY / 2);
const DAY: u64 = 24 * 60 * 60;
/// How far the clock of a client may be behind ours.
const EARLIER: Duration = Duration::from_secs(60);
/// Leaves kept; the one that has not been used for longest goes first.
const LEAVES: usize = 256;

/// Which protocols a connection offers (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    pub fn name(self) -> &'static [u8] {
        match self {
            Protocol::Http1 => b"http/1.1",
            Protocol::Http2 => b"h2",
        }
    }
}

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// One key for all leaves of the session: it is as secret as the authority's own.
    leaf_key: KeyPair,
    ends: SystemTime,
    provider: Arc<CryptoProvider>,
    tickets: Arc<dyn ProducesTickets>,
    leaves: Mutex<Leaves>,
}

#[derive(Default)]
struct Leaves {
    kept: HashMap<(Host, Option<Protocol>), Kept>,
    uses: u64,
}

struct Kept {
    config: Arc<ServerConfig>,
    /// From when on another one is made.
    until: SystemTime,
    /// Of `uses`, the last.
    used: u64,
}

impl Authority {
    /// Makes it, to be good from `now` on.
    pub fn new(provider: Arc<CryptoProvider>, now: SystemTime) -> Result<Authority, TlsError> {
        let ends = now + LIFE;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "govsh session authority");
        params.distinguished_name.push(DnType::OrganizationName, "govsh");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        period(&mut params, now - EARLIER, ends);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let tickets = rustls::crypto::ring::Ticketer::new()?;
        let leaf_key = KeyPair::generate()?;
        Ok(Authority { issuer, leaf_key, ends, provider, tickets, leaves: Mutex::default() })
    }

    /// The certificate, in DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.issuer.der()
    }

    /// How to be the server of `host` at this time, speaking `protocol`; None for one who offers none.
    pub fn server(
        &self,
        host: &Host,
        protocol: Option<Protocol>,
        now: SystemTime,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let key = (host.clone(), protocol);
        if let Some(kept) = self.leaves.lock().unwrap_or_else(PoisonError::into_inner).find(&key, now) {
            return Ok(kept);
        }
        // Made outside of the lock: two that come at once make two, and one is kept.
        let made = Arc::new(self.config(host, protocol, now)?);
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner).keep(key, &made, now + LEAF - LEFT);
        Ok(made)
    }

    fn config(&self, host: &Host, protocol: Option<Protocol>, now: SystemTime) -> Result<ServerConfig, TlsError> {
        let chain = vec![self.leaf(host, now)?];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = protocol.map(|protocol| protocol.name().to_vec()).into_iter().collect();
        config.ticketer = Arc::clone(&self.tickets);
        Ok(config)
    }

    fn leaf(&self, host: &Host, now: SystemTime) -> Result<CertificateDer<'static>, TlsError> {
        let mut params = CertificateParams::default();
        // A common name has room for 64 characters (RFC 5280, appendix A); clients look at the alternative name.
        params.distinguished_name.push(DnType::CommonName, if host.len() <= 64 { host.as_str() } else { "host" });
        params.subject_alt_names = vec![SanType::DnsName(host.as_str().try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        period(&mut params, now - EARLIER, self.ends.min(now + LEAF));
        Ok(params.signed_by(&self.leaf_key, &*self.issuer)?.der().clone())
    }
}

impl Leaves {
    fn find(&mut self, key: &(Host, Option<Protocol>), now: SystemTime) -> Option<Arc<ServerConfig>> {
        self.uses += 1;
        let kept = self.kept.get_mut(key).filter(|kept| now < kept.until)?;
        kept.used = self.uses;
        Some(Arc::clone(&kept.config))
    }

    fn keep(&mut self, key: (Host, Option<Protocol>), config: &Arc<ServerConfig>, until: SystemTime) {
        if self.kept.len() >= LEAVES && !self.kept.contains_key(&key) {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| self.kept.remove(&oldest));
        }
        self.uses += 1;
        self.kept.insert(key, Kept { config: Arc::clone(config), until, used: self.uses });
    }
}

/// Sets when a certificate is good, in whole seconds.
fn period(params: &mut CertificateParams, from: SystemTime, to: SystemTime) {
    let date = |at: SystemTime| {
        let since = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(since)
    };
    (params.not_before, params.not_after) = (date(from), date(to));
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};

    fn authority() -> Authority {
        Authority::new(Arc::new(rustls::crypto::ring::default_provider()), SystemTime::now()).unwrap()
    }

    fn verifies(authority: &Authority, leaf: &CertificateDer<'_>, name: &str, at: SystemTime) -> bool {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.certificate().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let at = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap());
        verifier.verify_server_cert(leaf, &[], &name, &[], at).is_ok()
    }

    #[test]
    fn a_leaf_is_good_for_its_host_and_a_day() {
        let authority = authority();
        let now = SystemTime::now();
        let leaf = authority.leaf(&Host::parse("api.example.org").unwrap(), now).unwrap();
        assert!(verifies(&authority, &leaf, "api.example.org", now));
        assert!(!verifies(&authority, &leaf, "example.org", now));
        assert!(!verifies(&authority, &leaf, "api.example.org", now + LEAF + EARLIER));
        let long = format!("{}.example.org", "a".repeat(60));
        assert!(verifies(&authority, &authority.leaf(&Host::parse(&long).unwrap(), now).unwrap(), &long, now));
    }

    #[test]
    fn a_long_session_has_leaves_to_its_end() {
        let authority = authority();
        let (start, host) = (SystemTime::now(), Host::parse("api.example.org").unwrap());
        let mut before = authority.server(&host, None, start).unwrap();
        let mut made = 1;
        // Every hour of four weeks: whatever is shown is good for hours yet.
        for hour in 1..28 * 24 {
            let now = start + Duration::from_secs(hour * 60 * 60);
            let shown = authority.server(&host, None, now).unwrap();
            made += usize::from(!Arc::ptr_eq(&shown, &before));
            before = shown;
            if hour % 50 == 0 {
                let leaf = authority.leaf(&host, now).unwrap();
                assert!(verifies(&authority, &leaf, "api.example.org", now + LEFT), "{hour}");
            }
        }
        assert_eq!(made, 28 * 2, "each for half a day");
        assert_eq!(authority.leaves.lock().unwrap().kept.len(), 1);
        let (late, end) = (start + LIFE - LEFT / 2, start + LIFE);
        let leaf = authority.leaf(&host, late).unwrap();
        assert!(verifies(&authority, &leaf, "api.example.org", late), "the last one ends with the authority");
        assert!(!verifies(&authority, &leaf, "api.example.org", end + EARLIER));
    }

    #[test]
    fn leaves_are_kept_and_bounded() {
        let (authority, now) = (authority(), SystemTime::now());
        let host = |name: usize| Host::parse(&format!("h{name}.example")).unwrap();
        let first = authority.server(&host(0), Some(Protocol::Http2), now).unwrap();
        for name in 1..=LEAVES {
            authority.server(&host(name), Some(Protocol::Http1), now).unwrap();
            let again = authority.server(&host(0), Some(Protocol::Http2), now).unwrap();
            assert!(Arc::ptr_eq(&first, &again), "it is in use");
        }
        assert_eq!(authority.leaves.lock().unwrap().kept.len(), LEAVES);
        let other = authority.server(&host(0), Some(Protocol::Http1), now).unwrap();
        assert_eq!(other.alpn_protocols, [b"http/1.1".to_vec()]);
    }
}
