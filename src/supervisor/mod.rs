//! Notification → `Request` → decision → answer; and the broker that acts on the target's behalf.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::bus::Bus;
use crate::policy::{Audit, Policy};
use crate::sys::seccomp;

/// What one session's supervisor needs.
pub struct Job {
    pub policy: Arc<Policy>,
    pub bus: Bus,
    pub listener: OwnedFd,
    /// Process id of the monitor.
    pub monitor: i32,
    /// Process id of the agent's first process.
    pub agent: i32,
    /// The follower of the session's PTY.
    pub pts: Option<PathBuf>,
    pub audit: Audit,
    /// Arguments of the first program.
    pub exec: Vec<Vec<u8>>,
}

/// Why the supervisor could not start.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    #[error("cannot start a supervisor thread")]
    Thread(#[source] std::io::Error),
}

/// The running receivers.
pub struct Supervisor {
    receiver: JoinHandle<()>,
}

/// Starts receiving; call it on the thread that entered the broker's domain.
pub fn start(job: Job) -> Result<Supervisor, SupervisorError> {
    let receiver = std::thread::Builder::new()
        .name("receiver".into())
        .spawn(move || {
            let _ = seccomp::set_sync_wake_up(job.listener.as_fd());
            while let Ok(n) = seccomp::receive(job.listener.as_fd()) {
                let _ = seccomp::send_continue(job.listener.as_fd(), n.id);
            }
        })
        .map_err(SupervisorError::Thread)?;
    Ok(Supervisor { receiver })
}

impl Supervisor {
    /// Waits for the end; call it when every target is gone.
    pub fn finish(self) {
        let _ = self.receiver.join();
    }
}
