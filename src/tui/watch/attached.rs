//! A running session as the view of one session needs it: its questions, and what can be done to it.
//!
//! Invariant: a connection that is lost is made again while the session is there, at most once a second.
//! Leaves to others: what the agent writes (the view follows the recording).

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::rates::Rates;
use crate::recording::visible;
use crate::session::control::client::{Client, ClientError, NAMED, PATIENCE, Push};
use crate::session::control::protocol::{Given, Pending, Role, State, Status};
use crate::tui::source::{Condition, Live, Refused, Reply, Waiting};

/// Between two tries to connect again.
const RETRY: Duration = Duration::from_secs(1);

/// One session, with its questions.
#[derive(Debug)]
pub struct Attached {
    id: String,
    client: Option<Client>,
    tried: Instant,
    status: Status,
    /// Of events and of bytes of output; None before the first status.
    rates: Option<(Rates, Rates)>,
    waiting: Vec<Waiting>,
    /// When they were told.
    heard: Instant,
    over: bool,
    /// Statuses that the session has left out for us.
    missed: u64,
}

impl Attached {
    /// Connects to the session of this id and says that somebody answers here.
    pub fn to(id: &str) -> Result<Self, ClientError> {
        let client = connect(id, NAMED)?;
        Ok(Attached {
            id: id.to_owned(),
            client: Some(client),
            tried: Instant::now(),
            status: Status::default(),
            rates: None,
            waiting: Vec::new(),
            heard: Instant::now(),
            over: false,
            missed: 0,
        })
    }

    /// Its recording, where it has one.
    pub fn recording(&self) -> Option<&str> {
        self.client.as_ref()?.hello().recording.as_deref()
    }

    fn learn(&mut self, push: Push) {
        match push {
            Push::Status(status) => {
                let (events, output) = self.rates.get_or_insert_default();
                events.feed(status.elapsed, status.events);
                output.feed(status.elapsed, status.output);
                self.missed = self.missed.saturating_add(status.skipped);
                self.status = *status;
            }
            Push::Questions(questions) => {
                self.waiting = questions.into_iter().map(waits).collect();
                self.heard = Instant::now();
            }
            Push::Over(status) => {
                (self.status, self.over) = (*status, true);
                self.waiting.clear();
                self.client = None;
            }
        }
    }

    /// Whether it is there again, or is known to be over.
    fn again(&mut self) -> bool {
        if self.over || self.tried.elapsed() < RETRY {
            return false;
        }
        self.tried = Instant::now();
        match connect(&self.id, PATIENCE) {
            Ok(client) => self.client = Some(client),
            Err(ClientError::NoSession(_) | ClientError::Over(_)) => {
                self.over = true;
                self.waiting.clear();
            }
            // Stopped or busy: it may be there later.
            Err(_) => return false,
        }
        true
    }

    fn act<T>(&mut self, deed: impl FnOnce(&mut Client) -> Result<T, ClientError>) -> Result<T, Refused> {
        let Some(client) = &mut self.client else {
            let why = if self.over { "the session is over" } else { "the session does not answer" };
            return Err(Refused(why.to_owned()));
        };
        deed(client).map_err(|error| Refused(visible(error.to_string().as_bytes())))
    }
}

fn connect(id: &str, patience: Duration) -> Result<Client, ClientError> {
    let mut client = Client::connect_within(id, Role::Watch, patience)?;
    client.subscribe(true)?;
    Ok(client)
}

fn waits(one: Pending) -> Waiting {
    let calls = usize::try_from(one.calls).unwrap_or(usize::MAX);
    Waiting { ask: Arc::new(one.ask), left: Duration::from_millis(one.left), calls }
}

impl Live for Attached {
    fn refresh(&mut self) -> bool {
        let Some(client) = &mut self.client else { return self.again() };
        let seq = self.status.seq;
        match client.take() {
            Ok(pushes) => {
                let heard = !pushes.is_empty();
                pushes.into_iter().for_each(|push| self.learn(push));
                heard || self.status.seq != seq
            }
            Err(_) => {
                self.client = None;
                true
            }
        }
    }

    fn condition(&self) -> Condition {
        let idle = (self.status.state == State::Idle).then(|| Duration::from_millis(self.status.quiet));
        Condition {
            frozen: self.status.state == State::Frozen,
            over: self.over,
            idle,
            rates: self.rates.as_ref().map(|(events, output)| (events.now(), output.now())),
            watchers: usize::try_from(self.status.watchers).unwrap_or(usize::MAX),
            missed: self.missed,
        }
    }

    fn waiting(&self) -> Vec<Waiting> {
        let gone = self.heard.elapsed();
        self.waiting.iter().map(|one| Waiting { left: one.left.saturating_sub(gone), ..one.clone() }).collect()
    }

    fn answer(&mut self, ask: u64, reply: Reply) -> Result<String, Refused> {
        let said = self.act(|client| client.answer(Given::new(ask, reply.verdict, reply.scope, reply.choice)))?;
        self.waiting.retain(|one| one.ask.id != ask);
        Ok(visible(said.as_bytes()))
    }

    fn marker(&mut self, label: &str) -> Result<(), Refused> {
        self.act(|client| client.marker(label))
    }

    fn freeze(&mut self, on: bool) -> Result<(), Refused> {
        self.act(|client| if on { client.freeze().map(drop) } else { client.thaw() })?;
        // Known before the session tells it.
        self.status.state = if on { State::Frozen } else { State::Working };
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        self.act(|client| client.end(false))
    }

    fn readable(&self) -> Option<BorrowedFd<'_>> {
        self.client.as_ref().map(AsFd::as_fd)
    }
}
