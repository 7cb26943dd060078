//! Places on the network, and sockets of other programs, that the session reached or was kept from.
//!
//! Invariant: bounded; beyond it connections are counted only. A place is known by the name it was judged by; by its address
//! where it has none.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::denials::LONGEST;
use super::phrase::cut;
use crate::event::{Dns, Http, Judged, Tunnel, TunnelOp};
use crate::policy::Verdict;

/// Places that are told apart.
const KEPT: usize = 1_000;
/// Addresses and programs that are kept of each.
const FEW: usize = 4;

#[derive(Debug, Default)]
pub struct Reached {
    spots: BTreeMap<Spot, Visit>,
    beyond: u64,
    up: u64,
    down: u64,
}

/// Where a connection or message went, or wanted to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// By name. Port 0: it was looked up only.
    Host(String, u16),
    Internet(SocketAddr),
    /// A Unix socket, by path or abstract name.
    Socket(Vec<u8>),
}

/// What became of a place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Visit {
    /// The first and the last time, in nanoseconds since the session's start.
    pub first: u64,
    pub last: u64,
    /// Connections and messages.
    pub count: u64,
    /// Requests of any kind that were refused.
    pub denied: u64,
    /// Requests that the front read.
    pub requests: u64,
    /// Bytes from the agent and to it, of connections that are over.
    pub up: u64,
    pub down: u64,
    /// What the name stood for, the first few.
    pub addrs: Vec<IpAddr>,
    /// Names of programs, the first few.
    pub programs: Vec<Vec<u8>>,
}

impl Reached {
    /// A request that was judged. A bind reaches nobody.
    pub(super) fn judged(&mut self, t: u64, judged: &Judged, program: &[u8]) {
        let denied = judged.verdict == Verdict::Deny;
        if judged.op == "bind" || (!denied && !matches!(judged.errno, 0 | libc::EINPROGRESS)) {
            return;
        }
        let port = judged.addr.map_or(judged.port, |addr| addr.port());
        let spot = match (&judged.host, judged.addr) {
            (Some(host), _) => Spot::Host(cut(host, 300), port),
            (None, Some(addr)) => Spot::Internet(addr),
            (None, None) => Spot::Socket(judged.path.get(..LONGEST).unwrap_or(&judged.path).to_vec()),
        };
        let Some(visit) = self.visit(spot, t, program) else {
            self.beyond += u64::from(!denied);
            return;
        };
        visit.add_addr(judged.addr.filter(|_| judged.host.is_some()).map(|addr| addr.ip()));
        if denied { visit.denied += 1 } else { visit.count += 1 }
    }

    /// A connection is over: its bytes. What was refused of it has been told by its own decision.
    pub(super) fn tunnel(&mut self, t: u64, tunnel: &Tunnel, program: &[u8]) {
        if tunnel.op != TunnelOp::Close || (tunnel.verdict == Verdict::Deny && tunnel.up + tunnel.down == 0) {
            return;
        }
        self.up = self.up.saturating_add(tunnel.up);
        self.down = self.down.saturating_add(tunnel.down);
        let spot = match (&tunnel.host, tunnel.addr) {
            (Some(host), _) => Spot::Host(cut(host, 300), tunnel.port),
            (None, Some(addr)) => Spot::Internet(addr),
            (None, None) => return,
        };
        let Some(visit) = self.visit(spot, t.saturating_sub(tunnel.duration), program) else { return };
        visit.last = visit.last.max(t);
        // Its decision named another of the address's names.
        visit.count = visit.count.max(1);
        visit.up = visit.up.saturating_add(tunnel.up);
        visit.down = visit.down.saturating_add(tunnel.down);
        visit.add_addr(tunnel.addr.filter(|_| tunnel.host.is_some()).map(|addr| addr.ip()));
    }

    /// A name that was refused: nothing else tells of it. One that was found is told by its connections.
    pub(super) fn dns(&mut self, t: u64, dns: &Dns, program: &[u8]) {
        if dns.verdict != Verdict::Deny {
            return;
        }
        let spot = Spot::Host(cut(&dns.name.to_ascii_lowercase(), 300), 0);
        if let Some(visit) = self.visit(spot, t, program) {
            visit.denied += 1;
        }
    }

    pub(super) fn http(&mut self, t: u64, http: &Http, program: &[u8]) {
        if let Some(visit) = self.visit(Spot::Host(cut(&http.host, 300), http.port), t, program) {
            visit.requests += 1;
            visit.denied += u64::from(http.verdict == Verdict::Deny);
        }
    }

    fn visit(&mut self, spot: Spot, t: u64, program: &[u8]) -> Option<&mut Visit> {
        if self.spots.len() >= KEPT && !self.spots.contains_key(&spot) {
            return None;
        }
        let visit = self.spots.entry(spot).or_insert_with(|| Visit { first: t, last: t, ..Visit::default() });
        (visit.first, visit.last) = (visit.first.min(t), visit.last.max(t));
        let fresh = !program.is_empty() && visit.programs.len() < FEW;
        if fresh && !visit.programs.iter().any(|known| known == program) {
            visit.programs.push(program.to_vec());
        }
        Some(visit)
    }

    /// Places with what became of each, by name, address and path.
    pub fn spots(&self) -> impl Iterator<Item = (&Spot, &Visit)> {
        self.spots.iter()
    }

    /// Places of the internet, those with most bytes first, then the first ones; those that were refused alone last.
    pub fn places(&self) -> Vec<(&Spot, &Visit)> {
        let mut all: Vec<_> = self.spots().filter(|(spot, _)| !matches!(spot, Spot::Socket(_))).collect();
        all.sort_by_key(|(_, visit)| (visit.count == 0, std::cmp::Reverse(visit.bytes()), visit.first));
        all
    }

    /// Different hosts that were reached: names, and addresses without one, ports aside.
    pub fn hosts(&self) -> u64 {
        self.names().len() as u64
    }

    /// What they are called, those with most bytes first.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (spot, _) in self.places().into_iter().filter(|(_, visit)| visit.count > 0) {
            let name = match spot {
                Spot::Host(host, _) => host.clone(),
                Spot::Internet(addr) => addr.ip().to_string(),
                Spot::Socket(_) => continue,
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Bytes from the agent and to it, of all connections that are over.
    pub fn bytes(&self) -> (u64, u64) {
        (self.up, self.down)
    }

    /// Connections to places that are not kept.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }
}

impl Visit {
    /// Both ways.
    pub fn bytes(&self) -> u64 {
        self.up.saturating_add(self.down)
    }

    fn add_addr(&mut self, ip: Option<IpAddr>) {
        if let Some(ip) = ip.filter(|ip| self.addrs.len() < FEW && !self.addrs.contains(ip)) {
            self.addrs.push(ip);
        }
    }
}

impl Spot {
    /// As people write it; not made visible.
    pub fn place(&self) -> String {
        match self {
            Spot::Host(host, 0) => host.clone(),
            Spot::Host(host, port) => format!("{host}:{port}"),
            Spot::Internet(addr) => addr.to_string(),
            Spot::Socket(path) => String::from_utf8_lossy(path).into_owned(),
        }
    }
}
