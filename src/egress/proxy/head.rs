//! The head of a request to an HTTP proxy: CONNECT with an authority, or a target in absolute form (RFC 9112 §3.2).
//!
//! Invariant: the place is parsed once, from the target, and nothing else in the head says where to go.
//! Leaves to others: judging it, and everything behind the head.

use crate::egress::sniff::line::{FIELDS, split};
use crate::policy::Place;

/// Bytes of a head at most.
pub const MOST: usize = 64 << 10;

/// How far a head is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Bytes are missing.
    More,
    /// A status to answer with, and why.
    Bad(u16, &'static str),
    /// What stands for the host, and is none.
    NoHost(Vec<u8>),
    /// CONNECT: the tunnel begins after so many bytes.
    Connect { place: Place, port: u16, length: usize },
    /// A request to pass on, for a place.
    Forward { place: Place, port: u16 },
}

/// Reads a head.
#[must_use]
pub fn read(bytes: &[u8]) -> Step {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < MOST => return Step::More,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Step::Bad(431, "the request's head is too long");
        }
        Err(_) => return Step::Bad(400, "the request's head cannot be read"),
    };
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Step::Bad(400, "the request's head cannot be read");
    };
    if method == "CONNECT" {
        // Unlike in other targets, the port must be there (RFC 9110 §9.3.6); 0 is none.
        return match split(target.as_bytes(), 0) {
            Some((place, port)) if port != 0 => Step::Connect { place, port, length },
            _ => Step::NoHost(target.as_bytes().to_vec()),
        };
    }
    forward(target)
}

fn forward(target: &str) -> Step {
    let Some((scheme, rest)) = target.split_once("://") else {
        return Step::Bad(400, "this is a proxy: requests to it name their host (http://host/path)");
    };
    if !scheme.eq_ignore_ascii_case("http") {
        return Step::Bad(400, "only http:// is passed on, everything else by CONNECT");
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default().as_bytes();
    match split(authority, 80) {
        Some((place, port)) => Step::Forward { place, port },
        None => Step::NoHost(authority.to_vec()),
    }
}

/// The request as its origin wants it: without the host in its target, and the last one on its connection. None: no head.
#[must_use]
pub fn for_origin(bytes: &[u8]) -> Option<Vec<u8>> {
    const OURS: [&str; 5] = ["connection", "proxy-connection", "keep-alive", "proxy-authorization", "host"];
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = request.parse(bytes) else { return None };
    let (_, rest) = request.path?.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    let path = path.split('#').next().unwrap_or_default();
    let mut out = format!("{} {slash}{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n", request.method?)
        .into_bytes();
    for field in request.headers.iter().filter(|field| !OURS.iter().any(|name| field.name.eq_ignore_ascii_case(name))) {
        out.extend_from_slice(&[field.name.as_bytes(), b": ", field.value, b"\r\n"].concat());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes.get(length..)?);
    Some(out)
}
