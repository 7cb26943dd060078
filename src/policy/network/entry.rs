//! One entry of `[network]`: a host, a pattern of hosts, an address or a range, each with ports.
//!
//! Invariant: an entry that reads as an address in any form is one, and never a name.
//! Leaves to others: addresses (`ranges`), names (`names`), what the list does with it (`load`).
//!
//! ```text
//! api.example.org            ports 80 and 443 in a list that allows; every port in one that denies or asks
//! *.example.org:8000-8100    a port, a range, or :* for every port
//! 10.1.0.0/16:5432  [fd00::/8]:443  127.0.0.1        without a port: every port
//! localhost:3000             the name, 127.0.0.1 and ::1
//! all                        every name and address (deny and ask alone)
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::RuleId;
use super::super::pattern::Fault;
use super::super::reach::Reach;
use super::names::{HostPattern, Purpose};
use super::ranges::{IpRange, NetRule, Ports, ports};

/// One thing that an entry means; an entry may mean several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub what: What,
    pub ports: Ports,
    pub rule: RuleId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Name(HostPattern),
    Range(IpRange),
    /// `all`.
    Everything,
}

/// Every port there is.
pub const EVERY_PORT: Ports = 0..=u16::MAX;
/// What a host without a port is allowed on: HTTP and HTTPS.
const WEB: [Ports; 2] = [443..=443, 80..=80];

impl Entry {
    /// `**`: every name.
    pub fn is_every_name(&self) -> bool {
        matches!(&self.what, What::Name(pattern) if pattern.suffix.is_none())
    }

    /// Whether it means this place, by name or by address.
    pub fn means(&self, reach: &Reach<'_>) -> bool {
        let port = reach.addr.map_or(reach.port, |addr| addr.port());
        self.ports.contains(&port)
            && match &self.what {
                What::Everything => true,
                What::Name(pattern) => reach.host.is_some_and(|host| pattern.matches(host)),
                What::Range(range) => reach.addr.is_some_and(|addr| range.contains(addr.ip())),
            }
    }

    /// Whether it is about an address that is not loopback.
    pub fn is_outside(&self) -> bool {
        match &self.what {
            What::Range(range) => !range.is_loopback(),
            What::Name(pattern) => !pattern.exact().is_some_and(|host| host.is_localhost()),
            What::Everything => true,
        }
    }

    /// Every place of `inner` is one of this.
    pub fn holds(&self, inner: &Entry) -> bool {
        let ports = self.ports.start() <= inner.ports.start() && self.ports.end() >= inner.ports.end();
        ports
            && match (&self.what, &inner.what) {
                (What::Everything, _) => true,
                (What::Name(outer), What::Name(inner)) => outer.holds(inner),
                (What::Range(outer), What::Range(inner)) => outer.prefix <= inner.prefix && outer.contains(inner.first),
                _ => false,
            }
    }

    /// As [`parse`] reads it, with its port.
    pub fn text(&self) -> String {
        match &self.what {
            What::Everything => "all".to_owned(),
            What::Range(range) => NetRule { range: *range, ports: self.ports.clone(), rule: self.rule }.text(),
            What::Name(pattern) => match (*self.ports.start(), *self.ports.end()) {
                (0, u16::MAX) => format!("{pattern}:*"),
                (from, to) if from == to => format!("{pattern}:{from}"),
                (from, to) => format!("{pattern}:{from}-{to}"),
            },
        }
    }
}

