//! The server's answer as the client gets it: status and headers as they came, every message past the relay.
//!
//! Invariant: a body that should carry messages and cannot be read is replaced by an error; of a stream of events, one that
//! cannot be read ends the stream. Bodies that carry none by their status (errors in plain text) are bounded and passed on
//! only as text.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use tokio::sync::mpsc;

use super::exchange::{Body, full, plain};
use super::sessions::Shared;
use super::{Front, steps};
use crate::mcp::frame::LONGEST;
use crate::mcp::http::body::{self, Kind};
use crate::mcp::http::headers::{SESSION, VERSION};
use crate::mcp::http::sse::{Event, Events, one_line};
use crate::mcp::relay::Side;

/// How long a server may say nothing in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(3600);
/// Events that wait for the client to read.
const WAITING: usize = 8;

/// Of the connection, or no longer true once anything was changed.
const DROPPED: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Filters one response.
pub async fn response(
    front: &Arc<Front>,
    relay: &Shared,
    session: &HeaderMap,
    response: Response<Incoming>,
) -> Response<Body> {
    let (mut parts, mut incoming) = response.into_parts();
    if body::plain(&parts.headers).is_err() {
        return plain(StatusCode::BAD_GATEWAY, "the server's answer is encoded, so it cannot be judged");
    }
    let kind = body::kind(&parts.headers);
    for name in &DROPPED {
        parts.headers.remove(name);
    }
    if kind == Kind::Events {
        parts.headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        return Response::from_parts(parts, events(front, relay, session, incoming));
    }
    let text = match body::whole(&mut incoming, LONGEST, SILENCE).await {
        Ok(text) => text,
        Err(error) => return plain(StatusCode::BAD_GATEWAY, &error.to_string()),
    };
    if text.trim_ascii().is_empty() {
        return Response::from_parts(parts, full(text));
    }
    let line = one_line(&text);
    let mut passes = told(front, relay, session, &line).await.into_iter();
    match passes.next() {
        Some(passed) if passed.trim_ascii() == line.as_slice() => Response::from_parts(parts, full(text)),
        Some(passed) => Response::from_parts(parts, full(passed)),
        // A refusal in plain words is no message, and no list either.
        None if kind == Kind::Other && !parts.status.is_success() && !looks_like_json(&line) => {
            parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            Response::from_parts(parts, full(text))
        }
        None if !parts.status.is_success() => plain(parts.status, "the server's words cannot be read as a message"),
        None => plain(StatusCode::BAD_GATEWAY, "the server's answer cannot be read as a message"),
    }
}

fn looks_like_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok() || text.starts_with(b"{") || text.starts_with(b"[")
}

/// What of a message goes to the client: the message first.
async fn told(front: &Arc<Front>, relay: &Shared, session: &HeaderMap, line: &[u8]) -> Vec<Vec<u8>> {
    let steps = relay.lock().server(line, line, front.tells.now());
    let outcome = steps::carried_out(front, relay, steps).await;
    outcome.to_server.into_iter().for_each(|refusal| back(front, session, refusal));
    outcome.to_client
}

/// A refusal to what the server asked of the client, as the client would send it.
fn back(front: &Arc<Front>, session: &HeaderMap, message: Vec<u8>) {
    let mut headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream")),
    ]);
    for name in [SESSION, VERSION] {
        if let Some(value) = session.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let front = Arc::clone(front);
    tokio::spawn(async move {
        if let Err(error) = front.caller.call(&Method::POST, &headers, message.into()).await {
            front.tells.dropped(Side::Client, &format!("a refusal did not reach the server: {error}"));
        }
    });
}

/// A stream of events, each past the relay.
fn events(front: &Arc<Front>, relay: &Shared, session: &HeaderMap, incoming: Incoming) -> Body {
    let (out, pieces) = mpsc::channel(WAITING);
    let (front, relay, session) = (Arc::clone(front), relay.clone(), session.clone());
    let reading = tokio::spawn(async move {
        let closed = out.clone();
        tokio::select! {
            () = read(&front, &relay, &session, incoming, out) => {}
            // The client has gone, and the server hears of it by the end of this task.
            () = closed.closed() => {}
        }
    });
    Pieces { pieces, reading }.boxed_unsync()
}

async fn read(
    front: &Arc<Front>,
    relay: &Shared,
    session: &HeaderMap,
    mut incoming: Incoming,
    out: mpsc::Sender<io::Result<Bytes>>,
) {
    let mut events = Events::new(LONGEST);
    loop {
        let found = match body::piece(&mut incoming, SILENCE).await {
            Ok(Some(piece)) => events.push(&piece).map_err(|long| long.to_string()),
            Ok(None) => return,
            Err(error) => Err(error.to_string()),
        };
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                front.tells.dropped(Side::Server, &why);
                // A client that is gone as well needs not hear of it.
                return drop(out.send(Err(io::ErrorKind::InvalidData.into())).await);
            }
        };
        for event in found {
            for passed in judged(front, relay, session, event).await {
                if out.send(Ok(passed.into())).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The event as the client gets it; nothing where nothing of it may pass.
async fn judged(front: &Arc<Front>, relay: &Shared, session: &HeaderMap, event: Event) -> Vec<Vec<u8>> {
    let Some(line) = event.message() else {
        // Comments, numbers and times to wait: no message, but what the stream lives by. Other data is no part of MCP.
        let bare = event.data.as_deref().is_none_or(|data| data.trim_ascii().is_empty());
        return bare.then_some(event.raw).into_iter().collect();
    };
    let passed = told(front, relay, session, &line).await.into_iter();
    let as_it_came = |passed: Vec<u8>| match passed.trim_ascii() == line.as_slice() {
        true => event.raw.clone(),
        false => event.with(&passed),
    };
    passed.map(as_it_came).collect()
}

/// Pieces of a body as they come.
struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    reading: tokio::task::JoinHandle<()>,
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.pieces.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
