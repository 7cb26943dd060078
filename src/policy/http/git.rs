//! Repositories: git's smart protocol over HTTP, judged by what it does to which of them.
//!
//! Invariant: a request that may be git's in any reading is judged as git's; where it is unclear whether it pushes, it does.
//! Leaves to others: reading which branches a push changes (`egress::git`).

use super::{HttpCall, PathPattern};
use crate::policy::compiled::{Policy, allow, deny};
use crate::policy::host::Host;
use crate::policy::reach::Reach;
use crate::policy::{Decision, Verdict};

/// What git wants of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GitService {
    /// `git-upload-pack`
    Fetch,
    /// `git-receive-pack`
    Push,
}

/// One exchange of git's smart protocol over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GitCall<'r> {
    pub host: &'r Host,
    pub port: u16,
    /// `host/owner/name`, without `.git`.
    pub repo: &'r str,
    pub service: GitService,
    /// What a push changes. None: not known yet.
    pub refs: Option<&'r [GitRef<'r>]>,
}

/// One command of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GitRef<'r> {
    /// Its full name, such as `refs/heads/main`.
    pub name: &'r str,
    /// The new object is the zero id.
    pub deletes: bool,
}

/// One rule of `network.git`.
#[derive(Debug, Clone)]
pub(in crate::policy) struct GitRule {
    pub rule: u32,
    pub host: Host,
    pub port: u16,
    /// Of the repository on its host, without `.git`.
    pub path: PathPattern,
    pub push: bool,
    /// Patterns of `/refs/heads/…`; empty: every ref.
    pub branches: Vec<PathPattern>,
    pub delete: bool,
    /// Of a file that may not widen.
    pub narrows: bool,
}

impl GitRule {
    /// Whether it allows this command of a push.
    fn takes(&self, changed: &GitRef<'_>) -> bool {
        let name = format!("/{}", changed.name);
        let named = self.branches.is_empty() || self.branches.iter().any(|branch| branch.matches(&name));
        self.push && named && (self.delete || !changed.deletes)
    }
}

/// The repository, as in [`GitCall`], and the service that a request is for. None where it is not git's smart protocol.
pub fn git_request(call: &HttpCall<'_>) -> Option<(String, GitService)> {
    let (path, service) = match call.path.rsplit_once('/')? {
        (path, "git-upload-pack") if call.method == "POST" => (path, GitService::Fetch),
        // Whatever the method: what may push is judged as a push.
        (path, "git-receive-pack") => (path, GitService::Push),
        (path, "refs") => {
            let path = path.strip_suffix("/info")?;
            let mut services = call.query.split('&').filter_map(|pair| pair.strip_prefix("service="));
            match (services.next(), services.next()) {
                (Some("git-upload-pack"), None) if matches!(call.method, "GET" | "HEAD") => (path, GitService::Fetch),
                (None, _) => return None,
                _ => (path, GitService::Push),
            }
        }
        _ => return None,
    };
    let path = path.strip_suffix(".git").unwrap_or(path);
    (path.len() > 1).then(|| (format!("{}{path}", call.host), service))
}

impl Policy {
    /// Some rule for repositories speaks of this host.
    pub fn has_git(&self, host: &Host, port: u16) -> bool {
        self.net.git.about(host).any(|rule| rule.port == port && rule.host == *host)
    }

    /// Hosts with rules for repositories that are reached by HTTPS at its own port, each once.
    pub fn git_hosts(&self) -> std::collections::BTreeSet<&Host> {
        self.net.git.all().iter().filter(|rule| rule.port == 443).map(|rule| &rule.host).collect()
    }

    /// One exchange of git. A push is judged again once it is known what it changes; where no rule for repositories speaks of
    /// the host, it is what the connection is.
    pub fn decide_git(&self, call: &GitCall<'_>) -> Decision {
        let place = self.decide_reach(&Reach::named(call.host, call.port));
        if place.verdict == Verdict::Deny {
            return place;
        }
        let of_host = |rule: &&GitRule| rule.port == call.port && rule.host == *call.host;
        let rules =
            |narrows: bool| self.net.git.about(call.host).filter(of_host).filter(move |rule| rule.narrows == narrows);
        let mut decision = Decision { verdict: Verdict::Allow, rule: place.rule };
        for narrows in [false, true] {
            if rules(narrows).next().is_none() {
                continue;
            }
            match by(rules(narrows), call) {
                Some(rule) if !narrows => decision = allow(rule),
                Some(_) => {}
                None => return deny(self.fixed.git),
            }
        }
        decision
    }
}

/// The first of the rules that allow the exchange: each branch must be allowed by one of them.
fn by<'r>(rules: impl Iterator<Item = &'r GitRule>, call: &GitCall<'_>) -> Option<u32> {
    let path = call.repo.strip_prefix(call.host.as_str()).filter(|path| path.starts_with('/'))?;
    let rules: Vec<&GitRule> = rules.filter(|rule| rule.path.matches(path)).collect();
    let least = |rules: &mut dyn Iterator<Item = &&GitRule>| rules.map(|rule| rule.rule).min();
    match (call.service, call.refs) {
        (GitService::Fetch, _) => least(&mut rules.iter()),
        (GitService::Push, None | Some([])) => least(&mut rules.iter().filter(|rule| rule.push)),
        (GitService::Push, Some(refs)) => {
            let each = |changed: &GitRef<'_>| least(&mut rules.iter().filter(|rule| rule.takes(changed)));
            refs.iter().map(each).try_fold(u32::MAX, |least, rule| Some(least.min(rule?)))
        }
    }
}
