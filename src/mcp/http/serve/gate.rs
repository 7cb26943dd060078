//! Who may speak to the relay: programs of this machine that know its path, and no page in a browser.
//!
//! Invariant: a request for another host than this machine's loopback, or from a page of any other, gets no answer but 403
//! (MCP, §Streamable HTTP, security warning: DNS rebinding).

use hyper::header::{self, HeaderMap};
use hyper::{StatusCode, Uri};
use subtle::ConstantTimeEq;

/// The status of a refusal.
pub fn check(headers: &HeaderMap, uri: &Uri, path: &str, port: u16) -> Result<(), StatusCode> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).ok_or(StatusCode::FORBIDDEN)?;
    if hosts.next().is_some() || !is_local(host, Some(port)) {
        return Err(StatusCode::FORBIDDEN);
    }
    for origin in headers.get_all(header::ORIGIN) {
        let text = origin.to_str().map_err(|_| StatusCode::FORBIDDEN)?;
        let place = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        if !place.is_some_and(|place| is_local(place, None)) {
            return Err(StatusCode::FORBIDDEN);
        }
    }
    match bool::from(uri.path().as_bytes().ct_eq(path.as_bytes())) {
        true => Ok(()),
        false => Err(StatusCode::NOT_FOUND),
    }
}

/// `localhost`, `127.0.0.1` or `[::1]`, with this port where one is wanted.
fn is_local(text: &str, port: Option<u16>) -> bool {
    let (name, number) = match text.rsplit_once(':') {
        Some((name, number)) if !number.ends_with(']') => (name, number.parse::<u16>().ok()),
        _ => (text, Some(80)),
    };
    let named = ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| name.eq_ignore_ascii_case(local));
    named && number.is_some() && (port.is_none() || number == port)
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn status(headers: &[(HeaderName, &'static str)], path: &str) -> u16 {
        let pairs = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value);
        }
        check(&map, &path.parse().unwrap(), "/k/mcp", 8080).err().map_or(200, |status| status.as_u16())
    }

    #[test]
    fn only_this_machine_is_answered() {
        let (host, origin) = (header::HOST, header::ORIGIN);
        let of = |value| status(&[(host.clone(), value)], "/k/mcp?x");
        assert_eq!([of("127.0.0.1:8080"), of("LOCALHOST:8080"), of("[::1]:8080")], [200; 3]);
        for foreign in ["evil.example", "evil.example:8080", "127.0.0.1", "127.0.0.1:8081", "localhost.evil:8080", ""] {
            assert_eq!(of(foreign), 403, "{foreign}");
        }
        let from = |value| status(&[(host.clone(), "localhost:8080"), (origin.clone(), value)], "/k/mcp");
        assert_eq!([from("http://localhost:5173"), from("https://127.0.0.1")], [200; 2]);
        for foreign in ["http://evil.example", "null", "http://localhost.evil.example", "file://localhost"] {
            assert_eq!(from(foreign), 403, "{foreign}");
        }
        assert_eq!(status(&[(host.clone(), "localhost:8080"), (host.clone(), "x")], "/k/mcp"), 403);
        assert_eq!(status(&[(host, "localhost:8080")], "/mcp"), 404);
    }
}
