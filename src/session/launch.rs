//! From a plan to a running agent: the broker's thread, the monitor, the listener.
//!
//! ```text
//! begin ─▶ thread: broker's domain, monitor, its connection ─┐ meanwhile: recording, way out, control socket
//! launch ─ orders ───────────────────────────────────────────┴▶ fork, install, listener, supervisor, go
//! ```
//! Invariant: the agent's program runs no instruction before its listener is in our hands and is being served; a monitor
//! that gets no orders ends.
//! Leaves to others: what the sandbox is (`sandbox`), the decisions (`supervisor`), the terminal's bytes (`pump`).

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtyPair, PtySize, SlavePty};

use super::cgroup::Door;
use super::wire::{FromMonitor, Link, Orders};
use super::{SessionError, runtime};
use crate::sandbox::{self, Plan};
use crate::supervisor::{self, Job, Supervisor};
use crate::sys::tty::{self, Attributes, Size};
use crate::sys::{pidfd, process, spawn, unix};

/// How long the monitor may take to come up on a machine under load.
const PATIENCE: Duration = Duration::from_secs(20);

/// The session's PTY.
pub struct Pty {
    /// Never waits.
    pub leader: OwnedFd,
    /// The follower's path.
    pub path: PathBuf,
    follower: Box<dyn SlavePty + Send>,
}

impl Pty {
    /// With the size and settings of the user's terminal.
    pub fn open(size: Size, attributes: Option<Attributes>) -> Result<Self, SessionError> {
        let cells = PtySize { rows: size.rows, cols: size.cols, pixel_width: size.width, pixel_height: size.height };
        let refused = |error: anyhow::Error| SessionError::Pty(error.to_string());
        let PtyPair { master: leader, slave: follower } =
            portable_pty::native_pty_system().openpty(cells).map_err(refused)?;
        let nameless = || SessionError::Pty("it has no name".to_owned());
        let path = leader.tty_name().ok_or_else(nameless)?;
        let fd = leader.as_raw_fd().ok_or_else(nameless)?;
        let leader = unix::duplicate(fd).map_err(SessionError::system("copy the PTY's leader"))?;
        unix::set_nonblocking(leader.as_fd(), true).map_err(SessionError::system("prepare the PTY"))?;
        if let Some(attributes) = attributes {
            attributes.set(leader.as_fd()).map_err(SessionError::system("prepare the PTY"))?;
        }
        tty::set_size(leader.as_fd(), size).map_err(SessionError::system("prepare the PTY"))?;
        Ok(Pty { leader, path, follower })
    }
}

/// What the broker's thread needs to start the monitor.
pub struct Ground {
    pub plan: Arc<Plan>,
    pub pty: Option<Pty>,
    pub cwd: PathBuf,
    /// The session's private directory.
    pub dir: PathBuf,
}

/// What it needs besides, to start the agent.
pub struct Launch {
    pub orders: Orders,
    pub sent: Vec<OwnedFd>,
    /// Where the agent goes before it runs.
    pub door: Option<Door>,
    /// For the supervisor, once listener and pids are known.
    pub job: Box<dyn FnOnce(OwnedFd, i32, i32) -> Job + Send>,
}

/// A running agent.
pub struct Launched {
    pub link: Link,
    pub supervisor: Supervisor,
    pub leader: Option<OwnedFd>,
    /// Its pid.
    pub monitor: i32,
}

/// A monitor that is coming up or waits for its orders. Dropping it ends the monitor.
pub struct Begun {
    /// Both None once it is launched.
    launch: Option<SyncSender<Launch>>,
    thread: Option<JoinHandle<Result<Launched, SessionError>>>,
}

/// Begins on the thread that becomes the broker's root: all it starts is in the broker's domain. Nothing of the agent's.
pub fn begin(ground: Ground) -> Result<Begun, SessionError> {
    let (launch, awaited) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("broker".into()).spawn(move || on_broker_thread(ground, &awaited));
    let thread = thread.map_err(SessionError::system("start the broker's thread"))?;
    Ok(Begun { launch: Some(launch), thread: Some(thread) })
}

impl Begun {
    /// Runs the agent. After an error the monitor may still be there.
    pub fn launch(mut self, launch: Launch) -> Result<Launched, SessionError> {
        // A thread that has failed already does not take it, and says why.
        if let Some(to) = self.launch.take() {
            let _ = to.send(launch);
        }
        self.join()
    }

    fn join(&mut self) -> Result<Launched, SessionError> {
        let thread = self.thread.take().ok_or(SessionError::Broker)?;
        thread.join().unwrap_or(Err(SessionError::Broker))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.launch.take().is_some() {
            // It finds that nothing follows, and sees the monitor out. Whoever drops it has an error of its own to tell.
            let _ = self.join();
        }
    }
}

