//! What the requests of one bridge share: the server's session, and the lines to the client.
//!
//! Invariant: an answer that the server does not give is given here, once, by whoever sent the request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderValue};
use tokio::sync::{Notify, mpsc};

use super::Sent;
use super::params::Params;
use super::stream::Reader;
use crate::mcp::http::call::{Caller, Remote};
use crate::mcp::http::headers::{LAST_EVENT, SESSION, VERSION};
use crate::mcp::http::wire::Address;
use crate::mcp::reply;

const ANY: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a legacy server said of its session.
#[derive(Debug, Default)]
struct Session {
    id: Option<HeaderValue>,
    /// The revision agreed on.
    version: Option<HeaderValue>,
    /// Where messages go (2024-11-05).
    endpoint: Option<Address>,
}

pub struct State {
    pub caller: Caller,
    out: mpsc::Sender<Vec<u8>>,
    session: Mutex<Session>,
    params: Mutex<Params>,
    over: Notify,
    /// The stream of a server of 2024-11-05, until somebody reads it.
    kept: Mutex<Option<Reader>>,
}

impl State {
    pub fn new(remote: Remote, out: mpsc::Sender<Vec<u8>>) -> State {
        State {
            caller: Caller::new(remote),
            out,
            session: Mutex::default(),
            params: Mutex::default(),
            over: Notify::new(),
            kept: Mutex::default(),
        }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What arguments of tools stand in headers, too.
    pub fn params(&self) -> MutexGuard<'_, Params> {
        self.params.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line to the client; waits while it does not read.
    pub async fn say(&self, line: Vec<u8>) {
        // Nobody reads any more: the loop hears of that itself.
        let _ = self.out.send(line).await;
    }

    pub fn tell(&self, what: &str) {
        (self.caller.remote().tell)(what);
    }

    /// Answers in the server's place, or tells where nobody waits for an answer.
    pub async fn fail(&self, sent: &Sent, why: &str) {
        match &sent.id {
            Some(id) => self.say(reply::failed(id, why).trim_ascii_end().to_vec()).await,
            None => self.tell(&format!("'{}' did not reach the server: {why}", sent.method)),
        }
    }

    /// The server's session is over.
    pub fn end(&self) {
        self.over.notify_one();
    }

    pub async fn over(&self) {
        self.over.notified().await;
    }

    pub fn begins(&self, id: Option<HeaderValue>) {
        self.session().id = id;
    }

    pub fn agreed(&self, version: &str) {
        self.session().version = HeaderValue::from_str(version).ok();
    }

    pub fn has_session(&self) -> bool {
        self.session().id.is_some()
    }

    pub fn at(&self, endpoint: Address) {
        self.session().endpoint = Some(endpoint);
    }

    pub fn endpoint(&self) -> Option<Address> {
        self.session().endpoint.clone()
    }

    pub fn keeps(&self, reader: Reader) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
    }

    pub fn kept(&self) -> Option<Reader> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Headers of a message.
    pub fn of_post(&self, sent: &Sent) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(header::ACCEPT, ANY), (header::CONTENT_TYPE, JSON)]);
        if sent.mirrored.is_modern() {
            sent.mirrored.write(&mut headers);
            if let Some(params) = &sent.params {
                self.params().write(&sent.method, params, &mut headers);
            }
        } else if sent.method != "initialize" {
            self.within(&mut headers);
        }
        headers
    }

    /// Headers of a stream of the server's own.
    pub fn of_get(&self, last: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(header::ACCEPT, EVENTS)]);
        self.within(&mut headers);
        if let Some(last) = last.and_then(|last| HeaderValue::from_str(last).ok()) {
            headers.insert(LAST_EVENT, last);
        }
        headers
    }

    fn within(&self, headers: &mut HeaderMap) {
        let session = self.session();
        for (name, value) in [(SESSION, &session.id), (VERSION, &session.version)] {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
    }

    /// Tells the server that its session is over.
    pub async fn leave(&self) {
        if self.has_session() {
            let mut headers = HeaderMap::new();
            self.within(&mut headers);
            if let Err(error) = self.caller.call(&Method::DELETE, &headers, Bytes::new()).await {
                self.tell(&format!("the end of the session did not reach the server: {error}"));
            }
        }
    }
}
