//! Requests within a connection: HTTP calls and git's smart protocol (gitprotocol-http(5)).
//!
//! Invariant: what the connection itself may not do, no request may: lists of places are the ceiling, and rules on requests
//! carve it. A host that any such rule speaks of allows what one of them allows, and nothing else.
//! Leaves to others: parsing and forwarding (`egress`), which place may be reached (`reach`).
//!
//! ```text
//! connection denied? ─▶ deny          git's own paths, and the host has rules for repositories? ─▶ those alone
//! deny rule ─▶ deny · ask rule ─▶ ask · allow rule ─▶ allow · registry and only reads ─▶ allow
//! the host has any of these rules, or is reached for its repositories alone ─▶ deny · else allow
//! then, where files that may only narrow have rules for the host: theirs must allow it as well
//! ```

mod git;
mod path;

pub use git::{GitCall, GitRef, GitService, git_request};
pub use path::{PathFault, PathPattern, normal_path};

pub(super) use git::GitRule;

use super::compiled::{Policy, allow, deny};
use super::host::Host;
use super::network::{HostPattern, Ports};
use super::reach::Reach;
use super::registries::Registry;
use super::{Decision, RuleId, Verdict};

/// One HTTP request on a terminated or plain connection that was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpCall<'r> {
    /// The verified name of the connection; the request's own authority has been compared with it.
    pub host: &'r Host,
    pub port: u16,
    /// As sent, such as `GET`.
    pub method: &'r str,
    /// As [`normal_path`] gives it.
    pub path: &'r str,
    /// Without the `?`; empty for none.
    pub query: &'r str,
    /// It asks for another protocol: `Upgrade: websocket`, or an extended CONNECT (RFC 8441).
    pub upgrade: bool,
}

/// One rule of `network.http`.
#[derive(Debug, Clone)]
pub(super) struct HttpRule {
    pub rule: u32,
    pub host: HostPattern,
    pub ports: Ports,
    /// Empty: every method.
    pub methods: Vec<String>,
    pub path: Option<PathPattern>,
    pub effect: Verdict,
    pub upgrade: bool,
    /// Of a file that may not widen.
    pub narrows: bool,
}

/// A host of `network.registries`.
#[derive(Debug, Clone)]
pub(super) struct RegistryRule {
    pub rule: u32,
    pub which: Registry,
    pub host: Host,
    pub port: u16,
    pub publish: bool,
}

impl HttpRule {
    fn speaks_of(&self, host: &Host, port: u16) -> bool {
        self.ports.contains(&port) && self.host.matches(host)
    }

    fn means(&self, call: &HttpCall<'_>) -> bool {
        let method = self.methods.is_empty() || self.methods.iter().any(|own| own == call.method);
        let path = match (&self.path, self.effect) {
            (None, _) => true,
            // What refuses or asks means a path however a server reads it.
            (Some(path), Verdict::Deny | Verdict::Ask) => path.may_match(call.path),
            (Some(path), Verdict::Allow) => path.matches(call.path),
        };
        let upgrade = !call.upgrade || self.upgrade || self.effect != Verdict::Allow;
        method && path && upgrade
    }
}

impl Policy {
    /// Whether connections to this place are looked into: a rule on requests, a declared MCP server, a registry
    /// or a credential needs it. `splice`
    /// leaves out the latter two.
    pub fn inspects(&self, host: &Host, port: u16) -> bool {
        let net = &self.net;
        let ruled = net.http.about(host).any(|rule| rule.speaks_of(host, port))
            || self.has_git(host, port)
            || self.server_at(host, port).is_some();
        let needed = || {
            net.registries.about(host).any(|one| !one.publish && (&one.host, one.port) == (host, port))
                || self.credentials.iter().any(|credential| credential.binds(host, port))
        };
        ruled || net.splice.by_name(host, port).is_none() && needed()
    }