/// Reads one entry of a list that allows (`Purpose::Allow`), or denies or asks.
pub fn parse(text: &str, purpose: Purpose, rule: RuleId) -> Result<Vec<Entry>, Fault> {
    match (text, purpose) {
        ("all", Purpose::Deny) => return Ok(vec![Entry { what: What::Everything, ports: EVERY_PORT, rule }]),
        ("all" | "none", _) => {
            let hint = Some(format!("write {text:?} without brackets, or a host or an address"));
            return Err(Fault { reason: format!("'{text}' stands alone, not in a list that allows"), hint });
        }
        _ => {}
    }
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    if !is_name(text, name) {
        let NetRule { range, ports, rule } = NetRule::parse(text, rule)?;
        return Ok(vec![Entry { what: What::Range(range), ports, rule }]);
    }
    if let Some(hint) = url(text) {
        return Err(hint);
    }
    let pattern = HostPattern::parse(name, purpose)?;
    let ports: Vec<Ports> = match port {
        None if purpose == Purpose::Allow => WEB.to_vec(),
        None => vec![EVERY_PORT],
        Some(_) => vec![ports(text, port)?],
    };
    let mut what = Vec::new();
    if pattern.exact().is_some_and(|host| &**host == "localhost") {
        what.push(What::Range(IpRange { first: IpAddr::V4(Ipv4Addr::LOCALHOST), prefix: 32 }));
        what.push(What::Range(IpRange { first: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 }));
    }
    what.push(What::Name(pattern));
    let each = |what: What| ports.iter().map(move |ports| Entry { what: what.clone(), ports: ports.clone(), rule });
    Ok(what.into_iter().flat_map(each).collect())
}

/// Whether the text is meant for a name: it has a letter or a wildcard where an address has none.
fn is_name(text: &str, name: &str) -> bool {
    let six = text.starts_with('[') || text.matches(':').count() > 1 && !text.contains("://");
    let hexadecimal =
        name.starts_with("0x") && !name.contains(|c: char| c.is_alphabetic() && !c.is_ascii_hexdigit() && c != 'x');
    !six && !hexadecimal && name.contains(|c: char| c.is_alphabetic() || c == '*' || c == '_' || !c.is_ascii())
}

/// People paste addresses of pages.
fn url(text: &str) -> Option<Fault> {
    let rest = text.split_once("://").map(|(_, rest)| rest);
    let slash = text.contains('/');
    if rest.is_none() && !slash {
        return None;
    }
    let host = rest.unwrap_or(text).split(['/', '?', '#']).next().unwrap_or_default();
    let hint = format!("write the host alone: \"{host}\"; paths are limited by network.http");
    Some(Fault { reason: format!("'{text}' is a URL, not a host"), hint: Some(hint) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, purpose: Purpose) -> Result<Vec<String>, String> {
        let entries = parse(text, purpose, RuleId(1)).map_err(|fault| fault.reason)?;
        Ok(entries.iter().map(Entry::text).collect())
    }

    #[test]
    fn a_host_without_a_port_is_a_web_site() {
        assert_eq!(read("x.org", Purpose::Allow).unwrap(), ["x.org:443", "x.org:80"]);
        assert_eq!(read("x.org", Purpose::Deny).unwrap(), ["x.org:*"]);
        assert_eq!(read("**.x.org:8000-8100", Purpose::Allow).unwrap(), ["**.x.org:8000-8100"]);
        assert_eq!(read("X.org.:*", Purpose::Allow).unwrap(), ["x.org:*"]);
        assert_eq!(read("10.0.0.0/8:5", Purpose::Allow).unwrap(), ["10.0.0.0/8:5"]);
        assert_eq!(read("localhost:3000", Purpose::Allow).unwrap(), ["127.0.0.1:3000", "[::1]:3000", "localhost:3000"]);
        assert_eq!(read("all", Purpose::Deny).unwrap(), ["all"]);
        assert_eq!(read("**", Purpose::Deny).unwrap(), ["**:*"]);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for (text, reason) in [
            ("https://x.org/a", "'https://x.org/a' is a URL, not a host"),
            ("x.org/a", "'x.org/a' is a URL, not a host"),
            ("x.org:0", "'x.org:0' has no port from 1 to 65535"),
            ("x.org:http", "'x.org:http' has no port from 1 to 65535"),
            ("0x7f.1", "'0x7f.1' is no IP address"),
            ("127.1", "'127.1' is no IP address"),
            ("[fe80::1%lo]", "'[fe80::1%lo]' is no IP address"),
            ("*.com", "'*.com' means every name under a top-level domain"),
        ] {
            assert_eq!(read(text, Purpose::Allow).unwrap_err(), reason);
        }
    }
}
