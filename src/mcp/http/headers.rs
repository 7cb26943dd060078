//! Headers of the transport: what of a message stands in them once more (2026-07-28, §Streamable HTTP, standard headers).
//!
//! Invariant: a header is made from the message and compared with it, never believed.
//! Leaves to others: when they are needed (`bridge`, `serve`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::mcp::Message;
use crate::policy::mcp::Value;

pub const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
pub const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// The first revision whose requests each carry their own, with headers that must agree.
pub const MODERN: &str = "2026-07-28";
/// JSON-RPC error for headers that do not agree with the body.
pub const MISMATCH: i64 = -32020;

const OPENING: &str = "=?base64?";
const CLOSING: &str = "?=";

/// What of a message its headers repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrored {
    /// The revision that the message itself names.
    pub version: Option<String>,
    pub method: Option<String>,
    /// Tool, prompt, URI or task.
    pub name: Option<String>,
}

impl Mirrored {
    pub fn of(message: &Message) -> Mirrored {
        let (Message::Request { method, params, .. } | Message::Notification { method, params }) = message else {
            return Mirrored::default();
        };
        let text = |key: &str| params.field(key).and_then(Value::text).map(str::to_owned);
        let name = match method.as_str() {
            "tools/call" | "prompts/get" => text("name"),
            "resources/read" => text("uri"),
            "tasks/get" | "tasks/update" | "tasks/cancel" => text("taskId"),
            _ => None,
        };
        let version = params.pointer("/_meta/io.modelcontextprotocol~1protocolVersion").and_then(Value::text);
        Mirrored { version: version.map(str::to_owned), method: Some(method.clone()), name }
    }

    /// Whether the message is of a revision without sessions. Revisions are dates, and sort as they come.
    pub fn is_modern(&self) -> bool {
        self.version.as_deref().is_some_and(is_modern)
    }

    /// Adds them to a request.
    pub fn write(&self, headers: &mut HeaderMap) {
        let named = [(VERSION, &self.version), (METHOD, &self.method), (NAME, &self.name)];
        for (name, value) in named {
            if let Some(value) = value.as_deref().and_then(encoded) {
                headers.insert(name, value);
            }
        }
    }

    /// What a request's headers say that its body does not, in words; None where they agree.
    pub fn differs(&self, headers: &HeaderMap) -> Option<String> {
        let named = [(VERSION, &self.version), (METHOD, &self.method), (NAME, &self.name)];
        named.into_iter().find_map(|(name, value)| {
            let mut sent = headers.get_all(&name).iter();
            let first = sent.next();
            let agrees = match (value, first) {
                (None, None) => true,
                // A name that this revision does not know, a later one may; that a body names no revision is the server's to refuse.
                (None, Some(_)) => name != METHOD,
                (Some(_), None) => false,
                (Some(value), Some(sent)) => decoded(sent).is_some_and(|sent| sent == *value),
            };
            (!agrees || sent.next().is_some()).then(|| format!("header '{name}' does not agree with the body"))
        })
    }
}

pub fn is_modern(version: &str) -> bool {
    version.len() == MODERN.len() && version >= MODERN && version.starts_with("20")
}

/// A header's value that stands for this text, in base64 where it cannot stand there itself.
pub fn encoded(text: &str) -> Option<HeaderValue> {
    let plain = text.bytes().all(|byte| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic());
    let padded = text.trim_matches([' ', '\t']) != text;
    if plain && !padded && !text.starts_with(OPENING) {
        return HeaderValue::from_str(text).ok();
    }
    HeaderValue::from_str(&format!("{OPENING}{}{CLOSING}", STANDARD.encode(text))).ok()
}

/// The text that a header's value stands for; None where it stands for none.
pub fn decoded(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    match text.strip_prefix(OPENING).and_then(|rest| rest.strip_suffix(CLOSING)) {
        Some(inner) => STANDARD.decode(inner).ok().and_then(|bytes| String::from_utf8(bytes).ok()),
        None => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirrored(line: &str) -> Mirrored {
        Mirrored::of(&Message::parse(line.as_bytes()).unwrap())
    }

    #[test]
    fn headers_agree_with_what_they_were_made_from() {
        let call = mirrored(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"täg","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        );
        let mut headers = HeaderMap::new();
        call.write(&mut headers);
        assert_eq!(headers[METHOD], "tools/call");
        assert_eq!(headers[NAME], "=?base64?dMOkZw==?=");
        assert!(call.is_modern() && call.differs(&headers).is_none());
        headers.append(METHOD, HeaderValue::from_static("tools/list"));
        assert!(call.differs(&headers).is_some(), "two of one");
        headers.insert(METHOD, HeaderValue::from_static("Tools/call"));
        assert!(call.differs(&headers).is_some());
        headers.remove(METHOD);
        assert!(call.differs(&headers).is_some());
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_encoded() {
        for text in ["a b", " padded", "line\nfeed", "=?base64?x?=", "", "世界"] {
            let value = encoded(text).unwrap();
            assert_eq!(decoded(&value).as_deref(), Some(text), "{value:?}");
        }
        assert_eq!(decoded(&HeaderValue::from_static("=?base64?SGVsbG8?=")), None, "padding is missing");
        assert_eq!(decoded(&HeaderValue::from_static("SGVsbG8=")).as_deref(), Some("SGVsbG8="));
    }

    #[test]
    fn revisions_are_compared_as_dates() {
        assert!(is_modern("2026-07-28") && is_modern("2027-01-01"));
        assert!(!is_modern("2025-11-25") && !is_modern("draft") && !is_modern("9") && !is_modern(""));
    }
}
