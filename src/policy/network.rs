//! `[network]`: which addresses may be reached.
//!
//! Invariant: an IPv4-mapped IPv6 address is judged as the IPv4 address it stands for.
//! Leaves to others: names (egress), performing connects (`supervisor`).

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use super::RuleId;

/// What the policy says of the network as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Network {
    #[default]
    None,
    All,
    List(Vec<NetRule>),
}

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
        let host_bits = bits - u32::from(self.prefix.min(bits as u8));
        host_bits >= 128 || first >> host_bits == address >> host_bits
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
}

impl Network {
    /// Some address that is not loopback may be reached.
    pub fn names_outside(&self) -> bool {
        match self {
            Network::None => false,
            Network::All => true,
            Network::List(rules) => rules.iter().any(|rule| !rule.range.is_loopback()),
        }
    }
}
