//! The client side of the control socket: which sessions run, and talking to one of them.
//!
//! Invariant: nothing here waits longer than it says, whatever the session does; what a session tells is bounded and stays
//! untrusted text.
//! Leaves to others: showing it (`cmd`, `tui`).

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::NAME;
use super::protocol::{Given, Hello, Op, Pending, Request, Role, Status, VERSION};
use crate::session::runtime;
use crate::sys::unix;

/// How long a session may take to answer what it can answer at once.
pub const PATIENCE: Duration = Duration::from_millis(200);
/// The same, where a person has asked for just this.
pub const NAMED: Duration = Duration::from_secs(3);
/// How long it may take for what has to be done first.
const DONE: Duration = Duration::from_secs(6);
/// Bytes of a line from a session.
const LONGEST: usize = 4 << 20;

/// Why a session cannot be talked to, or did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no session '{0}' runs")]
    NoSession(String),
    #[error("'{name}' could be any of {ids}")]
    Ambiguous { name: String, ids: String },
    #[error("session {0} does not answer")]
    Silent(String),
    #[error("session {0} is stopped")]
    Stopped(String),
    #[error("session {0} is over")]
    Over(String),
    /// In the session's own words.
    #[error("{0}")]
    Refused(String),
    #[error("session {0} says what this govsh does not understand")]
    Foreign(String),
}

/// A session with a directory of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub id: String,
    pub seen: Seen,
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    Alive {
        hello: Box<Hello>,
        status: Box<Status>,
    },
    /// Its front is stopped (Ctrl-Z).
    Stopped,
    /// It does not answer.
    Silent,
}

/// Something the session told without being asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Push {
    Status(Box<Status>),
    Questions(Vec<Pending>),
    /// The session has ended so.
    Over(Box<Status>),
}

/// A connection to one session.
#[derive(Debug)]
pub struct Client {
    id: String,
    socket: UnixStream,
    hello: Hello,
    input: Vec<u8>,
    pushed: VecDeque<Push>,
    /// The session has closed it; what came before may still lie in `input`.
    closed: bool,
    n: u64,
}

/// The ids of this user's sessions, the oldest first; those of dead ones may be among them.
pub fn ids() -> Vec<String> {
    let mut found: Vec<(SystemTime, String)> = Vec::new();
    for entry in std::fs::read_dir(runtime::root()).into_iter().flatten().flatten() {
        let Ok(id) = entry.file_name().into_string() else { continue };
        let begun = std::fs::metadata(entry.path().join("lock")).and_then(|lock| lock.modified());
        if let (false, Ok(begun)) = (id.starts_with('.'), begun) {
            found.push((begun, id));
        }
    }
    found.sort();
    found.into_iter().map(|(_, id)| id).collect()
}

/// The session that a person names: `last`, an id, or a unique beginning of one.
pub fn resolve(name: &str) -> Result<String, ClientError> {
    let mut ids = ids();
    if name == "last" {
        return ids.pop().ok_or_else(|| ClientError::NoSession("last".to_owned()));
    }
    if ids.iter().any(|id| id == name) {
        return Ok(name.to_owned());
    }
    ids.retain(|id| !name.is_empty() && id.starts_with(name));
    match ids.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(ClientError::NoSession(name.to_owned())),
        several => Err(ClientError::Ambiguous { name: name.to_owned(), ids: several.join(", ") }),
    }
}

/// All sessions of this user, the oldest first, each asked at the same time; dead ones are left out.
pub fn list() -> Vec<Found> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = ids().into_iter().map(|id| scope.spawn(|| look(id))).collect();
        asked.into_iter().filter_map(|asked| asked.join().ok().flatten()).collect()
    })
}

fn look(id: String) -> Option<Found> {
    let seen = match Client::connect(&id, Role::Watch).and_then(|mut client| Ok((client.status()?, client))) {
        Ok((status, client)) => Seen::Alive { hello: Box::new(client.hello), status: Box::new(status) },
        Err(ClientError::Stopped(_)) => Seen::Stopped,
        Err(ClientError::NoSession(_) | ClientError::Over(_)) => return None,
        Err(_) => Seen::Silent,
    };
    Some(Found { id, seen })
}

