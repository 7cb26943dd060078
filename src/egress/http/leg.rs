//! Requests of one connection, one by one: checked, judged, sent on, their responses cleaned.
//!
//! Invariant: every request is judged by the policy in force when it comes, however many came before it on this connection;
//! what is sent on names the judged host as its own.
//! Leaves to others: the connections themselves (`http`, `far`), each step's rules (`check`, `judge`, `guard`).
//!
//! ```text
//! request ─ check ─ judge ─ guard: look ─ strip ─ guard: fill ─ far ─▶ server
//!                                         client ◀─ Received: redacted, counted ◀─ clean ◀─┘
//! ```

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Uri, Version};

use super::ahead::Ahead;
use super::answer::{Body, Refusal};
use super::body::{Received, Sent};
use super::check::{self, Call, Spot};
use super::far::Far;
use super::guard::{self, Guard};
use super::note::Note;
use super::{direct, judge, upgrade};
use crate::egress::credentials::sigv4;
use crate::egress::tls::Protocol;
use crate::egress::tunnel::Tunnel;
use crate::policy::Host;

/// Longest body that is kept whole to be signed, in bytes.
const SIGNED: usize = 8 << 20;

/// What goes on when the connection has stopped being HTTP.
pub type After = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One connection of the agent's and the server behind it.
pub struct Leg {
    pub tunnel: Arc<Tunnel>,
    pub host: Host,
    pub secure: bool,
    pub far: Far,
    /// Why there is no server.
    pub lost: Option<String>,
    pub after: Mutex<Option<After>>,
}

/// A request that may be sent on.
struct Ready {
    request: Request<Body>,
    refused: Arc<std::sync::atomic::AtomicBool>,
    /// A secret was put into it.
    filled: bool,
    upgrade: Option<OnUpgrade>,
}

