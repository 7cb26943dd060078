//! MCP servers that the agent reaches by itself: known by a request's headers, or by how its body begins.
//!
//! Invariant: of a request that speaks MCP nothing is sent on unless the policy says that such are only told. What cannot be
//! seen: connections that are not terminated, bodies that are compressed or called neither JSON nor text, a method that stands behind the first [`LOOKED`] bytes
//! with nothing of a message before it, and protocols inside of WebSocket.
//! Leaves to others: which hosts may be reached at all (`judge`), servers that govsh runs itself (`mcp`).

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};

use super::ahead::{Ahead, Reading};
use super::answer::Refusal;
use super::check::{Call, Spot};
use super::judge;
use crate::egress::tunnel::Tunnel;
use crate::event::Event;
use crate::policy::Layer;

/// Bytes of a body that are looked at.
const LOOKED: usize = 64 << 10;
/// Objects and arrays within one another that are followed.
const DEPTH: usize = 512;

/// Methods that only MCP has, or that begin it.
const METHODS: [&[u8]; 9] = [
    b"initialize",
    b"server/discover",
    b"tools/call",
    b"tools/list",
    b"prompts/get",
    b"prompts/list",
    b"resources/read",
    b"resources/list",
    b"subscriptions/listen",
];

/// What the beginning of a body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// No message of MCP, however it goes on.
    Nothing,
    /// It may become one.
    More,
    Message,
}

/// Looks at a request that may go on otherwise. What was read of its body goes on with it.
pub async fn look(
    tunnel: &Tunnel,
    spot: &Spot<'_>,
    call: &Call,
    headers: &HeaderMap,
    body: &mut Incoming,
    ahead: Ahead,
) -> Result<Ahead, Refusal> {
    let named = headers.keys().find(|name| name.as_str().starts_with("mcp-"));
    if let Some(name) = named {
        found(tunnel, spot, &format!("header '{name}'"))?;
        return Ok(ahead);
    }
    // A push of git's is read already, and judged as what it is.
    let encoded = headers.contains_key(header::CONTENT_ENCODING);
    if call.method.as_str() != "POST" || !ahead.bytes.is_empty() || encoded || !may_be_text(headers) {
        return Ok(ahead);
    }
    let mut read = Reading::default();
    let seen = loop {
        match opening(&read.bytes) {
            Seen::More if read.bytes.len() < LOOKED => {}
            seen => break seen,
        }
        match judge::piece(body).await? {
            Some(piece) => read.add(&piece)?,
            None => break Seen::Nothing,
        }
    };
    if seen == Seen::Message || seen == Seen::More && is_half(&read.bytes) {
        found(tunnel, spot, "its body")?;
    }
    Ok(read.done())
}

/// Others may say nothing until they are answered (gRPC), and no server takes them for JSON.
fn may_be_text(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().all(|kind| {
        let kind = String::from_utf8_lossy(kind.as_bytes()).to_ascii_lowercase();
        kind.contains("json") || kind.trim_start().starts_with("text/")
    })
}

/// It is told in any case; and refused, unless the policy says otherwise.
fn found(tunnel: &Tunnel, spot: &Spot<'_>, by: &str) -> Result<(), Refusal> {
    let policy = tunnel.policy();
    let whose = match policy.server_at(spot.host, spot.port) {
        Some(server) => format!("server '{server}' of the policy"),
        None => "an MCP server that the policy does not declare".to_owned(),
    };
    let denies = policy.direct_servers() == crate::policy::mcp::Direct::Deny;
    let verb = if denies { "was about to reach" } else { "reaches" };
    let what = format!("the agent {verb} {whose} by itself, at {}:{} (known by {by})", spot.host.as_str(), spot.port);
    tunnel.bus().publish(Event::Alert { pid: tunnel.pid(), what });
    match denies {
        false => Ok(()),
        true => Err(Refusal {
            status: StatusCode::FORBIDDEN,
            rule: Arc::from("built-in: mcp.direct"),
            layer: Layer::BuiltIn,
            why: format!("it speaks MCP to {whose}; govsh mcp connect NAME is the way to servers"),
        }),
    }
}

