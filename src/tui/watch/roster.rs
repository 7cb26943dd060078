//! The sessions that there are, as they come and go, each with its connection.
//!
//! Invariant: connecting, which may wait, is done on a thread of its own; what is connected is only read without waiting.
//! Leaves to others: what a row shows of a session (`rows`).

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Rates;
use crate::session::control::client::{self, Client, ClientError, Push};
use crate::session::control::protocol::{Hello, Pending, Role, Status};
use crate::sys::unix;

/// Between two looks for new sessions.
const LOOK: Duration = Duration::from_millis(300);
/// How long one that has ended stays in the list.
const LINGER: Duration = Duration::from_secs(30);

/// How we stand with a session.
#[derive(Debug)]
pub enum Tie {
    Connected(Box<Client>),
    /// It was asked once, and the connection is closed.
    Seen,
    /// Its front is stopped by job control.
    Stopped,
    Silent,
    /// It has ended, then.
    Ended(Instant),
}

/// One session.
#[derive(Debug)]
pub struct Session {
    pub id: String,
    pub hello: Hello,
    pub status: Status,
    /// Those that wait, the oldest first.
    pub questions: Vec<Pending>,
    /// When it told of them.
    pub heard: Instant,
    pub events: Rates,
    pub output: Rates,
    pub tie: Tie,
}

impl Session {
    pub fn new(id: String, hello: Hello, tie: Tie) -> Self {
        let status = Status { cols: hello.cols, rows: hello.rows, ..Status::default() };
        let (events, output) = (Rates::default(), Rates::default());
        Session { id, hello, status, questions: Vec::new(), heard: Instant::now(), events, output, tie }
    }

    pub fn client(&mut self) -> Option<&mut Client> {
        match &mut self.tie {
            Tie::Connected(client) => Some(client),
            _ => None,
        }
    }

    /// Takes what the session has told; whether it was anything.
    pub fn hear(&mut self) -> bool {
        let Tie::Connected(client) = &mut self.tie else { return false };
        match client.take() {
            Ok(pushes) => {
                let heard = !pushes.is_empty();
                pushes.into_iter().for_each(|push| self.learn(push));
                heard
            }
            Err(_) => {
                // Connected to again, if it is still there.
                self.tie = Tie::Silent;
                true
            }
        }
    }

    pub fn learn(&mut self, push: Push) {
        match push {
            Push::Status(status) => self.stands(*status),
            Push::Questions(questions) => (self.questions, self.heard) = (questions, Instant::now()),
            Push::Over(status) => {
                self.stands(*status);
                self.questions.clear();
                self.tie = Tie::Ended(Instant::now());
            }
        }
    }

    fn stands(&mut self, status: Status) {
        self.events.feed(status.elapsed, status.events);
        self.output.feed(status.elapsed, status.output);
        self.status = status;
    }
}

/// Something the scout has found.
enum News {
    Connected(Box<Client>),
    Mute { id: String, stopped: bool },
}

/// All of them.
pub struct Roster {
    pub sessions: Vec<Session>,
    news: Receiver<News>,
    /// Ids that the scout need not look at.
    known: Arc<Mutex<HashSet<String>>>,
    wake: OwnedFd,
}

impl Roster {
    /// Starts looking. `answers`: somebody sits here who answers questions.
    pub fn start(answers: bool) -> io::Result<Self> {
        let (wake, ring) = unix::pipe()?;
        unix::set_nonblocking(wake.as_fd(), true)?;
        unix::set_nonblocking(ring.as_fd(), true)?;
        let (tell, news) = mpsc::channel();
        let known = Arc::new(Mutex::new(HashSet::new()));
        let scout = Scout { tell, known: Arc::clone(&known), ring, answers };
        std::thread::Builder::new().name("scout".to_owned()).spawn(move || scout.run())?;
        Ok(Roster { sessions: Vec::new(), news, known, wake })
    }

