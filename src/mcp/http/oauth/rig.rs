//! For tests: a server that wants tokens, and the authorization server that gives them, on one loopback port.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fetch::unescaped;
use crate::mcp::http::wire::{Address, Dial, Later, Ways};

struct Direct;

impl Dial for Direct {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Later<'a, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect((host, port)))
    }
}

pub fn ways() -> Ways {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    Ways { dial: Arc::new(Direct), tls: Arc::new(config) }
}

/// What the authorization server knows and does.
#[derive(Default)]
pub struct Rules {
    /// Answers with another issuer's name.
    pub mixes_up: bool,
    pub no_pkce: bool,
    pub no_registration: bool,
    /// Its metadata is about another server.
    pub other_resource: bool,
}

#[derive(Default)]
struct Known {
    challenge: String,
    redirect: String,
    resource: String,
    /// Tokens given so far; the last one is good.
    given: u32,
}

/// The running pair.
pub struct Rig {
    pub base: String,
    known: Arc<Mutex<Known>>,
}

impl Rig {
    pub async fn start(rules: Rules) -> Rig {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let known = Arc::new(Mutex::new(Known::default()));
        let (own, there, rules) = (base.clone(), Arc::clone(&known), Arc::new(rules));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(one(stream, own.clone(), Arc::clone(&there), Arc::clone(&rules)));
            }
        });
        Rig { base, known }
    }

    pub fn server(&self) -> Address {
        Address::parse(&format!("{}/mcp", self.base)).unwrap()
    }

    /// Tokens given so far.
    pub fn given(&self) -> u32 {
        self.known.lock().unwrap().given
    }

    /// Makes the token that was given last worthless.
    pub fn revoke(&self) {
        self.known.lock().unwrap().given += 100;
    }
}

async fn one(mut stream: TcpStream, base: String, known: Arc<Mutex<Known>>, rules: Arc<Rules>) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let header = |name: &str| {
            head.lines().find_map(|line| line.split_once(": ").filter(|(own, _)| own.eq_ignore_ascii_case(name)))
        };
        let length = header("content-length").map_or(0, |(_, n)| n.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let token = header("authorization").map(|(_, value)| value.to_owned());
        let (status, more, text) =
            answer(method, target, token, &String::from_utf8(body).unwrap(), &base, &mut known.lock().unwrap(), &rules);
        let length = text.len();
        let response = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\n\r\n{text}"
        );
        if stream.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn fields(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), unescaped(value).unwrap())).collect()
}

type Answer = (&'static str, String, String);

fn answer(
    method: &str,
    target: &str,
    token: Option<String>,
    body: &str,
    base: &str,
    known: &mut Known,
    rules: &Rules,
) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let none = String::new;
    match (method, path) {
        ("POST", "/mcp") if token == Some(format!("Bearer access-{}", known.given)) && known.given > 0 => {
            let id = if body.contains("\"id\":2") { 2 } else { 1 };
            ("200 OK", none(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#))
        }
        ("POST", "/mcp") => {
            let challenge = format!(
                "www-authenticate: Bearer resource_metadata=\"{base}/.well-known/oauth-protected-resource/mcp\", scope=\"mcp:use\"\r\n"
            );
            ("401 Unauthorized", challenge, none())
        }
        ("GET", "/.well-known/oauth-protected-resource/mcp") => {
            let resource =
                if rules.other_resource { "https://other.example/mcp".to_owned() } else { format!("{base}/mcp") };
            let text = format!(r#"{{"resource":"{resource}","authorization_servers":["{base}/as"]}}"#);
            ("200 OK", none(), text)
        }
        ("GET", "/.well-known/oauth-authorization-server/as") => {
            let pkce = if rules.no_pkce { "plain" } else { "S256" };
            let register = if rules.no_registration {
                none()
            } else {
                format!(r#""registration_endpoint":"{base}/as/register","#)
            };
            let text = format!(
                r#"{{"issuer":"{base}/as","authorization_endpoint":"{base}/as/authorize","token_endpoint":"{base}/as/token",{register}"code_challenge_methods_supported":["{pkce}"],"authorization_response_iss_parameter_supported":true}}"#
            );
            ("200 OK", none(), text)
        }
        ("POST", "/as/register") => {
            assert!(body.contains("\"token_endpoint_auth_method\":\"none\""), "{body}");
            ("201 Created", none(), r#"{"client_id":"client-1"}"#.to_owned())
        }
        ("GET", "/as/authorize") => {
            let asked = fields(query);
            assert_eq!((&*asked["response_type"], &*asked["code_challenge_method"]), ("code", "S256"));
            assert_eq!(asked["scope"], "mcp:use");
            known.challenge.clone_from(&asked["code_challenge"]);
            known.redirect.clone_from(&asked["redirect_uri"]);
            known.resource.clone_from(&asked["resource"]);
            let issuer = if rules.mixes_up { "https://evil.example" } else { base };
            let to = format!("{}?code=the%20code&state={}&iss={issuer}/as", known.redirect, asked["state"]);
            ("302 Found", format!("location: {to}\r\n"), none())
        }
        ("POST", "/as/token") => token_for(&fields(body), base, known),
        _ => ("404 Not Found", none(), none()),
    }
}

fn token_for(asked: &HashMap<String, String>, base: &str, known: &mut Known) -> Answer {
    let refused = |why: &str| {
        ("400 Bad Request", String::new(), format!(r#"{{"error":"invalid_grant","error_description":"{why}"}}"#))
    };
    if asked.get("resource") != Some(&format!("{base}/mcp"))
        || asked.get("client_id").map(String::as_str) != Some("client-1")
    {
        return refused("whose?");
    }
    match asked["grant_type"].as_str() {
        "authorization_code" => {
            let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, asked["code_verifier"].as_bytes()));
            if asked["code"] != "the code" || challenge != known.challenge || asked["redirect_uri"] != known.redirect {
                return refused("code");
            }
        }
        "refresh_token" if asked["refresh_token"] == format!("refresh-{}", known.given % 100) => {}
        _ => return refused("refresh"),
    }
    known.given = known.given % 100 + 1;
    let given = known.given;
    let text = format!(
        r#"{{"access_token":"access-{given}","token_type":"bearer","expires_in":3600,"refresh_token":"refresh-{given}"}}"#
    );
    ("200 OK", String::new(), text)
}

/// What a browser does with a page: goes there, and where it is sent.
pub async fn browse(page: &str) -> String {
    let mut at = Address::parse(page).unwrap();
    for _ in 0..3 {
        let mut stream = TcpStream::connect((at.origin.host.as_str(), at.origin.port)).await.unwrap();
        let request =
            format!("GET {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", at.target, at.origin.authority());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while !text.contains("\r\n\r\n") {
            let read = stream.read(&mut buffer).await.unwrap();
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        match text.lines().find_map(|line| line.strip_prefix("location: ")) {
            Some(to) => at = at.join(to).unwrap(),
            None => return text,
        }
    }
    panic!("too many redirects")
}
