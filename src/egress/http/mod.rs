//! HTTP whose requests are judged one by one: plain HTTP/1, and what is inside of terminated TLS.
//!
//! Invariant: a request is sent on only to the host its connection was judged for, and only after it was judged itself.
//! Memory is bounded: bodies stream, heads and streams are limited. Nothing here outlives the connection.
//! Leaves to others: rules (`policy`), TLS (`tls`), secrets (`credentials`).
//!
//! ```text
//! client ─ watch (HTTP/1: heads looked at) ─ hyper ─ leg ─ far ─ hyper ─ server
//! ```

mod ahead;
mod answer;
mod body;
mod check;
mod direct;
mod far;
mod guard;
pub mod head;
mod judge;
mod leg;
mod note;
mod upgrade;
mod watch;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::Client;
use super::tls::{self, Protocol};
use super::tunnel::Tunnel;
use crate::policy::Host;
use far::{Crew, Far};
use leg::Leg;
use watch::Watch;

/// How long a client may be silent before and within a head.
const HEAD: Duration = Duration::from_secs(300);
/// Bytes read of a client of HTTP/1 and not taken yet: a head must fit.
const BUFFER: usize = 2 * head::LONGEST;
/// Requests of one HTTP/2 connection at a time.
const STREAMS: u32 = 128;
/// Longest list of headers of HTTP/2, in bytes (RFC 9113 §6.5.2).
const HEADERS: u32 = 64 << 10;

/// The server behind a connection whose TLS ends here.
pub struct Way {
    pub protocol: Protocol,
    found: Result<tls::Server, String>,
}

impl Way {
    pub fn found(server: tls::Server, protocol: Protocol) -> Way {
        Way { protocol, found: Ok(server) }
    }

    /// There is none: requests are answered with why.
    pub fn lost(error: &io::Error, protocol: Protocol) -> Way {
        Way { protocol, found: Err(format!("no trusted connection to its host: {error}")) }
    }
}

/// Serves the requests of a client whose TLS ends here. The word on how it ended.
pub async fn serve(
    tunnel: Arc<Tunnel>,
    client: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: Host,
    way: Way,
) -> &'static str {
    let crew = Crew::default();
    let far = Far::new(Arc::clone(&tunnel), host.clone(), true, way.protocol, crew.0.clone());
    let lost = match way.found {
        Ok(server) => far.begin(server).await.err().map(|lost| lost.to_string()),
        Err(why) => Some(why),
    };
    let leg = Arc::new(Leg { tunnel, host, secure: true, far, lost, after: Mutex::default() });
    match way.protocol {
        Protocol::Http1 => one(leg, Watch::new(&[], client)).await,
        Protocol::Http2 => two(leg, client, &crew).await,
    }
}

/// Carries plain HTTP/1 to `host`, `first` being what the client has said so far. The word on how it ended.
pub async fn plain(tunnel: Tunnel, first: Vec<u8>, host: Host) -> &'static str {
    let crew = Crew::default();
    let tunnel = Arc::new(tunnel);
    let client = Client::new(Vec::new(), Arc::clone(&tunnel));
    let far = Far::new(Arc::clone(&tunnel), host.clone(), false, Protocol::Http1, crew.0.clone());
    let leg = Arc::new(Leg { tunnel, host, secure: false, far, lost: None, after: Mutex::default() });
    one(leg, Watch::new(&first, client)).await
}

async fn one(leg: Arc<Leg>, client: Watch<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>) -> &'static str {
    let answering = Arc::clone(&leg);
    let service = service_fn(move |request| Arc::clone(&answering).answer(request));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(head::LINES)
        .preserve_header_case(true)
        .half_close(true)
        .max_buf_size(BUFFER)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(client), service)
        .with_upgrades()
        .await;
    let after = leg.after.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(after) = after {
        after.await;
    }
    if served.is_ok() { "closed" } else { "reset" }
}

async fn two(leg: Arc<Leg>, client: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, crew: &Crew) -> &'static str {
    let service = service_fn(move |request| Arc::clone(&leg).answer(request));
    let served = hyper::server::conn::http2::Builder::new(crew.0.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .max_send_buf_size(far::SEND_BUFFER)
        .initial_stream_window_size(far::STREAM_WINDOW)
        .initial_connection_window_size(far::WINDOW)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(client), service)
        .await;
    if served.is_ok() { "closed" } else { "reset" }
}
