//! A server behind a URL, for clients that speak HTTP themselves: their exchanges, judged message by message.
//!
//! ```text
//! client ─ gate: path, Host, Origin ─ exchange ─ Relay::client ─▶ call ─▶ server
//!        ◀─ status, headers, JSON or events as they came ◀─ filter ◀─ Relay::server ◀─┘
//! ```
//! Invariant: no body reaches the other side that the relay has not read and let pass; one that cannot be read is answered
//! with an error, whatever its type. What passes unchanged is passed on as its bytes, with its status and headers.
//! Leaves to others: what passes (`relay`), asking and recording (`connection::{Asks, Tells}`), the request itself (`call`).

mod exchange;
mod filter;
mod gate;
mod look;
mod sessions;
mod steps;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::call::{Caller, Remote};
use crate::mcp::connection::{Asks, Tells};
use crate::mcp::relay::Relay;
use crate::policy::mcp::McpRule;
use sessions::Sessions;

/// Connections at a time.
const CONNECTIONS: usize = 256;
/// How long a client may take for a head.
const HEAD: Duration = Duration::from_secs(60);
/// Headers of a request.
const HEADERS: usize = 128;

/// What is served.
pub struct Serving {
    pub remote: Remote,
    /// The only path that is answered, with its `/`.
    pub path: String,
    /// In force: what is replaced holds for sessions that begin then.
    pub rules: watch::Receiver<Arc<[McpRule]>>,
    /// By those rules, and with what the server is held to: all exchanges are judged beside it.
    pub relay: Relay,
    pub asks: Arc<dyn Asks>,
    pub tells: Arc<dyn Tells>,
}

/// One served server.
struct Front {
    caller: Caller,
    path: String,
    port: u16,
    asks: Arc<dyn Asks>,
    tells: Arc<dyn Tells>,
    sessions: Sessions,
    /// Held by whoever looks at the server's tools.
    looking: tokio::sync::Mutex<()>,
}

/// Serves until it is dropped, or the listener fails.
pub async fn serve(listener: TcpListener, serving: Serving) -> io::Error {
    let port = match listener.local_addr() {
        Ok(addr) => addr.port(),
        Err(error) => return error,
    };
    let Serving { remote, path, rules, relay, asks, tells } = serving;
    let sessions = Sessions::new(relay, rules);
    let front = Arc::new(Front {
        caller: Caller::new(remote),
        path,
        port,
        asks,
        tells,
        sessions,
        looking: tokio::sync::Mutex::default(),
    });
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(seat) = Arc::clone(&room).acquire_owned().await else { return io::ErrorKind::BrokenPipe.into() };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // A client that is gone again already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return error,
        };
        while connections.try_join_next().is_some() {}
        let front = Arc::clone(&front);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let front = Arc::clone(&front);
                async move { Ok::<_, Infallible>(exchange::answer(front, request).await) }
            });
            // How it ends is the client's part; what was open on it is closed with it.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_headers(HEADERS)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(seat);
        });
    }
}