impl Client {
    /// Connects to the session of exactly this id, if it answers soon.
    pub fn connect(id: &str, role: Role) -> Result<Self, ClientError> {
        Self::connect_within(id, role, PATIENCE)
    }

    /// As [`Client::connect`], for a session that somebody has named: a busy machine may take its time.
    pub fn connect_within(id: &str, role: Role, patience: Duration) -> Result<Self, ClientError> {
        let no_session = || ClientError::NoSession(id.to_owned());
        if id.is_empty() || id.contains('/') || id.starts_with('.') {
            return Err(no_session());
        }
        let socket = knock(&runtime::root().join(id).join(NAME)).map_err(|error| match error.kind() {
            // So many wait to be heard that there is no place in the queue.
            ErrorKind::WouldBlock => ClientError::Silent(id.to_owned()),
            _ => no_session(),
        })?;
        let pid = unix::peer(socket.as_fd()).map_or(0, |(pid, _)| pid);
        let mut client = Client {
            id: id.to_owned(),
            socket,
            hello: Hello::default(),
            input: Vec::new(),
            pushed: VecDeque::new(),
            closed: false,
            n: 0,
        };
        let greeted = client.call(Op::Hello { version: VERSION, role }, patience).map_err(|error| match error {
            ClientError::Silent(id) if is_stopped(pid) => ClientError::Stopped(id),
            error => error,
        })?;
        client.hello = serde_json::from_value(greeted).map_err(|_| client.foreign())?;
        Ok(client)
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    pub fn status(&mut self) -> Result<Status, ClientError> {
        let status = self.call(Op::Status {}, PATIENCE)?;
        serde_json::from_value(status).map_err(|_| self.foreign())
    }

    /// Those that wait, the oldest first.
    pub fn questions(&mut self) -> Result<Vec<Pending>, ClientError> {
        let told = self.call(Op::Questions {}, NAMED)?;
        questions(&told).ok_or_else(|| self.foreign())
    }

    /// What the session says to it.
    pub fn answer(&mut self, given: Given) -> Result<String, ClientError> {
        let told = self.call(Op::Answer(given), DONE)?;
        Ok(told.get("said").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    pub fn marker(&mut self, label: &str) -> Result<(), ClientError> {
        self.call(Op::Marker { label: label.to_owned() }, NAMED).map(drop)
    }

    /// How many processes are held still, and whether those are all.
    pub fn freeze(&mut self) -> Result<(u64, bool), ClientError> {
        let told = self.call(Op::Freeze {}, DONE)?;
        let processes = told.get("processes").and_then(Value::as_u64).unwrap_or_default();
        Ok((processes, told.get("whole").and_then(Value::as_bool).unwrap_or_default()))
    }

    pub fn thaw(&mut self) -> Result<(), ClientError> {
        self.call(Op::Thaw {}, DONE).map(drop)
    }

    /// The session reads its policy again and puts it in force; what it says to that, in lines.
    pub fn reload(&mut self) -> Result<Vec<String>, ClientError> {
        let told = self.call(Op::Reload {}, DONE)?;
        let lines = told.get("told").and_then(Value::as_array).ok_or_else(|| self.foreign())?;
        Ok(lines.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// With SIGTERM and ten seconds first, or at once.
    pub fn end(&mut self, now: bool) -> Result<(), ClientError> {
        self.call(Op::End { now }, NAMED).map(drop)
    }

    /// The dump of the terminal, for `Screen::restore`.
    pub fn screen(&mut self) -> Result<Vec<u8>, ClientError> {
        let told = self.call(Op::Screen {}, PATIENCE)?;
        let dump = told.get("dump").and_then(Value::as_str).and_then(crate::recording::from_base64);
        dump.ok_or_else(|| self.foreign())
    }

    /// From now on the session tells how it stands. `answers`: somebody sits here who answers its questions.
    pub fn subscribe(&mut self, answers: bool) -> Result<(), ClientError> {
        self.call(Op::Subscribe { answers }, NAMED).map(drop)
    }

    /// What the session has told since the last time, without waiting. An error when it has gone.
    pub fn take(&mut self) -> Result<Vec<Push>, ClientError> {
        self.receive();
        while let Some(value) = self.line()? {
            self.keep(&value);
        }
        if self.pushed.is_empty() && self.closed {
            return Err(ClientError::Over(self.id.clone()));
        }
        Ok(self.pushed.drain(..).collect())
    }

    /// One request and its answer.
    fn call(&mut self, op: Op, patience: Duration) -> Result<Value, ClientError> {
        self.n += 1;
        let deadline = Instant::now() + patience;
        self.send(&Request { n: Some(self.n), op }.line(), deadline)?;
        loop {
            while let Some(value) = self.line()? {
                let of_ours = value.get("n").and_then(Value::as_u64) == Some(self.n);
                match value.get("ok").and_then(Value::as_bool) {
                    Some(true) if of_ours => return Ok(value),
                    // Turned away before it was read has no number.
                    Some(false) if of_ours || value.get("n").is_none() => {
                        let why = value.get("error").and_then(Value::as_str).unwrap_or("refused");
                        return Err(ClientError::Refused(why.to_owned()));
                    }
                    // The answer to something that was given up waiting for.
                    Some(_) => {}
                    None => self.keep(&value),
                }
            }
            if self.closed {
                return Err(ClientError::Over(self.id.clone()));
            }
            self.wait(libc::POLLIN, deadline)?;
            self.receive();
        }
    }

    fn keep(&mut self, value: &Value) {
        let status = || serde_json::from_value(value.clone()).ok();
        let push = match value.get("push").and_then(Value::as_str) {
            Some("status") => status().map(Push::Status),
            Some("over") => status().map(Push::Over),
            Some("questions") => questions(value).map(Push::Questions),
            // Of a later version.
            _ => None,
        };
        self.pushed.extend(push);
    }

    fn send(&self, mut bytes: &[u8], deadline: Instant) -> Result<(), ClientError> {
        while !bytes.is_empty() {
            match unix::send_now(self.socket.as_fd(), bytes) {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(error) if is_waiting(&error) => self.wait(libc::POLLOUT, deadline)?,
                // It may have said why before it closed: that is read next.
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn wait(&self, events: i16, deadline: Instant) -> Result<(), ClientError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut entry = [unix::poll_for(self.socket.as_fd(), events)];
        let polled = unix::poll(&mut entry, i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX));
        if left.is_zero() || polled.is_err() { Err(ClientError::Silent(self.id.clone())) } else { Ok(()) }
    }

    /// Reads what is there.
    fn receive(&mut self) {
        let mut buffer = [0; 16 << 10];
        while !self.closed && self.input.len() <= LONGEST {
            match unix::receive_now(self.socket.as_fd(), &mut buffer) {
                Ok(0) => self.closed = true,
                Ok(bytes) => self.input.extend_from_slice(buffer.get(..bytes).unwrap_or_default()),
                Err(error) if is_waiting(&error) => return,
                Err(_) => self.closed = true,
            }
        }
    }

    /// The next whole line.
    fn line(&mut self) -> Result<Option<Value>, ClientError> {
        match memchr::memchr(b'\n', &self.input) {
            Some(end) => {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                serde_json::from_slice(&line).map(Some).map_err(|_| self.foreign())
            }
            None if self.input.len() > LONGEST => Err(self.foreign()),
            None => Ok(None),
        }
    }

    fn foreign(&self) -> ClientError {
        ClientError::Foreign(self.id.clone())
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn questions(value: &Value) -> Option<Vec<Pending>> {
    Some(value.get("questions")?.as_array()?.iter().filter_map(Pending::from_value).collect())
}

fn is_waiting(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Connects without waiting for a place in the queue of a session that does not take anybody.
fn knock(path: &Path) -> std::io::Result<UnixStream> {
    let (_dir, short) = runtime::short(path)?;
    Ok(UnixStream::from(unix::connect_now(short.as_os_str().as_encoded_bytes())?))
}

/// Whether it is stopped by job control.
fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 't']))
}
