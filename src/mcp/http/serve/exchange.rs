//! One HTTP exchange of a client's: its message judged, sent on with the client's own headers, the answer filtered.
//!
//! Invariant: see `serve`. From 2026-07-28 on headers that do not agree with the body are refused before anything is sent;
//! for earlier revisions the body alone counts. A client that goes away takes its request to the server with it.
//! Leaves to others: whether the answer passes (`filter`).

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::sessions::Shared;
use super::{Front, filter, gate, look, steps};
use crate::mcp::frame::LONGEST;
use crate::mcp::http::body;
use crate::mcp::http::headers::{MISMATCH, Mirrored, SESSION, VERSION, is_modern};
use crate::mcp::http::sse::one_line;
use crate::mcp::relay::Side;
use crate::mcp::{Id, Message};

/// Any body on its way to the client.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Headers of one connection, and those that we say ourselves.
const OWN: [HeaderName; 10] = [
    header::CONNECTION,
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    header::ORIGIN,
    header::PROXY_AUTHORIZATION,
];

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(full(format!("govsh: {text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

pub fn of_json(status: StatusCode, line: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(full(line));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Answers one request of a client's.
pub async fn answer(front: Arc<Front>, request: Request<Incoming>) -> Response<Body> {
    let (parts, incoming) = request.into_parts();
    if let Err(status) = gate::check(&parts.headers, &parts.uri, &front.path, front.port) {
        return plain(status, "not for this address, or not from there");
    }
    let relay = front.sessions.of(&parts.headers);
    let headers = passed_on(&parts.headers);
    match parts.method {
        Method::POST => post(front, relay, &parts.headers, headers, incoming).await,
        Method::GET => forward(&front, &relay, &Method::GET, &headers, Bytes::new()).await,
        Method::DELETE => {
            let response = forward(&front, &relay, &Method::DELETE, &headers, Bytes::new()).await;
            if response.status().is_success() {
                front.sessions.ends(&parts.headers);
            }
            response
        }
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "GET, POST and DELETE alone are MCP"),
    }
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in &OWN {
        headers.remove(name);
    }
    headers
}

async fn post(
    front: Arc<Front>,
    relay: Shared,
    said: &HeaderMap,
    headers: HeaderMap,
    incoming: Incoming,
) -> Response<Body> {
    if body::plain(said).is_err() {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "an encoded body, which cannot be judged");
    }
    let text = match Limited::new(incoming, LONGEST).collect().await {
        Ok(text) => text.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "a message longer than is judged");
        }
        Err(_) => return plain(StatusCode::BAD_REQUEST, "the body breaks off"),
    };
    let line = one_line(&text);
    let message = Message::parse(&line).ok();
    if let Some(refusal) = message.as_ref().and_then(|message| mismatch(message, said)) {
        front.tells.dropped(Side::Client, &refusal);
        return of_json(StatusCode::BAD_REQUEST, refused(message.as_ref(), MISMATCH, &refusal));
    }
    if let Some(message) = &message {
        look::before(&front, message, &headers).await;
    }
    let steps = relay.lock().client(&line, &line, front.tells.now());
    let outcome = steps::carried_out(&front, &relay, steps).await;
    match (outcome.to_server.into_iter().next(), outcome.to_client.into_iter().next()) {
        // What was judged is what is sent: as it came, where the relay changed nothing.
        (Some(passed), _) => {
            let same = passed.trim_ascii() == line.as_slice();
            let body = if same { text } else { Bytes::from(passed) };
            forward(&front, &relay, &Method::POST, &headers, body).await
        }
        (None, Some(answer)) if message.is_none() => of_json(StatusCode::BAD_REQUEST, answer),
        (None, Some(answer)) => of_json(StatusCode::OK, answer),
        (None, None) => {
            let mut response = Response::new(full(""));
            *response.status_mut() = StatusCode::ACCEPTED;
            response
        }
    }
}

/// Headers that contradict the message, where its revision says that they must not.
fn mismatch(message: &Message, headers: &HeaderMap) -> Option<String> {
    let mirrored = Mirrored::of(message);
    let named = headers.get(VERSION).and_then(|version| version.to_str().ok());
    // Whichever of the two says so: else the other would be the way around.
    let modern = mirrored.is_modern() || named.is_some_and(is_modern);
    match (message, modern) {
        (Message::Request { .. } | Message::Notification { .. }, true) => mirrored.differs(headers),
        _ => None,
    }
}

fn refused(message: Option<&Message>, code: i64, why: &str) -> Vec<u8> {
    let id = match message {
        Some(Message::Request { id: Id::Number(number), .. }) => json!(i64::try_from(*number).ok()),
        Some(Message::Request { id: Id::Text(text), .. }) => json!(text),
        _ => json!(null),
    };
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": why } }).to_string().into_bytes()
}

/// Sends it on, and filters what comes back.
async fn forward(
    front: &Arc<Front>,
    relay: &Shared,
    method: &Method,
    headers: &HeaderMap,
    body: Bytes,
) -> Response<Body> {
    match front.caller.call(method, headers, body).await {
        Ok(response) => {
            let begun = response.headers().get(SESSION).filter(|_| response.status().is_success());
            if let (Some(id), &Method::POST) = (begun, method) {
                front.sessions.begins(id, relay);
            }
            filter::response(front, relay, headers, response).await
        }
        Err(error) => {
            (front.caller.remote().tell)(&error.to_string());
            plain(StatusCode::BAD_GATEWAY, &error.to_string())
        }
    }
}
