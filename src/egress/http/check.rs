//! What a request asks for, from its parsed head.
//!
//! Invariant: a call is for the connection's own host, in every place where the request names one; its path has one form.
//! Leaves to others: whether it is allowed (`judge`), the head's syntax (`head`).
//! Specification: RFC 9110 §7.1 to §7.2, RFC 9112 §3.2, RFC 9113 §8.3.1.

use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, StatusCode, Uri};

use super::answer::Refusal;
use super::head::{self, HeadFault};
use super::watch;
use crate::policy::{Host, Place, normal_path};

/// Whose requests are looked at.
pub struct Spot<'s> {
    pub host: &'s Host,
    pub port: u16,
    /// Over TLS.
    pub secure: bool,
}

/// A request, as it is judged and sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub method: Method,
    /// In its normal form.
    pub path: String,
    /// As sent, without `?`.
    pub query: String,
    /// Path and query as sent.
    pub target: PathAndQuery,
    /// It asks for the WebSocket protocol (RFC 6455 §4.1).
    pub upgrade: bool,
}

/// Headers of one connection, not of the request (RFC 9110 §7.6.1).
const HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TRAILER,
];

const KEEP_ALIVE: [HeaderName; 2] =
    [HeaderName::from_static("keep-alive"), HeaderName::from_static("proxy-connection")];

/// Reads the request's head.
pub fn call(parts: &Parts, spot: &Spot<'_>) -> Result<Call, Refusal> {
    let bad = |why: &str| Refusal::of(StatusCode::BAD_REQUEST, why);
    if parts.method.as_str() == watch::REFUSED {
        let number = parts.uri.path().trim_start_matches('/').parse().ok();
        let fault =
            number.and_then(HeadFault::of).map_or_else(|| "its method is odd".to_owned(), |fault| fault.to_string());
        return Err(bad(&fault));
    }
    if parts.method == Method::CONNECT {
        return Err(bad("it asks for a connection inside of a connection"));
    }
    if !head::is_method(parts.method.as_str()) {
        return Err(bad(&HeadFault::Method.to_string()));
    }
    authority(parts, spot)?;
    let target = parts.uri.path_and_query().ok_or_else(|| bad("it names no path"))?;
    let (path, query) = normal_path(target.as_str()).map_err(|fault| bad(&fault.to_string()))?;
    let query = query.to_owned();
    Ok(Call {
        method: parts.method.clone(),
        path,
        query,
        target: target.clone(),
        upgrade: wants_websocket(&parts.headers),
    })
}

/// Compares every place where the request names its host with the connection's.
fn authority(parts: &Parts, spot: &Spot<'_>) -> Result<(), Refusal> {
    let other = || Refusal::of(StatusCode::MISDIRECTED_REQUEST, "it is for another host than its connection");
    let mut named = 0;
    for value in parts.headers.get_all(header::HOST) {
        named += 1;
        if named > 1 || !is_spot(value.as_bytes(), spot) {
            return Err(other());
        }
    }
    if let Some(authority) = parts.uri.authority() {
        named += 1;
        if !is_spot(authority.as_str().as_bytes(), spot) || !is_scheme(&parts.uri, spot) {
            return Err(other());
        }
    }
    if named == 0 { Err(other()) } else { Ok(()) }
}

fn is_scheme(uri: &Uri, spot: &Spot<'_>) -> bool {
    uri.scheme_str() == Some(if spot.secure { "https" } else { "http" })
}

/// `host` or `host:port`; user information is another's trick, not a client's.
fn is_spot(text: &[u8], spot: &Spot<'_>) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(port)),
        _ => (text, None),
    };
    let same_port = port.is_none_or(|port| port.is_empty() || port.parse() == Ok(spot.port));
    same_port && matches!(Place::parse(name.as_bytes()), Ok(Place::Name(host)) if host == *spot.host)
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    let mut named = headers.get_all(header::UPGRADE).iter();
    let only = matches!((named.next(), named.next()), (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    only && headers.contains_key("sec-websocket-key")
}

/// How the connection's host is written in a request.
pub fn host_value(spot: &Spot<'_>) -> String {
    let usual = if spot.secure { 443 } else { 80 };
    if spot.port == usual { spot.host.to_string() } else { format!("{}:{}", spot.host, spot.port) }
}

/// Takes away what belongs to one connection, and what would lead the client past us (RFC 7838). `te: trailers` stays.
pub fn strip(headers: &mut HeaderMap) {
    let trailers = headers.get(header::TE).filter(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers")).cloned();
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        // A client may not have us take away what we or the server go by.
        .filter(|name| ![header::HOST, header::AUTHORIZATION, header::CONTENT_LENGTH].contains(name))
        .collect();
    for name in listed.iter().chain(&HOP).chain(&KEEP_ALIVE) {
        headers.remove(name);
    }
    headers.remove(header::ALT_SVC);
    headers.remove("alt-used");
    if let Some(trailers) = trailers {
        headers.insert(header::TE, trailers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn told(secure: bool, method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let host = Host::parse("api.example.org").unwrap();
        let spot = Spot { host: &host, port: if secure { 443 } else { 8080 }, secure };
        call(&parts, &spot).map(|call| call.path).map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn a_request_is_for_its_connections_host() {
        let ok = |path: &str| Ok(path.to_owned());
        assert_eq!(told(true, "GET", "/a?b", &[("host", "API.example.org")]), ok("/a"));
        assert_eq!(told(true, "GET", "/a", &[("host", "api.example.org.:443")]), ok("/a"));
        assert_eq!(told(true, "GET", "https://api.example.org/a", &[]), ok("/a"));
        assert_eq!(told(false, "GET", "http://api.example.org:8080/", &[("host", "api.example.org:8080")]), ok("/"));
        for host in ["example.org", "api.example.org:444", "x@api.example.org", "api.example.org/", "", "1.2.3.4"] {
            assert_eq!(told(true, "GET", "/", &[("host", host)]), Err(421), "{host}");
        }
        let both = [("host", "api.example.org"), ("host", "api.example.org")];
        assert_eq!(told(true, "GET", "/", &both), Err(421));
        assert_eq!(told(true, "GET", "/", &[]), Err(421));
        assert_eq!(told(true, "GET", "https://evil.example/", &[("host", "api.example.org")]), Err(421));
        assert_eq!(told(true, "GET", "https://api.example.org/", &[("host", "evil.example")]), Err(421));
        assert_eq!(told(true, "GET", "http://api.example.org/", &[]), Err(421), "another scheme");
    }

    #[test]
    fn odd_requests_are_refused() {
        let host = [("host", "api.example.org")];
        assert_eq!(told(true, "CONNECT", "api.example.org:443", &host), Err(400));
        assert_eq!(told(true, "get", "/", &host), Err(400));
        assert_eq!(told(true, "OPTIONS", "*", &host), Err(400));
        assert_eq!(told(true, "GET", "/a%00", &host), Err(400));
        assert_eq!(told(true, watch::REFUSED, "/5", &host), Err(400));
    }

    #[test]
    fn what_belongs_to_a_connection_goes() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-mine, authorization"),
            ("x-mine", "1"),
            ("authorization", "Bearer x"),
            ("keep-alive", "1"),
            ("te", "trailers"),
            ("alt-svc", "h3=\":443\""),
            ("accept", "*/*"),
        ] {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        strip(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "authorization", "te"]);
    }
}
