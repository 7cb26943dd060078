//! What flows after a connection has become a WebSocket's: passed on as it is, secrets in what the server says taken out.
//!
//! Invariant: a frame keeps its length, since what stands for a secret has the secret's.
//! Leaves to others: whether it may become one (`judge`). Frames of the client are masked (RFC 6455 §5.3), so what they
//! hold is not looked at; a placeholder in them is worth nothing.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::egress::credentials::scan::{self, Needles, Scan};
use crate::egress::live::Entry;
use crate::egress::tunnel::Tunnel;

/// Bytes read at a time.
const PIECE: usize = 16 << 10;

/// Carries it to its end.
pub async fn carry(client: OnUpgrade, server: OnUpgrade, tunnel: Arc<Tunnel>, hidden: Arc<Needles>) {
    let (Ok(client), Ok(server)) = tokio::join!(client, server) else { return };
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let entry: &Entry = tunnel.entry();
    let up = pass(from_client, to_server, Scan::new(Arc::default()), |bytes| entry.sent(bytes));
    let down = pass(from_server, to_client, Scan::new(hidden), |bytes| entry.received(bytes));
    tokio::pin!(up, down);
    // Either side's error ends both; an end is passed on and the other side may go on.
    let (mut up_done, mut down_done) = (false, false);
    while !(up_done && down_done) {
        let outcome = tokio::select! {
            outcome = &mut up, if !up_done => { up_done = true; outcome }
            outcome = &mut down, if !down_done => { down_done = true; outcome }
        };
        if outcome.is_err() {
            return;
        }
    }
}

type Half = TokioIo<Upgraded>;

fn split(stream: Upgraded) -> (tokio::io::ReadHalf<Half>, tokio::io::WriteHalf<Half>) {
    tokio::io::split(TokioIo::new(stream))
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut scan: Scan,
    count: impl Fn(u64),
) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(PIECE);
    loop {
        buffer.reserve(PIECE);
        // Reading into a buffer is safe to give up: what was read is in it.
        let read = match scan.is_waiting() {
            true => tokio::time::timeout(scan::SILENCE, from.read_buf(&mut buffer)).await.ok().transpose()?,
            false => Some(from.read_buf(&mut buffer).await?),
        };
        let bytes = match read {
            Some(0) => scan.end(),
            Some(_) => scan.push(buffer.split().freeze()).bytes,
            None => scan.release(),
        };
        count(bytes.len() as u64);
        to.write_all(&bytes).await?;
        to.flush().await?;
        if read == Some(0) {
            return to.shutdown().await;
        }
    }
}
