//! The control socket: `<runtime>/govsh/<id>/control`, through which people watch a session, answer and act.
//!
//! ```text
//! watch, answer ──socket──▶ acceptor ──▶ one visitor for each connection ─┬─▶ Questions    (answer)
//!                                                                         ├─▶ Bus          (marker)
//!                                                  recorder ──▶ Pulse ────┤   (status)
//!                                                                         └─▶ Bell ▶ Desk  (freeze, thaw, end) ▶ pump ▶ monitor
//! ```
//! Invariant: whoever connects has this user's uid and is no process of a session's agent; whatever a client does or
//! fails to do, pump, receiver and recorder never wait for it. Everything a client has done is recorded with who it was.
//! Leaves to others: what the agent writes and what happened (the recording, which a watcher follows as a file).

pub mod client;
mod peer;
pub mod protocol;
mod pulse;
mod standing;
mod visitor;
pub mod words;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use pulse::{Beat, Pulse};
pub use standing::{Bell, Desk, Frozen, Standing, What, Wish, desk};

use super::reload::Reload;
use super::runtime;
use crate::bus::Bus;
use crate::supervisor::questions::Questions;
use crate::sys::unix;
use protocol::Hello;

/// The socket's name in the session's directory.
pub const NAME: &str = "control";
/// Connections at a time.
const MOST: usize = 32;
/// How long the last words to clients may take at the end of a session.
const FAREWELL: Duration = Duration::from_millis(200);
/// Bytes of a visitor's stack: it parses bounded lines and little else.
const STACK: usize = 512 << 10;

/// What the socket is opened with.
pub struct Setup<'a> {
    /// The session's private directory.
    pub dir: &'a Path,
    pub hello: Hello,
    pub bell: Bell,
    pub pulse: Arc<Pulse>,
    pub bus: Bus,
    pub questions: Questions,
    /// Where answers for later sessions are kept; empty for nowhere.
    pub answers: PathBuf,
    pub reload: Arc<Reload>,
}

/// What every visitor shares.
struct Shared {
    hello: Hello,
    bell: Bell,
    pulse: Arc<Pulse>,
    bus: Bus,
    questions: Questions,
    answers: PathBuf,
    reload: Arc<Reload>,
    /// Hangs up when the session is over.
    over: OwnedFd,
    visitors: Mutex<usize>,
    gone: Condvar,
}

impl Shared {
    fn visitors(&self) -> MutexGuard<'_, usize> {
        // A number is never half written.
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The open socket.
pub struct Control {
    shared: Arc<Shared>,
    /// Dropping it says that the session is over.
    end: OwnedFd,
    acceptor: JoinHandle<()>,
}

/// Opens the socket. Call it on a thread that is not in the broker's domain.
pub fn start(setup: Setup<'_>) -> io::Result<Control> {
    let Setup { dir, hello, bell, pulse, bus, questions, answers, reload } = setup;
    let path = dir.join(NAME);
    let listening = runtime::short(&path).and_then(|(_dir, short)| UnixListener::bind(short))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    listening.set_nonblocking(true)?;
    let (over, end) = unix::pipe()?;
    let (visitors, gone) = (Mutex::new(0), Condvar::new());
    let shared = Arc::new(Shared { hello, bell, pulse, bus, questions, answers, reload, over, visitors, gone });
    let theirs = Arc::clone(&shared);
    let builder = std::thread::Builder::new().name("control".to_owned()).stack_size(STACK);
    let acceptor = builder.spawn(move || accept(&listening, &theirs))?;
    Ok(Control { shared, end, acceptor })
}

impl Control {
    /// Tells every client how the session went, and lets them go.
    pub fn close(self, exit: i32) {
        let Control { shared, end, acceptor } = self;
        shared.bell.over(exit);
        drop(end);
        // One that panicked has already ended the process.
        let _ = acceptor.join();
        let there = shared.visitors();
        // Whoever does not take it in time finds a closed connection.
        drop(shared.gone.wait_timeout_while(there, FAREWELL, |there| *there > 0));
    }
}

/// Until the session is over.
fn accept(listening: &UnixListener, shared: &Arc<Shared>) {
    loop {
        let mut entries =
            [unix::poll_for(listening.as_fd(), libc::POLLIN), unix::poll_for(shared.over.as_fd(), libc::POLLIN)];
        if unix::poll(&mut entries, -1).is_err() || entries[1].revents != 0 {
            return;
        }
        match listening.accept() {
            Ok((socket, _)) => receive(socket, shared),
            // Out of descriptors: whoever waits is still there later.
            Err(error) if error.raw_os_error().is_some_and(|errno| [libc::EMFILE, libc::ENFILE].contains(&errno)) => {
                std::thread::sleep(FAREWELL);
            }
            // Gone again.
            Err(_) => {}
        }
    }
}

/// Gives the connection a thread of its own, or a reason.
fn receive(socket: UnixStream, shared: &Arc<Shared>) {
    let who = match peer::admit(socket.as_fd(), &shared.hello.user) {
        Ok(who) => who,
        Err(why) => return turn_away(&socket, why),
    };
    {
        let mut there = shared.visitors();
        if *there >= MOST {
            return turn_away(&socket, "too many connections to this session");
        }
        *there += 1;
    }
    let theirs = Arc::clone(shared);
    let builder = std::thread::Builder::new().name("visitor".to_owned()).stack_size(STACK);
    let visit = move || {
        let leaving = Leaving(theirs);
        visitor::visit(socket, who, &leaving.0);
    };
    if builder.spawn(visit).is_err() {
        *shared.visitors() -= 1;
    }
}

fn turn_away(socket: &UnixStream, why: &str) {
    // Whoever does not read it finds a closed connection.
    let _ = unix::send_now(socket.as_fd(), &protocol::refused(None, why));
}

/// Counts a visitor out, however the visit ends.
struct Leaving(Arc<Shared>);

impl Drop for Leaving {
    fn drop(&mut self) {
        *self.0.visitors() -= 1;
        self.0.gone.notify_all();
    }
}
