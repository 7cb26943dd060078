//! The way out, wired: what the supervisor asks of the network side and what that asks of people; and what the agent is told.
//!
//! ```text
//! supervisor ─Gate──▶ Outside ─▶ Egress      names, passages, stub
//! Questions ◀─Asks─── Asker  ◀─┘             connections through the proxy that a rule asks about
//! environment: proxies, certificates, placeholders of credentials, SSH remotes as HTTPS
//! ```
//! Invariant: a session whose policy knows no network has none of this; with one that does, nothing of the agent's runs before
//! the way out is there.
//! Leaves to others: judging (`policy`), carrying (`egress`), redirecting (`supervisor`).

mod asker;
mod environment;
pub mod upstream;

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::bus::Bus;
use crate::egress::credentials::{CredentialError, Secrets};
use crate::egress::{self, Egress, EgressError};
use crate::policy::{Host, Policy};
use crate::sandbox;
use crate::supervisor::gate::{Dialled, Gate, Passage};
use crate::supervisor::questions::Questions;
use crate::sys::Errno;
use asker::Asker;
pub use upstream::UpstreamError;

/// Where nobody listens: the discard service of an address that is nobody's.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 255, 255, 254)), 9);
/// Name of the directory with the certificates in the session's own.
pub const TRUST: &str = "trust";

/// Why there is no way out, where the policy knows a network.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error(transparent)]
    Secrets(#[from] CredentialError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("cannot write the session's certificates to '{}'", path.display())]
    Trust { path: PathBuf, source: std::io::Error },
    #[error("cannot start the thread that opens the way out")]
    Thread(#[source] std::io::Error),
    #[error("opening the way out panicked")]
    Panicked,
}

/// The running way out of one session.
pub struct Outside {
    /// None once the session is over.
    egress: ArcSwapOption<Egress>,
    policy: Arc<ArcSwap<Policy>>,
}

/// What a session with a way out gives its agent.
pub struct Opened {
    pub outside: Arc<Outside>,
    /// The agent's whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Files that the agent may read.
    pub trust: Option<PathBuf>,
    /// What the user should know.
    pub notice: Vec<String>,
}

/// The way out while it comes up. Dropping it waits for that.
pub struct Opening(Option<JoinHandle<Result<Opened, OutsideError>>>);

/// Starts the way out on a thread of its own, unless the policy knows no network; `dir` is the session's own
/// directory, `env` what the agent would get. Call it on a thread that is
/// not in the broker's domain.
pub fn begin(
    policy: &Arc<Policy>,
    (bus, questions): (&Bus, &Questions),
    dir: &Path,
    env: Vec<(OsString, OsString)>,
) -> Result<Opening, OutsideError> {
    if !sandbox::knows_network(policy) {
        return Ok(Opening(None));
    }
    let (policy, bus, questions, dir) = (Arc::clone(policy), bus.clone(), questions.clone(), dir.to_owned());
    let builder = std::thread::Builder::new().name("opening".to_owned());
    let thread = builder.spawn(move || open(&policy, (&bus, &questions), &dir, &env)).map_err(OutsideError::Thread)?;
    Ok(Opening(Some(thread)))
}

impl Opening {
    /// Waits until it is there; None where the policy knows no network.
    pub fn join(mut self) -> Result<Option<Opened>, OutsideError> {
        let Some(thread) = self.0.take() else { return Ok(None) };
        thread.join().unwrap_or(Err(OutsideError::Panicked)).map(Some)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        // Whoever drops it has an error of its own to tell.
        drop(self.0.take().map(JoinHandle::join));
    }
}

fn open(
    policy: &Arc<Policy>,
    (bus, questions): (&Bus, &Questions),
    dir: &Path,
    env: &[(OsString, OsString)],
) -> Result<Opened, OutsideError> {
    let in_force = Arc::new(ArcSwap::new(Arc::clone(policy)));
    let secrets = Arc::new(Secrets::load(policy.credentials(), &|name| std::env::var_os(name))?);
    let asks = Arc::new(Asker::new(questions.clone(), Arc::clone(&in_force)));
    let egress = Egress::start(egress::Setup {
        policy: Arc::clone(policy),
        bus: bus.clone(),
        asks,
        secrets: Arc::clone(&secrets),
        upstream: upstream::of(policy)?,
    })?;
    let mut variables = environment::Variables::new(env);
    variables.proxies(egress.proxy());
    // Only where it is needed: the variables outdo what a program is told in other ways.
    let trust = match policy.inspects_any().then(|| egress.ca()).transpose()? {
        Some(ca) => {
            let path = dir.join(TRUST);
            let failed = |source| OutsideError::Trust { path: path.clone(), source };
            DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
            let named = ca.write(&path, environment::runs(policy, "java")).map_err(failed)?;
            named
                .iter()
                .filter(|(name, _)| !policy.environment().refuses(name.as_bytes()))
                .for_each(|(name, value)| variables.set(name, value));
            Some(path)
        }
        None => None,
    };
    variables.remotes(policy);
    let absent = |id: &Arc<str>| format!("credential '{id}' has no value: its variable is not set");
    let notice = secrets.missing().iter().map(absent).collect();
    variables.secrets(&secrets);
    Ok(Opened {
        outside: Arc::new(Outside { egress: ArcSwapOption::from_pointee(egress), policy: in_force }),
        env: variables.done(),
        trust,
        notice,
    })
}

impl Outside {
    /// Puts another policy in force: for what is asked from now on, and for what is open.
    pub fn reload(&self, policy: Arc<Policy>) {
        self.policy.store(Arc::clone(&policy));
        if let Some(egress) = &*self.egress.load() {
            egress.reload(policy);
        }
    }

    /// Ends every tunnel; their last events are published before this returns.
    pub fn close(&self) {
        drop(self.egress.swap(None));
    }
}

impl Gate for Outside {
    fn names(&self, ip: IpAddr) -> Vec<Host> {
        self.egress.load().as_ref().map(|egress| egress.names(ip)).unwrap_or_default()
    }

    fn dial(&self, passage: &Passage, still: &dyn Fn() -> bool) -> Result<Dialled, Errno> {
        // Not held by `load`: it may take long.
        let egress = self.egress.load_full().ok_or(Errno(libc::ENETDOWN))?;
        egress.dial(&handed(passage.clone()), still).map(|dialled| Dialled(dialled.0))
    }

    fn expect(&self, passage: Passage, dialled: Option<Dialled>) -> SocketAddr {
        let dialled = dialled.map(|dialled| egress::Dialled(dialled.0));
        self.egress.load().as_ref().map_or(NOWHERE, |egress| egress.expect(handed(passage), dialled))
    }

    fn forget(&self, from: SocketAddr) {
        if let Some(egress) = &*self.egress.load() {
            egress.forget(from);
        }
    }

    fn stub(&self, server: SocketAddr, six_only: bool) -> SocketAddr {
        self.egress.load().as_ref().map_or(NOWHERE, |egress| egress.stub(server, six_only))
    }

    fn asks(&self, port: u16, pid: i32) {
        if let Some(egress) = &*self.egress.load() {
            egress.asks(port, pid);
        }
    }

    fn proxy(&self) -> [SocketAddr; 2] {
        self.egress.load().as_ref().map_or([NOWHERE; 2], |egress| egress.proxy())
    }
}

/// The same passage in the words of the other side.
fn handed(passage: Passage) -> egress::Passage {
    let Passage { id, from, to, names, by_name, asked, pid, program, rule, layer, started } = passage;
    egress::Passage { id, from, to, names, by_name, asked, pid, program, rule, layer, started }
}
