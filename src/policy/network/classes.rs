//! Kinds of addresses that no name and no general rule reaches: an address rule has to mean them.
//!
//! Invariant: an address that carries another one (NAT64, 6to4, Teredo, ISATAP and the deprecated compatible form) is of
//! that one's kind wherever its own is harmless. Leaves to others: who may reach what all the same (`reach`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads, as far as rules tell addresses apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Where clouds hand out credentials to whoever asks: reached only by a rule for this very address.
    Metadata,
    /// Link-local, multicast, broadcast, unspecified: never meant by `all`. Bits of the prefix that a rule for them has at least.
    Special(u8),
    /// Loopback, private, shared (CGNAT), unique local, or reserved: never reached through a name. Bits as before.
    Private(u8),
    /// The rest of the internet.
    Global,
}

/// The IPv4 blocks that are not global (RFC 6890), with what they are. Documentation (TEST-NET) is left out: it leads nowhere.
const FOUR: [([u8; 4], u8, Class); 14] = [
    ([0, 0, 0, 0], 32, Class::Special(32)),
    ([0, 0, 0, 0], 8, Class::Private(8)),
    ([10, 0, 0, 0], 8, Class::Private(8)),
    ([100, 64, 0, 0], 10, Class::Private(10)),
    ([127, 0, 0, 0], 8, Class::Private(8)),
    ([169, 254, 0, 0], 16, Class::Special(16)),
    ([172, 16, 0, 0], 12, Class::Private(12)),
    ([192, 0, 0, 0], 24, Class::Private(24)),
    ([192, 168, 0, 0], 16, Class::Private(16)),
    ([198, 18, 0, 0], 15, Class::Private(15)),
    ([224, 0, 0, 0], 4, Class::Special(4)),
    ([255, 255, 255, 255], 32, Class::Special(32)),
    ([240, 0, 0, 0], 4, Class::Private(4)),
    ([192, 88, 99, 0], 24, Class::Private(24)),
];

/// Where addresses come from that stand for a name which is asked about before anything of it leaves the machine: half of
/// what RFC 2544 keeps for benchmarks, so that no host on the internet has one.
pub const STAND_INS: [u8; 2] = [198, 19];

/// Whether this is such an address.
pub fn is_stand_in(ip: IpAddr) -> bool {
    matches!(ip.to_canonical(), IpAddr::V4(ip) if ip.octets().starts_with(&STAND_INS))
}

impl Class {
    /// Of the address as it is dialled. The port matters for one cloud's name server, which is its metadata service as well.
    pub fn of(ip: IpAddr, port: Option<u16>) -> Class {
        match ip.to_canonical() {
            IpAddr::V4(ip) => four(ip, port),
            IpAddr::V6(ip) => match six(ip) {
                Class::Global => {
                    carried(ip).map(|inner| four(inner, port)).filter(|class| *class != Class::Global).map_or(
                        Class::Global,
                        // A range of IPv4 says nothing of what carries its addresses: only this very address will do.
                        |class| match class {
                            Class::Metadata => Class::Metadata,
                            Class::Special(_) => Class::Special(128),
                            _ => Class::Private(128),
                        },
                    )
                }
                class => class,
            },
        }
    }
}

fn four(ip: Ipv4Addr, port: Option<u16>) -> Class {
    const METADATA: [[u8; 4]; 4] = [[169, 254, 169, 254], [169, 254, 170, 2], [100, 100, 100, 200], [192, 0, 0, 192]];
    const AZURE: [u8; 4] = [168, 63, 129, 16];
    if METADATA.contains(&ip.octets()) || ip.octets() == AZURE && port != Some(53) {
        return Class::Metadata;
    }
    let within = |first: &[u8; 4], bits: u8| {
        let host_bits = 32 - u32::from(bits);
        Ipv4Addr::from(*first).to_bits() >> host_bits == ip.to_bits() >> host_bits
    };
    FOUR.iter().find(|(first, bits, _)| within(first, *bits)).map_or(Class::Global, |(_, _, class)| *class)
}

fn six(ip: Ipv6Addr) -> Class {
    let [a, b, c, ..] = ip.segments();
    match (a, b) {
        _ if ip.is_unspecified() => Class::Special(128),
        _ if ip.is_loopback() => Class::Private(128),
        (0xfd00, 0x0ec2) => Class::Metadata,
        (0xfe80..=0xfebf, _) => Class::Special(10),
        (0xff00..=0xffff, _) => Class::Special(8),
        (0xfc00..=0xfdff, _) => Class::Private(7),
        // Site-local, deprecated and still routed here and there.
        (0xfec0..=0xfeff, _) => Class::Private(10),
        // NAT64 of one's own network: what it carries stands in another place for every prefix.
        (0x0064, 0xff9b) if c == 1 => Class::Private(48),
        _ => Class::Global,
    }
}

/// The IPv4 address within: the worse one where there are two.
fn carried(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = ip.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match segments {
        // NAT64 (RFC 6052)
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => Some(pair(high, low)),
        // IPv4-compatible (RFC 4291 §2.5.5.1) and translated (RFC 2765)
        [0, 0, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(pair(high, low)),
        // 6to4 (RFC 3056)
        [0x2002, high, low, ..] => Some(pair(high, low)),
        // Teredo (RFC 4380 §4): the server, and the client with its bits turned
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            let (server, client) = (pair(high, low), pair(!client_high, !client_low));
            Some(if four(server, None) == Class::Global { client } else { server })
        }
        // ISATAP (RFC 5214 §6.1)
        [_, _, _, _, 0 | 0x0200, 0x5efe, high, low] => Some(pair(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Class {
        Class::of(text.parse().unwrap(), None)
    }

    #[test]
    fn every_form_is_of_the_kind_of_what_it_carries() {
        for text in
            ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd00:ec2::254"]
        {
            assert_eq!(class(text), Class::Metadata, "{text}");
        }
        assert_eq!(class("2001:0:a9fe:a9fe::1"), Class::Metadata);
        assert_eq!(class("2001:0:808:808:0:0:80ff:fffe"), Class::Private(128), "Teredo, its client 127.0.0.1");
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "::127.0.0.1",
            "64:ff9b:1::1",
        ] {
            assert!(matches!(class(text), Class::Private(_)), "{text}");
        }
        for text in
            ["169.254.1.1", "fe80::1", "ff02::fb", "224.0.0.251", "0.0.0.0", "::", "255.255.255.255", "64:ff9b::e000:1"]
        {
            assert!(matches!(class(text), Class::Special(_)), "{text}");
        }
        for text in ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "2002:808:808::1", "192.0.2.1", "2001:db8::1"] {
            assert_eq!(class(text), Class::Global, "{text}");
        }
        assert_eq!(class("168.63.129.16"), Class::Metadata);
        assert_eq!(Class::of("168.63.129.16".parse().unwrap(), Some(53)), Class::Global);
    }
}
