//! The client's side of an HTTP/1 connection: each head is looked at as a whole before it is handed on.
//!
//! Invariant: of a head that `head::check` refuses nothing is handed on; a request of ours stands in for it, which is
//! answered with why, and after it nothing more is read.
//! Leaves to others: parsing what was handed on (hyper), which never sees a head that we have not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::head::{self, Chunks, Framing, HeadFault};

/// The method of the request that stands in for a refused one; its path is the fault's number.
pub const REFUSED: &str = "REFUSED-HEAD";

/// Bytes read at one time.
const PIECE: usize = 16 << 10;

pub struct Watch<S> {
    stream: S,
    /// Read and not handed on; the first `ready` bytes may be.
    read: BytesMut,
    ready: usize,
    at: At,
}

enum At {
    Head,
    Length(u64),
    Chunks(Chunks),
    /// Whatever comes.
    Open,
    /// Nothing more.
    Closed,
}

impl<S> Watch<S> {
    /// `first` was read already.
    pub fn new(first: &[u8], stream: S) -> Watch<S> {
        Watch { stream, read: BytesMut::from(first), ready: 0, at: At::Head }
    }

    /// Sees how much of what was read may be handed on. False: more has to be read for that.
    fn look(&mut self) -> bool {
        while self.ready == 0 && !self.read.is_empty() {
            match &mut self.at {
                At::Head => match self.head() {
                    Ok(true) => {}
                    Ok(false) => return false,
                    Err(fault) => self.refuse(fault),
                },
                At::Length(left) => {
                    let some = (self.read.len() as u64).min(*left);
                    *left -= some;
                    self.ready = some as usize;
                    if *left == 0 {
                        self.at = At::Head;
                    }
                }
                At::Chunks(chunks) => match chunks.take(&self.read) {
                    Ok(some) => {
                        self.ready = some;
                        if chunks.is_done() {
                            self.at = At::Head;
                        }
                    }
                    Err(_) => {
                        self.read.clear();
                        self.at = At::Closed;
                    }
                },
                At::Open | At::Closed => self.ready = self.read.len(),
            }
        }
        self.ready > 0
    }

    /// Whether a head is there.
    fn head(&mut self) -> Result<bool, HeadFault> {
        // An empty line before a request is to be ignored (RFC 9112 §2.2).
        while self.read.starts_with(b"\r\n") {
            self.read.advance(2);
        }
        let Some(end) = head::end(&self.read)? else { return Ok(false) };
        let framing = head::check(self.read.get(..end).unwrap_or_default())?;
        self.ready = end;
        self.at = match framing {
            Framing::Nothing => At::Head,
            Framing::Length(length) => At::Length(length),
            Framing::Chunked => At::Chunks(Chunks::default()),
            Framing::Open => At::Open,
        };
        Ok(true)
    }

    fn refuse(&mut self, fault: HeadFault) {
        let instead = format!("{REFUSED} /{} HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n", fault.number());
        self.read = BytesMut::from(instead.as_bytes());
        self.ready = self.read.len();
        self.at = At::Closed;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watch<S> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.look() {
                let some = this.ready.min(buf.remaining());
                buf.put_slice(this.read.get(..some).unwrap_or_default());
                this.read.advance(some);
                this.ready -= some;
                return Poll::Ready(Ok(()));
            }
            match this.at {
                At::Closed => return Poll::Ready(Ok(())),
                At::Open if this.read.is_empty() => return Pin::new(&mut this.stream).poll_read(task, buf),
                _ => {}
            }
            let mut piece = [0; PIECE];
            let mut into = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut this.stream).poll_read(task, &mut into))?;
            if into.filled().is_empty() {
                // What is unfinished stays unfinished: the reader sees the end in the middle of it.
                this.at = At::Closed;
                this.read.clear();
                return Poll::Ready(Ok(()));
            }
            this.read.extend_from_slice(into.filled());
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watch<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    /// What is handed on of a connection on which this was said, in pieces of these sizes.
    fn passed(said: &[u8], cuts: &[usize]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut stream = tokio_pieces(said, cuts);
        let mut out = Vec::new();
        runtime.block_on(Watch::new(&[], &mut stream).read_to_end(&mut out)).unwrap();
        out
    }

    struct Pieces(Vec<Vec<u8>>);

    fn tokio_pieces(said: &[u8], cuts: &[usize]) -> Pieces {
        let (mut pieces, mut rest) = (Vec::new(), said);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece.to_vec());
            rest = behind;
        }
        pieces.reverse();
        Pieces(pieces)
    }

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if let Some(piece) = self.0.pop() {
                buf.put_slice(&piece);
            }
            Poll::Ready(Ok(()))
        }
    }

    const GOOD: &[u8] = b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
        PUT /b HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhelloGET /c HTTP/1.1\r\nhost: x\r\n\r\n";
    const BAD: &[u8] = b"GET /d HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\nGET /e HTTP/1.1\r\nhost: x\r\n\r\n";

    #[test]
    fn an_upgrade_opens_it() {
        let said = b"GET /a HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n\r\n\x81\x05hello";
        assert_eq!(passed(said, &[7]), said);
    }

    proptest! {
        #[test]
        fn good_ones_pass_and_a_bad_one_ends_it(cuts in prop::collection::vec(1usize..40, 1..10)) {
            prop_assert_eq!(passed(GOOD, &cuts), GOOD);
            let instead = b"REFUSED-HEAD /4 HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
            prop_assert_eq!(passed(&[GOOD, BAD].concat(), &cuts), [GOOD, instead].concat());
        }
    }
}
