//! AWS Signature Version 4: a request that was signed with placeholder keys is signed again with the real ones.
//!
//! Invariant: what is signed is the request as it goes upstream: its own method, path, query, headers and payload hash.
//! Leaves to others: hashing a body that names no hash (`http`), which request may be signed (`credentials`).
//!
//! ```text
//! Authorization: AWS4-HMAC-SHA256 Credential=AKID/20260102/us-east-1/s3/aws4_request,
//!                SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=0123…
//! ```
//! Specification: "Create a signed AWS API request", IAM User Guide.

use std::fmt::Write as _;

use hyper::header::HeaderMap;
use ring::{digest, hmac};
use zeroize::Zeroizing;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Most headers that a signature may name.
const SIGNED: usize = 64;

/// Keys as AWS gives them out.
pub struct Keys {
    /// Not secret, but the agent sees another.
    pub id: Zeroizing<String>,
    pub secret: Zeroizing<String>,
    /// Of temporary keys.
    pub token: Option<Zeroizing<String>>,
}

/// What a client says in its `Authorization`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub id: String,
    /// `20260102/us-east-1/s3/aws4_request`.
    scope: [String; 4],
    signed: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignFault {
    #[error("its Authorization is not of the form AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…")]
    Form,
    #[error("it has no x-amz-date")]
    Date,
    #[error("it signs each chunk of its body, which cannot be signed again: turn payload signing off for HTTPS")]
    Chunks,
}

/// A request as it goes upstream.
pub struct Request<'r> {
    pub method: &'r str,
    /// As on the wire, percent-encoded.
    pub path: &'r str,
    /// As on the wire, without `?`.
    pub query: &'r str,
    pub headers: &'r HeaderMap,
    /// What `host` is sent as.
    pub host: &'r str,
    /// Lower-case hex of the body's SHA-256, where no header gives it.
    pub payload: Option<&'r str>,
}

impl Claim {
    /// Reads the value of `Authorization`; None where it is no signature of this kind.
    pub fn parse(value: &str) -> Option<Result<Claim, SignFault>> {
        Some(Claim::read(value.strip_prefix(ALGORITHM)?).ok_or(SignFault::Form))
    }

    fn read(rest: &str) -> Option<Claim> {
        let (mut credential, mut signed) = (None, None);
        for part in rest.split(',').map(str::trim) {
            match part.split_once('=')? {
                ("Credential", value) => credential = Some(value),
                ("SignedHeaders", value) => signed = Some(value),
                ("Signature", _) => {}
                _ => return None,
            }
        }
        let mut pieces = credential?.rsplitn(5, '/');
        let mut scope: [String; 4] = Default::default();
        for place in scope.iter_mut().rev() {
            pieces.next()?.clone_into(place);
        }
        let id = pieces.next()?.to_owned();
        let mut signed: Vec<String> = signed?.split(';').take(SIGNED + 1).map(str::to_ascii_lowercase).collect();
        signed.sort_unstable();
        signed.dedup();
        let fits = signed.len() <= SIGNED && scope.iter().all(|part| is_word(part)) && scope[3] == "aws4_request";
        fits.then_some(Claim { id, scope, signed })
    }

    fn service(&self) -> &str {
        &self.scope[2]
    }

    /// The value of `Authorization` for `request` under `keys`. Signed headers that the request has no longer are left out.
    pub fn sign(&self, request: &Request<'_>, keys: &Keys) -> Result<Zeroizing<String>, SignFault> {
        let date = header(request.headers, "x-amz-date").ok_or(SignFault::Date)?;
        let payload = match header(request.headers, "x-amz-content-sha256") {
            Some(chunks) if chunks.starts_with("STREAMING-AWS4-") => return Err(SignFault::Chunks),
            Some(given) => given,
            None => request.payload.unwrap_or(EMPTY).to_owned(),
        };
        let there = |name: &&String| *name == "host" || request.headers.contains_key(name.as_str());
        let signed: Vec<&String> = self.signed.iter().filter(there).collect();
        let names = signed.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(";");
        let mut canonical = format!(
            "{}\n{}\n{}\n",
            request.method,
            canonical_path(request.path, self.service() == "s3"),
            canonical_query(request.query)
        );
        for name in signed {
            let value = if name == "host" { request.host.to_owned() } else { joined(request.headers, name) };
            // Writing to a string does not fail.
            let _ = writeln!(canonical, "{name}:{value}");
        }
        let _ = write!(canonical, "\n{names}\n{payload}");
        let scope = self.scope.join("/");
        let text = format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex(sha256(canonical.as_bytes()).as_ref()));
        let mut key = Zeroizing::new([b"AWS4", keys.secret.as_bytes()].concat());
        for part in &self.scope {
            key = Zeroizing::new(mac(&key, part.as_bytes()).as_ref().to_vec());
        }
        let signature = hex(mac(&key, text.as_bytes()).as_ref());
        let id = keys.id.as_str();
        let value = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        Ok(Zeroizing::new(value))
    }
}

