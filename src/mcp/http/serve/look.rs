//! The server's tools, looked at before a call of one that it has not shown: so pins hold for clients that never list them.
//!
//! Invariant: nothing of it reaches the client; one look at a time, and one until the server says that its tools changed.
//! Leaves to others: what is asked and what follows from the answers (`relay::own`).

use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Response};

use super::{Front, steps};
use crate::mcp::Message;
use crate::mcp::frame::LONGEST;
use crate::mcp::http::body::{self, Kind};
use crate::mcp::http::headers::{METHOD, Mirrored, NAME};
use crate::mcp::http::sse::{Events, one_line};

/// How long a look may take in all.
const PATIENCE: Duration = Duration::from_secs(60);
/// Headers that repeat arguments of a tool.
const PARAM: &str = "mcp-param-";

/// Looks, where `message` calls what was not seen. `headers` are those of the call.
pub async fn before(front: &Front, message: &Message, headers: &HeaderMap) {
    let relay = front.sessions.fresh();
    if !relay.lock().must_look_before(message) {
        return;
    }
    let _one = front.looking.lock().await;
    let Some(begun) = relay.lock().look_before(message, front.tells.now()) else { return };
    let looked = tokio::time::timeout(PATIENCE, async {
        let mut outcome = steps::carried_out(front, &relay, begun).await;
        while let Some(request) = outcome.to_server.into_iter().next() {
            let Some(answer) = asked(front, headers, request).await else { return };
            let steps = relay.lock().server(&answer, &answer, front.tells.now());
            outcome = steps::carried_out(front, &relay, steps).await;
        }
    });
    // Without an answer nothing was seen, and what is not pinned is not called.
    drop(looked.await);
}

/// The answer to a request of ours, as a line.
async fn asked(front: &Front, headers: &HeaderMap, request: Vec<u8>) -> Option<Vec<u8>> {
    let message = Message::parse(request.trim_ascii()).ok()?;
    let mut headers = headers.clone();
    let params: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with(PARAM)).cloned().collect();
    for name in params.iter().chain([&METHOD, &NAME]) {
        headers.remove(name);
    }
    let mirrored = Mirrored::of(&message);
    if mirrored.is_modern() {
        mirrored.write(&mut headers);
    }
    let response = front.caller.call(&Method::POST, &headers, Bytes::from(request)).await.ok()?;
    body::plain(response.headers()).ok()?;
    answer(response).await
}

async fn answer(mut response: Response<Incoming>) -> Option<Vec<u8>> {
    match body::kind(response.headers()) {
        Kind::Json => Some(one_line(&body::whole(response.body_mut(), LONGEST, PATIENCE).await.ok()?)),
        Kind::Events => {
            let mut events = Events::new(LONGEST);
            while let Some(piece) = body::piece(response.body_mut(), PATIENCE).await.ok()? {
                let lines = events.push(&piece).ok()?.into_iter().filter_map(|event| event.message());
                let is_answer =
                    |line: &Vec<u8>| matches!(Message::parse(line), Ok(Message::Result { .. } | Message::Error { .. }));
                if let Some(line) = lines.into_iter().find(is_answer) {
                    return Some(line);
                }
            }
            None
        }
        Kind::Other => None,
    }
}
