//! The tunnels that are open: counted, shown, closed when the policy turns against them.
//!
//! Invariant: who sits in the table has a [`Seat`], and a seat that is given up publishes its one closing event, however
//! its task ended. There are never more seats than descriptors for both ends of each.
//! Leaves to others: what flows (`splice`, `tls`, `http`).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::judge;
use super::passage::Passage;
use super::shared::Shared;
use crate::bus::Bus;
use crate::event::{Event, Tunnel, TunnelOp};
use crate::policy::{Host, Layer, Verdict};
use crate::sys;

/// Tunnels at one time.
const MOST: usize = 20_000;
/// Descriptors left for everything else of the front.
const SPARE: u64 = 256;
/// How often rates are told, and of how many tunnels at most.
const SECOND: Duration = Duration::from_secs(1);
const TOLD: usize = 64;

/// How a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both sides were done.
    Closed,
    /// One side broke off.
    Reset,
    /// The server could not be reached: nothing flowed.
    Refused,
    /// What the client said was not what was judged.
    Denied,
    /// The client took too long to say what it wants.
    Slow,
    /// Another policy came into force.
    Reload,
    /// The session ended.
    Ended,
}

impl End {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            End::Closed => "closed",
            End::Reset => "reset",
            End::Refused => "refused",
            End::Denied => "denied",
            End::Slow => "timeout",
            End::Reload => "reload",
            End::Ended => "ended",
        }
    }
}

/// An open tunnel, for those who watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Of the passage.
    pub id: u64,
    pub pid: i32,
    pub program: Arc<[u8]>,
    pub host: Option<Host>,
    pub addr: Option<SocketAddr>,
    pub port: u16,
    /// Bytes from the agent and to it, so far.
    pub up: u64,
    pub down: u64,
    /// Nanoseconds of the session's clock.
    pub started: u64,
}

/// What was found out about a tunnel by and by.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What was judged.
    pub judged: Vec<Host>,
    pub by_name: bool,
    /// The name in use: of the request, of the ClientHello, or the only judged one.
    pub host: Option<Host>,
    /// As the ClientHello had it.
    pub sni: Option<Host>,
    /// The address wanted, or the one connected to.
    pub addr: Option<SocketAddr>,
    pub port: u16,
    pub rule: Option<(Arc<str>, Layer)>,
    /// It goes on by an answer, not by a rule.
    pub asked: bool,
    /// A tunnel: something was dialled, or was to be. Clients of the proxy that were denied leave no closing event.
    pub begun: bool,
    /// Something was dialled.
    pub opened: bool,
    pub end: Option<&'static str>,
}

/// One tunnel in the table.
pub struct Entry {
    id: u64,
    pid: i32,
    program: Arc<[u8]>,
    started: u64,
    up: AtomicU64,
    down: AtomicU64,
    /// The sum of both when it was told last.
    told: AtomicU64,
    facts: Mutex<Facts>,
    task: OnceLock<AbortHandle>,
}

impl Entry {
    /// Bytes that went from the agent to the server.
    pub fn sent(&self, bytes: u64) {
        self.up.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that came back.
    pub fn received(&self, bytes: u64) {
        self.down.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn counted(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }

    /// Bytes have flown since it was asked last, in a tunnel that has been opened.
    fn has_flown(&self) -> bool {
        let (up, down) = self.counted();
        let all = up + down;
        self.told.swap(all, Ordering::Relaxed) != all
    }

    pub fn note(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut lock(&self.facts));
    }

    pub fn facts(&self) -> Facts {
        lock(&self.facts).clone()
    }

    /// The first word on how it ended holds.
    pub fn ends(&self, end: &'static str) {
        self.note(|facts| {
            facts.end.get_or_insert(end);
        });
    }

    /// The task that carries it; one that was told to end before is ended here.
    pub fn runs_as(&self, task: AbortHandle) {
        let reloaded = lock(&self.facts).end == Some(End::Reload.as_str());
        let task = self.task.get_or_init(|| task);
        if reloaded {
            task.abort();
        }
    }

    fn close(&self, end: End) {
        self.ends(end.as_str());
        // `runs_as` comes later where there is no task yet, and sees what was noted.
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    fn shown(&self) -> Live {
        let (up, down) = self.counted();
        let facts = self.facts();
        Live {
            id: self.id,
            pid: self.pid,
            program: Arc::clone(&self.program),
            host: facts.host,
            addr: facts.addr,
            port: facts.port,
            up,
            down,
            started: self.started,
        }
    }
}

/// A place in the table.
pub struct Seat {
    entry: Arc<Entry>,
    table: Arc<Seats>,
}

impl Seat {
    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.table.open).remove(&self.entry.id);
        if lock(&self.entry.facts).begun {
            self.table.tell(&self.entry, TunnelOp::Close);
        }
    }
}

struct Seats {
    open: Mutex<HashMap<u64, Arc<Entry>>>,
    bus: Bus,
    /// Found out when the first connection comes in.
    capacity: OnceLock<usize>,
}

