//! Clients that know of a proxy: HTTP CONNECT, requests in absolute form and SOCKS 5, all at one port.
//!
//! ```text
//! first byte 5 ─▶ greeting ─ request ─┐                    ┌─ denied: reply 2, or 403 with the rule
//!            4 ─▶ refused             ├─ Place ─▶ judge ───┤
//! otherwise   ─▶ head ────────────────┘                    └─ allowed: dial, answer, tunnel::run
//! ```
//! Invariant: whatever the form, the place is judged by the one function and by nothing remembered; a client gets as far as
//! that function only with a message that was read in full, by the letter, within [`TIME`] of its first byte.
//! Leaves to others: what flows then (`tunnel`).

pub mod head;
pub mod socks;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::dial;
use super::judge;
use super::live::{End, Seat};
use super::passage::Passage;
use super::shared::Shared;
use super::sniff::{MOST, TIME, read_some};
use super::tunnel::{self, Tunnel};
use super::{Ruling, http};
use crate::policy::Place;

/// For the first byte: programs open connections that they use later.
const IDLE: Duration = Duration::from_secs(300);
/// For a client to take what it is told at the end, and bytes of it that are thrown away meanwhile.
const PARTING: Duration = Duration::from_secs(2);
const THROWN: usize = 1 << 20;

/// A client of the proxy, and what it has said and nobody has read yet.
struct Client {
    shared: Arc<Shared>,
    stream: TcpStream,
    passage: Passage,
    seat: Seat,
    said: Vec<u8>,
}

/// What a client wants and how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Connect,
    Forward,
    Socks,
}

/// Serves one client to its end.
pub async fn serve(shared: Arc<Shared>, stream: TcpStream, passage: Passage, seat: Seat) {
    let client = Client { shared, stream, passage, seat, said: Vec::new() };
    // Boxed: gone when the tunnel flows.
    if let Some((tunnel, first)) = Box::pin(client.enter()).await {
        tunnel::run(tunnel, first).await;
    }
}

impl Client {
    async fn enter(mut self) -> Option<(Tunnel, Vec<u8>)> {
        let first = tokio::time::timeout(IDLE, read_some(&self.stream, &mut self.said)).await;
        if !matches!(first, Ok(Ok(1..))) {
            return None;
        }
        match self.said.first()? {
            &socks::VERSION => self.socks().await,
            4 => {
                judge::no_request(&self.shared, &self.passage, "SOCKS 4 is not spoken here");
                self.leave(&[0, 0x5b, 0, 0, 0, 0, 0, 0]).await
            }
            _ => self.http().await,
        }
    }

    /// Reads until `step` has what it wants. None: the client is gone, or too slow.
    async fn read_until<T>(&mut self, mut step: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        let Client { stream, said, .. } = self;
        let reading = async {
            loop {
                if let Some(done) = step(said) {
                    return Some(done);
                }
                if read_some(stream, said).await.ok()? == 0 {
                    return None;
                }
            }
        };
        tokio::time::timeout(TIME, reading).await.ok().flatten()
    }

    async fn socks(mut self) -> Option<(Tunnel, Vec<u8>)> {
        use socks::Step;
        let greeted = self
            .read_until(|said| match socks::greeting(said) {
                Step::More => None,
                Step::Read(open, length) => Some((open, length)),
                Step::Bad(_) | Step::NoHost(_) => Some((false, 0)),
            })
            .await;
        let Some((true, length)) = greeted else {
            judge::no_request(&self.shared, &self.passage, "no greeting of SOCKS 5 without a password");
            return self.leave(&[socks::VERSION, socks::NO_METHOD]).await;
        };
        drop(self.said.drain(..length));
        self.stream.write_all(&[socks::VERSION, socks::NO_AUTHENTICATION]).await.ok()?;
        let wanted = self
            .read_until(|said| match socks::request(said) {
                Step::More => None,
                Step::Read(wanted, length) => Some(Ok((wanted, length))),
                Step::Bad(reply) => Some(Err((reply, None))),
                Step::NoHost(written) => Some(Err((Some(socks::Reply::NotAllowed), Some(written)))),
            })
            .await?;
        match wanted {
            Ok(((place, port), length)) => {
                drop(self.said.drain(..length));
                self.reach(Form::Socks, place, port).await
            }
            Err((reply, written)) => {
                match written {
                    Some(written) => judge::no_host(&self.shared, &self.passage, &written),
                    None => judge::no_request(&self.shared, &self.passage, "no request of SOCKS 5"),
                }
                self.leave(&reply.map(|reply| reply.bytes().to_vec()).unwrap_or_default()).await
            }
        }
    }

    async fn http(mut self) -> Option<(Tunnel, Vec<u8>)> {
        let read = self
            .read_until(|said| match head::read(said) {
                head::Step::More => None,
                step => Some(step),
            })
            .await?;
        match read {
            head::Step::Connect { place, port, length } => {
                drop(self.said.drain(..length));
                self.reach(Form::Connect, place, port).await
            }
            head::Step::Forward { place, port } => self.reach(Form::Forward, place, port).await,
            head::Step::NoHost(written) => {
                judge::no_host(&self.shared, &self.passage, &written);
                self.leave(&answer(400, None, "govsh: the request names no host (host:port, of letters and digits)\n"))
                    .await
            }
            head::Step::Bad(status, why) => {
                judge::no_request(&self.shared, &self.passage, why);
                self.leave(&answer(status, None, &format!("govsh: {why}\n"))).await
            }
            head::Step::More => None,
        }
    }

