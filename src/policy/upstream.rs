//! `[network.upstream]`: the proxy and the authorities of a company, from the machine's configuration alone.
//!
//! Invariant: nothing inside of a session and no environment has a say. Leaves to others: going through it (`egress`).

use super::RuleId;
use super::credentials::SecretSource;
use super::host::{Host, Place};
use super::network::{IpRange, NetRule};
use super::pattern::Fault;

/// The way out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upstream {
    /// Host and port of a proxy that takes CONNECT (RFC 9110 §9.3.6); None: places are dialled directly.
    pub proxy: Option<(Place, u16)>,
    /// Where the value of its `Proxy-Authorization` comes from.
    pub authorization: Option<SecretSource>,
    /// Dialled directly all the same.
    pub direct: Vec<Direct>,
    /// Files of certificates in PEM that are trusted beside the system's; absolute.
    pub ca: Vec<Vec<u8>>,
}

/// What is not reached through the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direct {
    /// This name and all beneath it.
    Name(Host),
    Range(IpRange),
}

/// `http://proxy.example.org:3128`, or without the scheme.
pub(super) fn proxy(text: &str) -> Result<(Place, u16), Fault> {
    let fault = |reason: String| Fault { reason, hint: Some("such as \"http://proxy.example.org:3128\"".to_owned()) };
    let rest = text.strip_prefix("http://").unwrap_or(text);
    if rest.contains("://") {
        return Err(fault(format!("'{text}' is no proxy that CONNECT is sent to in plain")));
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('@') {
        let hint =
            Some("authorization = \"env:NAME\" or \"file:PATH\" gives the value of Proxy-Authorization".to_owned());
        return Err(Fault { reason: "a password in a policy".to_owned(), hint });
    }
    let (host, port) = rest.rsplit_once(':').ok_or_else(|| fault(format!("'{text}' has no port")))?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| fault(format!("'{text}' has no port")))?;
    let host = Place::parse(host.as_bytes()).map_err(|why| fault(format!("'{text}': {why}")))?;
    Ok((host, port))
}

/// A name, which means all beneath it as well, or a range of addresses.
pub(super) fn direct(text: &str) -> Result<Direct, Fault> {
    let name = text.trim_start_matches("**.").trim_start_matches("*.").trim_start_matches('.');
    match Host::parse(name) {
        Ok(host) => Ok(Direct::Name(host)),
        Err(_) => Ok(Direct::Range(NetRule::parse(text, RuleId::DEFAULT)?.range)),
    }
}