    /// Takes what came; whether anything is different.
    pub fn refresh(&mut self) -> bool {
        // Only a wake-up: the news are in the queue.
        let _ = unix::read(self.wake.as_fd(), &mut [0; 64]);
        let mut changed = false;
        while let Ok(news) = self.news.try_recv() {
            self.note(news);
            changed = true;
        }
        for session in &mut self.sessions {
            changed |= session.hear();
        }
        let before = self.sessions.len();
        let there: HashSet<String> = client::ids().into_iter().collect();
        self.sessions.retain(|session| match &session.tie {
            Tie::Connected(_) | Tie::Seen => true,
            Tie::Stopped | Tie::Silent => there.contains(&session.id),
            Tie::Ended(at) => at.elapsed() < LINGER,
        });
        let connected = self.sessions.iter().filter(|session| matches!(session.tie, Tie::Connected(_) | Tie::Ended(_)));
        *lock(&self.known) = connected.map(|session| session.id.clone()).collect();
        changed || self.sessions.len() != before
    }

    fn note(&mut self, news: News) {
        let id = match &news {
            News::Connected(client) => client.id(),
            News::Mute { id, .. } => id,
        };
        let known = self.sessions.iter_mut().find(|session| session.id == *id);
        match (news, known) {
            (News::Connected(client), Some(session)) => {
                session.hello = client.hello().clone();
                session.tie = Tie::Connected(client);
            }
            (News::Connected(client), None) => {
                let (id, hello) = (client.id().to_owned(), client.hello().clone());
                self.sessions.push(Session::new(id, hello, Tie::Connected(client)));
            }
            (News::Mute { stopped, .. }, Some(session)) if !matches!(session.tie, Tie::Connected(_)) => {
                session.tie = if stopped { Tie::Stopped } else { Tie::Silent };
            }
            (News::Mute { .. }, Some(_)) => {}
            (News::Mute { id, stopped }, None) => {
                let tie = if stopped { Tie::Stopped } else { Tie::Silent };
                let hello = Hello { id: id.clone(), ..Hello::default() };
                self.sessions.push(Session::new(id, hello, tie));
            }
        }
    }

    /// Readable when `refresh` has something to take.
    pub fn readable(&self) -> Vec<BorrowedFd<'_>> {
        let clients = self.sessions.iter().filter_map(|session| match &session.tie {
            Tie::Connected(client) => Some(client.as_fd()),
            _ => None,
        });
        std::iter::once(self.wake.as_fd()).chain(clients).collect()
    }
}

struct Scout {
    tell: Sender<News>,
    known: Arc<Mutex<HashSet<String>>>,
    ring: OwnedFd,
    answers: bool,
}

impl Scout {
    /// Until the roster is gone.
    fn run(self) {
        loop {
            let begun = Instant::now();
            let known = lock(&self.known).clone();
            let fresh: Vec<String> = client::ids().into_iter().filter(|id| !known.contains(id)).collect();
            let found: Vec<News> = std::thread::scope(|scope| {
                let asked: Vec<_> = fresh.into_iter().map(|id| scope.spawn(|| self.look(id))).collect();
                asked.into_iter().filter_map(|asked| asked.join().ok().flatten()).collect()
            });
            for news in found {
                if let News::Connected(client) = &news {
                    lock(&self.known).insert(client.id().to_owned());
                }
                if self.tell.send(news).is_err() {
                    return;
                }
                // A pipe that is full has been rung enough.
                let _ = unix::write(self.ring.as_fd(), &[1]);
            }
            // Nobody reads the other end any more when the roster is gone.
            let mut gone = [unix::poll_for(self.ring.as_fd(), 0)];
            let left = LOOK.saturating_sub(begun.elapsed()).as_millis();
            if unix::poll(&mut gone, i32::try_from(left).unwrap_or(0)).is_err() || gone[0].revents != 0 {
                return;
            }
        }
    }

    fn look(&self, id: String) -> Option<News> {
        let connected = Client::connect(&id, Role::Watch).and_then(|mut client| {
            client.subscribe(self.answers)?;
            Ok(client)
        });
        match connected {
            Ok(client) => Some(News::Connected(Box::new(client))),
            Err(ClientError::Stopped(_)) => Some(News::Mute { id, stopped: true }),
            Err(ClientError::NoSession(_) | ClientError::Over(_)) => None,
            Err(_) => Some(News::Mute { id, stopped: false }),
        }
    }
}

fn lock(known: &Mutex<HashSet<String>>) -> MutexGuard<'_, HashSet<String>> {
    // A set is whole after every call.
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