impl Leg {
    pub fn spot(&self) -> Spot<'_> {
        Spot { host: &self.host, port: self.tunnel.port, secure: self.secure }
    }

    /// Answers one request.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let mut note = Note::new(&self.tunnel, &self.host, request.method(), request.uri());
        // Bytes behind a head that asks for another protocol were not looked at.
        let opened = request.headers().contains_key(header::UPGRADE);
        let (what, wrong) = (note.to_string(), request.method().as_str() == super::watch::REFUSED);
        match self.exchange(request, &mut note).await {
            Ok(response) => Ok(self.respond(response, note, opened)),
            Err(refusal) => {
                note.refused(&refusal);
                let last = opened || wrong || refusal.status == StatusCode::MISDIRECTED_REQUEST;
                Ok(refusal.answer(what, last && self.far.protocol() == Protocol::Http1))
            }
        }
    }

    async fn exchange(&self, request: Request<Incoming>, note: &mut Note) -> Result<Response<Incoming>, Refusal> {
        let spot = self.spot();
        let (mut parts, mut body) = request.into_parts();
        let call = check::call(&parts, &spot)?;
        let passed = judge::judge(&self.tunnel, &spot, &call, &parts.headers, &mut body).await?;
        note.allowed(&passed.ruling.rule, passed.ruling.layer);
        let policy = self.tunnel.policy();
        let place = (&self.host, self.tunnel.port, self.secure);
        let guard = Guard::new(&self.tunnel.shared.secrets, &policy, place, &call);
        if guard.may_echo() && matches!(call.method.as_str(), "TRACE" | "TRACK") {
            return Err(Refusal::of(StatusCode::FORBIDDEN, "it has the server send it back, and a credential with it"));
        }
        let told = Arc::from(self.host.as_str());
        guard.look(&call, &parts.headers).map_err(|mark| guard::block(&self.tunnel, &told, mark))?;
        note.hides(self.tunnel.shared.secrets.echoed(&guard.near()));
        if let Some(lost) = &self.lost {
            return Err(Refusal::lost(lost.clone()));
        }
        let ahead = direct::look(&self.tunnel, &spot, &call, &parts.headers, &mut body, passed.ahead).await?;
        let ready = self.prepare(&mut parts, body, ahead, &call, &guard, note).await?;
        let sent = self.far.send(ready.request).await;
        if ready.refused.load(std::sync::atomic::Ordering::Acquire) {
            return Err(Refusal::secret("its body carries what stands for a credential, or a secret".to_owned()));
        }
        let mut response = sent.map_err(|lost| Refusal::lost(lost.to_string()))?;
        if ready.filled && is_encoded(response.headers()) {
            return Err(Refusal::secret("its response is compressed, so a secret in it could not be found".to_owned()));
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(client) = ready.upgrade else {
                return Err(Refusal::lost("the server changed to a protocol nobody asked for".to_owned()));
            };
            let server = hyper::upgrade::on(&mut response);
            let after = upgrade::carry(client, server, Arc::clone(&self.tunnel), Arc::clone(note.hidden()));
            *self.after.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(after));
        }
        Ok(response)
    }

    /// Makes what is sent on of what came.
    async fn prepare(
        &self,
        parts: &mut Parts,
        mut body: Incoming,
        mut ahead: Ahead,
        call: &Call,
        guard: &Guard<'_>,
        note: &Note,
    ) -> Result<Ready, Refusal> {
        let upgrade = call.upgrade.then(|| parts.extensions.remove::<OnUpgrade>()).flatten();
        let mut headers = std::mem::take(&mut parts.headers);
        check::strip(&mut headers);
        headers.remove(header::EXPECT);
        let (filled, resign) = guard.fill(&mut headers, note)?;
        let host = check::host_value(&self.spot());
        let mut rest = Some(body);
        if let Some(resign) = resign {
            if resign.needs_body(&headers) && ahead.bytes.is_empty() {
                body = rest.take().ok_or_else(|| Refusal::lost(String::new()))?;
                ahead = judge::whole(&HeaderMap::new(), &mut body, SIGNED).await?;
            }
            let payload = sigv4::digest(&ahead.bytes);
            resign.sign(call, &mut headers, &host, Some(&payload))?;
        }
        let licence = guard.licence();
        let (tunnel, told) = (Arc::clone(&self.tunnel), Arc::<str>::from(self.host.as_str()));
        let found = move |mark| {
            let refuses = licence.refuses(mark);
            if refuses {
                drop(guard::block(&tunnel, &told, mark));
            }
            refuses
        };
        let sent = Sent::new(ahead, rest, Arc::clone(self.tunnel.entry()), note.counter());
        let (sent, refused) = sent.scanned(self.tunnel.shared.secrets.sent(), Box::new(found));
        if upgrade.is_some() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        let request = self.request(parts, headers, call, &host, sent.boxed_unsync())?;
        Ok(Ready { request, refused, filled, upgrade })
    }

    /// As the server's protocol has it: the host in a header, or in the target.
    fn request(
        &self,
        parts: &Parts,
        mut headers: HeaderMap,
        call: &Call,
        host: &str,
        body: Body,
    ) -> Result<Request<Body>, Refusal> {
        let odd = || Refusal::of(StatusCode::BAD_REQUEST, "it cannot be written for its server");
        let mut request = Request::new(body);
        *request.method_mut() = call.method.clone();
        let uri = Uri::builder().path_and_query(call.target.clone());
        match self.far.protocol() {
            Protocol::Http1 => {
                headers.insert(header::HOST, HeaderValue::from_str(host).map_err(|_| odd())?);
                *request.uri_mut() = uri.build().map_err(|_| odd())?;
                *request.extensions_mut() = parts.extensions.clone();
            }
            Protocol::Http2 => {
                headers.remove(header::HOST);
                *request.uri_mut() = uri.scheme("https").authority(host).build().map_err(|_| odd())?;
                *request.version_mut() = Version::HTTP_2;
            }
        }
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The server's response as the client gets it.
    fn respond(&self, response: Response<Incoming>, mut note: Note, opened: bool) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        let switching = parts.status == StatusCode::SWITCHING_PROTOCOLS;
        check::strip(&mut parts.headers);
        note.clean(&mut parts.headers);
        note.status(parts.status);
        if switching {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        } else if opened && self.far.protocol() == Protocol::Http1 {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        parts.version = Version::HTTP_11;
        if switching {
            // It is answered with its head; what follows is counted by the tunnel.
            return Response::from_parts(parts, Full::default().map_err(|never| match never {}).boxed_unsync());
        }
        let hidden = Arc::clone(note.hidden());
        let body = Received::new(body, &hidden, note, Arc::clone(self.tunnel.entry()));
        Response::from_parts(parts, body.boxed_unsync())
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}
