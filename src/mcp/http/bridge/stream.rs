//! Streams of events: read message by message, and taken up again where they broke off.
//!
//! Invariant: a stream that breaks is asked for again a bounded number of times without a word in between, and never faster
//! than the server said. Specification: MCP 2025-11-25, §Resumability and redelivery.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, StatusCode};

use super::state::State;
use crate::mcp::frame::LONGEST;
use crate::mcp::http::body::{self, BodyError, Kind};
use crate::mcp::http::call::CallError;
use crate::mcp::http::sse::{Event, Events};

/// How long a stream may be silent within an answer.
pub const SILENCE: Duration = Duration::from_secs(600);
/// Without a request there may be nothing to say for long; so often a connection is made anew all the same.
const IDLE: Duration = Duration::from_secs(3600);
/// Breaks in a row after which a stream is given up.
pub const TRIES: u32 = 8;
/// Between two tries, unless the server says otherwise.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why a stream has no further message.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Long(#[from] crate::mcp::http::sse::TooLong),
    #[error("it cannot be taken up again: {0}")]
    Call(#[from] CallError),
    #[error("it cannot be taken up again: the server answered with status {0}")]
    Status(u16),
}

/// Reads one body.
pub struct Reader {
    body: Incoming,
    events: Events,
    ready: std::collections::VecDeque<Event>,
    last: Option<String>,
    pause: Duration,
}

impl Reader {
    pub fn new(body: Incoming) -> Reader {
        Reader {
            body,
            events: Events::new(LONGEST),
            ready: std::collections::VecDeque::new(),
            last: None,
            pause: PAUSE,
        }
    }

    /// The next event; None at the end.
    pub async fn event(&mut self, patience: Duration) -> Result<Option<Event>, StreamError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                if event.id.is_some() {
                    self.last.clone_from(&event.id);
                }
                if let Some(retry) = event.retry {
                    self.pause = Duration::from_millis(retry).min(LONGEST_PAUSE);
                }
                return Ok(Some(event));
            }
            match body::piece(&mut self.body, patience).await? {
                Some(piece) => self.ready.extend(self.events.push(&piece)?),
                None => return Ok(None),
            }
        }
    }

    /// The next message, as a line without its end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StreamError> {
        self.message(SILENCE).await
    }

    async fn message(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, StreamError> {
        while let Some(event) = self.event(patience).await? {
            if let Some(message) = event.message() {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The number of the last event that had one.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref().filter(|last| !last.is_empty())
    }
}

/// Takes a broken stream up behind its last event.
pub async fn resume(state: &State, broken: Reader) -> Result<Reader, StreamError> {
    tokio::time::sleep(broken.pause).await;
    let headers = state.of_get(broken.last());
    let response = state.caller.call(&Method::GET, &headers, Bytes::new()).await?;
    body::plain(response.headers())?;
    if !response.status().is_success() || body::kind(response.headers()) != Kind::Events {
        return Err(StreamError::Status(response.status().as_u16()));
    }
    let mut reader = Reader::new(response.into_body());
    (reader.last, reader.pause) = (broken.last, broken.pause);
    Ok(reader)
}

/// What the server says of itself, for as long as its session lasts.
pub async fn listen(state: Arc<State>) {
    let mut last: Option<String> = None;
    let mut pause = PAUSE;
    let mut silent = 0;
    while silent < TRIES {
        let headers = state.of_get(last.as_deref());
        match state.caller.call(&Method::GET, &headers, Bytes::new()).await {
            Ok(response) if response.status() == StatusCode::METHOD_NOT_ALLOWED => return,
            Ok(response) if response.status().is_success() && body::kind(response.headers()) == Kind::Events => {
                if let Err(error) = body::plain(response.headers()) {
                    return state.tell(&error.to_string());
                }
                let mut reader = Reader::new(response.into_body());
                (reader.last, reader.pause) = (last.take(), pause);
                while let Ok(Some(line)) = reader.message(IDLE).await {
                    silent = 0;
                    state.say(line).await;
                }
                (last, pause) = (reader.last, reader.pause);
            }
            // It has no such stream, or not for us.
            Ok(response) if response.status().is_client_error() => return,
            Ok(_) | Err(_) => {}
        }
        silent += 1;
        tokio::time::sleep(pause * silent).await;
    }
    state.tell("the server's own stream cannot be had: what it says of itself is not heard");
}