    /// Some connection would be terminated, so the agent's programs have to trust the session's authority.
    pub fn inspects_any(&self) -> bool {
        let reads = self.net.registries.all().iter().any(|registry| !registry.publish);
        let serves = self.servers.iter().any(|server| server.place().is_some());
        reads || serves || !self.net.http.is_empty() || !self.net.git.is_empty() || !self.credentials.is_empty()
    }

    /// Whether connections to some host at this port are looked into.
    pub fn inspects_port(&self, port: u16) -> bool {
        let net = &self.net;
        net.http.all().iter().any(|rule| rule.ports.contains(&port))
            || net.git.all().iter().any(|rule| rule.port == port)
            || net.registries.all().iter().any(|registry| !registry.publish && registry.port == port)
            || self.credentials.iter().any(|credential| credential.port == port)
            || self.servers.iter().filter_map(|server| server.place()).any(|place| place.1 == port)
    }

    /// Never terminated: no secret is put in there.
    pub fn splices(&self, host: &Host, port: u16) -> bool {
        !self.inspects(host, port) && self.net.splice.by_name(host, port).is_some()
    }

    /// One request of a connection that was allowed, or asked about and answered.
    pub fn decide_http(&self, call: &HttpCall<'_>) -> Decision {
        let place = self.decide_reach(&Reach::named(call.host, call.port));
        if place.verdict == Verdict::Deny {
            return place;
        }
        let reached = Decision { verdict: Verdict::Allow, rule: place.rule };
        if self.has_git(call.host, call.port)
            && let Some((repo, service)) = git_request(call)
        {
            return self.decide_git(&GitCall { host: call.host, port: call.port, repo: &repo, service, refs: None });
        }
        let decision = self.by_rules(call).unwrap_or(reached);
        if decision.verdict == Verdict::Deny { decision } else { self.narrowed(call).unwrap_or(decision) }
    }

    /// What rules that may widen say; None where none speaks of the host.
    fn by_rules(&self, call: &HttpCall<'_>) -> Option<Decision> {
        let about = || self.net.http.about(call.host).filter(|rule| rule.speaks_of(call.host, call.port));
        let rules = || about().filter(|rule| !rule.narrows);
        if let Some(decision) = of(rules(), call) {
            return Some(decision);
        }
        let registry = |one: &&RegistryRule| (&one.host, one.port) == (call.host, call.port);
        let registries = || self.net.registries.about(call.host).filter(registry);
        if let Some(one) = registries().find(|one| one.publish || one.which.reads(call.method, call.path)) {
            return Some(allow(one.rule));
        }
        if registries().next().is_some() {
            return Some(deny(self.fixed.registry));
        }
        if rules().next().is_some() {
            return Some(deny(self.fixed.http));
        }
        // The host was opened for its repositories and nothing else.
        let only_git = self.has_git(call.host, call.port) && !self.lists_host(call.host, call.port);
        only_git.then(|| deny(self.fixed.git))
    }

    /// What rules of files that may only narrow take away.
    fn narrowed(&self, call: &HttpCall<'_>) -> Option<Decision> {
        let about = || self.net.http.about(call.host).filter(|rule| rule.speaks_of(call.host, call.port));
        let rules = || about().filter(|rule| rule.narrows);
        match of(rules(), call) {
            Some(decision) if decision.verdict == Verdict::Allow => None,
            Some(decision) => Some(decision),
            None => rules().any(|rule| rule.effect == Verdict::Allow).then(|| deny(self.fixed.http)),
        }
    }
}

/// The verdict of those that mean the request: deny before ask before allow.
fn of<'r>(rules: impl Iterator<Item = &'r HttpRule>, call: &HttpCall<'_>) -> Option<Decision> {
    let rank = |verdict: Verdict| match verdict {
        Verdict::Deny => 0,
        Verdict::Ask => 1,
        Verdict::Allow => 2,
    };
    let found = rules.filter(|rule| rule.means(call)).min_by_key(|rule| (rank(rule.effect), rule.rule))?;
    Some(Decision { verdict: found.effect, rule: RuleId(found.rule) })
}
