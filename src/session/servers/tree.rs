//! A server's own tree: its processes under its own policy, beside the agent's and out of its reach.
//!
//! ```text
//! front ── broker's thread of this server ── monitor ── server: its own Landlock domain, BPF, supervisor, way out
//!                                                       stdin, stdout, stderr: pipes to the front
//! ```
//! Invariant: nothing of it runs that its policy does not let run; when it is over none of its processes lives, and its
//! directory is gone. What it is given (variables, credentials) is in no process of the agent's tree.
//! Leaves to others: what is said to it (`mcp`), when it is to end (`visit`).

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::super::launch::{self, Ground, Launch, Launched};
use super::super::monitor::Watched;
use super::super::outside::{self, Opened, Outside};
use super::super::wire::{Bytes, FromMonitor, Link, Orders, Stdio, ToMonitor};
use super::super::{MARKER, SessionError};
use super::{Command, Shared};
use crate::event::Event;
use crate::sandbox::{self, AgentPlan, Plan};
use crate::supervisor::gate::Gate;
use crate::supervisor::questions::Questions;
use crate::supervisor::{Job, Supervisor, Warden};
use crate::sys::{process, unix};

/// A server that runs.
pub struct Tree {
    link: Mutex<Link>,
    status: watch::Receiver<Option<i32>>,
    /// True once none of its processes lives.
    over: watch::Receiver<bool>,
    pid: i32,
}

