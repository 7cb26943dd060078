//! Names of hosts: what a client may write in the place of one, and the one form in which names are judged, dialled and shown.
//!
//! Invariant: a [`Host`] is never an address in any form that a C library reads as one (inet_aton(3) with its hexadecimal,
//! octal and short forms included), so that what was judged as a name is never dialled as a number. Whatever is in doubt is
//! refused. Leaves to others: patterns of names (`network::names`), resolving (`egress`).
//!
//! ```text
//! bytes ─ '[…]' or two ':' ─▶ IPv6     (no zone: it would name an interface of this machine)
//!       ─ letters of other scripts ─▶ A-labels (UTS 46)
//!       ─ lower case, one final dot taken off
//!       ─ last label a number ─▶ IPv4 as inet_aton reads it, or refused
//!       ─ 1–253 bytes of letters, digits, '-' and '_', labels of 1–63 ─▶ Host
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;
use std::sync::Arc;

/// A host's name: A-labels, lower case, no final dot, 1–253 bytes of letters, digits, `-` and `_` (RFC 1123 §2.1, RFC 5890).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Arc<str>);

/// What may stand where a host is named.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    Name(Host),
    /// An IPv4-mapped IPv6 address is the IPv4 address it stands for.
    Addr(IpAddr),
}

/// Why a text names no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    #[error("empty host name")]
    Empty,
    #[error("host name longer than 253 bytes, or a label of it longer than 63")]
    Long,
    #[error("host name with an empty label")]
    Label,
    /// NUL, space, `%`, `@`, `/`, `*` and the like.
    #[error("host name with a character that none has")]
    Character,
    #[error("host name that no A-label stands for (UTS 46)")]
    Unicode,
    #[error("host name that ends in a number and is no address")]
    Number,
    #[error("an address with a zone")]
    Zone,
    #[error("'[' and ']' without an IPv6 address")]
    Bracket,
    #[error("an address where a name belongs")]
    Address,
}

/// Longest name, in bytes (RFC 1035 §2.3.4, without the root's dot).
const LONGEST: usize = 253;
/// Longest label.
const LONGEST_LABEL: usize = 63;
/// Longer texts are not looked at: letters of other scripts grow as A-labels, they do not shrink to a tenth.
const LONGEST_TEXT: usize = 1024;

impl Host {
    /// Reads a name; an address is refused.
    pub fn parse(text: &str) -> Result<Host, HostFault> {
        match Place::parse(text.as_bytes())? {
            Place::Name(host) => Ok(host),
            Place::Addr(_) => Err(HostFault::Address),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `localhost` and names beneath it: they mean this machine's loopback wherever they are resolved (RFC 6761 §6.3).
    pub fn is_localhost(&self) -> bool {
        *self.0 == *"localhost" || self.0.ends_with(".localhost")
    }
}

impl Deref for Host {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Name(host) => f.write_str(host),
            Place::Addr(ip) => ip.fmt(f),
        }
    }
}

impl Place {
    /// Reads what a client wrote for a host, without a port.
    pub fn parse(text: &[u8]) -> Result<Place, HostFault> {
        if text.len() > LONGEST_TEXT {
            return Err(HostFault::Long);
        }
        let text = std::str::from_utf8(text).map_err(|_| HostFault::Character)?;
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostFault::Bracket)?;
            return six(inner, HostFault::Bracket);
        }
        if text.contains(':') {
            return six(text, HostFault::Character);
        }
        let ascii = match text.is_ascii() {
            true => text.to_ascii_lowercase(),
            // Wide digits and dots become plain ones here, so this comes before addresses are looked for.
            false => idna::domain_to_ascii(text).map_err(|_| HostFault::Unicode)?,
        };
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        check(name)?;
        if ends_in_number(name) {
            return four(name).map(|ip| Place::Addr(ip.into())).ok_or(HostFault::Number);
        }
        if name.split('.').any(|label| label.starts_with("xn--")) {
            // One spelling for one name: an A-label that stands for nothing, or for plain letters, is a disguise.
            let same = idna::domain_to_ascii(name).is_ok_and(|canonical| canonical == name);
            if !same {
                return Err(HostFault::Unicode);
            }
        }
        Ok(Place::Name(Host(name.into())))
    }
}

/// An IPv6 address, where a `:` or brackets promise one.
fn six(text: &str, otherwise: HostFault) -> Result<Place, HostFault> {
    if text.contains('%') {
        return Err(HostFault::Zone);
    }
    let ip: Ipv6Addr = text.parse().map_err(|_| otherwise)?;
    Ok(Place::Addr(IpAddr::V6(ip).to_canonical()))
}

