//! A server behind a URL, as a stream of lines: what a program on pipes would be.
//!
//! ```text
//! line ─ post ─▶ POST: JSON, or events ─▶ lines
//!        stream ▶ GET: events, again after a break ─▶ lines
//!        early ─▶ GET, then POST elsewhere (2024-11-05)
//! ```
//! Invariant: every request that came in gets one answer: the server's, or an error in its place, unless the client withdrew
//! it. The end of our stream ends every request and the server's session; the end of the server's session ends our stream.
//! Leaves to others: judging what passes (`relay`, on the other side of the lines), the requests themselves (`call`).

mod early;
mod params;
mod post;
mod state;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::call::Remote;
use super::headers::Mirrored;
use crate::mcp::frame::{LONGEST, Lines};
use crate::mcp::{Id, Message};
use crate::policy::mcp::Value;
use state::State;

/// Bytes between the two halves.
const BUFFER: usize = 256 << 10;
/// Lines that wait to be read.
const WAITING: usize = 16;
/// Requests at a time.
const OPEN: usize = 256;
/// How long a session may take to begin; the lines behind it wait.
const BEGINNING: Duration = Duration::from_secs(60);
/// For the server to hear that its session is over.
const PARTING: Duration = Duration::from_secs(5);

/// One line of the client's.
pub struct Sent {
    /// Without its end.
    pub line: Vec<u8>,
    /// None: nobody waits for an answer.
    pub id: Option<Id>,
    pub method: String,
    pub mirrored: Mirrored,
    /// `params`, for what else is repeated in headers.
    pub params: Option<Value>,
}

impl Sent {
    /// None for what is no message: nobody on this side sends such.
    fn read(line: &[u8]) -> Option<Sent> {
        let message = Message::parse(line).ok()?;
        let mirrored = Mirrored::of(&message);
        let (id, method, params) = match message {
            Message::Request { id, method, params } => (Some(id), method, Some(params)),
            Message::Notification { method, params } => (None, method, Some(params)),
            Message::Result { .. } | Message::Error { .. } => (None, String::new(), None),
        };
        Some(Sent { line: line.to_vec(), id, method, mirrored, params })
    }

    /// The request that a modern client withdraws.
    fn withdraws(&self) -> Option<Id> {
        let named = self.method == "notifications/cancelled";
        self.params.as_ref().filter(|_| named)?.field("requestId").and_then(Id::read)
    }
}

/// Speaks for the server at the other end of what is returned. On a runtime.
pub fn bridge(remote: Remote) -> DuplexStream {
    let (near, far) = tokio::io::duplex(BUFFER);
    let (reads, writes) = tokio::io::split(far);
    let (out, lines) = mpsc::channel(WAITING);
    let writer = tokio::spawn(write(writes, lines));
    tokio::spawn(async move {
        Bridge::new(State::new(remote, out)).run(reads).await;
        // Every sender is gone with the bridge: what was said is written, then the stream ends.
        drop(writer.await);
    });
    near
}

async fn write(mut to: WriteHalf<DuplexStream>, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut line) = lines.recv().await {
        line.push(b'\n');
        if to.write_all(&line).await.is_err() {
            return;
        }
    }
    // The other half may be gone already.
    let _ = to.shutdown().await;
}

struct Bridge {
    state: Arc<State>,
    tasks: JoinSet<()>,
    /// Requests that are cancelled by closing what they are answered on.
    modern: HashMap<Id, AbortHandle>,
}

impl Bridge {
    fn new(state: State) -> Bridge {
        Bridge { state: Arc::new(state), tasks: JoinSet::new(), modern: HashMap::new() }
    }

    async fn run(mut self, mut from: ReadHalf<DuplexStream>) {
        let mut lines = Lines::new(LONGEST);
        let mut buffer = vec![0; 64 << 10];
        let ended = Arc::clone(&self.state);
        loop {
            let read = tokio::select! {
                read = from.read(&mut buffer) => read.unwrap_or(0),
                () = ended.over() => 0,
            };
            if read == 0 {
                break;
            }
            lines.push(buffer.get(..read).unwrap_or_default());
            loop {
                match lines.next_line() {
                    Ok(Some(line)) => self.line(line.message()).await,
                    Ok(None) => break,
                    Err(long) => return self.state.tell(&long.to_string()),
                }
            }
        }
        self.tasks.shutdown().await;
        // A server that does not hear it forgets the session by itself.
        let _ = tokio::time::timeout(PARTING, self.state.leave()).await;
    }

    async fn line(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        let Some(sent) = Sent::read(line) else { return self.state.tell("a line that is no message: not sent") };
        while self.tasks.try_join_next().is_some() {}
        self.modern.retain(|_, task| !task.is_finished());
        if let Some(task) = sent.withdraws().and_then(|id| self.modern.remove(&id)) {
            // Closing the response says it (2026-07-28, §Cancellation).
            return task.abort();
        }
        if self.tasks.len() >= OPEN {
            return self.state.fail(&sent, "too many requests at a time").await;
        }
        let state = Arc::clone(&self.state);
        match sent.method.as_str() {
            // What follows needs what these two change.
            "initialize" => {
                let begun = tokio::time::timeout(BEGINNING, post::exchange(&state, &sent)).await;
                if begun.is_err() {
                    self.state.fail(&sent, "the server takes too long to begin").await;
                }
                if let Some(reader) = self.state.kept() {
                    self.tasks.spawn(async move { early::listen(&state, reader).await });
                }
            }
            "notifications/initialized" => {
                // What comes of it is told by then, or nobody will hear of it.
                let _ = tokio::time::timeout(BEGINNING, post::exchange(&state, &sent)).await;
                self.tasks.spawn(stream::listen(state));
            }
            _ => {
                let modern = sent.id.clone().filter(|_| sent.mirrored.is_modern());
                let task = self.tasks.spawn(async move { post::exchange(&state, &sent).await });
                if let Some(id) = modern {
                    self.modern.insert(id, task);
                }
            }
        }
    }
}
