//! Notification → request → decision → answer; and the broker that acts on the target's behalf.
//!
//! ```text
//! receiver ── copy arguments (text) ── resolve in the target's view (resolve, procfs) ── judge (worker)
//!     │                                                                                      │ denied: errno, event
//!     │                                              perform (act; identity, warden) ────────┤ allowed
//!     └── answer: value, errno, descriptor handed over; or continue, where no race can matter ┘
//! ```
//! Invariant: what is judged is what is performed: the same copy, on objects held open. A call is continued only when
//! whatever a racing thread makes of its arguments is allowed as well (reads without carve-outs, chdir, umask), or when
//! nobody else could perform it and it is checked afterwards (execve).
//! Leaves to others: rules (`policy`), the floor underneath (`sandbox`), the listener's way here (`session`).

mod act;
mod address;
mod asking;
mod change;
mod datagrams;
mod digests;
mod dispatch;
mod exec;
pub mod gate;
mod identity;
mod ipc;
mod links;
mod listening;
mod mounts;
mod open;
mod procfs;
pub mod questions;
mod reach;
mod receive;
mod receiver;
mod redirect;
mod repository;
mod resolve;
mod scan;
mod send;
mod shared;
mod signals;
mod socket;
mod status;
mod stub;
mod target;
mod text;
mod warden;
mod worker;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::bus::Bus;
use crate::policy::{Access, Policy, Rule, RuleId};
use crate::sandbox::Plan;
use crate::sys::{Errno, interrupt, seccomp};

pub use asking::ancestry;
pub use warden::Warden;

/// How bytes of a target are read: pure functions, for those who try them with odd ones.
pub mod reading {
    pub use super::act::{access_of, join};
    pub use super::address::{Address, unix_bytes};
    pub use super::procfs::{Guard, guard, is_own, magic, process};
    pub use super::resolve::is_plain;
}

/// The address of the session's MCP servers. No such file can ever be: `/proc/self` is the kernel's. So it means nothing
/// outside a session, nobody can listen there in our place, and no variable has to say where it is.
pub const RELAY: &str = "/proc/self/govsh-mcp";

/// What one session's supervisor needs.
pub struct Job {
    pub policy: Arc<Policy>,
    /// The way out for internet connections; None where the policy knows no network.
    pub gate: Option<Arc<dyn gate::Gate>>,
    /// Directory of what the agent must trust, which it may read.
    pub trust: Option<PathBuf>,
    /// The socket that [`RELAY`] leads to, where the policy declares MCP servers.
    pub relay: Option<OwnedFd>,
    pub plan: Arc<Plan>,
    pub bus: Bus,
    /// Where it asks.
    pub questions: questions::Questions,
    pub listener: OwnedFd,
    /// Started before the broker's domain was entered.
    pub warden: Warden,
    /// Process id of the monitor.
    pub monitor: i32,
    /// Process id of the agent's first process.
    pub agent: i32,
    /// The follower of the session's PTY.
    pub pts: Option<PathBuf>,
}

