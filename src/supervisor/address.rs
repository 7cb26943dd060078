//! Socket addresses as bytes ↔ typed: sockaddr_in, sockaddr_in6, sockaddr_un (ip(7), ipv6(7), unix(7)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Largest address the kernel takes (sockaddr_storage).
pub const MAX: usize = 128;
/// Bytes of a path in sockaddr_un.
pub const UNIX_PATH: usize = 108;

/// An address as the target gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// AF_UNSPEC: dissolves an association (connect(2)).
    None,
    Inet(SocketAddr),
    Path(Vec<u8>),
    Abstract(Vec<u8>),
    /// A Unix address without a name: bind(2) picks an abstract one.
    Unnamed,
    Netlink,
    /// Another family, or too short for its own.
    Other,
}

impl Address {
    /// Reads the bytes of a sockaddr.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let Some(family) = bytes.get(..2).and_then(|b| b.try_into().ok()).map(u16::from_ne_bytes) else {
            return Self::Other;
        };
        let rest = bytes.get(2..).unwrap_or_default();
        match i32::from(family) {
            libc::AF_UNSPEC => Self::None,
            libc::AF_INET => inet4(rest).map_or(Self::Other, Self::Inet),
            libc::AF_INET6 => inet6(rest).map_or(Self::Other, Self::Inet),
            libc::AF_UNIX => unix(rest),
            libc::AF_NETLINK => Self::Netlink,
            _ => Self::Other,
        }
    }
}

fn port(bytes: &[u8]) -> Option<u16> {
    bytes.get(..2)?.try_into().ok().map(u16::from_be_bytes)
}

fn inet4(rest: &[u8]) -> Option<SocketAddr> {
    let ip: [u8; 4] = rest.get(2..6)?.try_into().ok()?;
    Some(SocketAddr::new(Ipv4Addr::from(ip).into(), port(rest)?))
}

/// An IPv4 address in IPv6 clothes is judged as what it is.
fn inet6(rest: &[u8]) -> Option<SocketAddr> {
    let ip: [u8; 16] = rest.get(6..22)?.try_into().ok()?;
    let ip = IpAddr::from(Ipv6Addr::from(ip)).to_canonical();
    Some(SocketAddr::new(ip, port(rest)?))
}

fn unix(rest: &[u8]) -> Address {
    match rest.first() {
        None => Address::Unnamed,
        Some(0) => Address::Abstract(rest.get(1..).unwrap_or_default().to_vec()),
        Some(_) => Address::Path(rest.split(|b| *b == 0).next().unwrap_or_default().to_vec()),
    }
}

/// The sockaddr_un of a path. None when it does not fit.
#[must_use]
pub fn unix_bytes(path: &[u8]) -> Option<Vec<u8>> {
    if path.len() >= UNIX_PATH {
        return None;
    }
    let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    bytes.extend_from_slice(path);
    bytes.push(0);
    Some(bytes)
}

/// The address as a socket of this family (SO_DOMAIN) takes it: an IPv4 one in IPv6 clothes for AF_INET6.
#[must_use]
pub fn inet_bytes(addr: SocketAddr, domain: i32) -> Vec<u8> {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if domain == libc::AF_INET => {
            let mut bytes = (libc::AF_INET as u16).to_ne_bytes().to_vec();
            bytes.extend(addr.port().to_be_bytes());
            bytes.extend(ip.octets());
            bytes.extend([0; 8]);
            return bytes;
        }
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut bytes = (libc::AF_INET6 as u16).to_ne_bytes().to_vec();
    bytes.extend(addr.port().to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(ip.octets());
    bytes.extend([0; 4]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_reads_them() {
        let with = |family: i32, rest: &[u8]| {
            let mut bytes = (family as u16).to_ne_bytes().to_vec();
            bytes.extend_from_slice(rest);
            Address::parse(&bytes)
        };
        let four = with(libc::AF_INET, &[0x01, 0xbb, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(four, Address::Inet(([127, 0, 0, 1], 443).into()));
        let mut mapped = vec![0, 80, 0, 0, 0, 0];
        mapped.extend_from_slice(&Ipv4Addr::new(169, 254, 169, 254).to_ipv6_mapped().octets());
        assert_eq!(with(libc::AF_INET6, &mapped), Address::Inet(([169, 254, 169, 254], 80).into()));
        assert_eq!(with(libc::AF_UNIX, b"/run/x\0junk"), Address::Path(b"/run/x".to_vec()));
        assert_eq!(with(libc::AF_UNIX, b"\0name"), Address::Abstract(b"name".to_vec()));
        assert_eq!(with(libc::AF_UNIX, b""), Address::Unnamed);
        assert_eq!(with(libc::AF_INET, &[0, 1]), Address::Other);
        assert_eq!(Address::parse(&[2]), Address::Other);
        for (text, domain, len) in [
            ("127.0.0.1:443", libc::AF_INET, 16),
            ("127.0.0.1:443", libc::AF_INET6, 28),
            ("[::1]:53", libc::AF_INET6, 28),
        ] {
            let addr: SocketAddr = text.parse().unwrap();
            let bytes = inet_bytes(addr, domain);
            assert_eq!((Address::parse(&bytes), bytes.len()), (Address::Inet(addr), len));
        }
    }
}
