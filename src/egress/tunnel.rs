//! One connection from its first byte to its last: sniffed, then spliced, terminated or refused.
//!
//! Invariant: a connection that was judged by name goes on only if what is said inside names one of those names, or if it
//! is a protocol that names nothing. Until that is known not one byte of the client's is passed on, but the beginning of a
//! line that nothing is named by yet (`sniff`).
//! Leaves to others: who may come in (`listen`, `proxy`), what TLS and HTTP say (`sniff`), carrying bytes (`splice`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::dial::{self, Server, Wanted};
use super::judge::{self, Allowed};
use super::live::{End, Entry, Seat};
use super::passage::{Passage, Waiting};
use super::shared::Shared;
use super::sniff::{self, Heard, Hello, Opening, Way};
use super::splice::{self, Pipe};
use super::{dns, http, listen, tls};
use crate::bus::Bus;
use crate::policy::{Host, Layer, Policy, Reach, Verdict};

/// TLS alert `access_denied`, fatal (RFC 8446 §6.2): what a client shows is better than a bare reset.
const ACCESS_DENIED: &[u8] = &[21, 3, 3, 0, 2, 2, 49];

/// The port of name servers (RFC 1035 §4.2).
const DNS: u16 = 53;

/// An admitted connection of the agent's.
pub struct Tunnel {
    pub passage: Passage,
    pub client: TcpStream,
    /// The names that what is said inside must be one of.
    pub judged: Vec<Host>,
    pub by_name: bool,
    /// The address wanted, where the client gave one.
    pub addr: Option<SocketAddr>,
    pub port: u16,
    /// Made ahead, or being made, to `addr` or to an address of the first judged name.
    pub server: Mutex<Way>,
    pub shared: Arc<Shared>,
    pub seat: Seat,
}

impl Tunnel {
    /// The number that all its events have.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.passage.id
    }

    #[must_use]
    pub fn pid(&self) -> i32 {
        self.passage.pid
    }

    /// Counts bytes, and keeps what is found out.
    #[must_use]
    pub fn entry(&self) -> &Arc<Entry> {
        self.seat.entry()
    }

    /// The policy in force now.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.shared.policy.load_full()
    }

    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.shared.bus
    }

    /// A connection to `host` at the tunnel's port: by checked addresses of that name only, or through the machine's
    /// proxy. The one made ahead is given out once, if its address is known as one of that name's.
    pub async fn dial(&self, host: &Host) -> io::Result<TcpStream> {
        let ahead = match self.taken() {
            Way::Made(server) => Some(server),
            // What comes of it is waited for: a second one would be a second request to connect.
            Way::Dialling(dialling) => dialling.await.inspect(|server| self.opened(server)).ok(),
            Way::None => None,
        };
        if let Some(server) = ahead.filter(|server| self.leads_to(server, host)) {
            return Ok(server.stream);
        }
        let wanted = self.wanted_of(host);
        let server = dial::dial(&self.shared, &wanted).await?;
        self.opened(&server);
        Ok(server.stream)
    }

    /// Whether a connection made ahead is one to `host`: to an address that the agent was told of as one of that name's, or
    /// to this machine, which has its name without being told.
    fn leads_to(&self, server: &Server, host: &Host) -> bool {
        let ip = server.addr.ip();
        let here = ip == IpAddr::from(Ipv4Addr::LOCALHOST) || ip == IpAddr::from(Ipv6Addr::LOCALHOST);
        // Not to a proxy of the machine's that is here and leads elsewhere.
        let asked = self.addr.is_some_and(|addr| addr.ip() == ip);
        here && asked && host.is_localhost() || self.shared.names.names(ip).contains(host)
    }

    pub fn wanted(&self) -> Wanted {
        let names = if self.by_name { self.judged.clone() } else { Vec::new() };
        Wanted { addr: self.addr.map(|addr| addr.ip()), names, port: self.port, asked: self.entry().facts().asked }
    }

    /// Where `host` is. An address that is allowed by itself stays where it goes when a rule asks about the name: nobody was
    /// asked about that, and whoever answers there must prove to be the host.
    fn wanted_of(&self, host: &Host) -> Wanted {
        let asks = || self.policy().decide_reach(&Reach::named(host, self.port)).verdict == Verdict::Ask;
        match self.by_name || !asks() {
            true => Wanted { addr: None, names: vec![host.clone()], ..self.wanted() },
            false => self.wanted(),
        }
    }

    /// Whether what goes to one of its names is looked into.
    pub fn is_inspected(&self) -> bool {
        let policy = self.policy();
        self.judged.iter().any(|host| policy.inspects(host, self.port))
    }

    /// Keeps a connection made ahead.
    pub fn dialled(&self, server: Server) {
        self.opened(&server);
        *lock(&self.server) = Way::Made(server);
    }

    /// What was made ahead, given out once.
    fn taken(&self) -> Way {
        std::mem::replace(&mut *lock(&self.server), Way::None)
    }

    /// Notes where it was dialled, and tells once that bytes may flow.
    pub fn opened(&self, server: &Server) {
        self.entry().note(|facts| facts.addr = Some(server.addr));
        self.shared.live.opened(self.entry());
    }
}

