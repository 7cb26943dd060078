//! Names resolved, with the name servers of the policy or those of the machine, and the machine's hosts file.
//!
//! Invariant: one question upstream for each name at a time, whoever waits for it; every one ends within [`PATIENCE`]; bounded
//! in what is under way and what is remembered. A change of the machine's configuration, or of the policy, holds at once.
//! Leaves to others: which names may be looked up, and which answers may be used (`super`).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use hickory_proto::rr::{Name, Record, RecordType};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Resolver as Upstream, TokioResolver};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::policy::Host;

/// Until a name is given up: less than resolvers of C libraries wait for one server.
pub(super) const PATIENCE: Duration = Duration::from_millis(4_500);
/// One try at one server.
const TRY: Duration = Duration::from_millis(1_500);
/// How long the IPv4 addresses of a name wait for its IPv6 ones: servers that never answer those are still met.
const GRACE: Duration = Duration::from_millis(700);
/// Names under way at once, and how many of them may lie beneath the same two labels: one zone whose servers stall does not
/// take the others with it.
const UNDER_WAY: usize = 1_024;
const OF_ONE_ZONE: usize = 128;
/// Answers that are remembered as long as they hold.
const REMEMBERED: u64 = 4_096;
/// Addresses of a name that are used.
pub(super) const MOST: usize = 16;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no such name.
    NoName,
    /// Nobody could say.
    NoAnswer,
}

/// The addresses of one family; empty where the name has none.
pub(super) type Family = Result<Vec<IpAddr>, Failure>;

/// What a name stands for: all that was answered, checked by nobody yet.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) four: Family,
    /// Those that this machine has no route to among them.
    pub(super) six: Family,
    /// Seconds that the answer holds.
    pub(super) ttl: u32,
}

impl Found {
    fn nothing(failure: Failure) -> Found {
        Found { four: Err(failure), six: Err(failure), ttl: 0 }
    }

    /// Everything that was answered.
    pub(super) fn all(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.four.iter().chain(&self.six).flatten().copied()
    }
}

/// From what a resolver was made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    servers: Vec<SocketAddr>,
    /// Device, inode, size and time of the machine's files.
    files: [Option<(u64, u64, u64, i64, i64)>; 2],
}

impl Made {
    fn now(servers: &[SocketAddr]) -> Made {
        let stamp = |path: &str| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
        };
        Made { servers: servers.to_vec(), files: ["/etc/resolv.conf", "/etc/hosts"].map(stamp) }
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Resolver {
    upstream: Mutex<Option<(Made, TokioResolver)>>,
    under_way: Mutex<HashMap<Host, Arc<OnceCell<Arc<Found>>>, RandomState>>,
}

impl Resolver {
    /// What `host` stands for, from these servers or, without any, from the machine's.
    pub(super) async fn find(&self, host: &Host, servers: &[SocketAddr]) -> Arc<Found> {
        let Some(flight) = self.flight(host) else { return Arc::new(Found::nothing(Failure::NoAnswer)) };
        let found = flight.cell.get_or_init(|| async { Arc::new(self.ask(host, servers).await) }).await;
        Arc::clone(found)
    }

    /// Records of any other type, as they come.
    pub(super) async fn records(
        &self,
        name: &Name,
        kind: RecordType,
        servers: &[SocketAddr],
    ) -> Result<Vec<Record>, Failure> {
        let upstream = self.upstream(servers).ok_or(Failure::NoAnswer)?;
        let mut name = name.clone();
        name.set_fqdn(true);
        match timeout(PATIENCE, upstream.lookup(name, kind)).await {
            Ok(Ok(lookup)) => Ok(lookup.answers().to_vec()),
            Ok(Err(error)) => failed(&error).map(|()| Vec::new()),
            Err(_) => Err(Failure::NoAnswer),
        }
    }

