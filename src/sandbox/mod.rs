//! Policy → `Plan` → `install()` → `Report`: what the kernel enforces with static rules.
//!
//! ```text
//! thread of the front ── enter_broker_domain ──┐ union of what the policy allows
//!                                              ├─ receivers and workers (supervisor)
//!                                              └─ monitor ─ fork ─ install(plan) ─ execve agent
//!                                                                  └ nested domain: read and execute only
//! ```
//! The agent's own domain holds no right to write and none to connect: every change and every connection is made by
//! the broker. So a call that nobody thought of can at most read what the policy lets the agent read or run.
//!
//! Invariant: what this machine cannot do is in the report; nothing is left out in silence.
//! Leaves to others: every decision that needs the call's arguments (`supervisor`).

mod domain;
pub mod filter;
mod limits;
mod places;
mod plan;
pub mod probe;
pub mod refused;
pub mod syscalls;
mod tree;

use std::os::fd::OwnedFd;

pub use domain::{abi, enter_broker_domain};
pub use limits::Controllers;
pub use plan::{AgentPlan, BrokerPlan, Options, Plan, Tree, beneath, environment, knows_network};

use crate::sys::{Errno, cred, limits as rlimits, seccomp};

/// Why the sandbox could not be built or entered.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("cannot compile the system call filter")]
    Filter(#[source] seccompiler::BackendError),
    #[error("cannot restrict file access (Landlock): {0}")]
    Landlock(String),
    #[error("this kernel has no Landlock (5.13 or newer, enabled at boot, is needed)")]
    NoLandlock,
    #[error("policy requires Landlock ABI {wanted}{by}, this kernel has {found}")]
    Abi { wanted: u32, found: i32, by: String },
    #[error("audit = \"writes\" cannot hold a policy that denies reads inside a readable tree, or asks about reads")]
    WritesWithCarveOuts,
    #[error("cannot {act}")]
    System {
        act: &'static str,
        #[source]
        errno: Errno,
    },
    #[error("another program already supervises this process with a seccomp listener")]
    ListenerBusy,
}

impl SandboxError {
    /// A second line that says what to do, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoLandlock => Some("'govsh doctor' says what this machine has"),
            Self::Abi { .. } => Some("lower require.landlock_abi in the policy, or use a newer kernel"),
            Self::WritesWithCarveOuts => Some(
                "use --audit full, or a policy without denies inside readable trees and without questions about reading",
            ),
            Self::ListenerBusy => Some("govsh cannot run inside govsh or another seccomp supervisor; run it outside"),
            Self::System { .. } => Some("'govsh doctor' tries each mechanism and says which one this machine refuses"),
            Self::Filter(_) | Self::Landlock(_) => None,
        }
    }
}

/// Closes the door behind the calling process, which must have one thread: no_new_privs, limits, capabilities,
/// Landlock, BPF. Returns the listener; from now on a notified call waits for the front.
pub fn install(plan: &AgentPlan) -> Result<OwnedFd, SandboxError> {
    let system = |act| move |errno| SandboxError::System { act, errno };
    cred::set_no_new_privs().map_err(system("set no_new_privs"))?;
    plan.set_limits()?;
    // The kernel writes a core file by itself: past the broker, and so into what is carved out of a writable tree.
    rlimits::set(libc::RLIMIT_CORE, 0, 0).map_err(system("forbid core files"))?;
    cred::keep_capabilities(plan::KEPT_CAPABILITIES).map_err(system("drop capabilities"))?;
    domain::restrict_agent(plan)?;
    seccomp::add_listener(&filter::from_words(&plan.notify)).map_err(|errno| match errno {
        Errno(libc::EBUSY) => SandboxError::ListenerBusy,
        errno => SandboxError::System { act: "install the supervised system call filter", errno },
    })
}