/// A redirected connection: the supervisor has judged it, we judge it again by the policy in force now.
pub async fn redirected(shared: Arc<Shared>, client: TcpStream, waiting: Waiting, seat: Seat) {
    let Waiting { passage, server, .. } = waiting;
    if passage.to.port() == DNS && passage.layer == Layer::BuiltIn {
        // By the supervisor's own rule every name server is our stub.
        let entry = Arc::clone(seat.entry());
        entry.note(|facts| (facts.addr, facts.port, facts.begun) = (Some(passage.to), DNS, true));
        let (up, down) = dns::stream(client, shared.names.clone(), passage.pid).await;
        entry.sent(up);
        entry.received(down);
        return entry.ends(End::Closed.as_str());
    }
    let to = SocketAddr::new(passage.to.ip().to_canonical(), passage.to.port());
    let tunnel = Tunnel {
        judged: passage.names.clone(),
        by_name: passage.by_name,
        addr: Some(to),
        port: to.port(),
        client,
        server: Mutex::new(server.map_or(Way::None, Way::Made)),
        passage,
        shared,
        seat,
    };
    if !begin(&tunnel, tunnel.passage.asked) {
        return;
    }
    if let Way::Made(server) = tunnel.taken() {
        tunnel.dialled(server);
    }
    run(tunnel, Vec::new()).await;
}

/// What a client of the proxy asked for and may have. None: the policy has turned against it meanwhile.
pub fn asked_for(
    shared: Arc<Shared>,
    client: TcpStream,
    passage: Passage,
    seat: Seat,
    allowed: Allowed,
) -> Option<Tunnel> {
    seat.entry().note(|facts| facts.rule = Some((Arc::clone(&allowed.ruling.rule), allowed.ruling.layer)));
    let tunnel = Tunnel {
        judged: allowed.names,
        by_name: allowed.by_name,
        addr: allowed.addr,
        port: allowed.port,
        client,
        server: Mutex::new(Way::None),
        passage,
        shared,
        seat,
    };
    begin(&tunnel, allowed.asked).then_some(tunnel)
}

/// `asked` is what whoever let it in knows: a rule that asks since then has been answered by nobody.
fn begin(tunnel: &Tunnel, asked: bool) -> bool {
    let begun = judge::begin(&tunnel.shared, tunnel.entry(), |facts| {
        facts.judged.clone_from(&tunnel.judged);
        facts.by_name = tunnel.by_name;
        facts.host = tunnel.judged.first().cloned();
        facts.addr = tunnel.addr;
        facts.port = tunnel.port;
        facts.asked = asked;
    });
    if begun.is_err() {
        listen::reset(&tunnel.client);
    }
    begun.is_ok()
}

