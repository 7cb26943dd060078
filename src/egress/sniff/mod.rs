//! What a client says first: read before anything of it is passed on, while the server's bytes may flow already.
//!
//! ```text
//! 0x16 ─▶ TLS records ─ ClientHello complete ─▶ SNI, ECH            PRI * HTTP/2.0 ─▶ HTTP/2
//! a line that says HTTP/1.x ─ head complete ─▶ Host                 anything else ─▶ other: judged by name when it connected
//! ```
//! Invariant: from its first byte on a client has [`TIME`] to finish what it began to say, and [`MOST`] bytes for it; a
//! client that says nothing may wait for its server as long as it likes. So may one of a protocol whose first line has no
//! end, on a connection of which no request is inspected: the line is passed on after a while ([`QUIET`]), and judged with
//! what follows all the same.
//! Leaves to others: whether what was said is allowed (`tunnel`).

pub mod hello;
pub mod line;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::dial::{self, Server, Wanted};
use super::live::End;
use super::shared::Shared;
use super::splice::Pipe;
use super::tunnel::Tunnel;
use crate::policy::Host;

pub use hello::Hello;

/// For a ClientHello or a head, from its first byte on.
pub const TIME: Duration = Duration::from_secs(10);
/// How long the beginning of a line waits for its end.
const QUIET: Duration = Duration::from_millis(250);
/// Bytes of a ClientHello or a head.
pub const MOST: usize = 64 << 10;
/// Bytes read at a time.
const PIECE: usize = 4 << 10;

/// How a connection opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// A whole ClientHello.
    Tls(Hello),
    /// A whole HTTP/1 head, and the host it names, if it names exactly one.
    Http(Option<Host>),
    /// HTTP/2 without TLS, known from the start (RFC 9113 §3.3).
    Http2,
    /// It began as one of these and is none.
    Malformed(&'static str),
    /// A protocol that we know nothing of.
    Other,
}

/// As [`look`], for a connection on which nothing is inspected: text that does not begin as HTTP does is not waited for.
fn glance(head: &[u8], ended: bool) -> Option<Opening> {
    let text = head.first().is_some_and(|first| *first != hello::HANDSHAKE);
    if text && !line::begins_as_usual(head) { Some(Opening::Other) } else { look(head, ended) }
}

/// What can be said of the first bytes; None: more are needed. After `ended` there are no more.
#[must_use]
pub fn look(head: &[u8], ended: bool) -> Option<Opening> {
    let Some(first) = head.first() else { return ended.then_some(Opening::Other) };
    if *first != hello::HANDSHAKE {
        return line::look(head, ended);
    }
    match hello::read(head) {
        hello::Step::More if ended => Some(Opening::Malformed("built-in: TLS that ends in its ClientHello")),
        hello::Step::More if head.len() < MOST => None,
        hello::Step::More => Some(Opening::Malformed("built-in: TLS with a ClientHello past all bounds")),
        hello::Step::Bad(why) => Some(Opening::Malformed(why)),
        hello::Step::Read(hello) => Some(Opening::Tls(hello)),
    }
}

/// The connection to the server, as far as it is.
pub enum Way {
    /// Nobody has dialled, nor shall anybody yet.
    None,
    Dialling(Pin<Box<dyn Future<Output = io::Result<Server>> + Send>>),
    Made(Server),
}

impl Way {
    pub fn dial(shared: &Arc<Shared>, wanted: Wanted) -> Way {
        let shared = Arc::clone(shared);
        Way::Dialling(Box::pin(async move { dial::dial(&shared, &wanted).await }))
    }

    /// Waits for the next thing on it; for ever where nobody dials.
    async fn advance(
        &mut self,
        back: &mut Pipe,
        client: &TcpStream,
        count: impl Fn(u64),
    ) -> io::Result<Option<Server>> {
        match self {
            Way::None => std::future::pending().await,
            Way::Dialling(dialling) => dialling.as_mut().await.map(Some),
            Way::Made(server) => poll_fn(|cx| back.poll(cx, &server.stream, client, &count)).await.map(|()| None),
        }
    }
}

