//! Ranges of addresses with ports: `10.1.0.0/16:5432`.
//!
//! Invariant: an IPv4-mapped IPv6 address is judged as the IPv4 address it stands for.
//! Leaves to others: names (`names`), many at once (`places`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use super::super::RuleId;
use super::super::pattern::Fault;

/// Addresses `first/prefix`, the host bits of `first` being 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpRange {
    pub first: IpAddr,
    /// 0 to 32, or to 128 for IPv6.
    pub prefix: u8,
}

/// Which ports of an address.
pub type Ports = RangeInclusive<u16>;

/// One `IP/CIDR:port` of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetRule {
    pub range: IpRange,
    pub ports: Ports,
    pub rule: RuleId,
}

impl IpRange {
    /// Whether `address` lies within.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (first, address, bits) = match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (u128::from(first.to_bits()), u128::from(address.to_bits()), 32)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => (first.to_bits(), address.to_bits(), 128),
            _ => return false,
        };
        let host_bits = 128 - u32::from(self.prefix) - (128 - bits);
        first.checked_shr(host_bits) == address.checked_shr(host_bits)
    }

    /// Whether every address of it is a loopback address.
    pub fn is_loopback(&self) -> bool {
        match self.first {
            IpAddr::V4(first) => self.prefix >= 8 && first.is_loopback(),
            IpAddr::V6(first) => self.prefix == 128 && first.is_loopback(),
        }
    }
}

impl NetRule {
    pub fn matches(&self, address: &SocketAddr) -> bool {
        self.ports.contains(&address.port()) && self.range.contains(address.ip())
    }

    /// As [`NetRule::parse`] reads it.
    pub fn text(&self) -> String {
        let IpRange { first, prefix } = self.range;
        let whole = if first.is_ipv4() { 32 } else { 128 };
        let range = if prefix == whole { first.to_string() } else { format!("{first}/{prefix}") };
        let range = if first.is_ipv4() { range } else { format!("[{range}]") };
        match (*self.ports.start(), *self.ports.end()) {
            (0, u16::MAX) => range,
            (from, to) if from == to => format!("{range}:{from}"),
            (from, to) => format!("{range}:{from}-{to}"),
        }
    }

    /// Reads `IP`, `IP/bits`, either with `:port`, `:from-to` or `:*`; IPv6 with a port stands in brackets.
    pub fn parse(text: &str, rule: RuleId) -> Result<NetRule, Fault> {
        let (address, port) = halves(text)?;
        let (ip, bits) = match address.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits)),
            None => (address, None),
        };
        let Ok(ip) = ip.parse::<IpAddr>() else { return Err(not_an_address(text, ip)) };
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match bits.map(str::parse::<u8>) {
            None => most,
            Some(Ok(bits)) if bits <= most => bits,
            Some(_) => return fault(format!("'{text}' has no prefix length from 0 to {most}"), EXAMPLE),
        };
        let range = canonical(ip, prefix);
        let first = masked(range.first, range.prefix);
        if first != range.first {
            return fault(
                format!("'{text}' has bits set behind its prefix"),
                &format!("write {first}/{}", range.prefix),
            );
        }
        Ok(NetRule { range, ports: ports(text, port)?, rule })
    }
}

const EXAMPLE: &str = "such as \"10.1.0.0/16:5432\", \"127.0.0.1:8080\" or \"[fd00::/8]:443\"";

fn fault<T>(reason: String, hint: &str) -> Result<T, Fault> {
    Err(Fault { reason, hint: Some(hint.to_owned()) })
}

