//! One run, wired: launch, monitor, pump, recorder. The only module that knows everybody.
//!
//! ```text
//! cmd::run ─Run─▶ run ─▶ streams, terminal, recorder ─▶ launch ─▶ [monitor ─▶ agent]
//!                  └──▶ pump: terminal ↔ PTY, streams, signals, monitor ─▶ Finished ─▶ closing lines, status
//! ```
//! Invariant: when `run` returns, no process of the session lives, the recording is closed and the terminal is as it was.
//! Leaves to others: which policy and program (`cmd`), what is allowed (`supervisor`, `sandbox`), the file (`recorder`).
//!
//! `--keep-background` (see `keep`): the command's status is returned when the command ends; what it left behind goes on
//! under this session's policy and recording, watched over by a process of ours without a terminal, until the last one ends.

pub mod answers;
mod begin;
mod cgroup;
mod channel;
pub mod control;
mod freeze;
pub mod keep;
mod launch;
mod lines;
mod monitor;
pub mod overlay;
mod pump;
mod reap;
pub mod recorder;
pub mod retention;
pub mod runtime;
pub mod shelf;
mod streams;
pub mod terminal;
mod wire;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use monitor::run as monitor;

use crate::bus::{self, Bus};
use crate::event::{Event, Stamped};
use crate::policy::{self, Audit, Policy};
use crate::sandbox::{self, Plan, SandboxError};
use crate::supervisor::questions::Questions;
use crate::supervisor::{Job, SupervisorError, Warden};
use crate::sys::process::{self, Limit};
use crate::sys::signals::{self, Disposition, Set, SignalFd};
use crate::sys::{inherited, unix};
use cgroup::Cgroup;
use control::{Control, Desk, Pulse};
use keep::Keeper;
use launch::{Launch, Launched, Pty};
use monitor::Watched;
use overlay::{HotKey, Overlay, Recent};
use pump::{Finished, Pump, Setup};
use recorder::{Recorder, RecorderError, Target};
use runtime::Runtime;
use streams::{Kind, Streams};
use terminal::Terminal;
use wire::{Bytes, Failure, Orders};

/// Exit status when govsh itself fails.
pub const FAILED: i32 = 125;
/// Exit status when the command was refused or cannot be executed.
pub const REFUSED: i32 = 126;
/// Exit status when the command was not found.
pub const NOT_FOUND: i32 = 127;

/// How long what a failed launch has left may take to go.
const LAUNCH_PATIENCE: Duration = Duration::from_secs(1);

/// Environment variable that names the session to whatever runs in it.
pub const MARKER: &str = "GOVSH_SESSION";

/// Why a session could not be started or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("cannot {act}")]
    System { act: &'static str, source: io::Error },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    #[error("cannot open a pseudo-terminal: {0}")]
    Pty(String),
    #[error("cannot start the monitor: {0}")]
    Spawn(String),
    #[error("the monitor did not come up")]
    Monitor(#[source] io::Error),
    #[error("cannot take over the agent's seccomp listener (pidfd_getfd)")]
    Listener(#[source] io::Error),
    #[error("the broker's thread panicked")]
    Broker,
    #[error("the monitor was killed; everything it watched over was ended")]
    MonitorLost,
    #[error("processes of the session cannot be ended")]
    LeftBehind,
    #[error("the recording cannot be written, so the session was ended: {0}")]
    Recording(String),
    #[error("{0}")]
    Agent(Failure),
}

impl SessionError {
    fn system(act: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { act, source }
    }

    /// A second line that says what to do, where there is one.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Sandbox(error) => error.hint(),
            Self::Agent(Failure::Sandbox { hint, .. }) => hint.as_deref(),
            Self::Listener(_) => Some(
                "a container's seccomp profile, a tracer or kernel.yama.ptrace_scope forbids it; 'govsh doctor' says which mechanisms are left",
            ),
            Self::Recording(_) => Some("free some space, or set record.on_failure = \"continue\" in the policy"),
            _ => None,
        }
    }

    /// Exit status of `govsh run`.
    pub fn status(&self) -> i32 {
        match self {
            Self::Agent(Failure::Exec(libc::ENOENT | libc::ENOTDIR)) => NOT_FOUND,
            Self::Agent(Failure::Exec(_)) => REFUSED,
            _ => FAILED,
        }
    }
}

