//! One log-in: a page for the user's browser, and the answer it brings back (RFC 8252 §7.3, RFC 7636).
//!
//! Invariant: only an answer with the state that was made for this log-in is read; the listener is on loopback and closed
//! with the first of them; the code is worth nothing without the verifier, which never leaves this process but to the
//! token's address.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zeroize::Zeroizing;

use super::discover::Place;
use super::fetch::{self, OauthError, address, form, shown, unescaped};
use super::tokens::{Client, FORM, Granted, Tokens};
use crate::mcp::http::wire::{Address, Ways};

/// For the user to log in.
const PATIENCE: Duration = Duration::from_secs(300);
/// Longest request of the browser's, in bytes, and how long it may take.
const LONGEST: usize = 16 << 10;
const HEAD: Duration = Duration::from_secs(10);

/// A log-in that waits for the browser.
pub struct Login {
    place: Place,
    client: Client,
    listener: TcpListener,
    redirect: String,
    state: String,
    verifier: Zeroizing<String>,
    /// What the browser is to open.
    pub page: String,
}

/// RFC 7591 §2.
#[derive(Serialize)]
struct Registration<'r> {
    client_name: &'static str,
    redirect_uris: [&'r str; 1],
    grant_types: [&'static str; 2],
    response_types: [&'static str; 1],
    token_endpoint_auth_method: &'static str,
    application_type: &'static str,
}

#[derive(Deserialize)]
struct Registered {
    client_id: String,
    #[serde(default)]
    client_secret: String,
}

/// Begins one: listens, registers us where we are not known (`client`), and says what to open.
pub async fn begin(ways: &Ways, place: Place, client: Option<Client>) -> Result<Login, OauthError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(OauthError::Listen)?;
    let port = listener.local_addr().map_err(OauthError::Listen)?.port();
    let redirect = format!("http://127.0.0.1:{port}/callback");
    let client = match (client, &place.register) {
        (Some(client), _) => client,
        (None, Some(at)) => register(ways, at, &redirect).await?,
        (None, None) => return Err(OauthError::NoClient),
    };
    let (state, verifier) = (unguessable()?, unguessable()?);
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let scope = place.scopes.join(" ");
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", client.id.as_str()),
        ("redirect_uri", redirect.as_str()),
        ("state", state.as_str()),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("resource", place.resource.as_str()),
    ];
    if !scope.is_empty() {
        fields.push(("scope", scope.as_str()));
    }
    let joint = if place.authorize.target.contains('?') { '&' } else { '?' };
    let page = format!("{}{joint}{}", place.authorize, form(&fields));
    Ok(Login { client, listener, state: state.to_string(), verifier, page, redirect, place })
}

async fn register(ways: &Ways, at: &Address, redirect: &str) -> Result<Client, OauthError> {
    let wanted = Registration {
        client_name: "govsh",
        redirect_uris: [redirect],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
        application_type: "native",
    };
    let unreadable = |_| OauthError::Unreadable { at: at.to_string() };
    let body = serde_json::to_string(&wanted).map_err(unreadable)?;
    let registered: Registered = fetch::post(ways, at, "application/json", body).await?.read()?;
    Ok(Client { id: registered.client_id, secret: registered.client_secret })
}

/// 256 bits, as text that may stand in a URL.
pub fn unguessable() -> Result<Zeroizing<String>, OauthError> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *bytes).map_err(|_| OauthError::Random)?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

impl Login {
    /// Waits for the browser and fetches the tokens; `server` is whom they are for.
    pub async fn finish(self, ways: &Ways, server: &Address) -> Result<Tokens, OauthError> {
        let code = tokio::time::timeout(PATIENCE, self.code()).await.map_err(|_| OauthError::NoAnswer)??;
        let at = self.place.token.to_string();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", self.redirect.as_str()),
            ("code_verifier", self.verifier.as_str()),
            ("resource", self.place.resource.as_str()),
        ];
        fields.extend(self.client.fields());
        let answer = fetch::post(ways, &address(&at)?, FORM, form(&fields)).await?;
        let granted = answer.read::<Granted>()?.check(&at)?;
        let mut tokens = Tokens {
            server: server.to_string(),
            resource: self.place.resource.clone(),
            issuer: self.place.issuer.clone(),
            token_endpoint: at,
            client: self.client.clone(),
            access: String::new(),
            refresh: String::new(),
            expires: 0,
        };
        tokens.take(&granted);
        Ok(tokens)
    }

    /// The code of the first answer that is ours; whatever else comes to the port is turned away.
    async fn code(&self) -> Result<Zeroizing<String>, OauthError> {
        loop {
            let (mut stream, _) = self.listener.accept().await.map_err(OauthError::Listen)?;
            let head = tokio::time::timeout(HEAD, target(&mut stream)).await.ok().flatten();
            let Some(found) = head.and_then(|target| self.read(&target)) else {
                reply(&mut stream, "404 Not Found", "This is not the answer that govsh waits for.").await;
                continue;
            };
            match &found {
                Ok(_) => reply(&mut stream, "200 OK", "govsh is authorized. You can close this page.").await,
                Err(_) => reply(&mut stream, "200 OK", "govsh was not authorized. You can close this page.").await,
            }
            return found;
        }
    }

    /// None: not for us.
    fn read(&self, target: &str) -> Option<Result<Zeroizing<String>, OauthError>> {
        let query = target.strip_prefix("/callback?")?;
        let field = |name: &str| {
            let mut values = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name);
            let first = values.next().and_then(|(_, value)| unescaped(value));
            first.filter(|_| values.next().is_none())
        };
        let state = field("state")?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(state.as_bytes(), self.state.as_bytes())) {
            return None;
        }
        let issuer = field("iss");
        if issuer.as_ref().is_some_and(|issuer| *issuer != self.place.issuer)
            || issuer.is_none() && self.place.names_itself
        {
            return Some(Err(OauthError::Refused("the answer is another authorization server's".to_owned())));
        }
        Some(match (field("error"), field("code")) {
            (Some(error), _) => Err(OauthError::Refused(shown(&error))),
            (None, Some(code)) => Ok(Zeroizing::new(code)),
            (None, None) => Err(OauthError::Refused("the answer has no code".to_owned())),
        })
    }
}

/// The target of a GET.
async fn target(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST {
        head.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).ok()?;
    let mut words = text.lines().next()?.split(' ');
    (words.next()? == "GET").then(|| words.next().map(str::to_owned)).flatten()
}

async fn reply(stream: &mut TcpStream, status: &str, text: &str) {
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncache-control: no-store\r\nreferrer-policy: no-referrer\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    // The browser may be gone; the code is here.
    let _ = stream.write_all(response.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_words_are_long_and_differ() {
        let (one, two) = (unguessable().unwrap(), unguessable().unwrap());
        assert!(one.len() == 43 && one != two && fetch::escaped(&one) == *one);
    }
}