/// What was heard until the opening was known.
pub struct Heard {
    pub opening: Opening,
    pub head: Vec<u8>,
    /// Bytes of `head` that the server has already.
    pub passed: usize,
    pub way: Way,
    /// What the server has said so far and the client has not taken.
    pub back: Pipe,
}

/// Reads until the opening is known. Meanwhile `way` is dialled, and what the server says is passed on.
pub async fn listen(tunnel: &Tunnel, mut head: Vec<u8>, mut way: Way) -> Result<Heard, End> {
    let (client, entry) = (&tunnel.client, tunnel.entry());
    let (mut back, mut server_done, mut client_done, mut passed) = (Pipe::default(), false, false, 0);
    let mut deadline: Option<Pin<Box<tokio::time::Sleep>>> = None;
    let looks = tunnel.by_name || tunnel.policy().inspects_port(tunnel.port);
    let inspected = tunnel.is_inspected();
    // No server of HTTP/1 says anything before it is asked, but that it hangs up (RFC 9112 §9.3.2): what one that has spoken
    // takes from its client is no request, and need not be a whole line before it is passed on.
    let mut spoken = None;
    loop {
        if !head.is_empty() {
            spoken.get_or_insert_with(|| entry.counted().1 > 0);
        }
        let opening = match head.first() {
            Some(first) if spoken == Some(true) && *first != hello::HANDSHAKE => Some(Opening::Other),
            _ if looks => look(&head, client_done),
            _ => glance(&head, client_done),
        };
        if let Some(opening) = opening {
            return Ok(Heard { opening, head, passed, way, back });
        }
        let is_text = head.first().is_some_and(|first| *first != hello::HANDSHAKE);
        let nameless = is_text && !inspected && line::is_nameless(&head);
        if !head.is_empty() && !nameless && deadline.is_none() {
            deadline = Some(Box::pin(tokio::time::sleep(TIME)));
        }
        let lingers = nameless && passed < head.len() && matches!(way, Way::Made(_));
        tokio::select! {
            read = read_some(client, &mut head) => client_done = read.map_err(|_| End::Reset)? == 0,
            next = way.advance(&mut back, client, |bytes| entry.received(bytes)), if !server_done => match next {
                Ok(Some(server)) => {
                    tunnel.opened(&server);
                    way = Way::Made(server);
                }
                Ok(None) => server_done = true,
                Err(_) if matches!(way, Way::Made(_)) => return Err(End::Reset),
                Err(_) => return Err(End::Refused),
            },
            () = late(deadline.as_mut()) => return Err(End::Slow),
            () = tokio::time::sleep(QUIET), if lingers => {
                let taken = pass_on(&way, head.get(passed..).unwrap_or_default())?;
                entry.sent(taken as u64);
                passed += taken;
            }
        }
    }
}

/// Gives the server what it takes of the beginning of a line.
fn pass_on(way: &Way, rest: &[u8]) -> Result<usize, End> {
    let Way::Made(server) = way else { return Ok(0) };
    match server.stream.try_write(rest) {
        Ok(taken) => Ok(taken),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(_) => Err(End::Reset),
    }
}

/// Appends what can be read; 0 at the end. Nothing is kept for it while it waits: thousands may.
pub async fn read_some(client: &TcpStream, head: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        client.readable().await?;
        match try_read(client, head) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            read => return read,
        }
    }
}

fn try_read(client: &TcpStream, head: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = [0; PIECE];
    let count = client.try_read(&mut piece)?;
    head.extend_from_slice(piece.get(..count).unwrap_or_default());
    Ok(count)
}

async fn late(deadline: Option<&mut Pin<Box<tokio::time::Sleep>>>) {
    match deadline {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
pub mod tests;