    async fn ask(&self, host: &Host, servers: &[SocketAddr]) -> Found {
        let Some(upstream) = self.upstream(servers) else { return Found::nothing(Failure::NoAnswer) };
        let Ok(mut name) = Name::from_ascii(host.as_str()) else { return Found::nothing(Failure::NoName) };
        // As it stands: no search list is put behind it.
        name.set_fqdn(true);
        let six = tokio::spawn({
            let (upstream, name) = (upstream.clone(), name.clone());
            async move { family(&upstream, name, RecordType::AAAA).await }
        });
        // The grace begins when the one family is there.
        let mut six = Abort(six);
        let (four, four_ttl) = family(&upstream, name, RecordType::A).await;
        let (six, six_ttl) = match timeout(GRACE, &mut six.0).await {
            Ok(Ok(six)) => six,
            Ok(Err(_)) | Err(_) => (Err(Failure::NoAnswer), u32::MAX),
        };
        // Some name servers know of one family alone, and deny the whole name for the other one.
        let exists = four.is_ok() || six.is_ok();
        let settled = |family: Family| match family {
            Err(Failure::NoName) if exists => Ok(Vec::new()),
            other => other,
        };
        Found { four: settled(four), six: settled(six), ttl: four_ttl.min(six_ttl) }
    }

    /// The resolver that is in force.
    fn upstream(&self, servers: &[SocketAddr]) -> Option<TokioResolver> {
        let made = Made::now(servers);
        let mut upstream = self.upstream.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, resolver)) = &*upstream
            && *of == made
        {
            return Some(resolver.clone());
        }
        let fresh = build(servers)?;
        *upstream = Some((made, fresh.clone()));
        Some(fresh)
    }

    /// A place among those under way; None where there is none left.
    fn flight(&self, host: &Host) -> Option<Flight<'_>> {
        let mut all = self.all();
        if let Some(cell) = all.get(host) {
            return Some(Flight { of: self, host: host.clone(), cell: Arc::clone(cell) });
        }
        let mine = zone(host);
        if all.len() >= UNDER_WAY || all.keys().filter(|other| zone(other) == mine).count() >= OF_ONE_ZONE {
            return None;
        }
        let cell = Arc::new(OnceCell::new());
        all.insert(host.clone(), Arc::clone(&cell));
        Some(Flight { of: self, host: host.clone(), cell })
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Host, Arc<OnceCell<Arc<Found>>>, RandomState>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for a name.
struct Flight<'r> {
    of: &'r Resolver,
    host: Host,
    cell: Arc<OnceCell<Arc<Found>>>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut all = self.of.all();
        let mine = all.get(&self.host).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // With an answer it is over; without one it goes on only for others: the table and this are two.
        if mine && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            all.remove(&self.host);
        }
    }
}

/// A task that ends with this.
struct Abort<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Abort<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The last two labels.
fn zone(host: &Host) -> &str {
    let at = host.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    host.get(at..).unwrap_or_default()
}

/// The addresses of one family, and how long they hold.
async fn family(upstream: &TokioResolver, name: Name, kind: RecordType) -> (Family, u32) {
    match timeout(PATIENCE, upstream.lookup(name, kind)).await {
        Ok(Ok(lookup)) => {
            let answers = || lookup.answers().iter().filter(|record| record.record_type() == kind);
            let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(u32::MAX);
            (Ok(answers().filter_map(|record| record.data.ip_addr()).collect()), ttl)
        }
        Ok(Err(error)) => (failed(&error).map(|()| Vec::new()), u32::MAX),
        Err(_) => (Err(Failure::NoAnswer), u32::MAX),
    }
}

/// Ok for a name that is there and has no such record.
fn failed(error: &NetError) -> Result<(), Failure> {
    match error {
        error if error.is_nx_domain() => Err(Failure::NoName),
        error if error.is_no_records_found() => Ok(()),
        _ => Err(Failure::NoAnswer),
    }
}

fn build(servers: &[SocketAddr]) -> Option<TokioResolver> {
    let config = if servers.is_empty() {
        // As resolv.conf(5) has it for a file that is missing or names none.
        let local = || vec![server(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)))];
        let servers = read_system_conf().map_or_else(|_| local(), |(config, _)| config.name_servers().to_vec());
        ResolverConfig::from_parts(None, Vec::new(), servers)
    } else {
        ResolverConfig::from_parts(None, Vec::new(), servers.iter().copied().map(server).collect())
    };
    let mut builder = Upstream::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options();
    builder.build().ok()
}

fn server(addr: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = addr.port();
        connection
    });
    NameServerConfig::new(addr.ip(), true, connections.into())
}

fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = TRY;
    options.attempts = 2;
    options.cache_size = REMEMBERED;
    options.use_hosts_file = ResolveHosts::Always;
    options.try_tcp_on_error = true;
    options
}

/// Whether this machine has a way to an address: asked of the kernel, nothing is sent.
pub(super) fn is_routed(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => {
            UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).and_then(|socket| socket.connect((*ip, 9))).is_ok()
        }
    }
}
