//! Requests within a connection: HTTP calls and git's smart protocol (gitprotocol-http(5)).
//!
//! Invariant: what the connection itself may not do, no request may. Leaves to others: parsing and forwarding (`egress`).

mod path;

pub use path::{PathFault, PathPattern, normal_path};

use super::Decision;
use super::compiled::{Policy, deny};
use super::host::Host;
use super::reach::Reach;

/// One HTTP request on a terminated or plain connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpCall<'r> {
    /// The verified name of the connection; the request's own authority has been compared with it.
    pub host: &'r Host,
    pub port: u16,
    /// As sent, such as `GET`.
    pub method: &'r str,
    /// Decoded once and normalised, without query.
    pub path: &'r str,
    /// Without the `?`; empty for none.
    pub query: &'r str,
    /// It asks for another protocol: `Upgrade: websocket`, or an extended CONNECT (RFC 8441).
    pub upgrade: bool,
}

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

impl Policy {
    /// Whether connections to this place are looked into: a rule on requests, a registry or a credential needs it.
    pub fn inspects(&self, host: &Host, port: u16) -> bool {
        self.credentials.iter().any(|credential| credential.binds(host, port))
    }

    /// One request of a connection that was allowed.
    pub fn decide_http(&self, call: &HttpCall<'_>) -> Decision {
        self.decide_reach(&Reach::named(call.host, call.port))
    }

    /// One exchange of git.
    pub fn decide_git(&self, _call: &GitCall<'_>) -> Decision {
        deny(0)
    }
}
