//! What a client is told in place of an answer of the server's.
//!
//! Invariant: the text names the rule and nothing that is secret; it is plain text, which git, curl and package managers show.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use crate::policy::Layer;

/// Any body, on its way to the client or to the server.
pub type Body = UnsyncBoxBody<Bytes, Fault>;

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// It held what must not be sent there.
    #[error("refused in the middle")]
    Refused,
}

/// Why a request is not sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    /// As `Rule::name`.
    pub rule: Arc<str>,
    pub layer: Layer,
    /// What is wrong with it, beginning with `it`; for a rule its name says it.
    pub why: String,
}

impl Refusal {
    /// By what is built in.
    pub fn of(status: StatusCode, why: &str) -> Refusal {
        Refusal { status, rule: Arc::from("built-in: requests"), layer: Layer::BuiltIn, why: why.to_owned() }
    }

    /// Because of a credential.
    pub fn secret(why: String) -> Refusal {
        let rule = Arc::from("built-in: credentials");
        Refusal { status: StatusCode::FORBIDDEN, rule, layer: Layer::BuiltIn, why }
    }

    /// By a rule of the policy.
    pub fn by(rule: Arc<str>, layer: Layer) -> Refusal {
        Refusal { status: StatusCode::FORBIDDEN, rule, layer, why: String::new() }
    }

    /// The server could not be asked.
    pub fn lost(why: String) -> Refusal {
        Refusal { status: StatusCode::BAD_GATEWAY, rule: Arc::from(""), layer: Layer::BuiltIn, why }
    }

    /// Nobody decided against it: the network did.
    pub fn is_lost(&self) -> bool {
        self.status == StatusCode::BAD_GATEWAY
    }

    /// The answer; `what` is the request, as people read it. `last`: nothing more is read on this connection.
    pub fn answer(&self, what: impl fmt::Display, last: bool) -> Response<Body> {
        let text = match (self.is_lost(), self.why.is_empty()) {
            (true, _) => format!("govsh: {what}: {}\n", self.why),
            (false, true) => format!("govsh: {what} is denied by {}\n", self.rule),
            (false, false) => format!("govsh: {what} is refused: {}\n", self.why),
        };
        let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if last {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
