//! The way out of a session: what the supervisor's gate leads to.
//!
//! Invariant: without one, connections are made by the broker alone.
//! Leaves to others: judging (`policy`), redirecting (`supervisor`).

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::policy::{Host, Policy};
use crate::supervisor::gate::{Dialled, Gate, Passage};
use crate::sys::Errno;

/// The running way out of one session; there is none yet.
pub enum Outside {}

/// What a session with a way out gives its agent.
pub struct Opened {
    pub outside: Arc<Outside>,
    /// The agent's whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Files that the agent may read.
    pub trust: Option<PathBuf>,
}

/// No policy has one.
pub fn open() -> Option<Opened> {
    None
}

impl Outside {
    /// Puts another policy in force.
    pub fn reload(&self, _: Arc<Policy>) {
        match *self {}
    }

    /// Ends every tunnel.
    pub fn close(&self) {
        match *self {}
    }
}

impl Gate for Outside {
    fn names(&self, _: IpAddr) -> Vec<Host> {
        match *self {}
    }

    fn dial(&self, _: &Passage, _: &dyn Fn() -> bool) -> Result<Dialled, Errno> {
        match *self {}
    }

    fn expect(&self, _: Passage, _: Option<Dialled>) -> SocketAddr {
        match *self {}
    }

    fn forget(&self, _: SocketAddr) {
        match *self {}
    }

    fn stub(&self, _: SocketAddr) -> SocketAddr {
        match *self {}
    }

    fn proxy(&self) -> [SocketAddr; 2] {
        match *self {}
    }
}
