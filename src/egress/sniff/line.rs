//! The first line of a text protocol: HTTP or not; and of an HTTP/1 head the host it names (RFC 9112 §2, §3).
//!
//! Invariant: what any server could take for an HTTP request line is taken for one here: empty lines before it, odd
//! whitespace, any method, any case. What then cannot be read by the letter is malformed.
//! Leaves to others: judging the request (`http`), and the requests behind it.

use super::{MOST, Opening};
use crate::policy::{Host, Place};

/// Header fields of one head.
pub const FIELDS: usize = 128;

const UNREADABLE: &str = "built-in: HTTP that cannot be read";

/// What can be said; None: more bytes are needed.
pub fn look(head: &[u8], ended: bool) -> Option<Opening> {
    // Servers skip empty lines before a request (RFC 9112 §2.2), and some any space.
    let start = head.iter().position(|byte| !is_space(*byte)).unwrap_or(head.len());
    let text = head.get(start..).unwrap_or_default();
    if text.first().is_some_and(|first| !is_token(*first)) {
        return Some(Opening::Other);
    }
    let Some(end) = text.iter().position(|byte| b"\n\0".contains(byte)) else {
        return match ended {
            false if head.len() < MOST => None,
            false => Some(Opening::Malformed(UNREADABLE)),
            true => Some(Opening::Other),
        };
    };
    if text.get(end) == Some(&0) {
        // In no request line that any server takes.
        return Some(Opening::Other);
    }
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

/// Whether this is the unfinished first line of text by which nothing is named yet: whatever it becomes, a server that took
/// it for HTTP would have to wait for what follows. Not where it says `HTTP/`, nor where some server could see its end.
pub fn is_nameless(head: &[u8]) -> bool {
    let start = head.iter().position(|byte| !is_space(*byte)).unwrap_or(head.len());
    let line = head.get(start..).unwrap_or_default();
    !line.iter().any(|byte| b"\r\n\0".contains(byte)) && !says_http(line)
}

/// Whether this is, or may become, the start of a request with a method of RFC 9110 §9 or RFC 5789, after empty lines.
pub fn begins_as_usual(head: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] =
        [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"PRI "];
    let start = head.iter().position(|byte| !is_space(*byte)).unwrap_or(head.len());
    let text = head.get(start..).unwrap_or_default();
    METHODS.iter().any(|method| text.starts_with(method) || method.starts_with(text))
}

/// What some server takes for a space, Python's among them.
fn is_space(byte: u8) -> bool {
    matches!(byte, 1..=0x20 | 0x7f | 0x85 | 0xa0)
}

/// A character of a method (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Some word but the first begins with `HTTP/`, in any case.
fn says_http(line: &[u8]) -> bool {
    let words = line.split(|byte| is_space(*byte)).filter(|word| !word.is_empty());
    words.skip(1).any(|word| word.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"HTTP/")))
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
