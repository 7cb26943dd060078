//! The ClientHello (RFC 8446 §4.1.2), gathered from the records that carry it: which server it names, and whether it hides
//! another one.
//!
//! ```text
//! 22 │ 3.x │ length │ ┌─ 1 │ length ×3 │ version random session suites compression │ type length data │ …
//!                       └── may go on in the next record, and a record in the next segment
//! ```
//! Invariant: the name is what rustls reads and what this reads; where both do not agree, nothing is known. Whatever is
//! ambiguous (extensions twice, several names, bytes behind the end) is bad, whatever its server would have made of it.
//! Leaves to others: which name is allowed (`tunnel`).

use std::io::Cursor;

use rustls::server::Acceptor;

use crate::policy::{Host, Place};

/// Content type of records that carry handshakes (RFC 8446 §5.1).
pub const HANDSHAKE: u8 = 0x16;

/// Longest plaintext of a record.
const RECORD: usize = 1 << 14;
/// Longest ClientHello that is gathered.
const LONGEST: usize = 48 << 10;
const CLIENT_HELLO: u8 = 1;
/// Extension types: RFC 6066 §3; RFC 9849, and the draft before it that hid names alone.
const SERVER_NAME: u16 = 0;
const HIDDEN: [u16; 2] = [0xfe0d, 0xffce];

/// What a ClientHello says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    pub host: Option<Host>,
    /// It holds another ClientHello, encrypted: the name above may be a front. Also what only pretends to (GREASE).
    pub encrypted: bool,
}

/// How far one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Bytes are missing.
    More,
    Bad(&'static str),
    Read(Hello),
}

const NOT_TLS: &str = "built-in: TLS that cannot be read";
const UNCLEAR: &str = "built-in: TLS with an unclear server name";

/// Reads a ClientHello from the start of a stream.
#[must_use]
pub fn read(bytes: &[u8]) -> Step {
    let message = match gather(bytes) {
        Ok(Some(message)) => message,
        Ok(None) => return Step::More,
        Err(why) => return Step::Bad(why),
    };
    let (name, encrypted) = match extensions(&message) {
        Some(Ok(found)) => found,
        Some(Err(why)) => return Step::Bad(why),
        None => return Step::Bad(NOT_TLS),
    };
    let host = match name.map(Place::parse) {
        None => None,
        Some(Ok(Place::Name(host))) => Some(host),
        Some(Ok(Place::Addr(_)) | Err(_)) => return Step::Bad(UNCLEAR),
    };
    if !rustls_agrees(bytes, name) {
        return Step::Bad(UNCLEAR);
    }
    Step::Read(Hello { host, encrypted })
}

/// The handshake message, its records taken off. None: not all of it is there yet.
fn gather(bytes: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        if let [kind, a, b, c, ..] = *message.as_slice() {
            let length = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
            if kind != CLIENT_HELLO || length > LONGEST {
                return Err(NOT_TLS);
            }
            if message.len() >= length {
                // Nothing may follow in the record: the server's answer comes first.
                return if message.len() == length { Ok(Some(message)) } else { Err(NOT_TLS) };
            }
        }
        let [kind, major, _, high, low, after @ ..] = rest else {
            let begins =
                rest.first().is_none_or(|kind| *kind == HANDSHAKE) && rest.get(1).is_none_or(|major| *major == 3);
            return if begins { Ok(None) } else { Err(NOT_TLS) };
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind != HANDSHAKE || *major != 3 || length == 0 || length > RECORD {
            return Err(NOT_TLS);
        }
        let (fragment, after) = after.split_at(length.min(after.len()));
        message.extend_from_slice(fragment);
        if fragment.len() < length {
            // Of a part of a record only that it is one is said above; its message is complete with the record.
            return if message.first().is_none_or(|kind| *kind == CLIENT_HELLO) { Ok(None) } else { Err(NOT_TLS) };
        }
        rest = after;
    }
}

/// A vector whose length stands in `width` bytes before it; and what follows.
fn vector(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(width)?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

type Found<'m> = Result<(Option<&'m [u8]>, bool), &'static str>;

/// The name and whether another one is hidden. None: no ClientHello.
fn extensions(message: &[u8]) -> Option<Found<'_>> {
    // type and length, version, random
    let rest = message.get(4 + 2 + 32..)?;
    let (session, rest) = vector(rest, 1)?;
    let (suites, rest) = vector(rest, 2)?;
    let (compression, rest) = vector(rest, 1)?;
    if session.len() > 32 || suites.is_empty() || suites.len() % 2 == 1 || compression.is_empty() {
        return None;
    }
    if rest.is_empty() {
        return Some(Ok((None, false)));
    }
    let (mut rest, behind) = vector(rest, 2)?;
    if !behind.is_empty() {
        return None;
    }
    let (mut seen, mut name, mut encrypted) = (Vec::new(), None, false);
    while !rest.is_empty() {
        let (kind, after) = rest.split_first_chunk::<2>()?;
        let (data, after) = vector(after, 2)?;
        let kind = u16::from_be_bytes(*kind);
        if seen.contains(&kind) {
            return Some(Err(UNCLEAR));
        }
        seen.push(kind);
        match kind {
            SERVER_NAME => match only_name(data) {
                Some(only) => name = Some(only),
                None => return Some(Err(UNCLEAR)),
            },
            kind => encrypted |= HIDDEN.contains(&kind),
        }
        rest = after;
    }
    Some(Ok((name, encrypted)))
}

/// The one host_name of a server_name extension.
fn only_name(data: &[u8]) -> Option<&[u8]> {
    let (list, behind) = vector(data, 2)?;
    let (kind, rest) = list.split_first()?;
    let (name, more) = vector(rest, 2)?;
    (behind.is_empty() && more.is_empty() && *kind == 0 && !name.is_empty()).then_some(name)
}

/// Whether rustls reads the same name from the same bytes.
fn rustls_agrees(bytes: &[u8], name: Option<&[u8]>) -> bool {
    let mut acceptor = Acceptor::default();
    let mut cursor = Cursor::new(bytes);
    // Each round takes bytes or ends.
    while (cursor.position() as usize) < bytes.len() {
        match acceptor.read_tls(&mut cursor) {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                return match (hello.server_name().map(str::as_bytes).map(undotted), name.map(undotted)) {
                    (Some(theirs), Some(ours)) => theirs.eq_ignore_ascii_case(ours),
                    (None, None) => true,
                    _ => false,
                };
            }
            Ok(None) => {}
            Err(_) => return false,
        }
    }
    false
}

fn undotted(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").unwrap_or(name)
}
