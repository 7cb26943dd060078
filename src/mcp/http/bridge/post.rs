//! One message to the server, and what comes back for it.
//!
//! Invariant: see `bridge`. An answer is taken from the stream it came on; one that breaks off before it is taken up again
//! where the server numbers its events, and else answered with an error.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};

use super::state::State;
use super::stream::{self, Reader};
use super::{Sent, early};
use crate::mcp::frame::LONGEST;
use crate::mcp::http::body::{self, Kind};
use crate::mcp::http::headers::SESSION;
use crate::mcp::http::sse::one_line;
use crate::mcp::{Id, Message};
use crate::policy::mcp::Value;

/// Sends it and passes on what comes back.
pub async fn exchange(state: &State, sent: &Sent) {
    if let Some(endpoint) = state.endpoint() {
        return early::post(state, &endpoint, sent).await;
    }
    let body = Bytes::from(sent.line.clone());
    match state.caller.call(&Method::POST, &state.of_post(sent), body).await {
        Err(error) => state.fail(sent, &error.to_string()).await,
        Ok(response) => answer(state, sent, response).await,
    }
}

async fn answer(state: &State, sent: &Sent, mut response: Response<Incoming>) {
    let status = response.status();
    if let Err(error) = body::plain(response.headers()) {
        return state.fail(sent, &error.to_string()).await;
    }
    let legacy = !sent.mirrored.is_modern();
    if status == StatusCode::NOT_FOUND && legacy && sent.method != "initialize" && state.has_session() {
        // The client has to begin anew, as with a program that ended.
        state.begins(None);
        state.fail(sent, "the server's session is over").await;
        return state.end();
    }
    let kind = body::kind(response.headers());
    if !status.is_success() {
        return refused(state, sent, response, kind).await;
    }
    if sent.method == "initialize" {
        state.begins(response.headers().get(SESSION).cloned());
    }
    match (kind, &sent.id) {
        (_, None) => {}
        (Kind::Json, Some(id)) => match body::whole(response.body_mut(), LONGEST, stream::SILENCE).await {
            Ok(json) => {
                let line = one_line(&json);
                let answered = told(state, sent, id, &line);
                state.say(line).await;
                if !answered {
                    state.fail(sent, "the server answered something else").await;
                }
            }
            Err(error) => state.fail(sent, &error.to_string()).await,
        },
        (Kind::Events, Some(id)) => events(state, sent, id, response.into_body()).await,
        (Kind::Other, Some(_)) => state.fail(sent, "the server answered with neither JSON nor events").await,
    }
}

/// The server's error, as its own words where it has some that a client may read.
async fn refused(state: &State, sent: &Sent, mut response: Response<Incoming>, kind: Kind) {
    let status = response.status();
    let said = match kind {
        Kind::Json => body::whole(response.body_mut(), LONGEST, stream::SILENCE).await.unwrap_or_default(),
        Kind::Events | Kind::Other => Vec::new(),
    };
    let line = one_line(&said);
    match (Message::parse(&line), &sent.id) {
        (Ok(Message::Error { id, .. }), Some(own)) if id.as_ref() == Some(own) => state.say(line).await,
        // The server could not tell which request it refuses; we can.
        (Ok(Message::Error { id: None, .. }), Some(own)) => match restated(own, &line) {
            Some(line) => state.say(line).await,
            None => state.fail(sent, "the server's error cannot be read").await,
        },
        _ => {
            let early =
                matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
            if !(early && sent.method == "initialize" && early::begin(state, sent).await) {
                state.fail(sent, &format!("the server answered with status {}", status.as_u16())).await;
            }
        }
    }
}

/// An error without an id, as the answer to the request that it is about.
fn restated(id: &Id, line: &[u8]) -> Option<Vec<u8>> {
    #[derive(serde::Deserialize)]
    struct Only<'l> {
        #[serde(borrow)]
        error: &'l serde_json::value::RawValue,
    }
    let Only { error } = serde_json::from_slice(line).ok()?;
    Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into_bytes())
}

/// Events up to the answer, and the few that may follow it.
async fn events(state: &State, sent: &Sent, id: &Id, body: Incoming) {
    let mut reader = Reader::new(body);
    let mut answered = false;
    let mut breaks = 0;
    loop {
        match reader.next().await {
            Ok(Some(line)) => {
                breaks = 0;
                answered |= told(state, sent, id, &line);
                state.say(line).await;
            }
            ended => {
                if answered {
                    return;
                }
                let why =
                    ended.err().map_or_else(|| "the stream ended before its answer".to_owned(), |e| e.to_string());
                breaks += 1;
                let resumable = !sent.mirrored.is_modern() && reader.last().is_some() && breaks <= stream::TRIES;
                match resumable {
                    false => return state.fail(sent, &why).await,
                    true => match stream::resume(state, reader).await {
                        Ok(again) => reader = again,
                        Err(error) => return state.fail(sent, &format!("{why}; {error}")).await,
                    },
                }
            }
        }
    }
}

/// Whether this line answers the request; what it says of session and tools is kept.
pub fn told(state: &State, sent: &Sent, id: &Id, line: &[u8]) -> bool {
    match Message::parse(line) {
        Ok(Message::Result { id: own, result }) if own == *id => {
            match sent.method.as_str() {
                "initialize" => {
                    if let Some(version) = result.field("protocolVersion").and_then(Value::text) {
                        state.agreed(version);
                    }
                }
                "tools/list" => state.params().learn(&result),
                _ => {}
            }
            true
        }
        Ok(Message::Error { id: Some(own), .. }) => own == *id,
        _ => false,
    }
}
