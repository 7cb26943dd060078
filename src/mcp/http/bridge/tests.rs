//! The bridge against servers that say byte for byte what a test wants.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::mcp::http::call::{Authorizes, Credential, Nobody};
use crate::mcp::http::wire::{Address, Anybody, Dial, Later, Ways};

const PATIENCE: Duration = Duration::from_secs(60);

struct Direct;

impl Dial for Direct {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Later<'a, std::io::Result<TcpStream>> {
        Box::pin(TcpStream::connect((host, port)))
    }
}

fn ways() -> Ways {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    Ways { dial: Arc::new(Direct), tls: Arc::new(config) }
}

/// What a server answers, in turn; the last one stays open where it holds.
enum Answer {
    Whole(String),
    /// And nothing more, until the client closes: then the word on it is kept.
    Held(String),
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    async fn until(&self, wanted: &str) -> String {
        for _ in 0..6000 {
            if let Some(found) = self.all().into_iter().find(|seen| seen.contains(wanted)) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no '{wanted}' in {:#?}", self.all());
    }
}

/// Answers by the first of `script` whose words are all in the request's text.
async fn server(script: Vec<(&'static str, Answer)>) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let (seen, script) = (Seen::default(), Arc::new(Mutex::new(VecDeque::from(script))));
    let told = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(one(stream, told.clone(), Arc::clone(&script)));
        }
    });
    (url, seen)
}

async fn one(stream: TcpStream, seen: Seen, script: Arc<Mutex<VecDeque<(&'static str, Answer)>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if stream.read_line(&mut text).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let length =
            text.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        text.push_str(&String::from_utf8(body).unwrap());
        seen.0.lock().unwrap().push(text.clone());
        let answer = {
            let mut script = script.lock().unwrap();
            let at = script.iter().position(|(words, _)| words.split(' ').all(|word| text.contains(word)));
            at.and_then(|at| script.remove(at)).map(|(_, answer)| answer)
        };
        match answer {
            None => stream.write_all(b"HTTP/1.1 405 x\r\ncontent-length: 0\r\n\r\n").await.unwrap(),
            Some(Answer::Whole(whole)) => stream.write_all(whole.as_bytes()).await.unwrap(),
            Some(Answer::Held(begun)) => {
                stream.write_all(begun.as_bytes()).await.unwrap();
                let closed = stream.read(&mut [0; 1]).await;
                return seen.0.lock().unwrap().push(format!("closed {}", closed.is_ok_and(|read| read == 0)));
            }
        }
        if text.starts_with("GET /once") {
            return;
        }
    }
}

fn json(body: &str) -> Answer {
    with("200 OK", "content-type: Application/JSON; charset=utf-8\r\n", body)
}

fn with(status: &str, headers: &str, body: &str) -> Answer {
    Answer::Whole(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
}

fn events(body: &str) -> Answer {
    with("200 OK", "content-type: text/event-stream\r\n", body)
}

struct Client {
    reads: BufReader<tokio::io::ReadHalf<DuplexStream>>,
    writes: tokio::io::WriteHalf<DuplexStream>,
}

impl Client {
    fn of(url: &str, credential: Arc<dyn Authorizes>) -> Client {
        let address = Address::parse(url).unwrap();
        let certifies = Arc::new(Anybody);
        let remote = Remote { name: "s".into(), address, ways: ways(), credential, certifies, tell: Arc::new(|_| ()) };
        let (reads, writes) = tokio::io::split(bridge(remote));
        Client { reads: BufReader::new(reads), writes }
    }

    async fn says(&mut self, line: &str) {
        self.writes.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn hears(&mut self) -> String {
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, self.reads.read_line(&mut line)).await.unwrap().unwrap();
        line.trim_end().to_owned()
    }

    async fn begins(url: &str) -> Client {
        let mut client = Client::of(url, Arc::new(Nobody));
        client.says(INITIALIZE).await;
        assert!(client.hears().await.contains("2025-11-25"));
        client
    }
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;

fn initialized() -> (&'static str, Answer) {
    let body = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}"#;
    ("initialize", with("200 OK", "content-type: application/json\r\nMcp-Session-Id: s-1\r\n", body))
}

fn call(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"x"}}}}"#)
}

#[tokio::test]
async fn a_session_has_its_headers_and_its_end() {
    let pretty = "{\r\n \"jsonrpc\": \"2.0\",\n \"id\": 1, \"result\": {}}";
    let (url, seen) = server(vec![initialized(), ("tools/call", json(pretty)), ("DELETE", json(""))]).await;
    let mut client = Client::begins(&url).await;
    client.says(&call(1)).await;
    assert_eq!(client.hears().await, pretty.replace(['\r', '\n'], " "));
    let post = seen.until("tools/call").await;
    for header in [
        "mcp-session-id: s-1",
        "mcp-protocol-version: 2025-11-25",
        "accept: application/json, text/event-stream",
        "accept-encoding: identity",
    ] {
        assert!(post.contains(header), "{post}");
    }
    assert!(!post.contains("mcp-method"), "{post}");
    drop(client);
    assert!(seen.until("DELETE /mcp").await.contains("mcp-session-id: s-1"));
}

