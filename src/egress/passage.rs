//! Connections that are announced: who may come in at the listeners, and as what.
//!
//! Invariant: an announcement admits one connection, from one source address, at one door. One that does not arrive in
//! [`FRESH`] admits nobody. Both tables are bounded.
//! Leaves to others: who announces (`supervisor`, which has judged it), what becomes of it (`tunnel`).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::dial::Server;
use crate::policy::{Host, Layer};

/// How long an announcement holds: a connect to a loopback listener takes microseconds, or a second when its queue is full.
const FRESH: Duration = Duration::from_secs(60);
/// Announcements kept at most; stale ones leave first. More than two sources per port are no ordinary program.
const MOST: usize = 65_536;
/// Below this many nothing is cleared away.
const FEW: usize = 1024;

/// A connection of the agent's that was judged and will arrive at a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Counts the session's passages from 1.
    pub id: u64,
    /// The agent's end.
    pub from: SocketAddr,
    /// Where the agent wants to get to: a listener of ours for clients of the proxies.
    pub to: SocketAddr,
    /// The names that were judged; empty where the address alone was.
    pub names: Vec<Host>,
    /// The address alone would not have been allowed: what is said inside must name one of `names`.
    pub by_name: bool,
    /// Somebody was asked, and said yes: without that a rule that asks, put in force meanwhile, lets it in no more.
    pub asked: bool,
    pub pid: i32,
    /// Path of the program that asked; empty where it is not known.
    pub program: Arc<[u8]>,
    /// As `Rule::name`, and its layer.
    pub rule: Arc<str>,
    pub layer: Layer,
    /// Nanoseconds of the session's clock at which the call was received.
    pub started: u64,
}

/// A connection made ahead of its passage; means something to [`Expected`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dialled(pub u64);

/// Which listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// Redirected connections.
    Redirect,
    /// Clients that know of the proxy.
    Proxy,
}

/// An announced connection.
pub struct Waiting {
    pub passage: Passage,
    pub server: Option<Server>,
    since: Instant,
}

/// Announced and not arrived.
#[derive(Default)]
pub struct Expected {
    waiting: Mutex<HashMap<(Door, SocketAddr), Waiting>>,
    dialled: Mutex<HashMap<u64, (Server, Instant)>>,
    next: AtomicU64,
}

impl Expected {
    /// A later announcement of the same source replaces the earlier one: the kernel lets only one of them arrive.
    pub fn insert(&self, passage: Passage, door: Door, server: Option<Server>) {
        let mut waiting = lock(&self.waiting);
        make_room(&mut waiting, |entry| entry.since);
        let from = canonical(passage.from);
        if waiting.len() < MOST {
            waiting.insert((door, from), Waiting { passage, server, since: Instant::now() });
        }
    }

    /// Whom the announcement admits, once.
    pub fn take(&self, door: Door, from: SocketAddr) -> Option<Waiting> {
        let found = lock(&self.waiting).remove(&(door, canonical(from)))?;
        (found.since.elapsed() < FRESH).then_some(found)
    }

    pub fn forget(&self, from: SocketAddr) {
        let from = canonical(from);
        let mut waiting = lock(&self.waiting);
        for door in [Door::Redirect, Door::Proxy] {
            drop(waiting.remove(&(door, from)));
        }
    }

    /// Keeps a connection until its passage is announced. None when too many are kept.
    pub fn keep(&self, server: Server) -> Option<Dialled> {
        let mut dialled = lock(&self.dialled);
        make_room(&mut dialled, |entry| entry.1);
        if dialled.len() >= FEW {
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        dialled.insert(id, (server, Instant::now()));
        Some(Dialled(id))
    }

    pub fn dialled(&self, dialled: Dialled) -> Option<Server> {
        lock(&self.dialled).remove(&dialled.0).map(|(server, _)| server)
    }
}

/// Stale entries leave when the table is full. Doubling thresholds would keep it cheaper; it is full only under attack.
fn make_room<K, V>(table: &mut HashMap<K, V>, since: impl Fn(&V) -> Instant) {
    if table.len() >= FEW && table.len().is_power_of_two() || table.len() >= MOST {
        table.retain(|_, entry| since(entry).elapsed() < FRESH);
    }
}

/// The address as the kernel reports the peer of an accepted connection, whatever the family of the agent's socket.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under the lock is one insertion or removal: nothing is half done where somebody panicked.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
