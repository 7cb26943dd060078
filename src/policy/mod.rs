//! Rules: text → `Policy`; request → `Decision`. Pure: no I/O, no unsafe, no clock.
//!
//! Invariant: deny > ask > allow > default deny, over all layers; an unreadable rule rejects the whole file.
//! Leaves to others: resolving paths (`supervisor`), reading files (`cmd`).

use std::sync::Arc;

mod access;
mod asks;
mod builtin;
mod chain;
pub mod change;
mod compiled;
mod credentials;
pub mod diff;
mod document;
mod environment;
mod error;
pub mod expect;
mod explain;
mod guard;
mod host;
mod http;
pub mod learn;
mod links;
pub mod lint;
mod load;
pub mod mcp;
mod merge;
mod narrow;
mod network;
pub mod pattern;
mod programs;
mod reach;
mod regions;
pub mod registries;
pub mod repository;
mod request;
mod settings;
pub mod shipped;
mod sockets;
mod source;
mod table;
mod toggles;
mod trie;
mod upstream;

pub use access::Access;
pub use asks::{Kept, Touch, Wanted, check_answers};
pub use compiled::Policy;
pub use credentials::{Credential, Inject, Kind as CredentialKind, SecretSource, Template};
pub use environment::Environment;
pub use error::PolicyError;
pub use explain::{Explanation, Other};
pub use host::{Host, HostFault, Place};
pub use http::{GitCall, GitRef, GitService, HttpCall, PathFault, PathPattern, git_request, normal_path};
pub use narrow::Withheld;
pub use network::{Class, HostPattern, IpRange, NetRule, Network, Places, Ports, STAND_INS, is_stand_in};
pub use programs::{Carried, Digest, carried};
pub use reach::Reach;
pub use request::{Request, rights};
pub use settings::{Agent, Audit, Depth, Handover, Limits, OnChange, OnFailure, Record, Require, Retention};
pub use sockets::NAMES as SOCKETS;
pub use source::{Kind, Library, Source, Vars};
pub use upstream::{Direct, Upstream};

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
    /// The list it stands in, such as `files.deny`.
    pub key: &'static str,
    /// As written, control characters made visible.
    pub text: Arc<str>,
    /// The file as shown, or `built-in`.
    pub source: Arc<str>,
    /// From 1; 0 for what is built in.
    pub line: usize,
    /// In characters from 1; 0 for what is built in.
    pub column: usize,
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
