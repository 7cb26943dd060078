//! `[credentials.NAME]`: secrets that are put into requests of one host and that the agent never sees.
//!
//! Invariant: a credential names the one host, and if it says so the methods and paths, that its secret may be sent to; a
//! project's file binds none. Leaves to others: fetching and putting in (`egress::credentials`).

use std::sync::Arc;

use super::host::Host;
use super::http::PathPattern;
use super::network::HostPattern;
use super::{Layer, RuleId};

/// A secret and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name in the policy, which is all that events say of it.
    pub id: Arc<str>,
    pub rule: RuleId,
    pub layer: Layer,
    pub source: SecretSource,
    /// The only hosts it is sent to: one name, or for a signature of requests a pattern.
    pub host: HostPattern,
    pub port: u16,
    pub header: Template,
    /// In upper case; empty: every method.
    pub methods: Vec<String>,
    /// None: every path.
    pub path: Option<PathPattern>,
    /// The variable in which the agent finds a placeholder.
    pub env: Option<String>,
    /// What the placeholder begins with; None: as the secret does, up to its last `-` or `_` in the first twelve characters.
    pub prefix: Option<String>,
    pub inject: Inject,
    pub kind: Kind,
}

/// Where the secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the environment that govsh was started in.
    Env(String),
    /// Absolute; its first line.
    File(Vec<u8>),
    /// Program and arguments; the first line of its output.
    Command(Vec<String>),
    /// Description of a key of type `user` in the kernel's keyrings (keyrings(7)).
    Keyring(String),
    /// Attributes of an item of the Secret Service.
    SecretService(Vec<(String, String)>),
}

/// When the secret is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Inject {
    /// Where the request carries the placeholder, or no such header at all.
    #[default]
    Always,
    /// Only where it carries the placeholder.
    Placeholder,
}

/// What is done with the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    #[default]
    Header,
    /// The request is signed anew (AWS Signature Version 4); the secret is `KEY-ID:SECRET` or `KEY-ID:SECRET:TOKEN`.
    Aws,
}

/// `authorization: Bearer {}`: a header's name, and its value around the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Lower case.
    pub name: String,
    pub before: String,
    pub after: String,
    /// `Basic {user}:{}`: the whole is encoded (RFC 7617), and this is the user.
    pub basic: Option<String>,
}

impl Credential {
    /// Whether it belongs to connections to this place.
    pub fn binds(&self, host: &Host, port: u16) -> bool {
        self.port == port && self.host.matches(host)
    }

    /// Whether it may be put into this request; `path` as in [`super::HttpCall`].
    pub fn covers(&self, method: &str, path: &str) -> bool {
        let named = self.methods.is_empty() || self.methods.iter().any(|own| own == method);
        named && self.path.as_ref().is_none_or(|own| own.matches(path))
    }
}
