//! One connection of a client and a server, whatever they are reached by: bytes into lines, lines past the relay, steps
//! carried out.
//!
//! ```text
//! client ─read─▶ lines ─▶ Relay ─▶ Step ─▶ to the server ─write─▶ server
//!        ◀─write─ to the client ◀─ Step ◀─ Relay ◀─ lines ◀─read─
//!                                   └─ Park ─▶ Asks ─▶ Relay::answered
//! ```
//! Invariant: what one side has caused and nobody has taken yet never exceeds `ROOM` and the messages of one read: then
//! nothing more is read of that side, while the other goes on. Nothing is written that the relay did not say.
//! Leaves to others: what passes (`relay`); who is asked, what is recorded, and the processes (`session`).

mod outgoing;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{oneshot, watch};
use tokio::time::{self, Instant};

use super::pins::Pinned;
use super::relay::{Changed, Now, Question, Relay, Side, Step, Told};
use crate::policy::mcp::McpRule;
use outgoing::Outgoing;

/// Bytes of one read.
const CHUNK: usize = 64 << 10;
/// Bytes that one side may have caused and nobody has taken yet.
const ROOM: usize = 1 << 20;
/// How long a server may go on when its client has closed its side, and a client may take to read what is left.
pub const LINGER: Duration = Duration::from_secs(5);
/// Between two words to a client whose call waits for an answer.
const STILL: Duration = Duration::from_secs(5);

/// Whoever puts questions to people.
pub trait Asks: Send + Sync {
    /// Asks; true allows. A sender that is dropped denies; dropping the receiver withdraws the question.
    fn ask(&self, question: Question) -> oneshot::Receiver<bool>;
}

/// Whoever knows the time and writes the record. Called between two messages, so it must not wait.
pub trait Tells: Send + Sync {
    fn now(&self) -> Now;

    fn told(&self, told: Told);

    /// The server is not what it was pinned as.
    fn changed(&self, changed: Changed);

    /// What is pinned of the server from now on: for the pins file.
    fn pin(&self, pinned: Pinned);

    /// Something of this side's was not passed on.
    fn dropped(&self, side: Side, what: &str);
}

/// What a connection needs beside its two ends.
pub struct Setup {
    pub relay: Relay,
    pub asks: Arc<dyn Asks>,
    pub tells: Arc<dyn Tells>,
    /// The rules in force: what is replaced holds for the next message.
    pub rules: watch::Receiver<Arc<[McpRule]>>,
}

/// Why a connection is over. The ends are closed in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The server has closed its side, and the client has been given all of it.
    Server,
    /// The client has gone, or closed its side and the server did not end in `LINGER` after that.
    Client,
    /// A message of this side's is longer than is held, or turned out to be none when some of it had been passed on.
    Broken(Side),
}

/// Carries messages until one side ends. An end that is dropped meanwhile is the end of that side.
pub async fn run<C, S>(client: C, server: S, setup: Setup) -> Ended
where
    C: AsyncRead + AsyncWrite,
    S: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let Setup { relay, asks, tells, rules } = setup;
    let connection = Connection {
        relay,
        asks,
        tells,
        rules,
        client: Half::new(from_client, to_client),
        server: Half::new(from_server, to_server),
        parked: Vec::new(),
        over: None,
    };
    connection.run().await
}

/// One side: what comes from it, and what goes to it.
struct Half<T> {
    read: ReadHalf<T>,
    write: WriteHalf<T>,
    buffer: Box<[u8]>,
    outgoing: Outgoing,
    /// It sends no more.
    ended: bool,
    /// It takes no more.
    deaf: bool,
}

impl<T: AsyncRead + AsyncWrite> Half<T> {
    fn new(read: ReadHalf<T>, write: WriteHalf<T>) -> Half<T> {
        Half {
            read,
            write,
            buffer: vec![0; CHUNK].into_boxed_slice(),
            outgoing: Outgoing::default(),
            ended: false,
            deaf: false,
        }
    }