impl Seats {
    fn tell(&self, entry: &Entry, op: TunnelOp) {
        let facts = entry.facts();
        let (up, down) = entry.counted();
        let (rule, layer) = facts.rule.unwrap_or_else(|| (Arc::from("default"), Layer::BuiltIn));
        let end = facts.end.unwrap_or(End::Ended.as_str());
        let denied = end == End::Denied.as_str();
        self.bus.publish(Event::Tunnel(Box::new(Tunnel {
            id: entry.id,
            op,
            pid: entry.pid,
            addr: facts.addr,
            host: facts.host.as_deref().map(Arc::from),
            port: facts.port,
            sni: facts.sni.as_deref().map(str::to_owned),
            verdict: if denied { Verdict::Deny } else { Verdict::Allow },
            rule,
            layer,
            up,
            down,
            duration: self.bus.elapsed().saturating_sub(entry.started),
            end: if op == TunnelOp::Close { end } else { "" },
        })));
    }
}

/// All tunnels of the session.
pub struct Table(Arc<Seats>);

impl Table {
    pub fn new(bus: Bus) -> Table {
        Table(Arc::new(Seats { open: Mutex::default(), bus, capacity: OnceLock::new() }))
    }

    /// For a few of the front's own.
    pub fn with_room(bus: Bus, room: usize) -> Table {
        Table(Arc::new(Seats { open: Mutex::default(), bus, capacity: OnceLock::from(room) }))
    }

    /// As many as there are descriptors for. The soft limit is raised to the hard one, only now: the agent has been started
    /// by then, with the limit that its user has.
    pub fn capacity(&self) -> usize {
        *self.0.capacity.get_or_init(|| {
            // Left as it is, there is room for fewer: said when they are too many.
            let _ = sys::limits::set(libc::RLIMIT_NOFILE, u64::MAX, u64::MAX);
            capacity()
        })
    }

    /// A seat for an admitted passage; None when all are taken.
    pub fn seat(&self, passage: &Passage) -> Option<Seat> {
        let capacity = self.capacity();
        let mut open = lock(&self.0.open);
        if open.len() >= capacity {
            return None;
        }
        let id = match passage.id {
            0 => return None,
            id if open.contains_key(&id) => return None,
            id => id,
        };
        let entry = Arc::new(Entry {
            id,
            pid: passage.pid,
            program: Arc::clone(&passage.program),
            started: passage.started,
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            told: AtomicU64::new(0),
            facts: Mutex::new(Facts { rule: Some((Arc::clone(&passage.rule), passage.layer)), ..Facts::default() }),
            task: OnceLock::new(),
        });
        open.insert(id, Arc::clone(&entry));
        Some(Seat { entry, table: Arc::clone(&self.0) })
    }

    /// The tunnel was dialled: told once, however often it is dialled again.
    pub fn opened(&self, entry: &Entry) {
        let before = std::mem::replace(&mut lock(&entry.facts).opened, true);
        if !before {
            self.0.tell(entry, TunnelOp::Open);
        }
    }

    /// Once a second: tells of tunnels that bytes have flown in, of at most [`TOLD`].
    pub async fn tell_flows(&self) {
        let mut ticks = tokio::time::interval(SECOND);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let open: Vec<Arc<Entry>> = lock(&self.0.open).values().map(Arc::clone).collect();
            for entry in open.iter().filter(|entry| entry.has_flown()).take(TOLD) {
                self.0.tell(entry, TunnelOp::Flow);
            }
        }
    }

    pub fn all(&self) -> Vec<Live> {
        let entries: Vec<Arc<Entry>> = lock(&self.0.open).values().map(Arc::clone).collect();
        let mut live: Vec<Live> =
            entries.iter().filter(|entry| lock(&entry.facts).begun).map(|entry| entry.shown()).collect();
        live.sort_by_key(|live| (live.started, live.id));
        live
    }

    /// Judges every tunnel by the policy in force and closes those that it does not allow. What goes on by an answer
    /// goes on where the policy still asks.
    pub fn judge_anew(&self, shared: &Shared) {
        let entries: Vec<Arc<Entry>> = lock(&self.0.open).values().map(Arc::clone).collect();
        let policy = shared.policy.load_full();
        for entry in entries {
            let facts = entry.facts();
            if !facts.begun {
                // It is judged by the policy in force when it begins.
                continue;
            }
            let keeps = match judge::standing(&policy, &facts) {
                Verdict::Allow => true,
                Verdict::Ask => facts.asked,
                Verdict::Deny => false,
            };
            if !keeps {
                entry.close(End::Reload);
            }
        }
    }
}

/// Two descriptors for each tunnel.
fn capacity() -> usize {
    let descriptors = sys::limits::open_files().unwrap_or(1024);
    let room = descriptors.saturating_sub(SPARE) / 2;
    usize::try_from(room).unwrap_or(MOST).clamp(1, MOST)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is one assignment, insertion or removal.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
