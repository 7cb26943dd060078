//! The front's end of a client's connection: its bytes as they come, ours in frames, from several tasks at once.
//!
//! Invariant: a frame is written whole before the next one is begun; whoever writes waits until the one before is on its way.
//! Leaves to others: what is said (`frames`, `mcp::connection`).

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::frames::{self, HEAD, Kind, LARGEST};

/// A client that is connected.
pub struct Client {
    socket: UnixStream,
    /// The rest of the last frame.
    rest: Mutex<Vec<u8>>,
}

impl Client {
    pub fn new(socket: UnixStream) -> Arc<Client> {
        Arc::new(Client { socket, rest: Mutex::default() })
    }

    /// Reads a line byte by byte: what stands behind it belongs to others. None where it is too long, or there is none.
    pub async fn name(&self) -> Option<String> {
        let mut line = Vec::new();
        while line.len() < frames::LONGEST_NAME {
            self.socket.readable().await.ok()?;
            let mut byte = [0];
            match self.socket.try_read(&mut byte) {
                Ok(0) => return None,
                Ok(_) if byte == [b'\n'] => return String::from_utf8(line).ok(),
                Ok(_) => line.extend(byte),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
        None
    }

    /// Writes all of it, however long the client takes; an error says that it is gone.
    pub async fn say(&self, kind: Kind, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            match self.write(kind, bytes) {
                Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.socket.writable().await?,
                Err(error) => return Err(error),
            }
            if bytes.is_empty() && self.flush()? {
                return Ok(());
            }
        }
    }

    /// Begins one frame with as many of the bytes as it takes; WouldBlock while the one before is not written.
    fn write(&self, kind: Kind, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.push(&mut rest)? {
            return Err(ErrorKind::WouldBlock.into());
        }
        let bytes = bytes.get(..LARGEST).unwrap_or(bytes);
        if bytes.is_empty() {
            return Ok(0);
        }
        rest.reserve(HEAD + bytes.len());
        rest.extend(frames::head(kind, bytes.len()));
        rest.extend_from_slice(bytes);
        self.push(&mut rest)?;
        Ok(bytes.len())
    }

    /// Whether everything is written by now.
    fn flush(&self) -> io::Result<bool> {
        self.push(&mut self.rest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, rest: &mut Vec<u8>) -> io::Result<bool> {
        while !rest.is_empty() {
            match self.socket.try_write(rest) {
                Ok(written) => drop(rest.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// A client as a stream: its bytes, and frames for its stdout.
pub struct Stdio(pub Arc<Client>);

impl AsyncRead for Stdio {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.socket.poll_read_ready(cx))?;
            match self.0.socket.try_read(buffer.initialize_unfilled()) {
                Ok(bytes) => {
                    buffer.advance(bytes);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Stdio {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.0.write(Kind::Stdout, bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.0.socket.poll_write_ready(cx))?,
                other => return Poll::Ready(other),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.0.flush()? {
            ready!(self.0.socket.poll_write_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
