//! MCP servers of a session: started by the front, each in a tree of its own, and reached by the agent through one socket.
//!
//! ```text
//! agent ── govsh mcp connect NAME ── connect(2) to `supervisor::RELAY` ── judged, connected by the broker
//!                                                   │
//! front: accept ─ visit: NAME ─ tree: the server ───┴─▶ mcp::connection: every message past the relay
//! ```
//! Invariant: what the agent says reaches a server as messages that the relay let pass, and in no other way; how many
//! connections there are, how often servers start, and how long anything may take is bounded here. When it is closed no
//! process of a server lives.
//!
//! Why it does not matter who in the session speaks to the socket, or what: a connection gives nothing but a server's
//! messages as the rules let them pass. An agent that floods it holds up itself: `MOST` connections, `STARTS` servers in a
//! minute, and of each connection no more in memory than the relay's bounds.
//! Leaves to others: judging (`mcp`), what a server may do (`policy`, by its own), which servers there are (`cmd`).

mod bounds;
mod client;
pub mod frames;
mod teller;
mod tree;
mod visit;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

use super::pins::Store;
use super::{SessionError, runtime};
use crate::bus::Bus;
use crate::mcp::relay::Rates;
use crate::policy::mcp::{Launch, McpRule, Server};
use crate::policy::{Audit, Policy, RuleId};
use crate::session::remote;
use crate::supervisor::questions::{Questions, Realm};
use crate::sys::unix;
use tree::Tree;

/// The socket's name in the session's directory.
const NAME: &str = "mcp";
/// Threads of the runtime.
const THREADS: usize = 2;
/// Connections at a time.
const MOST: usize = 64;
/// Servers that may be started in a minute.
const STARTS: usize = 120;
const MINUTE: Duration = Duration::from_secs(60);
/// For servers to be gone at the end of a session.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks whether they are.
const LOOK: Duration = Duration::from_millis(2);

/// Finds the servers of a policy that replaces another.
pub type Again = Box<dyn FnMut(&Policy) -> Result<Vec<Arc<Declared>>, String> + Send>;

/// The servers of a session's policy.
pub struct Declarations {
    pub now: Vec<Arc<Declared>>,
    pub again: Option<Again>,
    /// Where it is kept what servers were.
    pub pins: Store,
}

/// A server of the policy.
pub struct Declared {
    pub name: String,
    /// The rule that declares it.
    pub rule: RuleId,
    pub how: How,
}

/// How it is had.
pub enum How {
    /// A program, or why it cannot be started.
    Command(Result<Arc<Command>, String>),
    /// And where its tokens are kept.
    Url(Box<Server>, remote::Store),
}

/// A program and what it runs under.
pub struct Command {
    pub realm: Realm,
    /// Private to it, in the session's.
    pub dir: PathBuf,
    pub policy: Arc<Policy>,
    pub audit: Audit,
    /// Absolute.
    pub program: PathBuf,
    pub argv: Vec<String>,
    /// Variables beside those that its policy passes.
    pub env: Vec<(String, String)>,
    /// Of its program, once somebody has wanted to know.
    pub digest: OnceLock<Option<[u8; 32]>>,
}

impl Command {
    /// BLAKE3 of the program's bytes; None where they cannot be read. The first time it reads them all.
    fn digest(&self) -> Option<[u8; 32]> {
        *self.digest.get_or_init(|| {
            let mut hasher = blake3::Hasher::new();
            let file = File::open(&self.program).ok()?;
            hasher.update_reader(file).ok().map(|hasher| *hasher.finalize().as_bytes())
        })
    }
}

/// What servers inherit of how the user started us; see `Orders`.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    pub blocked: u64,
    pub ignored: u64,
    pub open_files: (u64, u64),
}

/// What it is opened with.
pub struct Setup<'a> {
    pub bus: Bus,
    pub questions: Questions,
    /// The session's.
    pub id: String,
    pub cwd: PathBuf,
    /// The session's private directory.
    pub dir: &'a Path,
    /// The agent's.
    pub policy: Arc<Policy>,
    pub declared: Declarations,
    pub start: Start,
}

/// What is there before the agent runs.
pub struct Opened {
    pub servers: Arc<Servers>,
    /// The socket, for the supervisor (O_PATH).
    pub relay: OwnedFd,
}

/// The servers of a session.
pub struct Servers {
    shared: Arc<Shared>,
    again: Mutex<Option<Again>>,
    runtime: Mutex<Option<Runtime>>,
}

/// What all connections share.
pub(super) struct Shared {
    pub bus: Bus,
    pub questions: Questions,
    pub id: String,
    pub cwd: PathBuf,
    pub start: Start,
    /// The agent's policy.
    pub policy: ArcSwap<Policy>,
    declared: ArcSwap<Vec<Arc<Declared>>>,
    pub rules: watch::Sender<Arc<[McpRule]>>,
    /// How often rules have let calls pass, over all connections.
    pub rates: Rates,
    /// What digests of arguments are made with: no other session's can be compared.
    pub key: [u8; 32],
    pub pins: Store,
    /// Threads that wait for an answer.
    pub asking: Arc<AtomicUsize>,
    connections: AtomicU64,
    started: Mutex<VecDeque<Instant>>,
    /// All of it is held still, what is started meanwhile too.
    still: AtomicBool,
    /// None once the session ends.
    trees: Mutex<Option<HashMap<u64, Arc<Tree>>>>,
}