/// What to run and how, everything decided.
pub struct Run {
    pub id: String,
    /// Name of the user who runs it.
    pub user: String,
    pub runtime: Runtime,
    pub policy: Arc<Policy>,
    pub audit: Audit,
    /// Absolute.
    pub program: PathBuf,
    pub argv: Vec<OsString>,
    /// Something about the program that the user should know.
    pub notice: Vec<String>,
    /// Arguments of `argv` that the profile added.
    pub appended: Vec<String>,
    pub cwd: PathBuf,
    pub record: Target,
    /// Where answers that hold for later sessions are kept.
    pub answers: PathBuf,
    /// How long a question waits for somebody.
    pub ask_timeout: Duration,
    pub keep_background: bool,
    pub quiet: bool,
    /// What opens the panel; None for no key.
    pub hot_key: Option<HotKey>,
}

/// How the process was when the user started it, before a session changes anything.
struct Inherited {
    blocked: Set,
    ignored: Set,
    open_files: Limit,
}

/// Runs the session to its end; the exit status of `govsh run`.
pub fn run(run: Run, keeper: Keeper) -> Result<i32, SessionError> {
    let inherited = prepare_process()?;
    let mut session = Session::open(run)?;
    let finished = session.play(&inherited, keeper);
    session.close(finished)
}

/// Signals, sub-reaper, limits: ours, not the agent's.
fn prepare_process() -> Result<Inherited, SessionError> {
    let failed = SessionError::system;
    terminal::end_on_panic();
    let mut ignored = signals::ignored();
    if !inherited::ignored_sigpipe() {
        ignored = ignored.without(libc::SIGPIPE);
    }
    let blocked = signals::block(Set::of(&pump::BLOCKED)).map_err(failed("block signals"))?;
    // Too large a recording is an error of a write, not the end of the front.
    signals::set_disposition(libc::SIGXFSZ, Disposition::Ignore).map_err(failed("ignore SIGXFSZ"))?;
    process::become_subreaper().map_err(failed("become a sub-reaper"))?;
    process::set_dumpable(false).map_err(failed("hide the front's memory"))?;
    let open_files = process::open_files_limit().map_err(failed("read the open files limit"))?;
    // Descriptors of the agent are opened here first; staying at the lower limit is only felt under load.
    let _ = process::set_open_files_limit(Limit { soft: open_files.hard, ..open_files });
    Ok(Inherited { blocked, ignored, open_files })
}

/// What lives as long as the recording.
struct Session {
    run: Run,
    bus: Bus,
    questions: Questions,
    recorder: Recorder,
    control: Control,
    /// For the pump.
    desk: Option<Desk>,
    recent: Recent,
    plan: Arc<Plan>,
    /// Holds memory and processes to their limits, where one was to be had.
    cgroup: Option<Cgroup>,
    kinds: [Kind; 3],
    terminal: Option<Terminal>,
    pty: Option<Pty>,
    /// Readable once the recording has failed, and why it did.
    stop: Option<OwnedFd>,
    why: Arc<Mutex<String>>,
}

