//! Whether a place may be reached: by its address, by its name, or by a name that stands for an address.
//!
//! Invariant: a denial of the address or of the name comes before everything; what must never be reached through a name or by
//! a general rule (`network::classes`) is reached by an address rule that means it alone. The order is that of everything else:
//! deny > ask > allow > default deny. Leaves to others: which names stand for an address (`egress`), requests (`http`, `git`).
//!
//! ```text
//! address alone   deny ─ ask ─ allow: rules for addresses only
//! name alone      deny ─ ask ─ allow ─ ask = "**": rules for names only; whoever dials asks again with the address
//! name, address   deny by either ─ never through a name? ─ ask by either ─ allow by either ─ ask = "**"
//! ```

use std::net::{IpAddr, SocketAddr};

use super::asks::Wanted;
use super::compiled::{Policy, allow, deny};
use super::host::Host;
use super::http::{GitRule, HttpRule, RegistryRule};
use super::network::{ByHost, Class, Network, Places, What, is_stand_in};
use super::{Decision, NetOp, Verdict};

/// Where somebody wants to get: an address, a name, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach<'r> {
    pub op: NetOp,
    pub addr: Option<SocketAddr>,
    /// That of `addr`, where there is one.
    pub port: u16,
    pub host: Option<&'r Host>,
}

/// The lists of `[network]` but `allow`.
#[derive(Debug, Default)]
pub(super) struct Net {
    pub deny: Places,
    pub ask: Places,
    /// Questions of files that may only narrow.
    pub narrow_ask: Places,
    /// Names that may stand for addresses of the local network.
    pub private: Places,
    /// `**` in `ask`: comes after whatever allows.
    pub ask_else: Places,
    /// Hosts of repositories and registries.
    pub opened: Places,
    pub splice: Places,
    pub http: ByHost<HttpRule>,
    pub git: ByHost<GitRule>,
    pub registries: ByHost<RegistryRule>,
    pub resolvers: Vec<SocketAddr>,
}

/// More ports than this are not tried for one name.
const MOST_PORTS: usize = 4096;

impl<'r> Reach<'r> {
    /// An address.
    pub fn to(op: NetOp, addr: SocketAddr) -> Reach<'static> {
        Reach { op, addr: Some(addr), port: addr.port(), host: None }
    }

    /// A name that is not resolved yet.
    pub fn named(host: &'r Host, port: u16) -> Reach<'r> {
        Reach { op: NetOp::Connect, addr: None, port, host: Some(host) }
    }

    /// A name at one of its addresses.
    pub fn at(host: &'r Host, addr: SocketAddr) -> Reach<'r> {
        Reach { op: NetOp::Connect, addr: Some(addr), port: addr.port(), host: Some(host) }
    }
}

/// `example.org:443`, `192.0.2.1:443`, or `example.org (192.0.2.1:443)`.
impl std::fmt::Display for Reach<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.host, self.addr) {
            (Some(host), Some(addr)) => write!(f, "{host}:{} ({addr})", self.port),
            (Some(host), None) => write!(f, "{host}:{}", self.port),
            (None, Some(addr)) => addr.fmt(f),
            (None, None) => write!(f, "nowhere:{}", self.port),
        }
    }
}

impl Policy {
    /// What the rules for addresses say. Bind is always allowed on loopback and wildcard addresses: sockets are tied to the
    /// loopback device.
    pub fn decide_net(&self, op: NetOp, addr: &SocketAddr) -> Decision {
        let ip = addr.ip().to_canonical();
        if op == NetOp::Bind {
            return match self.network {
                _ if ip.is_loopback() || ip.is_unspecified() => allow(self.fixed.bind),
                Network::All => allow(self.fixed.network),
                _ => deny(0),
            };
        }
        let port = addr.port();
        let (bits, refusal) = match Class::of(ip, Some(port)) {
            Class::Metadata => (whole(ip), self.fixed.metadata),
            Class::Special(bits) => (bits, self.fixed.special),
            Class::Private(_) | Class::Global => (0, 0),
        };
        let found = Found {
            deny: self.net.deny.by_address(ip, port, 0),
            ask: self.net.ask.by_address(ip, port, bits),
            narrow_ask: self.net.narrow_ask.by_address(ip, port, bits),
            ask_else: None,
            allow: match &self.network {
                Network::List(places) => {
                    first(places.by_address(ip, port, bits), self.net.opened.by_address(ip, port, bits))
                }
                Network::All if bits == 0 => Some(self.fixed.network),
                Network::All | Network::None => None,
            },
            refusal,
        };
        self.weigh(&found, &Reach::to(op, *addr))
    }

