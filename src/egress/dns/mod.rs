//! Names: answered for the agent, resolved for the way out, tied to their addresses.
//!
//! ```text
//! agent ─ UDP or TCP to any name server ─▶ stub ─▶ serve ─ judged, counted ─▶ resolver ─▶ policy's or machine's name servers
//!                                                    │ all answers checked
//!                                                    └─ tied: address ↔ names ─▶ connections to the address are judged by name
//! a client of the proxies, a tunnel to dial ─▶ Names::addresses ─▶ the same
//! ```
//! Invariant: every address that leaves here was answered for a name that the policy could allow, in an answer of which no
//! address is forbidden for that name (rebinding). An error is no answer.
//! Leaves to others: judging connections (`judge`), making the agent's sockets end here (`supervisor`).

mod doh;
mod question;
mod rates;
mod resolver;
mod serve;
mod standing;
mod stub;
mod tied;

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hickory_proto::op::ResponseCode;

use self::question::{Question, Read, Transport};
use self::rates::{Rates, Taken};
use self::resolver::{Failure, Found, Resolver};
use self::serve::Said;
use self::standing::Standing;
pub use self::stub::{Stub, stream};
use self::tied::Tied;
use super::shared::InForce;
use crate::bus::Bus;
use crate::event::{Dns, Event};
use crate::policy::{Host, Policy, Verdict};

/// What is known of names, shared by everybody who asks.
#[derive(Clone)]
pub struct Names(Arc<Inner>);

struct Inner {
    policy: InForce,
    bus: Bus,
    tied: Mutex<Tied>,
    rates: Mutex<Rates>,
    standing: Mutex<Standing>,
    resolver: Resolver,
}

impl Names {
    pub fn new(policy: InForce, bus: Bus) -> Names {
        let (tied, resolver) = (Mutex::new(Tied::new(tied::ADDRESSES)), Resolver::default());
        Names(Arc::new(Inner { policy, bus, tied, rates: Mutex::default(), standing: Mutex::default(), resolver }))
    }

    /// The agent knows `host` at these addresses from now on.
    pub fn tie(&self, host: &Host, ips: &[IpAddr]) {
        self.tied().tie(host, ips);
    }

    /// An address that stands for a name which is asked about, known to nobody else.
    fn stand_in(&self, host: &Host) -> IpAddr {
        let ip = self.0.standing.lock().unwrap_or_else(PoisonError::into_inner).address(host);
        self.tied().tie_alone(host, ip);
        ip
    }

    /// What the agent knows an address as, the latest first, at most 16.
    pub fn names(&self, ip: IpAddr) -> Vec<Host> {
        self.tied().names(ip)
    }

    /// The addresses of a name that may be dialled, at most 16 of each family; an error where there is none, where one that
    /// was answered is forbidden, or where the name may not be looked up.
    pub async fn addresses(&self, host: &Host) -> io::Result<Vec<IpAddr>> {
        if host.is_localhost() {
            return Ok(vec![std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()]);
        }
        let policy = self.0.policy.load_full();
        let said = self.admitted(&policy, host);
        if said.verdict == Verdict::Deny {
            self.refused(host, said, &[]);
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        let found = match self.checked(&policy, host).await {
            Ok(found) => found,
            Err(said) => {
                self.refused(host, said, &[]);
                return Err(io::Error::from(io::ErrorKind::PermissionDenied));
            }
        };
        let mut ips: Vec<IpAddr> = Vec::new();
        for family in [&found.four, &found.six] {
            let known = family.as_deref().unwrap_or_default();
            ips.extend(routed(known.to_vec()).into_iter().take(resolver::MOST));
        }
        match (ips.is_empty(), &found.four) {
            (false, _) => Ok(ips),
            (true, Err(Failure::NoAnswer)) => Err(io::Error::from(io::ErrorKind::TimedOut)),
            (true, _) => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    /// Whether a name may be looked up: what the policy says, and what is counted under its wildcards, or in all where it
    /// allows every host.
    fn admitted(&self, policy: &Policy, host: &Host) -> Said {
        let decision = policy.may_name(host);
        let said = Said::of(policy, decision);
        let text = &policy.rule(decision.rule).text;
        let open = policy.is_open() && said.verdict == Verdict::Allow;
        if said.verdict == Verdict::Deny || !open && !text.contains('*') {
            return said;
        }
        if !open && doh::is_resolver(host) {
            return Said::built_in(Verdict::Deny, "built-in: resolver over HTTPS that no rule names");
        }
        let counted = if open { ("**", rates::OPEN) } else { (&**text, rates::WILDCARD) };
        let taken = self.rates().take(&said.rule, counted, host, Instant::now());
        let Taken::TooMany { alert } = taken else { return said };
        if alert {
            let what = format!("more different names are looked up by {} than people need: {host}", said.rule);
            self.0.bus.publish(Event::Alert { pid: 0, what });
        }
        Said::built_in(Verdict::Deny, "built-in: too many different names under one wildcard")
    }

    /// What a name stands for, if nothing of it is forbidden; else why.
    async fn checked(&self, policy: &Policy, host: &Host) -> Result<Arc<Found>, Said> {
        let found = self.0.resolver.find(host, policy.resolvers()).await;
        let forbidden = found.all().find_map(|ip| policy.forbids_answer(host, ip));
        forbidden.map_or(Ok(found), |decision| Err(Said::of(policy, decision)))
    }

    /// Tells of a name that was not looked up for the way out, or whose answer is not used.
    fn refused(&self, host: &Host, said: Said, answers: &[IpAddr]) {
        self.0.bus.publish(Event::Dns(Box::new(Dns {
            pid: 0,
            name: host.to_string(),
            qtype: 1,
            verdict: said.verdict,
            rule: said.rule,
            layer: said.layer,
            rcode: "NXDOMAIN",
            answers: answers.to_vec(),
            duration: 0,
        })));
    }

    fn tied(&self) -> MutexGuard<'_, Tied> {
        self.0.tied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rates(&self) -> MutexGuard<'_, Rates> {
        self.0.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reply to a message, were nothing in the world allowed: NXDOMAIN, or what is wrong with it; None for what gets none.
/// Pure, for tests of the parser.
pub fn denied(bytes: &[u8]) -> Option<Vec<u8>> {
    match Question::read(bytes, Transport::Udp) {
        Read::Question(question) => {
            // What becomes of the name otherwise: neither may fail.
            let _ = (question.host(), question.name(), question.reverse());
            Some(question.reply(ResponseCode::NXDomain, Vec::new()))
        }
        Read::Reply(reply) => Some(reply),
        Read::Nothing => None,
    }
}

/// Those that this machine has a way to.
fn routed(mut ips: Vec<IpAddr>) -> Vec<IpAddr> {
    ips.retain(resolver::is_routed);
    ips
}

#[cfg(test)]
mod tests;
