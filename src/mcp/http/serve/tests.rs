//! The relay for HTTP clients, byte for byte on both sides.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use super::*;
use crate::mcp::http::call::Nobody;
use crate::mcp::http::wire::{Address, Anybody, Dial, Later, Ways};
use crate::mcp::pins::Pinned;
use crate::mcp::relay::{Changed, Now, Question, Side, Told};
use crate::policy::mcp::{McpRule, Moment, Names, Segments, When};
use crate::policy::{RuleId, Verdict};

struct Direct;

impl Dial for Direct {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Later<'a, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect((host, port)))
    }
}

struct Silent;

impl Asks for Silent {
    fn ask(&self, _: Question) -> oneshot::Receiver<bool> {
        oneshot::channel().1
    }
}

impl Tells for Silent {
    fn now(&self) -> Now {
        Now { at: 0, moment: Moment { unix: 0, weekday: 0, minute: 0 }, terminal: false }
    }

    fn told(&self, _: Told) {}

    fn changed(&self, _: Changed) {}

    fn pin(&self, _: Pinned) {}

    fn dropped(&self, _: Side, _: &str) {}
}

fn rule(effect: Verdict, tools: &str) -> McpRule {
    let all = || vec![Segments::parse("**")];
    let names = Names { tools: vec![Segments::parse(tools)], resources: all(), prompts: all(), methods: all() };
    McpRule {
        rule: RuleId(1),
        id: "r".into(),
        effect,
        servers: all(),
        names,
        arguments: Vec::new(),
        forbids_others: false,
        rate: None,
        when: When::default(),
        reason: String::new(),
        cedar: None,
    }
}

/// A server that answers every request with `answer`, and what it was sent.
async fn upstream(answer: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp?k=1", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let asked = request(&mut stream).await;
            told.lock().unwrap().push(asked);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, seen)
}

async fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(text).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    head + &String::from_utf8(body).unwrap()
}

/// One exchange through the relay: what the client gets, and what the server was sent.
async fn exchange(rules: Vec<McpRule>, answer: &str, headers: &str, body: &str) -> (String, Vec<String>) {
    let (url, seen) = upstream(answer.to_owned()).await;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let ways = Ways { dial: Arc::new(Direct), tls: Arc::new(config) };
    let address = Address::parse(&url).unwrap();
    let (credential, certifies) = (Arc::new(Nobody), Arc::new(Anybody));
    let remote = Remote { name: "s".into(), address, ways, credential, certifies, tell: Arc::new(|_| ()) };
    let (_keep, rules) = watch::channel(Arc::from(rules));
    let silent = Arc::new(Silent);
    let relay = Relay::new("s", Arc::clone(&rules.borrow()));
    let serving = Serving { remote, path: "/mcp".into(), rules, relay, asks: silent.clone(), tells: silent };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let served = tokio::spawn(serve(listener, serving));
    let mut client = TcpStream::connect(addr).await.unwrap();
    let length = body.len();
    let text = format!(
        "POST /mcp HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    client.write_all(text.as_bytes()).await.unwrap();
    let mut said = String::new();
    // A stream that is broken off is an error after what came before.
    let _ = client.read_to_string(&mut said).await;
    served.abort();
    let seen = seen.lock().unwrap().clone();
    (said, seen)
}

fn answered(kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nx-own: kept\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

const CALL: &str = "{ \"jsonrpc\": \"2.0\",\n \"id\":1, \"method\":\"tools/call\",\"params\":{\"name\":\"x\"}}";
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const PAGE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"x"},{"name":"y"}]}}"#;

