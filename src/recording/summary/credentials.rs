//! What became of credentials.
//!
//! Invariant: bounded; no value is in here, since no event has one.

use std::collections::BTreeMap;

use super::phrase::cut;
use crate::event::{Credential, CredentialUse};

/// Credentials and hosts that are told apart.
const KEPT: usize = 200;

#[derive(Debug, Default)]
pub struct Credentials {
    kept: BTreeMap<(String, String), Held>,
}

/// One credential at one host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// The first time, in nanoseconds since the session's start.
    pub first: u64,
    /// Requests that it was put into.
    pub used: u64,
    /// Requests that were refused because it, or what stands for it, was in them.
    pub blocked: u64,
    /// Responses that it was taken out of.
    pub redacted: u64,
}

impl Credentials {
    pub(super) fn add(&mut self, t: u64, credential: &Credential) {
        let key = (cut(&credential.name, 100), cut(&credential.host, 300));
        if self.kept.len() >= KEPT && !self.kept.contains_key(&key) {
            return;
        }
        let held = self.kept.entry(key).or_insert_with(|| Held { first: t, ..Held::default() });
        match credential.what {
            CredentialUse::Used => held.used += 1,
            CredentialUse::Redacted => held.redacted += 1,
            CredentialUse::PlaceholderBlocked | CredentialUse::SecretBlocked => held.blocked += 1,
        }
    }

    /// By name and host.
    pub fn kept(&self) -> impl Iterator<Item = (&str, &str, &Held)> {
        self.kept.iter().map(|((name, host), held)| (name.as_str(), host.as_str(), held))
    }
}