/// Lower-case hex of the SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// As [`Request::payload`] wants it.
pub fn digest(body: &[u8]) -> String {
    hex(sha256(body).as_ref())
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

fn mac(key: &[u8], bytes: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// All values of a header, trimmed, runs of spaces as one, joined by commas.
fn joined(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").trim().to_owned()
    });
    values.collect::<Vec<_>>().join(",")
}

/// Everybody signs the path of the wire encoded once more, S3 as it is on the wire.
fn canonical_path(path: &str, s3: bool) -> String {
    let path = if s3 { encode(&decode(path), true) } else { encode(path.as_bytes(), true) };
    if path.is_empty() { "/".to_owned() } else { path }
}

/// Each name and value encoded, sorted by name, then value.
fn canonical_query(query: &str) -> String {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (encode(&decode(name), false), encode(&decode(value), false))
    };
    let mut pairs: Vec<_> = query.split('&').filter(|part| !part.is_empty()).map(pair).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn encode(text: &[u8], slashes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(*byte)),
            b'/' if slashes => out.push('/'),
            // Writing to a string does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

fn decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escaped = if *byte == b'%' { after.split_at_checked(2) } else { None };
        let value = escaped.and_then(|(digits, _)| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (value, escaped) {
            (Some(value), Some((_, after))) => {
                out.push(value);
                rest = after;
            }
            _ => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    out
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let text = |text: &str| Zeroizing::new(text.to_owned());
        Keys { id: text("AKIDEXAMPLE"), secret: text("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), token: None }
    }

    fn signed(method: &str, path: &str, query: &str, headers: &[(&'static str, &str)], names: &str) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let claim = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDPLACEHOLDER/20150830/us-east-1/service/aws4_request, SignedHeaders={names}, Signature=00"
        );
        let claim = Claim::parse(&claim).unwrap().unwrap();
        let request = Request { method, path, query, headers: &map, host: "example.amazonaws.com", payload: None };
        let value = claim.sign(&request, &keys()).unwrap();
        value.rsplit_once('=').unwrap().1.to_owned()
    }

    const DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");

    /// Of the test suite that AWS publishes for version 4.
    #[test]
    fn signs_as_the_published_vectors() {
        assert_eq!(
            signed("GET", "/", "", &[DATE], "host;x-amz-date"),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        assert_eq!(
            signed("GET", "/", "Param2=value2&Param1=value1", &[DATE], "host;x-amz-date"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
        );
        assert_eq!(
            signed("GET", "/\u{1234}", "", &[DATE], "host;x-amz-date"),
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"
        );
        assert_eq!(
            signed("POST", "/", "", &[DATE], "host;x-amz-date"),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        let spaces = [("my-header1", " value1"), ("my-header2", " \"a   b   c\""), DATE];
        assert_eq!(
            signed("GET", "/", "", &spaces, "host;my-header1;my-header2;x-amz-date"),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"
        );
    }

    #[test]
    fn a_header_that_is_gone_is_signed_no_longer() {
        let with = signed("GET", "/", "", &[DATE], "accept-encoding;host;x-amz-date");
        assert_eq!(with, signed("GET", "/", "", &[DATE], "host;x-amz-date"));
    }

    #[test]
    fn what_is_no_signature_is_told() {
        assert_eq!(Claim::parse("Bearer x"), None);
        for bad in ["AWS4-HMAC-SHA256 x", "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0"] {
            assert_eq!(Claim::parse(bad), Some(Err(SignFault::Form)), "{bad}");
        }
        let mut headers = HeaderMap::new();
        let claim =
            Claim::parse("AWS4-HMAC-SHA256 Credential=A/20150830/r/s3/aws4_request, SignedHeaders=host, Signature=0");
        let claim = claim.unwrap().unwrap();
        let sign = |headers: &HeaderMap| {
            let request = Request { method: "PUT", path: "/", query: "", headers, host: "h", payload: None };
            claim.sign(&request, &keys()).unwrap_err()
        };
        assert_eq!(sign(&headers), SignFault::Date);
        headers.insert("x-amz-date", "20150830T123600Z".parse().unwrap());
        headers.insert("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".parse().unwrap());
        assert_eq!(sign(&headers), SignFault::Chunks);
    }
}
