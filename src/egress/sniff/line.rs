//! The first line of a text protocol: HTTP or not; and of an HTTP/1 head the host it names (RFC 9112 §2, §3).
//!
//! Invariant: what any server could take for an HTTP request line is taken for one here: empty lines before it, odd
//! whitespace, any method, any case. What then cannot be read by the letter is malformed.
//! Leaves to others: judging the request (`http`), and the requests behind it.

use super::{MOST, Opening};
use crate::policy::{Host, Place};

/// Longest word before the first space that may be a method.
const METHOD: usize = 32;
/// Header fields of one head.
pub const FIELDS: usize = 128;

const UNREADABLE: &str = "built-in: HTTP that cannot be read";

/// What can be said; None: more bytes are needed.
pub fn look(head: &[u8], ended: bool) -> Option<Opening> {
    // Servers skip empty lines before a request (RFC 9112 §2.2).
    let start = head.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(head.len());
    let text = head.get(start..).unwrap_or_default();
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else {
        let partial = may_become_http(text) && !ended;
        return match partial {
            true if head.len() < MOST => None,
            true => Some(Opening::Malformed(UNREADABLE)),
            false => Some(Opening::Other),
        };
    };
    let line = text.get(..end).unwrap_or_default();
    if !says_http(line) {
        return Some(Opening::Other);
    }
    if line.starts_with(b"PRI * HTTP/2") {
        return Some(Opening::Http2);
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => Some(Opening::Http(host(&request))),
        Ok(httparse::Status::Partial) if head.len() < MOST && !ended => None,
        Ok(httparse::Status::Partial) | Err(_) => Some(Opening::Malformed(UNREADABLE)),
    }
}

/// Whether what has no end of line yet may be the start of a request line.
fn may_become_http(text: &[u8]) -> bool {
    let plain = |byte: &u8| *byte >= 0x20 && *byte != 0x7f || b"\t\r\x0b\x0c".contains(byte);
    let method = text.iter().take_while(|byte| byte.is_ascii_graphic()).count();
    text.iter().all(plain) && method <= METHOD
}

/// Some word but the first begins with `HTTP/`, in any case.
fn says_http(line: &[u8]) -> bool {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    line.split(is_space).skip(1).any(|word| word.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"HTTP/")))
}

/// The host of a request: its one Host field, and the same in its target where that is absolute.
fn host(request: &httparse::Request<'_, '_>) -> Option<Host> {
    let mut hosts = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    let field = named(hosts.next()?.value)?;
    let target = request.path?;
    let same = match authority(target.as_bytes()) {
        Some(authority) => named(authority)? == field,
        None => target.starts_with('/') || target == "*",
    };
    (same && hosts.next().is_none()).then_some(field)
}

/// `host` or `host:port` as a name.
fn named(authority: &[u8]) -> Option<Host> {
    match split(authority, 80)? {
        (Place::Name(host), _) => Some(host),
        (Place::Addr(_), _) => None,
    }
}

/// The authority of an absolute target, whatever its scheme.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let at = target.windows(3).position(|window| window == b"://")?;
    let scheme = target.get(..at)?;
    let rest = target.get(at + 3..)?;
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    scheme.iter().all(u8::is_ascii_alphanumeric).then(|| rest.get(..end)).flatten()
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`. Ports are 1–65535, in digits alone.
pub fn split(authority: &[u8], default: u16) -> Option<(Place, u16)> {
    let bracket = authority.iter().rposition(|byte| *byte == b']');
    let colon = authority.iter().rposition(|byte| *byte == b':').filter(|colon| bracket.is_none_or(|at| at < *colon));
    let (host, port) = match colon {
        Some(colon) => (authority.get(..colon)?, port(authority.get(colon + 1..)?)?),
        None => (authority, default),
    };
    // Without brackets the last colon is the port's: an IPv6 address has to stand in them.
    if bracket.is_none() && host.contains(&b':') {
        return None;
    }
    Place::parse(host).ok().map(|place| (place, port))
}

fn port(digits: &[u8]) -> Option<u16> {
    let plain = (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok().filter(|port| *port != 0)
}