    /// Verdict on a place by name, by address or both. With an address and names tied to it: an address rule that allows
    /// decides alone ([`Policy::decide_net`]), else each name is asked about at that address.
    pub fn decide_reach(&self, reach: &Reach<'_>) -> Decision {
        let (host, addr) = match (reach.host, reach.addr) {
            // An address that only stands for the name says nothing: what it is really at is judged when it is dialled.
            (Some(host), addr) if reach.op != NetOp::Bind => (host, addr.filter(|addr| !is_stand_in(addr.ip()))),
            (_, Some(addr)) => return self.decide_net(reach.op, &addr),
            (_, None) => return deny(0),
        };
        let port = reach.addr.map_or(reach.port, |addr| addr.port());
        let by_address = |places: &Places| addr.and_then(|addr| places.by_address(addr.ip(), port, 0));
        let refused = first(self.net.deny.by_name(host, port), by_address(&self.net.deny));
        if refused.is_none()
            && let Some(decision) = addr.and_then(|addr| self.never(host, addr.ip(), Some(port)))
        {
            return decision;
        }
        let by_either = |places: &Places| first(places.by_name(host, port), by_address(places));
        let found = Found {
            deny: refused,
            ask: by_either(&self.net.ask),
            narrow_ask: by_either(&self.net.narrow_ask),
            ask_else: self.net.ask_else.by_name(host, port),
            allow: match &self.network {
                Network::List(places) => first(by_either(places), by_either(&self.net.opened)),
                Network::All => Some(self.fixed.network),
                Network::None => None,
            },
            refusal: 0,
        };
        self.weigh(&found, reach)
    }

    /// Whether a name may be looked up: allowed or asked about on any port at all. The best of what its ports get.
    pub fn may_name(&self, host: &Host) -> Decision {
        let mut ports = vec![443];
        let net = &self.net;
        let lists = [&net.ask, &net.narrow_ask, &net.ask_else, &net.opened, &net.deny];
        lists.iter().for_each(|places| places.turns(host, &mut ports));
        if let Network::List(places) = &self.network {
            places.turns(host, &mut ports);
        }
        // What a list says from a port on, it says of that port.
        ports.sort_unstable();
        ports.dedup();
        let mut best: Option<Decision> = None;
        for port in ports.into_iter().map(|port| port.max(1)).take(MOST_PORTS) {
            let decision = self.decide_reach(&Reach::named(host, port));
            match (decision.verdict, best.map(|best| best.verdict)) {
                (Verdict::Allow, _) => return decision,
                (Verdict::Ask, Some(Verdict::Deny) | None) | (Verdict::Deny, None) => best = Some(decision),
                _ => {}
            }
        }
        best.unwrap_or(deny(0))
    }

    /// `network.allow = "all"`: every name and address but those that are always denied.
    pub fn is_open(&self) -> bool {
        matches!(self.network, Network::All)
    }

    /// Why this name must not stand for this address: an address that is denied on every port, or one that is reached through
    /// no name. None where nothing speaks against it; whoever dials asks [`Policy::decide_reach`] with name and address.
    pub fn forbids_answer(&self, host: &Host, ip: IpAddr) -> Option<Decision> {
        let denied = self.net.deny.by_address(ip, 0, 0).filter(|rule| {
            let every = |entry: &&super::network::Entry| *entry.ports.start() <= 1 && *entry.ports.end() == u16::MAX;
            self.net.deny.entries().iter().filter(|entry| entry.rule.0 == *rule).any(|entry| every(&entry))
        });
        denied.map(deny).or_else(|| self.never(host, ip, None))
    }