/// Characters and lengths.
fn check(name: &str) -> Result<(), HostFault> {
    if name.is_empty() {
        return Err(HostFault::Empty);
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(HostFault::Character);
    }
    if name.len() > LONGEST || name.split('.').any(|label| label.len() > LONGEST_LABEL) {
        return Err(HostFault::Long);
    }
    if name.split('.').any(str::is_empty) {
        return Err(HostFault::Label);
    }
    Ok(())
}

/// Whether something takes the whole for an address: by the last label alone, as WHATWG URL §host-parsing has it. `0x` too.
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    hex || last.bytes().all(|digit| digit.is_ascii_digit())
}

/// One to four numbers as inet_aton(3) reads them: the last one fills what is left.
fn four(name: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = name.split('.').map(number).collect::<Option<_>>()?;
    let (last, before) = parts.split_last().filter(|(_, before)| before.len() <= 3)?;
    let mut value: u32 = 0;
    for part in before {
        value = (value << 8) | u32::from(u8::try_from(*part).ok()?);
    }
    let left = 32 - 8 * u32::try_from(before.len()).ok()?;
    let fits = left == 32 || *last < 1 << left;
    fits.then(|| Ipv4Addr::from_bits(value.checked_shl(left).unwrap_or(0) | last))
}

fn number(part: &str) -> Option<u32> {
    if let Some(hex) = part.strip_prefix("0x") {
        let plain = !hex.is_empty() && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
        return plain.then(|| u32::from_str_radix(hex, 16).ok()).flatten();
    }
    if part.is_empty() || !part.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // A number that begins with 0 is octal; one with an 8 or 9 in it is none.
    if part.len() > 1 && part.starts_with('0') { u32::from_str_radix(part, 8).ok() } else { part.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Result<String, HostFault> {
        Place::parse(text.as_bytes()).map(|place| match place {
            Place::Name(host) => format!("name {host}"),
            Place::Addr(ip) => format!("addr {ip}"),
        })
    }

    #[test]
    fn names_have_one_form() {
        for (text, name) in [
            ("Example.ORG", "example.org"),
            ("example.org.", "example.org"),
            ("_dmarc.x-1.test", "_dmarc.x-1.test"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("0x7f.1.x", "0x7f.1.x"),
            ("1.2.3.4x", "1.2.3.4x"),
            ("0xyz", "0xyz"),
        ] {
            assert_eq!(place(text), Ok(format!("name {name}")), "{text}");
        }
    }

    #[test]
    fn every_form_of_an_address_is_one() {
        for (text, ip) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("0X7F000001", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("017700000001", "127.0.0.1"),
            ("0251.0376.0251.0376", "169.254.169.254"),
            ("0", "0.0.0.0"),
            ("10.0.65535", "10.0.255.255"),
            ("127.0.0.1.", "127.0.0.1"),
            ("１２７.０.０.１", "127.0.0.1"),
            ("127。0。0。1", "127.0.0.1"),
            ("[::1]", "::1"),
            ("::ffff:169.254.169.254", "169.254.169.254"),
            ("[::FFFF:a9fe:a9fe]", "169.254.169.254"),
        ] {
            assert_eq!(place(text), Ok(format!("addr {ip}")), "{text}");
        }
    }

    #[test]
    fn what_is_in_doubt_is_refused() {
        use HostFault::{Bracket, Character, Empty, Label, Long, Number, Unicode, Zone};
        let long = format!("{}.x", "a".repeat(64));
        let longer = vec!["abcdefg"; 40].join(".");
        for (text, fault) in [
            ("", Empty),
            (".", Empty),
            ("..", Label),
            ("a..b", Label),
            (".a", Label),
            ("evil\0.example.org", Character),
            ("evil%00.example.org", Character),
            ("a b", Character),
            ("a\r\nb", Character),
            ("user@host", Character),
            ("host#x", Character),
            ("a/b", Character),
            ("*.x", Character),
            ("host:80", Character),
            ("a\\b", Character),
            ("[::1", Bracket),
            ("[example.org]", Bracket),
            ("[127.0.0.1]", Bracket),
            ("fe80::1%eth0", Zone),
            ("[fe80::1%25lo]", Zone),
            ("1.2.3.4.5", Number),
            ("256.1.1.1", Number),
            ("1.2.3.08", Number),
            ("0x", Number),
            ("4294967296", Number),
            ("foo.1", Number),
            ("xn--a.example", Unicode),
            ("xn--.example", Unicode),
            (&long, Long),
            (&longer, Long),
        ] {
            assert_eq!(place(text), Err(fault), "{text:?}");
        }
        assert_eq!(Place::parse(b"\xff.example"), Err(HostFault::Character));
        assert_eq!(Host::parse("127.1"), Err(HostFault::Address));
    }
}