/// Where a connection goes once its opening is known.
enum Route {
    Splice,
    Terminate(Host),
    Plain(Host),
    Refuse { why: &'static str, named: Option<Host> },
}

/// Carries it to its end.
pub async fn run(tunnel: Tunnel, first: Vec<u8>) {
    let way = match tunnel.is_inspected() {
        // One that is made already is kept for whoever terminates it: what its server says first must not reach the client
        // as it is.
        true => Way::None,
        false => match tunnel.taken() {
            Way::None => Way::dial(&tunnel.shared, tunnel.wanted()),
            made => made,
        },
    };
    // Boxed: gone when the tunnel flows, and thousands of those may wait.
    let heard = Box::pin(sniff::listen(&tunnel, first, way)).await;
    let Heard { opening, mut head, passed, way, back } = match heard {
        Ok(heard) => heard,
        Err(end) => {
            tunnel.entry().ends(end.as_str());
            return listen::reset(&tunnel.client);
        }
    };
    if let Opening::Tls(Hello { host: Some(host), .. }) = &opening {
        tunnel.entry().note(|facts| facts.sni = Some(host.clone()));
    }
    match route(&tunnel, &opening) {
        Route::Splice => splice(tunnel, head.split_off(passed), way, back).await,
        Route::Terminate(host) => {
            let entry = Arc::clone(tunnel.entry());
            entry.note(|facts| facts.host = Some(host.clone()));
            let end = Box::pin(tls::terminate(tunnel, head, host)).await;
            entry.ends(end);
        }
        Route::Plain(host) => {
            let entry = Arc::clone(tunnel.entry());
            entry.note(|facts| facts.host = Some(host.clone()));
            // Nothing was said on it yet, either way: it serves the first request.
            if passed == 0 && entry.counted().1 == 0 && back.is_empty() {
                *lock(&tunnel.server) = way;
            }
            let end = Box::pin(http::plain(tunnel, head, host)).await;
            entry.ends(end);
        }
        Route::Refuse { why, named } => refuse(tunnel, &opening, why, named).await,
    }
}

fn route(tunnel: &Tunnel, opening: &Opening) -> Route {
    let policy = tunnel.policy();
    let is_judged = |host: &Host| tunnel.judged.contains(host);
    match opening {
        Opening::Tls(hello) => {
            let named = hello.host.clone();
            let Some(host) = named.clone() else {
                return match tunnel.by_name {
                    true => Route::Refuse { why: "built-in: TLS without a server name", named },
                    false => Route::Splice,
                };
            };
            if tunnel.by_name && !is_judged(&host) {
                return Route::Refuse { why: "built-in: TLS for another name than was judged", named };
            }
            // An address that is allowed by itself may be reached under any name; it is looked into for those that the
            // policy inspects, and then dialled by that name, not by the address.
            if policy.inspects(&host, tunnel.port) {
                return Route::Terminate(host);
            }
            match tunnel.by_name && hello.encrypted {
                true => Route::Refuse { why: "built-in: TLS with an encrypted ClientHello", named },
                false => Route::Splice,
            }
        }
        Opening::Http(host) => {
            let inspected = host.as_ref().is_some_and(|host| policy.inspects(host, tunnel.port));
            match host {
                _ if !tunnel.by_name && !inspected => Route::Splice,
                Some(host) if !tunnel.by_name || is_judged(host) => Route::Plain(host.clone()),
                _ => Route::Refuse { why: "built-in: HTTP for another name than was judged", named: host.clone() },
            }
        }
        Opening::Http2 if tunnel.by_name || tunnel.is_inspected() => {
            Route::Refuse { why: "built-in: HTTP/2 without TLS", named: None }
        }
        Opening::Malformed(why) if tunnel.by_name => Route::Refuse { why, named: None },
        Opening::Http2 | Opening::Malformed(_) | Opening::Other => Route::Splice,
    }
}

async fn splice(tunnel: Tunnel, head: Vec<u8>, way: Way, back: Pipe) {
    let way = match way {
        Way::None => match tunnel.taken() {
            Way::None => Way::dial(&tunnel.shared, tunnel.wanted()),
            made => made,
        },
        way => way,
    };
    let made = match way {
        Way::Made(server) => Ok(server),
        Way::Dialling(dialling) => dialling.await,
        Way::None => Err(io::Error::from(io::ErrorKind::NotConnected)),
    };
    let Ok(server) = made else {
        tunnel.entry().ends(End::Refused.as_str());
        return listen::reset(&tunnel.client);
    };
    tunnel.opened(&server);
    let Tunnel { client, seat, .. } = tunnel;
    let end = splice::carry(&client, &server.stream, head, back, seat.entry()).await;
    if end == End::Reset {
        listen::reset(&client);
        listen::reset(&server.stream);
    }
    seat.entry().ends(end.as_str());
}

async fn refuse(mut tunnel: Tunnel, opening: &Opening, why: &'static str, named: Option<Host>) {
    let entry = Arc::clone(tunnel.entry());
    judge::refused(&tunnel.shared, &tunnel.passage, named.as_ref(), &entry.facts(), why);
    entry.ends(End::Denied.as_str());
    let farewell: Vec<u8> = match opening {
        Opening::Tls(_) => ACCESS_DENIED.to_vec(),
        Opening::Http(_) => super::proxy::denial(why, named.as_deref().unwrap_or("this"), tunnel.port),
        Opening::Http2 | Opening::Malformed(_) | Opening::Other => Vec::new(),
    };
    if farewell.is_empty() {
        return listen::reset(&tunnel.client);
    }
    // A courtesy: the connection is closed whether it arrives or not.
    let _ = tunnel.client.write_all(&farewell).await;
    super::proxy::part(tunnel.client).await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is under it is put in or taken as a whole.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