    /// What is refused of any name at this address, unless a rule for addresses means it.
    fn never(&self, host: &Host, ip: IpAddr, port: Option<u16>) -> Option<Decision> {
        let ip = ip.to_canonical();
        let (bits, rule) = match Class::of(ip, port) {
            Class::Global => return None,
            Class::Private(_) if host.is_localhost() && ip.is_loopback() => return None,
            Class::Private(_) if self.net.private.by_name(host, port.unwrap_or(1)).is_some() => return None,
            Class::Private(bits) => (bits, self.fixed.private),
            Class::Special(bits) => (bits, self.fixed.special),
            Class::Metadata => (whole(ip), self.fixed.metadata),
        };
        let means = |places: &Places| match port {
            Some(port) => places.by_address(ip, port, bits).is_some(),
            None => places.entries().iter().any(|entry| match &entry.what {
                What::Range(range) => range.prefix >= bits && range.contains(ip),
                _ => false,
            }),
        };
        let listed = match &self.network {
            Network::List(places) => means(places) || means(&self.net.opened),
            Network::All | Network::None => false,
        };
        (!listed && !means(&self.net.ask)).then_some(deny(rule))
    }

    /// What would refuse this place if no deny did: for explanations.
    pub(super) fn never_reached(&self, reach: &Reach<'_>) -> Option<Decision> {
        let addr = reach.addr?;
        match (reach.host, Class::of(addr.ip(), Some(addr.port()))) {
            (Some(host), _) => self.never(host, addr.ip(), Some(addr.port())),
            (None, Class::Metadata) => Some(deny(self.fixed.metadata)),
            (None, Class::Special(_)) => Some(deny(self.fixed.special)),
            (None, Class::Private(_) | Class::Global) => None,
        }
    }

    fn weigh(&self, found: &Found, reach: &Reach<'_>) -> Decision {
        if let Some(rule) = found.deny {
            return deny(rule);
        }
        if let Some(rule) = found.ask {
            return self.answered(rule, &Wanted::Net(*reach));
        }
        let Some(rule) = found.allow else {
            if let Some(rule) = found.ask_else {
                return self.answered(rule, &Wanted::Net(*reach));
            }
            let closed = matches!(self.network, Network::None);
            return deny(if closed { self.fixed.network } else { found.refusal });
        };
        match found.narrow_ask {
            Some(rule) => self.answered(rule, &Wanted::Net(*reach)),
            None => allow(rule),
        }
    }

    /// `network.allow` or a question names the host: it is not there for its repositories or packages alone.
    pub(super) fn lists_host(&self, host: &Host, port: u16) -> bool {
        let listed = match &self.network {
            Network::None => false,
            Network::All => true,
            Network::List(places) => places.by_name(host, port).is_some(),
        };
        listed || self.net.ask.by_name(host, port).is_some()
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Some rule allows or asks about an address, not a name, that is not loopback.
    pub fn names_outside(&self) -> bool {
        let outside = |places: &Places| {
            let addresses = places.entries().iter().filter(|entry| !matches!(entry.what, What::Name(_)));
            addresses.into_iter().any(|entry| entry.is_outside())
        };
        let listed = match &self.network {
            Network::None => false,
            Network::All => true,
            Network::List(places) => outside(places) || outside(&self.net.opened),
        };
        listed || outside(&self.net.ask)
    }

    /// Some rule allows or asks about a name.
    pub fn names_hosts(&self) -> bool {
        let names = |places: &Places| places.entries().iter().any(|entry| !matches!(entry.what, What::Range(_)));
        let listed = match &self.network {
            Network::None => false,
            Network::All => true,
            Network::List(places) => names(places) || names(&self.net.opened),
        };
        listed || names(&self.net.ask) || names(&self.net.ask_else)
    }

    /// Some place is reached only after a question.
    pub fn asks_network(&self) -> bool {
        [&self.net.ask, &self.net.narrow_ask, &self.net.ask_else].iter().any(|places| !places.is_empty())
    }

    /// Name servers of its own; empty: those of the system.
    pub fn resolvers(&self) -> &[SocketAddr] {
        &self.net.resolvers
    }
}

/// The first rule of each kind that means a place.
struct Found {
    deny: Option<u32>,
    ask: Option<u32>,
    narrow_ask: Option<u32>,
    ask_else: Option<u32>,
    allow: Option<u32>,
    /// What refuses it where nothing allows it.
    refusal: u32,
}

fn first(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Bits of a prefix that holds this one address.
fn whole(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}
