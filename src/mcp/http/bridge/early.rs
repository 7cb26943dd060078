//! Servers of 2024-11-05 (§HTTP with SSE): one stream of events for everything, and a second address for messages.
//!
//! Invariant: messages go to an address of the server's own origin only, whatever its stream names.

use bytes::Bytes;
use hyper::Method;

use super::state::State;
use super::stream::{Reader, SILENCE};
use super::{Sent, post};
use crate::mcp::http::body::{self, Kind};
use crate::mcp::http::wire::Address;

/// Tries whether the server is one of those; true: its first request is on its way, and answered on the stream.
pub async fn begin(state: &State, first: &Sent) -> bool {
    let Ok(response) = state.caller.call(&Method::GET, &state.of_get(None), Bytes::new()).await else { return false };
    let events = response.status().is_success() && body::kind(response.headers()) == Kind::Events;
    if !events || body::plain(response.headers()).is_err() {
        return false;
    }
    let mut reader = Reader::new(response.into_body());
    let Ok(Some(event)) = reader.event(SILENCE).await else { return false };
    let named = event.data.as_deref().and_then(|data| std::str::from_utf8(data).ok());
    let own = &state.caller.remote().address;
    let endpoint = named.filter(|_| event.kind.as_deref() == Some("endpoint")).and_then(|named| own.join(named));
    let Some(endpoint) = endpoint.filter(|endpoint| endpoint.origin == own.origin) else { return false };
    state.at(endpoint.clone());
    post(state, &endpoint, first).await;
    // Everything that the server says comes here; the next line of the client's waits for the first answer only.
    let Some(id) = &first.id else { return true };
    while let Ok(Some(line)) = reader.next().await {
        let answered = post::told(state, first, id, &line);
        state.say(line).await;
        if answered {
            state.keeps(reader);
            return true;
        }
    }
    state.fail(first, "the stream ended before its answer").await;
    state.end();
    true
}

/// A message to the second address; its answer comes on the stream.
pub async fn post(state: &State, endpoint: &Address, sent: &Sent) {
    let body = Bytes::from(sent.line.clone());
    match state.caller.call_at(endpoint, &Method::POST, &state.of_post(sent), body).await {
        Ok(response) if response.status().is_success() => {}
        Ok(response) => {
            let why = format!("the server answered with status {}", response.status().as_u16());
            state.fail(sent, &why).await;
        }
        Err(error) => state.fail(sent, &error.to_string()).await,
    }
}

/// Passes on what the server says, to the end of its stream, which is the end of the session.
pub async fn listen(state: &State, mut reader: Reader) {
    while let Ok(Some(line)) = reader.next().await {
        state.say(line).await;
    }
    state.end();
}