/// Listens, where the policy declares servers. Call it on a thread that is in nobody's domain.
pub fn open(setup: Setup<'_>) -> Result<Option<Opened>, SessionError> {
    if setup.policy.servers().is_empty() {
        return Ok(None);
    }
    let path = setup.dir.join(NAME);
    let listening = runtime::short(&path).and_then(|(_dir, short)| StdListener::bind(short));
    let listening = listening.map_err(SessionError::Servers)?;
    let relay = File::options().read(true).custom_flags(libc::O_PATH).open(&path).map_err(SessionError::Servers)?;
    listening.set_nonblocking(true).map_err(SessionError::Servers)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("mcp")
        .enable_all()
        .build()
        .map_err(SessionError::Servers)?;
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| SessionError::Servers(std::io::ErrorKind::Other.into()))?;
    let shared = Arc::new(Shared {
        key,
        asking: Arc::default(),
        pins: setup.declared.pins,
        bus: setup.bus,
        questions: setup.questions,
        id: setup.id,
        cwd: setup.cwd,
        start: setup.start,
        rules: watch::channel(rules(&setup.policy)).0,
        rates: Rates::default(),
        policy: ArcSwap::new(setup.policy),
        declared: ArcSwap::from_pointee(setup.declared.now),
        connections: AtomicU64::new(0),
        started: Mutex::default(),
        still: AtomicBool::new(false),
        trees: Mutex::new(Some(HashMap::new())),
    });
    let listening = {
        let _entered = runtime.enter();
        UnixListener::from_std(listening).map_err(SessionError::Servers)?
    };
    warm(&runtime, &shared);
    runtime.spawn(accept(shared.clone(), listening));
    let again = Mutex::new(setup.declared.again);
    let servers = Arc::new(Servers { shared, again, runtime: Mutex::new(Some(runtime)) });
    Ok(Some(Opened { servers, relay: relay.into() }))
}

/// Takes the digests of the programs before somebody waits for them.
fn warm(runtime: &Runtime, shared: &Arc<Shared>) {
    let shared = shared.clone();
    // Whatever cannot be read is told when it is wanted.
    drop(runtime.spawn_blocking(move || {
        for declared in shared.declared.load().iter() {
            if let How::Command(Ok(command)) = &declared.how {
                let launch = Launch::Command(command.argv.clone());
                let _ = (command.digest(), shared.pins.identity(&launch, Some(&command.program), &shared.cwd));
            }
        }
    }));
}

fn rules(policy: &Policy) -> Arc<[McpRule]> {
    policy.mcp_rules().into()
}

async fn accept(shared: Arc<Shared>, listening: UnixListener) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok((socket, _)) = listening.accept().await else {
            // No descriptor is to be had for a moment.
            tokio::time::sleep(LOOK).await;
            continue;
        };
        // The supervisor connects for the agent, so that it is us who did; nobody else has any business here.
        if !is_ours(&socket) {
            continue;
        }
        let Ok(permit) = room.clone().try_acquire_owned() else { continue };
        let shared = shared.clone();
        tokio::spawn(async move {
            visit::serve(shared, socket).await;
            drop(permit);
        });
    }
}

fn is_ours(socket: &UnixStream) -> bool {
    unix::peer(socket.as_fd()).is_ok_and(|(pid, _)| u32::try_from(pid) == Ok(std::process::id()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in these is whole at every moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn declared(&self, name: &str) -> Option<Arc<Declared>> {
        self.declared.load().iter().find(|declared| declared.name == name).cloned()
    }

    /// The number of a connection, from 1.
    fn next(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether one more server may be started now.
    fn may_start(&self) -> bool {
        let (mut started, now) = (lock(&self.started), Instant::now());
        while started.front().is_some_and(|at| now.saturating_duration_since(*at) >= MINUTE) {
            started.pop_front();
        }
        let may = started.len() < STARTS;
        if may {
            started.push_back(now);
        }
        may
    }

    /// Notes a server that runs; false where the session is over.
    fn note(&self, connection: u64, tree: &Arc<Tree>) -> bool {
        let mut trees = lock(&self.trees);
        let noted = trees.as_mut().map(|trees| trees.insert(connection, tree.clone())).is_some();
        if self.still.load(Ordering::Relaxed) {
            tree.hold(true);
        }
        noted
    }

    fn forget(&self, connection: u64) {
        if let Some(trees) = &mut *lock(&self.trees) {
            trees.remove(&connection);
        }
    }
}

impl Servers {
    /// What the servers of another policy are; an error where one of them could not be started.
    pub fn prepare(&self, policy: &Policy) -> Result<Vec<Arc<Declared>>, String> {
        match &mut *lock(&self.again) {
            Some(again) => again(policy),
            None => Err("this session cannot reload its MCP servers".to_owned()),
        }
    }

    /// Its rules hold for the next message of every connection, its servers for the next connection.
    pub fn reload(&self, policy: &Arc<Policy>, declared: Vec<Arc<Declared>>) {
        self.shared.policy.store(policy.clone());
        self.shared.declared.store(Arc::new(declared));
        self.shared.rules.send_replace(rules(policy));
    }

    /// Holds the processes of all servers still, or lets them go on.
    pub fn hold(&self, still: bool) {
        let trees = lock(&self.shared.trees);
        self.shared.still.store(still, Ordering::Relaxed);
        trees.iter().flat_map(HashMap::values).for_each(|tree| tree.hold(still));
    }

    /// Ends every server and every connection; when it returns their last events are published.
    pub fn close(&self) {
        let trees = lock(&self.shared.trees).take().unwrap_or_default();
        trees.values().for_each(|tree| tree.end());
        let deadline = Instant::now() + PATIENCE;
        while !trees.values().all(|tree| tree.is_over()) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        if let Some(runtime) = lock(&self.runtime).take() {
            // Connections see their servers end.
            runtime.shutdown_timeout(Duration::from_millis(500));
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.close();
    }
}
