//! The agent's end of a tunnel as a stream, what was read of it already first.
//!
//! Invariant: the tunnel lives as long as its stream does.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tunnel::Tunnel;
use crate::sys::stream;

pub struct Client {
    read: Vec<u8>,
    at: usize,
    tunnel: Arc<Tunnel>,
}

impl Client {
    pub fn new(read: Vec<u8>, tunnel: Arc<Tunnel>) -> Client {
        Client { read, at: 0, tunnel }
    }
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let rest = this.read.get(this.at..).unwrap_or_default();
        if !rest.is_empty() {
            let some = rest.len().min(buf.remaining());
            buf.put_slice(rest.get(..some).unwrap_or_default());
            this.at += some;
            if this.at == this.read.len() {
                (this.read, this.at) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        let stream = &this.tunnel.client;
        loop {
            ready!(stream.poll_read_ready(task))?;
            match stream.try_read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Client {
    fn poll_with(
        &self,
        task: &mut Context<'_>,
        write: impl Fn(&tokio::net::TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let stream = &self.tunnel.client;
        loop {
            ready!(stream.poll_write_ready(task))?;
            match write(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_with(task, |stream| stream.try_write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A client that is gone already has no use for the end.
        let _ = stream::shut_write(self.tunnel.client.as_fd());
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(task, |stream| stream.try_write_vectored(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
