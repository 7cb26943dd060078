//! One request to a remote server: with its credential, once more after a refusal, and nowhere but to its own origin.
//!
//! Invariant: a credential is put in for the server's origin alone, and only where it stays secret on the way; the server's
//! redirects are followed within that origin, a few of them, and only those that keep the request as it is.
//! Leaves to others: where credentials come from ([`Authorizes`]), what the requests say.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::wire::{Address, Certifies, Later, Ways, Wire, WireError};

/// How long a server may take to begin its answer: a tool may work that long without a word.
const PATIENCE: Duration = Duration::from_secs(600);
/// Redirects of one request.
const REDIRECTS: usize = 3;

/// Where a server's credential comes from.
pub trait Authorizes: Send + Sync {
    /// The header to put in; None where the server has none. `refused` is what the server did not take: another one is
    /// wanted, or an error in words.
    fn authorize(&self, refused: Option<HeaderValue>) -> Later<'_, Result<Option<Credential>, String>>;
}

/// A header with a secret in it.
pub type Credential = (HeaderName, HeaderValue);

/// For servers that want none.
pub struct Nobody;

impl Authorizes for Nobody {
    fn authorize(&self, _: Option<HeaderValue>) -> Later<'_, Result<Option<Credential>, String>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// A server of the policy, and how it is reached.
#[derive(Clone)]
pub struct Remote {
    /// As the policy names it.
    pub name: String,
    pub address: Address,
    pub ways: Ways,
    pub credential: Arc<dyn Authorizes>,
    /// Sees its certificate.
    pub certifies: Arc<dyn Certifies>,
    /// Told what a program's standard error would say.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the server has not answered for {} seconds", PATIENCE.as_secs())]
    Slow,
    #[error("{0}")]
    Credential(String),
    #[error("its credential would go over plain HTTP: not sent")]
    Plain,
    #[error("the server wants authorization: govsh mcp login {0}")]
    Unauthorized(String),
    #[error("the server redirects to another origin: not followed")]
    Redirected,
    #[error("the server redirects in circles")]
    Circles,
}

/// Requests to one server.
pub struct Caller {
    remote: Remote,
    wire: Wire,
}

impl Caller {
    pub fn new(remote: Remote) -> Caller {
        let wire = Wire::new(remote.address.origin.clone(), remote.ways.clone());
        Caller { wire: wire.certified_by(Arc::clone(&remote.certifies)), remote }
    }

    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// To the server's own address.
    pub async fn call(
        &self,
        method: &Method,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, CallError> {
        self.call_at(&self.remote.address, method, headers, body).await
    }

    /// To another address of the same origin.
    pub async fn call_at(
        &self,
        address: &Address,
        method: &Method,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, CallError> {
        let mut address = address.clone();
        let mut credential = self.remote.credential.authorize(None).await.map_err(CallError::Credential)?;
        let mut fresh = false;
        for _ in 0..=REDIRECTS + 1 {
            if address.origin != *self.wire.origin() {
                return Err(CallError::Redirected);
            }
            let response = self.once(&address, method, headers, &body, credential.as_ref()).await?;
            match response.status() {
                StatusCode::UNAUTHORIZED if !fresh && credential.is_some() => {
                    let refused = credential.take().map(|(_, value)| value);
                    let again = self.remote.credential.authorize(refused).await.map_err(CallError::Credential)?;
                    (credential, fresh) = (again, true);
                }
                StatusCode::UNAUTHORIZED => return Err(CallError::Unauthorized(self.remote.name.clone())),
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
                    address = to.and_then(|to| address.join(to)).ok_or(CallError::Redirected)?;
                }
                status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
                    return Err(CallError::Redirected);
                }
                _ => return Ok(response),
            }
        }
        Err(CallError::Circles)
    }

    async fn once(
        &self,
        address: &Address,
        method: &Method,
        headers: &HeaderMap,
        body: &Bytes,
        credential: Option<&Credential>,
    ) -> Result<Response<Incoming>, CallError> {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = method.clone();
        *request.headers_mut() = headers.clone();
        // A compressed answer could not be judged.
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some((name, value)) = credential {
            if !address.origin.keeps_secrets() {
                return Err(CallError::Plain);
            }
            let mut value = value.clone();
            value.set_sensitive(true);
            request.headers_mut().insert(name.clone(), value);
        }
        let sent = self.wire.send(&address.target, request);
        Ok(tokio::time::timeout(PATIENCE, sent).await.map_err(|_| CallError::Slow)??)
    }
}
