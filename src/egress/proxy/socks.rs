//! SOCKS version 5 (RFC 1928), as much of it as reaches a place by TCP: one method (none), one command (CONNECT).
//!
//! Invariant: a parse takes exactly the message's bytes, whatever follows; a name is bytes until `Place` has read it.
//! Leaves to others: judging the place, and answering (`proxy`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::policy::Place;

pub const VERSION: u8 = 5;
/// "No authentication required", and "no acceptable methods".
pub const NO_AUTHENTICATION: u8 = 0;
pub const NO_METHOD: u8 = 0xff;

/// Reply codes (RFC 1928 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reply {
    Succeeded = 0,
    Failure = 1,
    NotAllowed = 2,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    Refused = 5,
    Expired = 6,
    NoSuchCommand = 7,
    NoSuchAddress = 8,
}

impl Reply {
    /// The whole reply; the bound address is told to nobody.
    #[must_use]
    pub fn bytes(self) -> [u8; 10] {
        [VERSION, self as u8, 0, 1, 0, 0, 0, 0, 0, 0]
    }
}

/// How far a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<T> {
    /// Bytes are missing.
    More,
    /// What it says, and how many bytes it has.
    Read(T, usize),
    /// Not to be answered, or with this.
    Bad(Option<Reply>),
    /// What stands for the host, and is none.
    NoHost(Vec<u8>),
}

/// Reads the greeting: whether no authentication is among its methods.
#[must_use]
pub fn greeting(bytes: &[u8]) -> Step<bool> {
    let [version, rest @ ..] = bytes else { return Step::More };
    if *version != VERSION {
        return Step::Bad(None);
    }
    let [count, rest @ ..] = rest else { return Step::More };
    match rest.get(..usize::from(*count)) {
        None => Step::More,
        Some(methods) => Step::Read(methods.contains(&NO_AUTHENTICATION), 2 + methods.len()),
    }
}

/// Reads the request: where it wants to connect to.
#[must_use]
pub fn request(bytes: &[u8]) -> Step<(Place, u16)> {
    let Some((&[version, command, reserved, kind], rest)) = bytes.split_first_chunk::<4>() else {
        let wrong = bytes.first().is_some_and(|version| *version != VERSION);
        return if wrong { Step::Bad(None) } else { Step::More };
    };
    if version != VERSION || reserved != 0 {
        return Step::Bad(Some(Reply::Failure));
    }
    let (address, before) = match (kind, rest.first()) {
        (1, _) => (rest.get(..4), 4),
        (4, _) => (rest.get(..16), 4),
        (3, None) => return Step::More,
        (3, Some(length)) => (rest.get(1..1 + usize::from(*length)), 5),
        _ => return Step::Bad(Some(Reply::NoSuchAddress)),
    };
    let Some(address) = address else { return Step::More };
    let end = before + address.len();
    let Some(&[high, low]) = bytes.get(end..end + 2) else { return Step::More };
    let port = u16::from_be_bytes([high, low]);
    // Said only now, so that the reply comes where the client waits for it.
    if command != 1 {
        return Step::Bad(Some(Reply::NoSuchCommand));
    }
    let place = match (kind, <[u8; 4]>::try_from(address), <[u8; 16]>::try_from(address)) {
        (1, Ok(four), _) => Some(Place::Addr(IpAddr::V4(Ipv4Addr::from(four)))),
        (4, _, Ok(six)) => Some(Place::Addr(IpAddr::V6(Ipv6Addr::from(six)).to_canonical())),
        (3, _, _) => Place::parse(address).ok(),
        _ => None,
    };
    match place {
        Some(place) if port != 0 => Step::Read((place, port), end + 2),
        _ => Step::NoHost(address.to_vec()),
    }
}
