//! The server's side: one connection, made anew when the server has closed it between two requests.
//!
//! Invariant: every connection is dialled by the leg's own host, verified for it where the leg is TLS, and speaks what the
//! first one spoke. What it needs beside it ends with it ([`Tasks`]).
//! Leaves to others: what is sent (`leg`), dialling (`tunnel`, `tls`).

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::client::conn::{TrySendError, http1, http2};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::answer::Body;
use crate::egress::tls::{self, Protocol};
use crate::egress::tunnel::Tunnel;
use crate::policy::Host;

/// Bytes of a stream and of a connection of HTTP/2 that may come before they are asked for.
pub const STREAM_WINDOW: u32 = 512 << 10;
pub const WINDOW: u32 = 1 << 20;
/// Bytes of a stream that wait to be sent.
pub const SEND_BUFFER: usize = 64 << 10;

/// Provisional responses to one request, at most (RFC 9110 §15.2).
const PROVISIONAL: usize = 64;

/// Tasks that end with the leg.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Mutex<Option<JoinSet<()>>>>);

/// Ends them when dropped.
pub struct Crew(pub Tasks);

impl Default for Crew {
    fn default() -> Crew {
        Crew(Tasks(Arc::new(Mutex::new(Some(JoinSet::new())))))
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        drop(self.0.lock().take());
    }
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is begun that nobody would end.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(set) = self.lock().as_mut() {
            while set.try_join_next().is_some() {}
            set.spawn(task);
        }
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        self.spawn(async move { drop(future.await) });
    }
}

enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

/// The server, as far as it was found.
pub struct Far {
    tunnel: Arc<Tunnel>,
    host: Host,
    secure: bool,
    protocol: Protocol,
    tasks: Tasks,
    sender: tokio::sync::Mutex<Option<Sender>>,
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the host cannot be reached: {0}")]
    Dial(#[from] io::Error),
    #[error("the server broke off: {0}")]
    Http(#[from] hyper::Error),
    #[error("the server said more than {PROVISIONAL} times that there is more to come")]
    Provisional,
}

impl Far {
    pub fn new(tunnel: Arc<Tunnel>, host: Host, secure: bool, protocol: Protocol, tasks: Tasks) -> Far {
        Far { tunnel, host, secure, protocol, tasks, sender: tokio::sync::Mutex::new(None) }
    }

    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Uses a connection that is there already.
    pub async fn begin(&self, server: tls::Server) -> Result<(), Lost> {
        let sender = self.shake(server).await?;
        *self.sender.lock().await = Some(sender);
        Ok(())
    }

    /// Sends one request; a connection that turns out to be closed before any of it was sent is made anew, once. Broken off
    /// where the server puts it off more than [`PROVISIONAL`] times: it could do so for ever.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, Lost> {
        let enough = Arc::new(Notify::new());
        let (given, tell) = (AtomicUsize::new(0), Arc::clone(&enough));
        hyper::ext::on_informational(&mut request, move |_| {
            if given.fetch_add(1, Ordering::Relaxed) >= PROVISIONAL {
                tell.notify_one();
            }
        });
        tokio::select! {
            biased;
            () = enough.notified() => Err(Lost::Provisional),
            sent = self.send_again(request) => sent,
        }
    }

    async fn send_again(&self, request: Request<Body>) -> Result<Response<Incoming>, Lost> {
        let (sender, fresh) = self.sender().await?;
        match self.attempt(sender, request).await {
            Ok(response) => Ok(response),
            // It comes back only if nothing of it was sent.
            Err((_, Some(request))) if !fresh => {
                let (sender, _) = self.sender().await?;
                self.attempt(sender, request).await.map_err(|(error, _)| error.into())
            }
            Err((error, _)) => Err(error.into()),
        }
    }

    async fn attempt(
        &self,
        sender: Sender,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, (hyper::Error, Option<Request<Body>>)> {
        let back = |mut error: TrySendError<Request<Body>>| (error.take_message(), error.into_error());
        let turned = |(message, error)| (error, message);
        match sender {
            Sender::One(mut one) => {
                let response = one.try_send_request(request).await.map_err(back).map_err(turned)?;
                *self.sender.lock().await = Some(Sender::One(one));
                Ok(response)
            }
            Sender::Two(mut two) => two.try_send_request(request).await.map_err(back).map_err(turned),
        }
    }

    /// What sends the next request, and whether its connection is a new one. The lock is held while one is made, so that
    /// requests that come at once share it.
    async fn sender(&self) -> Result<(Sender, bool), Lost> {
        let mut kept = self.sender.lock().await;
        let old = match kept.take() {
            // Taken for the length of a request: HTTP/1 has one at a time.
            Some(Sender::One(mut one)) => one.ready().await.is_ok().then_some(Sender::One(one)),
            Some(Sender::Two(mut two)) => two.ready().await.is_ok().then_some(Sender::Two(two)),
            None => None,
        };
        let fresh = old.is_none();
        let sender = match old {
            Some(sender) => sender,
            None => self.dial().await?,
        };
        if let Sender::Two(two) = &sender {
            *kept = Some(Sender::Two(two.clone()));
        }
        Ok((sender, fresh))
    }

    async fn dial(&self) -> Result<Sender, Lost> {
        if !self.secure {
            let stream = self.tunnel.dial(&self.host).await?;
            return self.shake(stream).await;
        }
        let (server, taken) = tls::reach(&self.tunnel, &self.host, &[self.protocol]).await?;
        match taken.unwrap_or(Protocol::Http1) == self.protocol {
            true => self.shake(server).await,
            false => Err(io::Error::other("it speaks another protocol than before").into()),
        }
    }

    async fn shake(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, Lost> {
        let stream = TokioIo::new(stream);
        match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::Builder::new()
                    .preserve_header_case(true)
                    .max_headers(super::head::LINES)
                    // What is read in one turn is looked through in it: nobody else shall wait for that.
                    .max_buf_size(super::head::LONGEST)
                    .handshake(stream)
                    .await?;
                self.tasks.spawn(async move { drop(connection.with_upgrades().await) });
                Ok(Sender::One(sender))
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::Builder::new(self.tasks.clone())
                    .initial_stream_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(WINDOW)
                    .max_header_list_size(64 << 10)
                    .max_send_buf_size(SEND_BUFFER)
                    .handshake(stream)
                    .await?;
                self.tasks.spawn(async move { drop(connection.await) });
                Ok(Sender::Two(sender))
            }
        }
    }
}
