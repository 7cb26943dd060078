//! Requests to authorization servers: short, bounded, never redirected.
//!
//! Invariant: nothing is asked of an address where it could be overheard.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;

use crate::mcp::http::body;
use crate::mcp::http::wire::{Address, AddressFault, Ways, Wire, WireError};

/// Bytes of a document.
const LONGEST: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no token. No secret is in the words.
#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    #[error("'{0}' is neither HTTPS nor on this machine: no secret goes there")]
    Open(String),
    #[error("'{at}' is no address: {fault}")]
    Address { at: String, fault: AddressFault },
    #[error("cannot ask '{at}'")]
    Wire { at: String, source: WireError },
    #[error("'{at}' has not answered in time")]
    Slow { at: String },
    #[error("'{at}' answered with status {status}{why}")]
    Status { at: String, status: u16, why: String },
    #[error("'{at}' answered with something that cannot be read")]
    Unreadable { at: String },
    #[error("the server names no authorization server that can be used: {0}")]
    Nowhere(String),
    #[error("the authorization server does not say that it takes PKCE by S256")]
    NoPkce,
    #[error("the authorization server registers no clients: give it one with --client-id")]
    NoClient,
    #[error("cannot listen on this machine for the browser to come back")]
    Listen(#[source] std::io::Error),
    #[error("the browser has not come back with an answer in time")]
    NoAnswer,
    #[error("authorization was refused: {0}")]
    Refused(String),
    #[error("no random numbers")]
    Random,
    #[error("the token has run out and cannot be made anew")]
    NoRefresh,
}

/// An answer: its status and what it holds.
pub struct Answer {
    at: String,
    status: StatusCode,
    pub headers: HeaderMap,
    text: Vec<u8>,
}

/// Reads an address that secrets may go to.
pub fn address(text: &str) -> Result<Address, OauthError> {
    let address = Address::parse(text).map_err(|fault| OauthError::Address { at: shown(text), fault })?;
    match address.origin.keeps_secrets() {
        true => Ok(address),
        false => Err(OauthError::Open(shown(text))),
    }
}

/// A server's words, for people: bounded, and without what moves a terminal.
pub fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

pub async fn get(ways: &Ways, at: &Address) -> Result<Answer, OauthError> {
    send(ways, at, Method::GET, HeaderMap::new(), Bytes::new()).await
}

pub async fn post(ways: &Ways, at: &Address, kind: &'static str, body: String) -> Result<Answer, OauthError> {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
    send(ways, at, Method::POST, headers, body.into()).await
}

pub async fn send(
    ways: &Ways,
    at: &Address,
    method: Method,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, OauthError> {
    let told = at.to_string();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    let wire = Wire::new(at.origin.clone(), ways.clone());
    let sent = tokio::time::timeout(PATIENCE, wire.send(&at.target, request)).await;
    let response = sent.map_err(|_| OauthError::Slow { at: told.clone() })?;
    let (parts, mut incoming) = response.map_err(|source| OauthError::Wire { at: told.clone(), source })?.into_parts();
    // Events go on for as long as they like, and none of them is what is looked for here.
    let text = match body::kind(&parts.headers) {
        body::Kind::Events => Vec::new(),
        _ => body::whole(&mut incoming, LONGEST, PATIENCE).await.unwrap_or_default(),
    };
    Ok(Answer { at: told, status: parts.status, headers: parts.headers, text })
}

impl Answer {
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it holds, where it is a success.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, OauthError> {
        if !self.status.is_success() {
            return Err(OauthError::Status { at: self.at.clone(), status: self.status.as_u16(), why: self.why() });
        }
        serde_json::from_slice(&self.text).map_err(|_| OauthError::Unreadable { at: self.at.clone() })
    }

    /// RFC 6749 §5.2.
    fn why(&self) -> String {
        #[derive(serde::Deserialize)]
        struct Said {
            error: String,
            #[serde(default)]
            error_description: String,
        }
        match serde_json::from_slice::<Said>(&self.text) {
            Ok(said) if said.error_description.is_empty() => format!(": {}", shown(&said.error)),
            Ok(said) => format!(": {} ({})", shown(&said.error), shown(&said.error_description)),
            Err(_) => String::new(),
        }
    }
}

/// `application/x-www-form-urlencoded`.
pub fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// All but unreserved characters (RFC 3986 §2.3).
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The other way, `+` included; None where it is no text.
pub fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = rest.get(2..)?;
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_read_back() {
        let text = "a b&c=d/ä+%";
        assert_eq!(escaped(text), "a%20b%26c%3Dd%2F%C3%A4%2B%25");
        assert_eq!(unescaped(&escaped(text)).as_deref(), Some(text));
        assert_eq!((unescaped("a+b"), unescaped("%f"), unescaped("%zz")), (Some("a b".to_owned()), None, None));
        assert!(address("http://as.example.org").is_err() && address("http://127.0.0.1:1/x").is_ok());
    }
}
