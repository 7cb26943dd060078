//! Judging an internet address with the names that the stub has answered with it.
//!
//! Invariant: an address that a rule allows is allowed for itself; else the names decide: one that is allowed is enough, and
//! then those that are allowed are the judged ones. A name counts only while the stub has told it to this session.
//! Leaves to others: the rules (`policy`), the ties (`gate`), what is said inside of the connection (`egress`).

use std::net::SocketAddr;

use super::worker::{Ruling, Worker};
use crate::policy::{Host, NetOp, Reach, RuleId, Verdict};

/// What became of a request to reach an address.
pub struct Reached {
    pub ruling: Ruling,
    /// The names that the ruling is about; without `by_name` those that are known of the address, for the record.
    pub names: Vec<Host>,
    /// The address alone would not have been allowed.
    pub by_name: bool,
    /// A rule asks, and the ruling is what was answered.
    pub asked: bool,
    /// The session serves it itself, and nothing else allows it.
    pub is_own: bool,
}

/// What an event says of a place: address, name, path of a socket.
#[derive(Default)]
pub struct Place<'p> {
    pub addr: Option<SocketAddr>,
    pub host: Option<Host>,
    pub path: &'p [u8],
}

impl<'p> Place<'p> {
    pub fn path(path: &'p [u8]) -> Self {
        Place { path, ..Place::default() }
    }

    pub fn addr(addr: SocketAddr) -> Self {
        Place { addr: Some(addr), ..Place::default() }
    }
}

impl Reached {
    /// A ruling that needs no name.
    pub fn plainly(ruling: Ruling) -> Self {
        Self { ruling, names: Vec::new(), by_name: false, asked: false, is_own: false }
    }

    /// The place as its event names it.
    pub fn told(&self, addr: SocketAddr) -> Place<'static> {
        Place { addr: Some(addr), host: self.names.first().cloned(), path: b"" }
    }
}

impl Worker {
    /// Judges an address, asking where a rule says so. Nothing is recorded yet.
    pub fn reach(&mut self, op: &'static str, kind: NetOp, to: &SocketAddr, stream: bool) -> Reached {
        let mut reached = self.judge_names(kind, to, stream);
        if !reached.ruling.allows() && self.is_own(to, stream) {
            let ruling = Ruling::built_in(Verdict::Allow, "built-in: service of the session");
            return Reached { is_own: true, ..Reached::plainly(ruling) };
        }
        let host = reached.names.first().filter(|_| reached.by_name).cloned();
        reached.asked = reached.ruling.verdict == Verdict::Ask;
        reached.ruling = self.settle_net(reached.ruling, op, *to, host);
        reached
    }

    /// What the rules say of an address, and of the names that stand for it.
    fn judge_names(&self, kind: NetOp, to: &SocketAddr, stream: bool) -> Reached {
        let policy = &self.rules.policy;
        let plain = policy.decide_net(kind, to);
        let names = self.shared.gate.as_ref().map(|gate| gate.names(to.ip())).unwrap_or_default();
        let by_address = |names| Reached { names, ..Reached::plainly(self.ruling(plain)) };
        // Leave for the address stands; what refuses it refuses its names as well. Without a connection nothing says which of
        // them is meant.
        if plain.verdict == Verdict::Allow || names.is_empty() || !stream {
            return by_address(names);
        }
        let of = |host| policy.decide_reach(&Reach { op: kind, addr: Some(*to), port: to.port(), host: Some(host) });
        let said: Vec<_> = names.iter().map(|host| (host.clone(), of(host))).collect();
        let first =
            |verdict| said.iter().find(|(_, decision)| decision.verdict == verdict).map(|(_, decision)| *decision);
        let with = |verdict| said.iter().filter(move |(_, said)| said.verdict == verdict).map(|(host, _)| host.clone());
        for verdict in [Verdict::Allow, Verdict::Ask] {
            if let Some(decision) = first(verdict) {
                let asked = if verdict == Verdict::Ask { 1 } else { usize::MAX };
                let names = with(verdict).take(asked).collect();
                return Reached { names, by_name: true, ..Reached::plainly(self.ruling(decision)) };
            }
        }
        // The refusal that says most: a rule on the name before the default.
        let named = said.iter().find(|(_, decision)| decision.rule != RuleId::DEFAULT);
        match named {
            Some((_, decision)) if plain.verdict == Verdict::Deny => {
                let names = names.clone();
                Reached { names, ..Reached::plainly(self.ruling(*decision)) }
            }
            _ => by_address(names),
        }
    }
}