#[tokio::test]
async fn what_is_allowed_passes_as_it_came() {
    let body = "{\r\n \"jsonrpc\":\"2.0\", \"id\":1,\n\"result\":{}}";
    let (said, seen) = exchange(
        vec![rule(Verdict::Allow, "**")],
        &answered("application/json", body),
        "mcp-session-id: a\r\nx-mine: 1\r\naccept-encoding: gzip\r\n",
        CALL,
    )
    .await;
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("x-own: kept") && said.ends_with(body), "{said}");
    assert!(
        seen[0].starts_with("POST /mcp?k=1 ") && seen[0].ends_with(CALL) && seen[0].contains("x-mine: 1"),
        "{seen:?}"
    );
    assert!(seen[0].contains("accept-encoding: identity") && !seen[0].contains("gzip"), "{seen:?}");
    let stream =
        ": hi\r\n\r\nevent: message\r\nid: 4\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata: \"id\":1,\"result\":{}}\r\n\r\n";
    let (said, _) = exchange(vec![rule(Verdict::Allow, "**")], &answered("text/event-stream", stream), "", CALL).await;
    for line in stream.lines().filter(|line| !line.is_empty()) {
        assert!(said.contains(line), "{said}");
    }
}

#[tokio::test]
async fn what_is_denied_is_answered_here() {
    let (said, seen) = exchange(vec![rule(Verdict::Allow, "y")], "", "", CALL).await;
    assert!(said.contains("Unknown tool: x") && seen.is_empty(), "{said}");
    let (said, seen) = exchange(vec![rule(Verdict::Ask, "x")], "", "", CALL).await;
    assert!(said.contains("Denied by policy r") && seen.is_empty(), "{said}");
    for odd in ["", "[]", "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"tools/list\"}", "x"] {
        let (said, seen) = exchange(vec![rule(Verdict::Allow, "**")], "", "", odd).await;
        assert!(said.starts_with("HTTP/1.1 400") || odd.is_empty(), "{odd}: {said}");
        assert!(seen.is_empty(), "{odd}: {seen:?}");
    }
    let (said, seen) = exchange(vec![rule(Verdict::Allow, "**")], "", "content-encoding: gzip\r\n", CALL).await;
    assert!(said.starts_with("HTTP/1.1 415") && seen.is_empty(), "{said}");
}

#[tokio::test]
async fn lists_are_filtered_whatever_they_call_themselves() {
    for kind in ["Application/JSON;x=1", "text/plain"] {
        let (said, _) = exchange(vec![rule(Verdict::Allow, "x")], &answered(kind, PAGE), "", LIST).await;
        assert!(said.contains(r#"[{"name":"x"}]"#) && !said.contains("\"y\""), "{said}");
    }
    let stream = format!("data: {}\ndata: {}\n\n", &PAGE[..17], &PAGE[17..]);
    let (said, _) = exchange(vec![rule(Verdict::Allow, "x")], &answered("text/event-stream", &stream), "", LIST).await;
    assert!(said.contains(r#"[{"name":"x"}]"#) && !said.contains("\"y\""), "{said}");
    for closed in [
        answered("application/json\r\ncontent-encoding: gzip", PAGE),
        answered("text/html", "<tools>y</tools>"),
        answered("application/json", &PAGE.replace("\"id\":1", "\"id\":2")),
        answered("application/json", &format!("[{PAGE}]")),
    ] {
        let (said, _) = exchange(vec![rule(Verdict::Allow, "x")], &closed, "", LIST).await;
        assert!(said.starts_with("HTTP/1.1 502") && !said.contains("\"y\"") && !said.contains("<tools>"), "{said}");
    }
}

#[tokio::test]
async fn headers_agree_with_the_body_from_the_revision_on_that_wants_it() {
    let modern = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let right = "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: x\r\n";
    let ok = answered("application/json", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let all = || vec![rule(Verdict::Allow, "**")];
    let (said, seen) = exchange(all(), &ok, right, modern).await;
    assert!(said.starts_with("HTTP/1.1 200") && seen.len() == 1, "{said}");
    for wrong in [
        String::new(),
        right.replace("name: x", "name: y"),
        right.replace("tools/call", "tools/list"),
        right.replace("2026-07-28", "2025-11-25"),
        format!("{right}mcp-name: y\r\n"),
    ] {
        let (said, seen) = exchange(all(), &ok, &wrong, modern).await;
        assert!(said.starts_with("HTTP/1.1 400") && said.contains("-32020") && seen.is_empty(), "{wrong}: {said}");
    }
    // What the headers alone say is modern is held to it as well.
    let (said, seen) = exchange(all(), &ok, &right.replace("tools/call", "tools/list"), CALL).await;
    assert!(said.contains("-32020") && seen.is_empty(), "{said}");
}
