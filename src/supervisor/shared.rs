//! What all answering threads of a session share.
//!
//! Locks are held for moments, never across a call that can wait; `changes` alone is held while names are changed, so
//! that nobody in the session changes a name between another's judging and performing. Who makes a file shares it.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwap;

use super::digests::Digests;
use super::gate::Gate;
use super::mounts::Mounts;
use super::questions::Questions;
use super::repository::Ledger;
use super::resolve::Session;
use super::status::Stat;
use super::stub::Stubs;
use super::target::{Table, lock};
use super::warden::Warden;
use super::worker::Ruling;
use crate::bus::Bus;
use crate::policy::{Limits, Policy, Verdict};
use crate::sys::{cred, file, pidfd, sched};

/// How far a process is looked for among the session's: deeper trees than this are not made by people.
const MAX_ANCESTRY: usize = 1024;

/// CPU masks of targets, by thread.
pub type Masks = HashMap<i32, sched::Mask, foldhash::fast::RandomState>;

/// The policy and what is made of it: one value, replaced as a whole.
pub struct Rules {
    pub policy: Arc<Policy>,
    /// Reads may be left to the kernel: whatever a race makes of them, the policy allows.
    pub continues_reads: bool,
    /// See `BrokerPlan::late`; sorted.
    pub late: Vec<Vec<u8>>,
    /// Files with several names of which one is denied.
    pub denied_inodes: HashSet<(u64, u64)>,
}

impl Rules {
    pub fn new(policy: Arc<Policy>, late: Vec<Vec<u8>>) -> Self {
        Self { continues_reads: !policy.carves_reads(), denied_inodes: denied_inodes(&policy), policy, late }
    }

    /// Whether the path, absolute and normal, is one of those or beneath one: found by going up, since they may be thousands.
    pub fn is_late(&self, path: &[u8]) -> bool {
        let is_one = |of: &[u8]| self.late.binary_search_by(|root| root.as_slice().cmp(of)).is_ok();
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at.max(1));
        ends.chain([path.len()]).any(|end| path.get(..end).is_some_and(is_one))
    }
}

pub struct Shared {
    /// What holds for calls that are received from now on. A worker takes a copy for each call.
    pub rules: ArcSwap<Rules>,
    /// Limits are the kernel's: they stay as they were at the start.
    pub limits: Limits,
    /// The way out for internet connections; None in a session without a network, where sockets reach loopback only.
    pub gate: Option<Arc<dyn Gate>>,
    /// Directory of certificates: readable, whatever the policy says of the session's own files.
    pub trust: Option<Vec<u8>>,
    /// Where MCP servers are reached (O_PATH).
    pub relay: Option<OwnedFd>,
    pub bus: Bus,
    pub questions: Questions,
    pub listener: OwnedFd,
    pub warden: Warden,
    pub monitor: i32,
    pub agent: i32,
    /// The front runs as root: targets may have other credentials than it.
    pub root: bool,
    /// Trees the agent's own domain can read.
    pub readable: Vec<Vec<u8>>,
    pub table: Table,
    pub digests: Digests,
    pub changes: RwLock<()>,
    pub ledger: Ledger,
    /// Numbers of the PTYs made in the session.
    pub ptys: Mutex<HashSet<u32>>,
    /// Unix sockets bound in the session: by inode, and by abstract name.
    pub own_sockets: Mutex<HashSet<(u64, u64)>>,
    pub own_names: Mutex<HashSet<Vec<u8>>>,
    /// Internet ports that sockets of the session were bound to at some time.
    pub own_ports: Ports,
    /// Sockets that talk to the stub.
    pub stubs: Stubs,
    /// System V objects made in the session, by number.
    pub own_ipc: Mutex<HashSet<(super::ipc::Space, i32)>>,
    pub masks: Mutex<Masks>,
    pub mounts: Mounts,
    /// Landlock lets no signal out of the session.
    pub scoped: bool,
    /// How often a process asked for a call that no list has: by process and number.
    pub unknown: Mutex<HashMap<(i32, i32), u64>>,
    /// The thread that receives: see `receiver`.
    pub lead: AtomicU64,
    pub stopping: AtomicBool,
}

/// A set of port numbers that only grows.
pub struct Ports(Box<[AtomicU64; 1024]>);

impl Default for Ports {
    fn default() -> Self {
        Self(Box::new([const { AtomicU64::new(0) }; 1024]))
    }
}

impl Ports {
    pub fn insert(&self, port: u16) {
        if let Some(word) = self.0.get(usize::from(port / 64)) {
            word.fetch_or(1 << (port % 64), Ordering::Relaxed);
        }
    }

    pub fn contains(&self, port: u16) -> bool {
        self.0.get(usize::from(port / 64)).is_some_and(|word| word.load(Ordering::Relaxed) >> (port % 64) & 1 == 1)
    }
}

impl Session for Shared {
    /// Known already, or a descendant of the monitor. The monitor itself is not inside.
    fn contains(&self, pid: i32) -> bool {
        if self.table.knows(pid) {
            return true;
        }
        let mut at = pid;
        for _ in 0..MAX_ANCESTRY {
            match Stat::of(at).map(|s| s.parent) {
                Ok(parent) if parent == self.monitor => return true,
                Ok(parent) if parent > 1 => at = parent,
                _ => return false,
            }
        }
        false
    }
}

impl Shared {
    /// Nobody else changes a name, or makes one, while the guard lives.
    pub fn change_names(&self) -> RwLockWriteGuard<'_, ()> {
        self.changes.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody changes a name while the guard lives; others may make files as well.
    pub fn keep_names(&self) -> RwLockReadGuard<'_, ()> {
        self.changes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// As `contains`, with an answer that is true of whatever has the number all the while: for a process that is held.
    /// An entry of ours may have died and left its number; a parent may do so between two looks, but then whoever it was
    /// the parent of has another one at the second.
    pub fn holds(&self, pid: i32) -> bool {
        if self.table.process(pid).is_some_and(|known| !pidfd::has_exited(known.pidfd.as_fd())) {
            return true;
        }
        let mut chain = vec![pid];
        while let Some(&at) = chain.last()
            && at != self.monitor
        {
            match Stat::of(at).map(|stat| stat.parent) {
                Ok(parent) if parent > 1 && chain.len() < MAX_ANCESTRY => chain.push(parent),
                _ => return false,
            }
        }
        let same = |pair: &[i32]| matches!(pair, [at, above] if Stat::of(*at).is_ok_and(|stat| stat.parent == *above));
        pid != self.monitor && chain.windows(2).all(same)
    }

    /// A terminal is the session's, or nobody's business.
    pub fn terminal(&self, number: u32) -> Ruling {
        if lock(&self.ptys).contains(&number) {
            Ruling::built_in(Verdict::Allow, "built-in: own terminal")
        } else {
            Ruling::built_in(Verdict::Deny, "built-in: terminal outside the session")
        }
    }
}

/// Device and inode of the denied files that have more than one name: opened under the other, they are recognised.
fn denied_inodes(policy: &Policy) -> HashSet<(u64, u64)> {
    let named = |path: &Vec<u8>| {
        let path = std::ffi::CString::new(path.clone()).ok()?;
        let stat = file::stat_path(&path).ok()?;
        (!stat.is_dir() && stat.links > 1).then_some((stat.dev, stat.ino))
    };
    policy.denied_exact().iter().filter_map(named).collect()
}

/// Whether the front may meet targets with other credentials.
pub fn runs_as_root() -> bool {
    cred::euid() == 0
}