    /// Judges, dials, answers. None: it is over.
    async fn reach(mut self, form: Form, place: Place, port: u16) -> Option<(Tunnel, Vec<u8>)> {
        let judged = tokio::select! {
            biased;
            judged = judge::enter(&self.shared, &self.passage, &place, port) => judged,
            // Whoever hangs up while somebody is asked takes the question back.
            () = hung_up(&self.stream, &mut self.said), if form != Form::Forward => return None,
        };
        let allowed = match judged {
            Ok(allowed) => allowed,
            Err(ruling) => return self.deny(form, &place, port, &ruling).await,
        };
        let first = std::mem::take(&mut self.said);
        let mut tunnel = tunnel::asked_for(self.shared, self.stream, self.passage, self.seat, allowed)?;
        if form == Form::Forward {
            Box::pin(forward(tunnel, first)).await;
            return None;
        }
        // What is terminated is dialled by the name in its ClientHello, when that is known.
        if !tunnel.is_inspected() {
            match dial::dial(&tunnel.shared, &tunnel.wanted()).await {
                Ok(server) => tunnel.dialled(server),
                Err(error) => return unreachable(form, tunnel, &place, port, &error).await,
            }
        }
        let yes: &[u8] = match form {
            Form::Socks => &socks::Reply::Succeeded.bytes(),
            Form::Connect | Form::Forward => b"HTTP/1.1 200 Connection established\r\n\r\n",
        };
        if tunnel.client.write_all(yes).await.is_err() {
            tunnel.entry().ends(End::Reset.as_str());
            return None;
        }
        Some((tunnel, first))
    }

    async fn deny(self, form: Form, place: &Place, port: u16, ruling: &Ruling) -> Option<(Tunnel, Vec<u8>)> {
        let words = match form {
            Form::Socks => socks::Reply::NotAllowed.bytes().to_vec(),
            Form::Connect | Form::Forward => denial(&ruling.rule, &place.to_string(), port),
        };
        self.leave(&words).await
    }

    /// Says a last word and closes.
    async fn leave(mut self, words: &[u8]) -> Option<(Tunnel, Vec<u8>)> {
        // The connection is closed whether the word arrives or not.
        let _ = tokio::time::timeout(PARTING, self.stream.write_all(words)).await;
        part(self.stream).await;
        None
    }
}

/// Ends when the client does, whose first words are kept meanwhile. Not for requests in absolute form: their client may be
/// done with sending and wait for the answer.
async fn hung_up(stream: &TcpStream, said: &mut Vec<u8>) {
    while said.len() < MOST {
        if !matches!(read_some(stream, said).await, Ok(1..)) {
            return;
        }
    }
    std::future::pending().await
}

/// A request in absolute form: every request on this connection is read, and answered only for the host of the first one.
async fn forward(tunnel: Tunnel, first: Vec<u8>) {
    let entry = Arc::clone(tunnel.entry());
    let Some(host) = tunnel.judged.first().filter(|_| tunnel.by_name).cloned() else {
        // Whatever is said to this address is allowed: one request, told to be the last one.
        let Some(request) = head::for_origin(&first) else { return entry.ends(End::Denied.as_str()) };
        return tunnel::run(tunnel, request).await;
    };
    let end = http::plain(tunnel, first, host).await;
    entry.ends(end);
}

async fn unreachable(
    form: Form,
    mut tunnel: Tunnel,
    place: &Place,
    port: u16,
    error: &io::Error,
) -> Option<(Tunnel, Vec<u8>)> {
    tunnel.entry().ends(End::Refused.as_str());
    let words = match form {
        Form::Socks => reply_for(error).bytes().to_vec(),
        Form::Connect | Form::Forward => {
            let status = if error.kind() == io::ErrorKind::TimedOut { 504 } else { 502 };
            answer(status, None, &format!("govsh: cannot reach {place} port {port}: {error}\n"))
        }
    };
    // As above.
    let _ = tokio::time::timeout(PARTING, tunnel.client.write_all(&words)).await;
    part(tunnel.client).await;
    None
}

fn reply_for(error: &io::Error) -> socks::Reply {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => socks::Reply::Refused,
        io::ErrorKind::TimedOut => socks::Reply::Expired,
        io::ErrorKind::NetworkUnreachable => socks::Reply::NetworkUnreachable,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NotFound => socks::Reply::HostUnreachable,
        io::ErrorKind::PermissionDenied => socks::Reply::NotAllowed,
        _ => socks::Reply::Failure,
    }
}

/// 403 with the rule that says so.
#[must_use]
pub fn denial(rule: &str, place: &str, port: u16) -> Vec<u8> {
    answer(403, Some(rule), &format!("govsh: {place} port {port} is denied: {rule}\n"))
}

fn answer(status: u16, rule: Option<&str>, text: &str) -> Vec<u8> {
    let reason = match status {
        400 => "Bad Request",
        403 => "Forbidden",
        431 => "Request Header Fields Too Large",
        504 => "Gateway Timeout",
        _ => "Bad Gateway",
    };
    // A rule is shown as its author wrote it; in a header field only what may stand there.
    let visible = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let rule = rule.map(|rule| format!("x-govsh-rule: {}\r\n", rule.chars().map(visible).collect::<String>()));
    format!(
        "HTTP/1.1 {status} {reason}\r\n{}content-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{text}",
        rule.unwrap_or_default(),
        text.len()
    )
    .into_bytes()
}

/// Ends a connection so that what was said last arrives: closing with bytes unread would be a reset that overtakes it.
pub async fn part(mut stream: TcpStream) {
    // It is closed anyway.
    let _ = stream.shutdown().await;
    let throwing = async {
        let mut thrown = Vec::new();
        while thrown.len() < THROWN {
            if !matches!(read_some(&stream, &mut thrown).await, Ok(1..)) {
                return;
            }
        }
    };
    // As long as it takes, within bounds.
    let _ = tokio::time::timeout(PARTING, throwing).await;
}

#[cfg(test)]
mod tests;
