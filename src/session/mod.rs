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
mod handed;
pub mod keep;
mod launch;
mod lines;
mod monitor;
mod outside;
pub mod overlay;
pub mod pins;
mod play;
mod pump;
mod reap;
pub mod recorder;
pub mod reload;
pub mod remote;
pub mod retention;
pub mod runtime;
pub mod servers;
pub mod shelf;
mod stage;
mod streams;
pub mod terminal;
mod wire;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use handed::Handed;
pub use monitor::run as monitor;

use crate::policy::{Audit, Policy};
use crate::sandbox::SandboxError;
use crate::supervisor::SupervisorError;
use crate::sys::inherited;
use crate::sys::process::{self, Limit};
use crate::sys::signals::{self, Disposition, Set};
use keep::Keeper;
use outside::OutsideError;
use overlay::HotKey;
use recorder::{RecorderError, Target};
use runtime::Runtime;
use stage::Session;
use wire::Failure;

/// Exit status when govsh itself fails.
pub const FAILED: i32 = 125;
/// Exit status when the command was refused or cannot be executed.
pub const REFUSED: i32 = 126;
/// Exit status when the command was not found.
pub const NOT_FOUND: i32 = 127;

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
    #[error(transparent)]
    Outside(#[from] OutsideError),
    #[error("cannot open a pseudo-terminal: {0}")]
    Pty(String),
    #[error("cannot start the monitor: {0}")]
    Spawn(String),
    #[error("the monitor did not come up")]
    Monitor(#[source] io::Error),
    #[error("cannot take over the agent's seccomp listener (pidfd_getfd)")]
    Listener(#[source] io::Error),
    #[error("cannot open the socket for MCP servers")]
    Servers(#[source] io::Error),
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
    /// Loads the policy once more, as it is written then.
    pub load: Option<reload::Load>,
    /// The policy's MCP servers, ready to be started.
    pub servers: Option<servers::Declarations>,
    pub audit: Audit,
    /// Absolute.
    pub program: PathBuf,
    pub argv: Vec<OsString>,
    /// Something about the program that the user should know.
    pub notice: Vec<String>,
    /// Arguments of `argv` that the profile added.
    pub appended: Vec<String>,
    /// What hands the policy's MCP servers to the agent beside its arguments.
    pub handed: Handed,
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