    /// Writes some of what waits, or sees to it that what was written is on its way.
    async fn pass_on(write: &mut WriteHalf<T>, outgoing: &Outgoing) -> io::Result<usize> {
        match outgoing.next() {
            [] => write.flush().await.map(|()| 0),
            bytes => write.write(bytes).await.and_then(|taken| match taken {
                0 => Err(io::ErrorKind::WriteZero.into()),
                taken => Ok(taken),
            }),
        }
    }
}

struct Connection<C, S> {
    relay: Relay,
    asks: Arc<dyn Asks>,
    tells: Arc<dyn Tells>,
    rules: watch::Receiver<Arc<[McpRule]>>,
    client: Half<C>,
    server: Half<S>,
    parked: Vec<(u64, oneshot::Receiver<bool>)>,
    over: Option<Ended>,
}

/// What woke the loop.
enum Woken {
    FromClient(io::Result<usize>),
    FromServer(io::Result<usize>),
    ToClient(io::Result<usize>),
    ToServer(io::Result<usize>),
    Answered(u64, bool),
    Rules(bool),
    Still,
    Late,
}

impl<C: AsyncRead + AsyncWrite, S: AsyncRead + AsyncWrite> Connection<C, S> {
    async fn run(mut self) -> Ended {
        let mut still = time::interval_at(Instant::now() + STILL, STILL);
        still.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        // When politeness ends; far away until one side has.
        let late = time::sleep(Duration::from_secs(86_400 * 365));
        tokio::pin!(late);
        let (mut is_closing, mut knows_rules) = (false, true);
        loop {
            if let Some(over) = self.over {
                return over;
            }
            if !is_closing && (self.client.ended || self.server.ended) {
                is_closing = true;
                late.as_mut().reset(Instant::now() + LINGER);
            }
            if self.server.ended && (self.client.deaf || self.client.outgoing.is_done()) {
                return Ended::Server;
            }
            if self.client.ended && !self.server.deaf && self.server.outgoing.is_done() {
                // It is told as a pipe tells it. An error says that it knows already.
                let _ = self.server.write.shutdown().await;
                self.server.deaf = true;
            }
            let (client, server, parked) = (&mut self.client, &mut self.server, &mut self.parked);
            let client_may = !client.ended && may(Side::Client, &client.outgoing, &server.outgoing);
            let server_may = !server.ended && may(Side::Server, &client.outgoing, &server.outgoing);
            let (to_client, to_server) =
                (!client.deaf && !client.outgoing.is_done(), !server.deaf && !server.outgoing.is_done());
            let is_parked = !parked.is_empty();
            let woken = tokio::select! {
                read = client.read.read(&mut client.buffer), if client_may => Woken::FromClient(read),
                read = server.read.read(&mut server.buffer), if server_may => Woken::FromServer(read),
                wrote = Half::<C>::pass_on(&mut client.write, &client.outgoing), if to_client => Woken::ToClient(wrote),
                wrote = Half::<S>::pass_on(&mut server.write, &server.outgoing), if to_server => Woken::ToServer(wrote),
                (ticket, allow) = answered(parked), if is_parked => Woken::Answered(ticket, allow),
                changed = self.rules.changed(), if knows_rules => Woken::Rules(changed.is_ok()),
                _ = still.tick(), if is_parked => Woken::Still,
                () = &mut late, if is_closing => Woken::Late,
            };
            match woken {
                Woken::Rules(known) => {
                    knows_rules = known;
                    self.take_rules();
                }
                Woken::Late => return if self.server.ended { Ended::Server } else { Ended::Client },
                woken => self.on(woken),
            }
        }
    }