/// Address and port of an entry.
fn halves(text: &str) -> Result<(&str, Option<&str>), Fault> {
    if let Some(inner) = text.strip_prefix('[') {
        let Some((ip, rest)) = inner.split_once(']') else {
            return fault(format!("'{text}' has no ']'"), EXAMPLE);
        };
        if rest.starts_with('/') {
            return fault(format!("'{text}' has its prefix length behind the bracket"), "write [fd00::/8]:443");
        }
        return match rest.strip_prefix(':') {
            Some(port) => Ok((ip, Some(port))),
            None if rest.is_empty() => Ok((ip, None)),
            None => fault(format!("'{text}' has something between ']' and ':'"), EXAMPLE),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Ok((text, None)),
        Some((address, port)) => Ok((address, Some(port))),
        None => Ok((text, None)),
    }
}

fn not_an_address(text: &str, ip: &str) -> Fault {
    if ip.is_empty() {
        return Fault { reason: format!("'{text}' has no address"), hint: Some(EXAMPLE.to_owned()) };
    }
    Fault { reason: format!("'{text}' is no IP address"), hint: Some(EXAMPLE.to_owned()) }
}

pub(super) fn ports(text: &str, port: Option<&str>) -> Result<Ports, Fault> {
    let wrong = || fault(format!("'{text}' has no port from 1 to 65535"), "a port, a range such as 8000-8100, or *");
    let Some(port) = port.filter(|port| *port != "*") else { return Ok(0..=u16::MAX) };
    let (from, to) = port.split_once('-').unwrap_or((port, port));
    match (from.parse::<u16>(), to.parse::<u16>()) {
        (Ok(from), Ok(to)) if from >= 1 && from <= to => Ok(from..=to),
        _ => wrong(),
    }
}

/// An IPv4-mapped range as the IPv4 range it stands for.
fn canonical(ip: IpAddr, prefix: u8) -> IpRange {
    match (ip, ip.to_canonical()) {
        (IpAddr::V6(_), IpAddr::V4(inner)) if prefix >= 96 => IpRange { first: inner.into(), prefix: prefix - 96 },
        _ => IpRange { first: ip, prefix },
    }
}

fn masked(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> NetRule {
        NetRule::parse(text, RuleId(1)).unwrap()
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn reads_addresses_and_ports() {
        let range = |first: &str, prefix| IpRange { first: first.parse().unwrap(), prefix };
        assert_eq!(
            rule("10.1.0.0/16:5432"),
            NetRule { range: range("10.1.0.0", 16), ports: 5432..=5432, rule: RuleId(1) }
        );
        assert_eq!(rule("127.0.0.1"), NetRule { range: range("127.0.0.1", 32), ports: 0..=65535, rule: RuleId(1) });
        assert_eq!(
            rule("[fd00::/8]:8000-8010"),
            NetRule { range: range("fd00::", 8), ports: 8000..=8010, rule: RuleId(1) }
        );
        assert_eq!(rule("::1"), NetRule { range: range("::1", 128), ports: 0..=65535, rule: RuleId(1) });
        assert_eq!(rule("::ffff:10.0.0.0/104").range, range("10.0.0.0", 8));
        assert_eq!(rule("0.0.0.0/0:*").range, range("0.0.0.0", 0));
    }

    #[test]
    fn refuses_names_and_nonsense() {
        let reason = |text| NetRule::parse(text, RuleId(1)).unwrap_err().reason;
        assert_eq!(reason("10.1.2.3/16"), "'10.1.2.3/16' has bits set behind its prefix");
        assert_eq!(reason("10.0.0.0/33"), "'10.0.0.0/33' has no prefix length from 0 to 32");
        assert_eq!(reason("10.0.0.1:0"), "'10.0.0.1:0' has no port from 1 to 65535");
        assert_eq!(reason("10.0.0.1:99999"), "'10.0.0.1:99999' has no port from 1 to 65535");
        assert_eq!(reason("1.2.3"), "'1.2.3' is no IP address");
        assert_eq!(reason(""), "'' has no address");
    }

    #[test]
    fn matches_mapped_addresses() {
        assert!(rule("10.0.0.0/8:80").matches(&address("[::ffff:10.9.9.9]:80")));
        assert!(!rule("10.0.0.0/8:80").matches(&address("10.9.9.9:81")));
        assert!(!rule("10.0.0.0/8").matches(&address("11.0.0.1:1")));
        assert!(rule("::/0").matches(&address("[2001:db8::1]:1")));
        assert!(rule("0.0.0.0/0").matches(&address("1.2.3.4:1")));
        assert!(!rule("0.0.0.0/0").matches(&address("[2001:db8::1]:1")));
    }
}