/// Why the supervisor could not start.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    #[error("cannot start a supervisor thread")]
    Thread(#[source] std::io::Error),
    #[error("cannot read what is mounted")]
    Mounts(#[source] std::io::Error),
    #[error("cannot prepare for interrupted calls")]
    Signal(#[source] Errno),
}

/// The running receivers.
pub struct Supervisor {
    receivers: Arc<receiver::Receivers>,
}

/// Starts receiving; call it on the thread that entered the broker's domain.
pub fn start(job: Job) -> Result<Supervisor, SupervisorError> {
    interrupt::install().map_err(SupervisorError::Signal)?;
    // A hint for speed: an older kernel does without.
    let _ = seccomp::set_sync_wake_up(job.listener.as_fd());
    let pts = job.pts.as_deref().and_then(|p| p.to_str()?.strip_prefix("/dev/pts/")?.parse().ok());
    let readable = |tree: &crate::sandbox::Tree| {
        use std::os::unix::ffi::OsStrExt;
        tree.path.as_os_str().as_bytes().to_vec()
    };
    let shared = Arc::new(shared::Shared {
        limits: *job.policy.limits(),
        rules: arc_swap::ArcSwap::from_pointee(shared::Rules::new(job.policy, job.plan.broker.late.clone())),
        gate: job.gate,
        trust: job.trust.map(|path| path.into_os_string().into_vec()),
        relay: job.relay,
        readable: job.plan.agent.trees.iter().filter(|t| t.access.contains(Access::READ)).map(readable).collect(),
        bus: job.bus,
        questions: job.questions,
        listener: job.listener,
        warden: job.warden,
        monitor: job.monitor,
        agent: job.agent,
        root: shared::runs_as_root(),
        table: target::Table::default(),
        digests: digests::Digests::start().map_err(SupervisorError::Thread)?,
        changes: Default::default(),
        ledger: repository::Ledger { gone: Default::default(), began: began() },
        ptys: std::sync::Mutex::new(pts.into_iter().collect()),
        own_sockets: Default::default(),
        own_names: Default::default(),
        own_ports: Default::default(),
        stubs: Default::default(),
        own_ipc: Default::default(),
        masks: Default::default(),
        mounts: mounts::Mounts::read().map_err(SupervisorError::Mounts)?,
        scoped: job.plan.agent.scopes_signals(),
        unknown: Default::default(),
        lead: AtomicU64::new(0),
        stopping: AtomicBool::new(false),
    });
    let receivers = receiver::Receivers::start(shared).map_err(SupervisorError::Thread)?;
    Ok(Supervisor { receivers })
}

/// Now, as file systems have it: what was made before the session began must not count as made in it.
fn began() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(std::time::Duration::MAX)
}

impl Supervisor {
    /// For whoever stops the whole front.
    #[must_use]
    pub fn pauser(&self) -> Pauser {
        Pauser(self.receivers.clone())
    }

    /// For whoever replaces the policy.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader(self.receivers.shared())
    }

    /// Ends the threads; call it when every target is gone.
    pub fn finish(self) {
        self.receivers.finish();
    }
}

/// Keeps the supervisor from being stopped in the one moment that a stop would spoil (see `receiver`).
pub struct Pauser(Arc<receiver::Receivers>);

impl Pauser {
    /// Calls wait while the guard lives: stop the front only then.
    pub fn pause(&self) -> impl Drop + '_ {
        self.0.pause()
    }
}

/// Replaces the policy of a running session.
#[derive(Clone)]
pub struct Reloader(Arc<shared::Shared>);

impl Reloader {
    /// Judges by this policy whatever is received from now on, and calls that wait for an answer when they have it. `late` is
    /// what the kernel's rules of this session do not grant; `reads_hold` says that they grant no read that the policy
    /// does not, so that reads may still be left to them.
    pub fn reload(&self, policy: &Arc<Policy>, late: Vec<Vec<u8>>, reads_hold: bool) {
        let shared = &self.0;
        let old = shared.rules.load_full();
        let mut new = shared::Rules::new(Arc::clone(policy), late);
        new.continues_reads &= old.continues_reads && reads_hold;
        // Held while names are changed: what is judged by the old rules is done by then.
        let changes = shared.change_names();
        shared.warden.reload(Arc::clone(policy));
        shared.rules.store(Arc::new(new));
        shared.questions.renumber(&|rule| same_rule(&old.policy, policy, rule));
        drop(changes);
        datagrams::dissolve(shared);
    }
}

/// The rule that says the same in the same place.
fn same_rule(old: &Policy, new: &Policy, rule: RuleId) -> Option<RuleId> {
    let known = old.rules().get(rule.0 as usize)?;
    let same = |of: &Rule| of.key == known.key && of.text == known.text && of.source == known.source;
    let at = new.rules().iter().position(same)?;
    u32::try_from(at).ok().map(RuleId)
}