/// Our ends of its pipes; none of them waits.
pub struct Pipes {
    pub stdin: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// What there is to take down behind it.
struct Behind {
    supervisor: Supervisor,
    outside: Option<Arc<Outside>>,
    monitor: i32,
    dir: PathBuf,
}

/// Starts it; `number` counts the session's connections. Called on a thread that may wait and is in nobody's domain.
pub(super) fn start(shared: &Shared, server: &Command, number: u64) -> Result<(Tree, Pipes), SessionError> {
    let dir = server.dir.join(number.to_string());
    DirBuilder::new().mode(0o700).create(&dir).map_err(SessionError::system("make a server's directory"))?;
    let started = start_in(shared, server, &dir);
    if started.is_err() {
        // It is cleared away with the session's at the latest.
        let _ = std::fs::remove_dir_all(&dir);
    }
    started
}

fn start_in(shared: &Shared, server: &Command, dir: &Path) -> Result<(Tree, Pipes), SessionError> {
    let questions = shared.questions.of_realm(server.realm);
    let options = sandbox::Options {
        audit: server.audit,
        env: std::env::vars_os().filter(|(name, _)| name != MARKER).collect(),
        cwd: shared.cwd.clone(),
        session_dir: server.dir.clone(),
        pts: None,
        cgroup: sandbox::Controllers::default(),
    };
    let plan = Arc::new(Plan::new(&server.policy, &options)?);
    let env = plan.agent.env.clone();
    let opening = outside::begin(&server.policy, (&shared.bus, &questions), dir, env.clone())?;
    let (outside, mut env, trust) = match opening.join()? {
        Some(Opened { outside, env, trust, .. }) => (Some(outside), env, trust),
        None => (None, env, None),
    };
    for (name, value) in &server.env {
        env.retain(|(known, _)| known != name.as_str());
        env.push((name.into(), value.into()));
    }
    let (pipes, theirs) = pipes().map_err(SessionError::system("make a server's pipes"))?;
    let warden =
        Warden::start(Arc::clone(&server.policy)).map_err(SessionError::system("start the warden's thread"))?;
    let pid = Arc::new(AtomicI32::new(0));
    let orders = orders(shared, server, plan.agent.reading(trust.as_deref()), &env);
    let ground = Ground { plan: plan.clone(), pty: None, cwd: shared.cwd.clone(), dir: dir.to_owned() };
    let parts = Parts { plan, questions, warden, outside: outside.clone(), trust, pid: Arc::clone(&pid) };
    let job = job(shared, server, parts);
    let launched =
        launch::begin(ground).and_then(|begun| begun.launch(Launch { orders, sent: theirs, door: None, job }));
    let Launched { link, supervisor, monitor, .. } = match launched {
        Ok(launched) => launched,
        Err(error) => {
            close(outside);
            return Err(error);
        }
    };
    let behind = Behind { supervisor, outside, monitor, dir: dir.to_owned() };
    let tree = watch_over(shared, link, (behind, pid.load(Ordering::Relaxed)))?;
    Ok((tree, pipes))
}

fn pipes() -> io::Result<(Pipes, Vec<OwnedFd>)> {
    let ((input, stdin), (stdout, output), (stderr, errors)) = (unix::pipe()?, unix::pipe()?, unix::pipe()?);
    for ours in [&stdin, &stdout, &stderr] {
        unix::set_nonblocking(ours.as_fd(), true)?;
    }
    Ok((Pipes { stdin, stdout, stderr }, vec![input, output, errors]))
}

fn orders(shared: &Shared, server: &Command, plan: AgentPlan, env: &[(OsString, OsString)]) -> Orders {
    let mut env: Vec<Bytes> = env.iter().map(|(name, value)| Bytes::pair(name, value)).collect();
    env.push(Bytes::pair(MARKER.as_ref(), shared.id.as_ref()));
    let limits = server.policy.limits();
    Orders {
        plan,
        program: Bytes(server.program.as_os_str().as_bytes().to_vec()),
        argv: server.argv.iter().map(|word| Bytes(word.as_bytes().to_vec())).collect(),
        env,
        stdio: [Stdio::Sent(0), Stdio::Sent(1), Stdio::Sent(2)],
        sent: 3,
        blocked: shared.start.blocked,
        ignored: shared.start.ignored,
        open_files: shared.start.open_files,
        foreground: false,
        keep_background: false,
        watched: Watched { processes: limits.processes, memory: limits.memory },
    }
}

struct Parts {
    plan: Arc<Plan>,
    questions: Questions,
    warden: Warden,
    outside: Option<Arc<Outside>>,
    trust: Option<PathBuf>,
    /// Where the process is told.
    pid: Arc<AtomicI32>,
}

fn job(
    shared: &Shared,
    server: &Command,
    Parts { plan, questions, warden, outside, trust, pid }: Parts,
) -> Box<dyn FnOnce(OwnedFd, i32, i32) -> Job + Send> {
    let (policy, bus) = (Arc::clone(&server.policy), shared.bus.clone());
    let gate = outside.map(|outside| outside as Arc<dyn Gate>);
    Box::new(move |listener, monitor, agent| {
        pid.store(agent, Ordering::Relaxed);
        // A server has no servers.
        let relay = None;
        let pts = None;
        Job { policy, gate, trust, relay, plan, bus, questions, listener, warden, monitor, agent, pts }
    })
}

/// A thread that hears the monitor until it is gone, and takes down what stood around the server.
fn watch_over(shared: &Shared, mut link: Link, (behind, pid): (Behind, i32)) -> Result<Tree, SessionError> {
    let (tell_status, status) = watch::channel(None);
    let (tell_over, over) = watch::channel(false);
    let sender = link.sender().map_err(SessionError::system("speak to a server's monitor"))?;
    let bus = shared.bus.clone();
    let hear = move || {
        loop {
            match link.receive::<FromMonitor>() {
                Ok(FromMonitor::Ended(ended)) => drop(tell_status.send_replace(Some(ended.status()))),
                Ok(FromMonitor::Over { what }) => bus.publish(Event::Limit { what }),
                // The program could not be executed: its status says it.
                Ok(FromMonitor::Failed(_)) => {}
                Ok(_) => {}
                Err(_) => break,
            }
        }
        // It has killed all that was left before it went. Who reaps it, we or the end of the session, is the same.
        let _ = process::wait_for(behind.monitor);
        behind.supervisor.finish();
        close(behind.outside);
        // It is cleared away with the session's at the latest.
        let _ = std::fs::remove_dir_all(&behind.dir);
        tell_over.send_replace(true);
    };
    let thread = std::thread::Builder::new().name("server".into()).spawn(hear);
    thread.map_err(SessionError::system("start a server's thread"))?;
    Ok(Tree { link: Mutex::new(sender), status, over, pid })
}

fn close(outside: Option<Arc<Outside>>) {
    if let Some(outside) = outside {
        outside.close();
    }
}

impl Tree {
    /// SIGTERM for the server's group.
    pub fn ask_to_end(&self) {
        self.tell(&ToMonitor::Signal { signal: libc::SIGTERM, group: true });
    }

    /// Its first process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Holds all of its processes still, or lets them go on.
    pub fn hold(&self, still: bool) {
        self.tell(if still { &ToMonitor::Freeze } else { &ToMonitor::Thaw });
    }

    /// SIGKILL for all of it.
    pub fn end(&self) {
        self.tell(&ToMonitor::End);
    }

    fn tell(&self, message: &ToMonitor) {
        // A monitor that is gone has ended everything.
        let _ = self.link.lock().unwrap_or_else(PoisonError::into_inner).send(message);
    }

    /// Whether none of it lives after so long.
    pub async fn ends_within(&self, time: Duration) -> bool {
        let mut over = self.over.clone();
        tokio::time::timeout(time, over.wait_for(|over| *over)).await.is_ok()
    }

    /// As above, on a thread that may wait.
    pub fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// As `govsh run` returns it; None where it was never heard.
    pub fn status(&self) -> Option<i32> {
        *self.status.borrow()
    }
}