impl Session {
    /// All that can fail before anything runs, and the recording.
    fn open(run: Run) -> Result<Self, SessionError> {
        let kinds = streams::kinds().map_err(SessionError::system("look at the standard streams"))?;
        let terminal = Terminal::of_stdio().transpose().map_err(SessionError::system("open the terminal"))?;
        let size = terminal.as_ref().map(Terminal::size).unwrap_or_default();
        let pty = match &terminal {
            Some(terminal) => Some(Pty::open(size, terminal.attributes().ok())?),
            None => None,
        };
        let cgroup = Cgroup::make(&run.id, run.policy.limits());
        let options = sandbox::Options {
            cgroup: cgroup.as_ref().map(Cgroup::holds).unwrap_or_default(),
            audit: run.audit,
            env: std::env::vars_os().filter(|(name, _)| name != MARKER).collect(),
            cwd: run.cwd.clone(),
            session_dir: run.runtime.path().to_owned(),
            pts: pty.as_ref().map(|pty| pty.path.clone()),
        };
        let plan = Arc::new(Plan::new(&run.policy, &options)?);
        let (bus, tap) = bus::bus(Instant::now());
        let (stop, fail) = unix::pipe().map_err(SessionError::system("make a pipe"))?;
        let why = Arc::new(Mutex::new(String::new()));
        let start = begin::start_event(&run, kinds, size);
        let on_failure = run.policy.record().on_failure;
        let tell = begin::stopper(fail, Arc::clone(&why));
        let pulse = Arc::new(match run.record {
            Target::Nowhere => Pulse::with_screen(start.cols, start.rows),
            Target::Default | Target::At(_) => Pulse::default(),
        });
        let target = run.record.clone();
        let recent = Recent::new(lines::home());
        let noted = recent.clone();
        let seen = Box::new(move |stamped: &Stamped| noted.note(stamped));
        let pulsed = Arc::clone(&pulse);
        let options = recorder::Options { target, start: &start, on_failure, pulse: pulsed, seen, stop: tell };
        let recorder = recorder::start(tap, options)?;
        let failed = SessionError::system("open the control socket");
        let (desk, bell) = control::desk().map_err(&failed)?;
        let hello = begin::hello(&run, &start, recorder.path());
        let file = lines::shown(&run.answers);
        let questions = Questions::new(bus.clone(), run.ask_timeout, file).of_session(run.id.clone());
        let (dir, answers) = (run.runtime.path(), run.answers.clone());
        let asked = questions.clone();
        let setup = control::Setup { dir, hello, bell, pulse, bus: bus.clone(), questions: asked, answers };
        let control = control::start(setup).map_err(failed)?;
        begin::publish(&bus, start, &run, &plan);
        let (desk, stop) = (Some(desk), Some(stop));
        Ok(Session {
            run,
            bus,
            questions,
            recent,
            recorder,
            control,
            desk,
            plan,
            cgroup,
            kinds,
            terminal,
            pty,
            stop,
            why,
        })
    }

    /// From the first line on the terminal to the agent's last byte.
    fn play(&mut self, inherited: &Inherited, keeper: Keeper) -> Result<Finished, SessionError> {
        let record = *self.run.policy.record();
        let streams = Streams::new(self.kinds, record.input).map_err(SessionError::system("relay the streams"))?;
        let signals = SignalFd::new(Set::of(&pump::HEEDED)).map_err(SessionError::system("receive signals"))?;
        lines::opening(&self.run, self.recorder.path());
        let engaged = match &mut self.terminal {
            Some(terminal) if !terminal.is_shared() && terminal.is_foreground() => {
                terminal.engage().map_err(SessionError::system("set up the terminal"))?;
                true
            }
            _ => false,
        };
        let overlay = self.overlay().map_err(SessionError::system("set up the panel"))?;
        let attend = overlay.as_ref().map(|_| self.questions.clone());
        // Before the agent can ask anything.
        let attendance = attend.as_ref().filter(|_| engaged).map(Questions::attend);
        let orders = self.orders(inherited, &streams, engaged);
        let door = self.cgroup.as_ref().map(Cgroup::door).transpose();
        let launched = launch::launch(Launch {
            broker: self.plan.broker.clone(),
            orders,
            sent: streams.sent,
            cwd: self.run.cwd.clone(),
            dir: self.run.runtime.path().to_owned(),
            job: self.job()?,
            pty: self.pty.take(),
            door: door.map_err(SessionError::system("open the session's cgroup"))?,
        });
        if launched.is_err() {
            // The monitor may be there already. Whether it is gone in time changes nothing about the error.
            let _ = reap::end_all(LAUNCH_PATIENCE);
        }
        let Launched { link, supervisor, leader } = launched?;
        let stop = self.stop.take().ok_or(SessionError::Broker)?;
        let desk = self.desk.take().ok_or(SessionError::Broker)?;
        let pump = Pump::new(Setup {
            overlay,
            attend,
            attendance,
            bus: self.bus.clone(),
            signals,
            ignored: inherited.ignored,
            link,
            pauser: supervisor.pauser(),
            terminal: self.terminal.take(),
            leader,
            relays: streams.relays,
            keep_input: record.input,
            stop,
            why: Arc::clone(&self.why),
            wall: self.run.policy.limits().wall_seconds.map(Duration::from_secs),
            output: self.run.policy.limits().output_bytes,
            cgroup: self.cgroup.take(),
            desk,
            kept: Box::new(move |ended| keeper.let_go(ended.status())),
        });
        let finished = pump.map_err(SessionError::system("set up the streams"))?.run();
        supervisor.finish();
        finished
    }