fn on_broker_thread(ground: Ground, awaited: &Receiver<Launch>) -> Result<Launched, SessionError> {
    let Ground { plan, pty, cwd, dir } = ground;
    let path = dir.join("monitor");
    let listening = runtime::short(&path).and_then(|(_dir, short)| UnixListener::bind(short));
    let listening = listening.map_err(SessionError::system("make the monitor's socket"))?;
    sandbox::enter_broker_domain(&plan.broker)?;
    drop(plan);
    let (leader, monitor) = match pty {
        Some(pty) => (Some(pty.leader), spawn_on_pty(pty.follower.as_ref(), &path, &cwd)?),
        None => (None, spawn_without_terminal(&path, &cwd)?),
    };
    let mut link = accept(&listening, monitor)?;
    // Nobody else needs it; the directory goes at the end.
    let _ = std::fs::remove_file(&path);
    let Ok(Launch { orders, sent, door, job }) = awaited.recv() else {
        // It ends when nobody is there to give it orders.
        drop(link);
        let _ = process::wait_for(monitor);
        return Err(SessionError::Broker);
    };
    link.send(&orders).map_err(SessionError::Monitor)?;
    if orders.sent > 0 {
        let sent: Vec<_> = sent.iter().map(AsFd::as_fd).collect();
        link.send_descriptors(&sent).map_err(SessionError::Monitor)?;
    }
    drop(sent);
    let (listener, agent) = take_listener(&mut link)?;
    if let Some(mut door) = door {
        // What the report says holds: without it nothing runs.
        door.admit(agent).map_err(SessionError::system("move the agent into its cgroup"))?;
    }
    let supervisor = supervisor::start(job(listener, monitor, agent))?;
    link.go().map_err(SessionError::Monitor)?;
    Ok(Launched { link, supervisor, leader, monitor })
}

/// portable-pty makes it the leader of a session whose terminal the follower is, and closes everything above 2.
fn spawn_on_pty(follower: &dyn SlavePty, socket: &Path, cwd: &Path) -> Result<i32, SessionError> {
    let mut command = CommandBuilder::new("/proc/self/exe");
    command.args([OsStr::new("__monitor"), socket.as_os_str()]);
    command.env_clear();
    // Both only keep it from asking the user database.
    command.env("HOME", "/");
    command.env("SHELL", "/bin/sh");
    command.cwd(cwd);
    let child = follower.spawn_command(command).map_err(|error| SessionError::Spawn(error.to_string()))?;
    child.process_id().and_then(|pid| i32::try_from(pid).ok()).ok_or_else(|| SessionError::Spawn("no pid".to_owned()))
}

fn spawn_without_terminal(socket: &Path, cwd: &Path) -> Result<i32, SessionError> {
    let word = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let (Ok(socket), Ok(cwd)) = (word(socket), word(cwd)) else {
        return Err(SessionError::Spawn("a NUL byte".to_owned()));
    };
    let started = spawn::detached(c"/proc/self/exe", &[c"/proc/self/exe", c"__monitor", &socket], &cwd);
    started.map_err(|error| SessionError::Spawn(error.to_string()))
}

/// The monitor's connection: from that very process, or none.
fn accept(listening: &UnixListener, monitor: i32) -> Result<Link, SessionError> {
    let died = pidfd::open(monitor).map_err(|errno| SessionError::system("open a pidfd")(errno.into()))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut entries = [unix::poll_for(listening.as_fd(), libc::POLLIN), unix::poll_for(died.as_fd(), libc::POLLIN)];
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        unix::poll(&mut entries, i32::try_from(left).unwrap_or(0)).map_err(SessionError::Monitor)?;
        if entries[0].revents != 0 {
            let (socket, _) = listening.accept().map_err(SessionError::Monitor)?;
            if unix::peer(socket.as_fd()).map_err(SessionError::Monitor)?.0 == monitor {
                return Ok(Link::new(socket));
            }
        } else if entries[1].revents != 0 {
            return Err(SessionError::Monitor(io::ErrorKind::UnexpectedEof.into()));
        } else if left == 0 {
            return Err(SessionError::Monitor(io::ErrorKind::TimedOut.into()));
        }
    }
}

/// By number: sending it as a descriptor could wait for a supervisor that does not exist yet.
fn take_listener(link: &mut Link) -> Result<(OwnedFd, i32), SessionError> {
    match link.receive().map_err(SessionError::Monitor)? {
        FromMonitor::Listener { number, pid } => {
            let agent = pidfd::open(pid).map_err(|errno| SessionError::Listener(errno.into()))?;
            let listener =
                pidfd::get_fd(agent.as_fd(), number).map_err(|errno| SessionError::Listener(errno.into()))?;
            Ok((listener, pid))
        }
        FromMonitor::Failed(failure) => Err(SessionError::Agent(failure)),
        FromMonitor::Stopped { .. }
        | FromMonitor::Woken
        | FromMonitor::Frozen { .. }
        | FromMonitor::Thawed
        | FromMonitor::Ended(_)
        | FromMonitor::Over { .. }
        | FromMonitor::Kept => Err(SessionError::Monitor(io::ErrorKind::UnexpectedEof.into())),
    }
}
