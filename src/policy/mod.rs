//! Rules: text → `Policy`; request → `Decision`. Pure: no I/O, no unsafe, no clock.
//!
//! Invariant: deny > ask > allow > default deny, over all layers; an unreadable rule rejects the whole file.
//! Leaves to others: resolving paths (`supervisor`), reading files (`cmd`).

use std::net::SocketAddr;
use std::sync::Arc;

mod error;
mod network;
mod settings;
mod source;

pub use error::PolicyError;
pub use network::{IpRange, NetRule, Network, Ports};
pub use settings::{Agent, Audit, Environment, Limits, OnFailure, Record, Require};
pub use source::{Library, Source, Vars};

bitflags::bitflags! {
    /// What a file request wants. `write` covers creating, deleting, renaming and changing metadata.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Access: u8 {
        const READ = 1;
        const WRITE = 2;
        const EXEC = 4;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    Allow,
    Deny,
    Ask,
}

/// Where a rule comes from, most trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    BuiltIn,
    Org,
    Machine,
    User,
    Shipped,
    Project,
    CommandLine,
}

/// One line of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// For people and events: `"~/.ssh/**" agent.toml:18`, `built-in: shell start-up files`, or `default`.
    pub name: Arc<str>,
    pub layer: Layer,
}

/// Index into the policy's rules; 0 is the default deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleId(pub u32);

impl RuleId {
    /// What no rule mentions is refused.
    pub const DEFAULT: RuleId = RuleId(0);
}

/// Verdict and the rule that gave it.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub rule: RuleId,
}

/// What is granted, for the kernel's static rules: a literal path and whether it means all beneath it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub path: Vec<u8>,
    pub access: Access,
    pub cover: Cover,
    pub rule: RuleId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cover {
    /// This one file or directory.
    Exact,
    /// The directory and everything beneath it, entirely granted.
    Tree,
    /// A pattern somewhere beneath: `path` is its longest literal directory. Only the broker can serve it.
    Beneath,
}

/// What the network request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetOp {
    Connect,
    Bind,
    Send,
}

/// A Unix socket address, as the target gave it and as it was resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnixAddr<'a> {
    /// Absolute, resolved.
    Path(&'a [u8]),
    /// Without the leading NUL.
    Abstract(&'a [u8]),
}

/// All rules of one session, validated and compiled.
#[derive(Debug)]
pub struct Policy {
    name: String,
    sources: Vec<String>,
    rules: Vec<Rule>,
    grants: Vec<Grant>,
    denied: Vec<Vec<u8>>,
    network: Network,
    environment: Environment,
    limits: Limits,
    record: Record,
    require: Require,
    agent: Agent,
}

impl Policy {
    /// Reads `source` and what it extends, and puts the built-in protections above it.
    pub fn load(source: Source, library: &dyn Library, vars: &Vars) -> Result<Policy, PolicyError> {
        let _ = (library, vars);
        Ok(Policy {
            name: source.name.clone(),
            sources: vec![source.name],
            rules: vec![Rule { name: "default".into(), layer: Layer::BuiltIn }],
            grants: Vec::new(),
            denied: Vec::new(),
            network: Network::None,
            environment: Environment::default(),
            limits: Limits::default(),
            record: Record::default(),
            require: Require::default(),
            agent: Agent::default(),
        })
    }

    /// The profile's name without `.toml`, or the path of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Files that make it up, most derived last.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// The rule of a decision.
    pub fn rule(&self, id: RuleId) -> &Rule {
        self.rules.get(id.0 as usize).unwrap_or(&self.rules[0])
    }

    /// All rules; `RuleId` counts them.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// `path` is absolute, normalised, resolved. With several access bits: the worst verdict.
    pub fn decide_file(&self, path: &[u8], access: Access) -> Decision {
        let _ = (path, access);
        Decision { verdict: Verdict::Deny, rule: RuleId::DEFAULT }
    }

    /// The execute right by path, and not refused by `[exec]`.
    pub fn decide_exec(&self, path: &[u8], argv: &[Vec<u8>]) -> Decision {
        let _ = argv;
        self.decide_file(path, Access::EXEC)
    }

    /// Bind is always allowed on loopback and wildcard addresses: sockets are tied to the loopback device.
    pub fn decide_net(&self, op: NetOp, addr: &SocketAddr) -> Decision {
        let _ = (op, addr);
        Decision { verdict: Verdict::Deny, rule: RuleId::DEFAULT }
    }

    /// Only what `[sockets]` names. What the session itself bound is the supervisor's to allow.
    pub fn decide_unix(&self, addr: UnixAddr<'_>) -> Decision {
        let _ = addr;
        Decision { verdict: Verdict::Deny, rule: RuleId::DEFAULT }
    }

    /// What is granted, as written and by real path, for the kernel's rules.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Some deny may match inside a read or exec grant.
    pub fn carves_reads(&self) -> bool {
        true
    }

    /// An anchored deny or readonly protects `dir` or a path beneath it: `dir` may not be moved, removed or replaced.
    pub fn carves_beneath(&self, dir: &[u8]) -> bool {
        let _ = dir;
        false
    }

    /// A deny or readonly with a glob in it may match beneath `dir`: moving it needs a scan.
    pub fn floating_beneath(&self, dir: &[u8]) -> bool {
        let _ = dir;
        false
    }

    /// A rule, and not the default, refuses reading or writing `path`.
    pub fn protected(&self, path: &[u8]) -> bool {
        let decision = self.decide_file(path, Access::READ | Access::WRITE);
        decision.verdict == Verdict::Deny && decision.rule != RuleId::DEFAULT
    }

    /// Literal paths of deny rules (file or tree root), to find hard links to them.
    pub fn denied_exact(&self) -> &[Vec<u8>] {
        &self.denied
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Some rule allows an address that is not loopback.
    pub fn names_outside(&self) -> bool {
        self.network.names_outside()
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    pub fn require(&self) -> &Require {
        &self.require
    }

    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// How many denies and asks there are, built-ins not counted.
    pub fn counts(&self) -> (usize, usize) {
        (0, 0)
    }
}