    /// The panel, where there is a terminal of our own that can show it.
    fn overlay(&self) -> std::io::Result<Option<Overlay>> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let Some(terminal) = self.terminal.as_ref().filter(|terminal| !terminal.is_shared() && !is_dumb) else {
            return Ok(None);
        };
        let size = terminal.size();
        if size.cols == 0 || size.rows == 0 {
            return Ok(None);
        }
        let who = format!("{}@{}", self.run.user, terminal.name());
        let desk = overlay::Terminals { questions: self.questions.clone(), answers: self.run.answers.clone(), who };
        let setup = overlay::Setup {
            desk: Some(Box::new(desk)),
            hot_key: self.run.hot_key,
            recent: self.recent.clone(),
            bus: self.bus.clone(),
            home: lines::home(),
            cols: size.cols,
            rows: size.rows,
        };
        Overlay::new(setup).map(Some)
    }

    fn orders(&self, inherited: &Inherited, streams: &Streams, foreground: bool) -> Orders {
        let mut env: Vec<Bytes> = self.plan.agent.env.iter().map(|(name, value)| Bytes::pair(name, value)).collect();
        env.push(Bytes::pair(MARKER.as_ref(), self.run.id.as_ref()));
        Orders {
            plan: self.plan.agent.clone(),
            program: Bytes(self.run.program.as_os_str().as_bytes().to_vec()),
            argv: self.run.argv.iter().map(|word| Bytes(word.as_bytes().to_vec())).collect(),
            env,
            stdio: streams.stdio,
            sent: streams.sent.len(),
            blocked: inherited.blocked.0,
            ignored: inherited.ignored.0,
            open_files: (inherited.open_files.soft, inherited.open_files.hard),
            foreground,
            keep_background: self.run.keep_background,
            watched: self.watched(),
        }
    }

    /// What the kernel does not hold for the session as a whole.
    fn watched(&self) -> Watched {
        let (limits, holds) = (self.run.policy.limits(), self.cgroup.as_ref().map(Cgroup::holds).unwrap_or_default());
        Watched { processes: limits.processes.filter(|_| !holds.pids), memory: limits.memory.filter(|_| !holds.memory) }
    }

    /// The supervisor's job, but for what only the launch can know.
    fn job(&self) -> Result<Box<dyn FnOnce(OwnedFd, i32, i32) -> Job + Send>, SessionError> {
        let (policy, plan, bus) = (Arc::clone(&self.run.policy), Arc::clone(&self.plan), self.bus.clone());
        let questions = self.questions.clone();
        let warden = Warden::start(Arc::clone(&policy)).map_err(SessionError::system("start the warden's thread"))?;
        let pts = self.pty.as_ref().map(|pty| pty.path.clone());
        Ok(Box::new(move |listener, monitor, agent| Job {
            policy,
            plan,
            bus,
            questions,
            listener,
            warden,
            monitor,
            agent,
            pts,
        }))
    }

    /// Puts the terminal back, ends the recording, says how it went.
    fn close(self, finished: Result<Finished, SessionError>) -> Result<i32, SessionError> {
        drop(self.terminal);
        let (status, signal) = match &finished {
            Ok(finished) => (finished.ended.status(), finished.ended.signal()),
            Err(error) => (error.status(), None),
        };
        self.questions.close();
        self.bus.publish(Event::Exit { status, signal });
        self.bus.close();
        let outcome = self.recorder.join();
        self.control.close(status);
        lines::closing(&self.run, &outcome);
        if let (Target::Default, Some(own)) = (&self.run.record, &outcome.path)
            && let Err(error) = retention::apply(self.run.policy.record().retention, own)
        {
            lines::say(&self.run, &format!("cannot remove old recordings: {error}"));
        }
        let finished = finished?;
        if let Some(why) = outcome.failure
            && self.run.policy.record().on_failure == policy::OnFailure::Stop
        {
            return Err(SessionError::Recording(why));
        }
        if finished.engaged && signal == Some(libc::SIGINT) {
            drop(self.run.runtime);
            pump::die_of_interrupt();
        }
        Ok(status)
    }
}