/// Which of the two marks of a message stand in what was read so far.
#[derive(Default)]
struct Marks {
    /// `jsonrpc` is a key.
    version: bool,
    /// `method` is a key, and its value one of MCP's.
    method: Option<bool>,
}

fn opening(text: &[u8]) -> Seen {
    let mut reader = Reader { text, at: 0 };
    let marks = reader.marks();
    match (marks.version, marks.method) {
        (_, Some(false)) => Seen::Nothing,
        (true, Some(true)) => Seen::Message,
        _ if reader.at < text.len() => Seen::Nothing,
        _ => Seen::More,
    }
}

/// Half of the marks within all that is looked at: nobody but a message has them.
fn is_half(text: &[u8]) -> bool {
    let marks = Reader { text, at: 0 }.marks();
    marks.version || marks.method == Some(true)
}

/// Reads as far as the text goes; `at` stays before the end where it is no object, or the object ends.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// The keys of the outermost object; of a batch, its first one's.
    fn marks(&mut self) -> Marks {
        let mut marks = Marks::default();
        if self.text.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        if self.peek() == Some(b'[') {
            self.at += 1;
        }
        if self.peek() != Some(b'{') {
            return marks;
        }
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {}
                Some(b',') => {
                    self.at += 1;
                    continue;
                }
                _ => return marks,
            }
            let Some(key) = self.string() else { return marks };
            if self.peek() != Some(b':') {
                return marks;
            }
            self.at += 1;
            match key.as_slice() {
                b"jsonrpc" => marks.version = true,
                b"method" if self.peek() == Some(b'"') => {
                    let Some(method) = self.string() else { return marks };
                    marks.method = Some(METHODS.contains(&method.as_slice()));
                    continue;
                }
                _ => {}
            }
            if marks.version && marks.method.is_some() || self.skip().is_none() {
                return marks;
            }
        }
    }

    /// A string, read; None where it is cut off, and `at` is the end then.
    fn string(&mut self) -> Option<Vec<u8>> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.byte()? {
                b'\\' => drop(self.byte()?),
                b'"' => break,
                _ => {}
            }
        }
        let text = self.text.get(start..self.at)?;
        // What no reader takes for a string is nobody's method.
        Some(serde_json::from_slice::<String>(text).map_or_else(|_| Vec::new(), String::into_bytes))
    }

    /// One value; None where it is cut off.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'{' | b'[' if depth < DEPTH => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth == 0 => return Some(()),
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' if depth == 0 => return Some(()),
                _ => self.at += 1,
            }
            if depth == 0
                && self.text.get(self.at.wrapping_sub(1)).is_some_and(|byte| matches!(byte, b'"' | b'}' | b']'))
            {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_known_by_how_they_begin() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#,
            r#" [ {"method" : "tools/call", "params": {"a":[{"b":"}"}], "method":"x"}, "jsonrpc":"2.0"#,
            r#"{"params":{"method":"eth_call"},"id":[1,2],"jsonrpc":"2.0","m\u0065thod":"server/discover""#,
            "\u{feff}{\"jsonrpc\":\"2.0\",\"method\":\"tools\\/call\"}",
        ] {
            assert_eq!(opening(text.as_bytes()), Seen::Message, "{text}");
        }
        for text in [
            r#"{"model":"m","messages":[{"role":"user","content":"{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\"}"}]}"#,
            r#"{"jsonrpc":"2.0","method":"eth_call","id":1}"#,
            "hello",
            "",
            "{}",
            "[1,2]",
            "{\"a\"}",
            "a=b&method=initialize",
        ] {
            assert_ne!(opening(text.as_bytes()), Seen::Message, "{text}");
        }
        assert_eq!(opening(b"0000001e# service"), Seen::Nothing);
        assert_eq!(opening(br#"{"jsonrpc":"2.0","params":{"x":"#), Seen::More);
        assert!(is_half(br#"{"method":"tools/call","params":{"x":"#) && !is_half(br#"{"model":"x","#));
    }
}