#[tokio::test]
async fn the_servers_own_stream_is_heard_and_taken_up_again() {
    let first =
        "id: 7\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"method\":\"notifications/message\"}\nretry: 1\n\n: bye\n\n";
    let second = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let script = vec![
        initialized(),
        ("notifications/initialized", with("202 Accepted", "", "")),
        ("GET last-event-id", Answer::Held(format!("{head}{second}"))),
        ("GET", events(first)),
    ];
    let (url, seen) = server(script).await;
    let mut client = Client::begins(&url).await;
    client.says(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!(client.hears().await, r#"{"jsonrpc":"2.0", "method":"notifications/message"}"#);
    assert!(client.hears().await.contains("list_changed"));
    assert!(seen.until("last-event-id").await.contains("last-event-id: 7"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_taken_up_or_is_an_error() {
    let script = vec![
        initialized(),
        ("POST \"id\":1", events("retry: 1\nid: a\ndata:\n\n")),
        ("GET last-event-id: a", events("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n")),
        ("POST \"id\":2", events(": nothing\n\n")),
        ("POST \"id\":3", with("200 OK", "content-type: application/json\r\ncontent-encoding: gzip\r\n", "x")),
        (
            "POST \"id\":4",
            with(
                "400 Bad",
                "content-type: application/json\r\n",
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"m"}}"#,
            ),
        ),
        ("POST \"id\":5", with("307 Over there", "location: http://127.0.0.2/mcp\r\n", "")),
        ("POST \"id\":6", with("404 Gone", "", "")),
    ];
    let (url, _) = server(script).await;
    let mut client = Client::begins(&url).await;
    client.says(&call(1)).await;
    assert_eq!(client.hears().await, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    for (id, word) in
        [(2, "stream ended"), (3, "encoded"), (4, "-32020"), (5, "another origin"), (6, "session is over")]
    {
        client.says(&call(id)).await;
        let answer = client.hears().await;
        assert!(answer.contains(&format!("\"id\":{id}")) && answer.contains(word), "{answer}");
    }
    assert_eq!(client.hears().await, "", "the end of the server's session is the end of the stream");
}

#[tokio::test]
async fn a_modern_request_repeats_itself_in_headers_and_ends_with_its_stream() {
    let listed = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"x","inputSchema":{"properties":{"r":{"x-mcp-header":"Region"}}}}]}}"#;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: begun\n\n";
    let script = vec![("tools/list", json(listed)), ("tools/call", Answer::Held(head.into()))];
    let (url, seen) = server(script).await;
    let mut client = Client::of(&url, Arc::new(Nobody));
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    client.says(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{meta}}}}}"#)).await;
    assert_eq!(client.hears().await, listed);
    client.says(&format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"x","arguments":{{"r":"eu"}},{meta}}}}}"#)).await;
    let post = seen.until("tools/call").await;
    for header in ["mcp-protocol-version: 2026-07-28", "mcp-method: tools/call", "mcp-name: x", "mcp-param-region: eu"]
    {
        assert!(post.contains(header), "{post}");
    }
    client.says(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#).await;
    seen.until("closed").await;
    assert!(!seen.all().iter().any(|seen| seen.contains("notifications/cancelled")));
}

#[tokio::test]
async fn servers_of_the_first_revision_are_spoken_to_in_their_way() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let said = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}"#;
    let late = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let stream = format!("{head}event: endpoint\ndata: /messages?s=1\n\ndata: {said}\n\ndata: {late}\n\n");
    let script = vec![
        ("POST /messages", with("202 Accepted", "", "")),
        ("POST /messages", with("202 Accepted", "", "")),
        ("POST /mcp", with("404 Not Found", "", "")),
        ("GET", Answer::Held(stream)),
    ];
    let (url, seen) = server(script).await;
    let mut client = Client::begins(&url).await;
    client.says(&call(1)).await;
    assert_eq!(client.hears().await, late);
    seen.until("POST /messages?s=1").await;
    let elsewhere = format!("{head}event: endpoint\ndata: http://127.0.0.2:1/steal\n\n");
    let (url, _) = server(vec![("POST", with("405 No", "", "")), ("GET", Answer::Held(elsewhere))]).await;
    let mut client = Client::of(&url, Arc::new(Nobody));
    client.says(INITIALIZE).await;
    assert!(client.hears().await.contains("status 405"));
}

/// Has a stale token, and a fresh one for who asks again.
struct Twice;

impl Authorizes for Twice {
    fn authorize(&self, refused: Option<HeaderValue>) -> Later<'_, Result<Option<Credential>, String>> {
        let value = if refused.is_some() { "Bearer fresh" } else { "Bearer stale" };
        Box::pin(async move { Ok(Some((hyper::header::AUTHORIZATION, HeaderValue::from_static(value)))) })
    }
}

use hyper::header::HeaderValue;

#[tokio::test]
async fn a_credential_is_put_in_and_made_anew_once() {
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let script = vec![
        ("Bearer stale", with("401 Unauthorized", "", "")),
        ("Bearer fresh", json(answer)),
        ("Bearer stale", with("401 Unauthorized", "", "")),
        ("Bearer fresh", with("401 Unauthorized", "", "")),
    ];
    let (url, _) = server(script).await;
    let mut client = Client::of(&url, Arc::new(Twice));
    client.says(&call(1)).await;
    assert_eq!(client.hears().await, answer);
    client.says(&call(2)).await;
    assert!(client.hears().await.contains("govsh mcp login s"));
    let mut client = Client::of("http://192.0.2.1/mcp", Arc::new(Twice));
    client.says(&call(3)).await;
    let answer = client.hears().await;
    assert!(answer.contains("plain HTTP") || answer.contains("cannot be reached"), "{answer}");
}
