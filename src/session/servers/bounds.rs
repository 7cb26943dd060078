//! Limits of a server's own policy that the front holds: how long it may run, and how much it may write.
//!
//! Invariant: a limit that is reached is an event before the server hears of it, and ends all of the server.
//! Leaves to others: the other limits (`sandbox::limits`, `session::monitor`).

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;

use super::tree::Tree;
use crate::bus::Bus;
use crate::event::Event;
use crate::mcp::connection::LINGER;
use crate::policy::Limits;

/// Of one server.
pub struct Bounds {
    wall: Option<Duration>,
    /// Bytes that it may write.
    most: u64,
    written: AtomicU64,
    is_over: Notify,
}

impl Bounds {
    pub fn new(limits: &Limits) -> Arc<Bounds> {
        Arc::new(Bounds {
            wall: limits.wall_seconds.map(Duration::from_secs),
            most: limits.output_bytes.unwrap_or(u64::MAX),
            written: AtomicU64::new(0),
            is_over: Notify::new(),
        })
    }

    /// It has written so many bytes more.
    pub fn count(&self, bytes: usize) {
        let bytes = bytes as u64;
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before <= self.most && before.saturating_add(bytes) > self.most {
            self.is_over.notify_one();
        }
    }

    /// Ends the server once a limit is reached; goes on until it is dropped.
    pub async fn hold(&self, name: &str, tree: &Tree, bus: &Bus) -> Infallible {
        let what = tokio::select! {
            () = self.is_over.notified() => format!("output_bytes: MCP server '{name}' has written all it may"),
            () = over(self.wall) => format!("wall_seconds: the time of MCP server '{name}' is over"),
        };
        bus.publish(Event::Limit { what });
        tree.ask_to_end();
        if !tree.ends_within(LINGER).await {
            tree.end();
        }
        std::future::pending().await
    }
}

async fn over(wall: Option<Duration>) {
    match wall {
        Some(wall) => tokio::time::sleep(wall).await,
        None => std::future::pending().await,
    }
}

/// What it writes, counted.
pub struct Counted<R>(pub R, pub Arc<Bounds>);

impl<R: AsyncRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(cx, buffer))?;
        self.1.count(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}