    fn on(&mut self, woken: Woken) {
        match woken {
            Woken::FromClient(read) => {
                let bytes = read.unwrap_or(0);
                self.take(Side::Client, bytes);
                if bytes == 0 {
                    self.client.ended = true;
                    // Whoever hangs up waits for no answer.
                    self.parked.clear();
                }
            }
            Woken::FromServer(read) => {
                let bytes = read.unwrap_or(0);
                self.take(Side::Server, bytes);
                self.server.ended = bytes == 0;
            }
            Woken::ToClient(Ok(taken)) => self.client.outgoing.taken(taken),
            Woken::ToServer(Ok(taken)) => self.server.outgoing.taken(taken),
            Woken::ToClient(Err(_)) => {
                // Nobody is there any more: the server is told so by the end of its input.
                (self.client.deaf, self.client.ended) = (true, true);
                self.client.outgoing.clear();
                self.parked.clear();
            }
            Woken::ToServer(Err(_)) => {
                // What it still says is for the client.
                self.server.deaf = true;
                self.server.outgoing.clear();
            }
            Woken::Answered(ticket, allow) => {
                // What holds by now may be more than what was asked by.
                if self.rules.has_changed().unwrap_or(false) {
                    self.take_rules();
                }
                let steps = self.relay.answered(ticket, allow, self.tells.now());
                self.carry_out(Side::Client, steps);
            }
            Woken::Still => {
                let steps = self.relay.still_waiting();
                self.carry_out(Side::Client, steps);
            }
            Woken::Rules(_) | Woken::Late => {}
        }
    }

    /// So many bytes of a side, in its buffer; none: it has ended.
    fn take(&mut self, side: Side, bytes: usize) {
        let now = self.tells.now();
        if self.rules.has_changed().unwrap_or(false) {
            self.take_rules();
        }
        let buffer = match side {
            Side::Client => &self.client.buffer,
            Side::Server => &self.server.buffer,
        };
        let steps = match bytes {
            0 => self.relay.ended(side),
            bytes => self.relay.read(side, buffer.get(..bytes).unwrap_or_default(), now),
        };
        self.carry_out(side, steps);
    }

    fn take_rules(&mut self) {
        let rules = Arc::clone(&self.rules.borrow_and_update());
        let steps = self.relay.judge_by(rules);
        self.carry_out(Side::Server, steps);
    }

    /// `side` has caused them.
    fn carry_out(&mut self, side: Side, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Server(bytes) if !self.server.deaf => self.server.outgoing.add(side, bytes),
                Step::Client(bytes) if !self.client.deaf => self.client.outgoing.add(side, bytes),
                Step::Server(_) | Step::Client(_) => {}
                Step::Park(question) => {
                    let ticket = question.ticket;
                    self.parked.push((ticket, self.asks.ask(*question)));
                }
                Step::Unpark(ticket) => self.parked.retain(|(parked, _)| *parked != ticket),
                Step::Told(told) => self.tells.told(*told),
                Step::Changed(changed) => self.tells.changed(*changed),
                Step::Pin(pinned) => self.tells.pin(*pinned),
                Step::Close { side, why } => {
                    self.tells.dropped(side, &why);
                    self.over = Some(Ended::Broken(side));
                }
                Step::Dropped { side, what } => self.tells.dropped(side, &what),
            }
        }
    }
}

/// Whether more of this side may be read: not while so much of what it has caused waits.
fn may(side: Side, to_client: &Outgoing, to_server: &Outgoing) -> bool {
    to_client.caused_by(side) < ROOM && to_server.caused_by(side) < ROOM
}

/// The next of the parked calls that has its answer; whoever asked no more has denied it.
async fn answered(parked: &mut Vec<(u64, oneshot::Receiver<bool>)>) -> (u64, bool) {
    poll_fn(|context| {
        for at in 0..parked.len() {
            let Some((_, answer)) = parked.get_mut(at) else { break };
            if let Poll::Ready(answer) = Pin::new(answer).poll(context) {
                let (ticket, _) = parked.swap_remove(at);
                return Poll::Ready((ticket, answer.unwrap_or(false)));
            }
        }
        Poll::Pending
    })
    .await
}
