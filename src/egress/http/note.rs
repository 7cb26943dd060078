//! The event of one request: made with its head, published when its response has ended, however that came about.
//!
//! Invariant: one event for each request; no secret and no value of a query is in it.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Method, StatusCode, Uri};

use super::answer::Refusal;
use crate::egress::credentials::scan::{Mark, Needles};
use crate::egress::tunnel::Tunnel;
use crate::event::{Credential, CredentialUse, Event, Http};
use crate::policy::{Host, Layer, Verdict};

/// Longest path in an event, in bytes.
const LONGEST: usize = 2048;

/// Makes digests of one session's values mean nothing to who has another's.
static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let mut key = [0; 32];
    // Digests that can be compared with another session's are the worst that comes of it.
    let _ = rustls::crypto::ring::default_provider().secure_random.fill(&mut key);
    key
});

pub struct Note {
    tunnel: Arc<Tunnel>,
    event: Http,
    up: Arc<AtomicU64>,
    begun: Instant,
    /// What must not reach the client.
    echoed: Arc<Needles>,
    redacted: BTreeSet<usize>,
}

impl Note {
    pub fn new(tunnel: &Arc<Tunnel>, host: &Host, method: &Method, uri: &Uri) -> Note {
        let mut path = shown(uri).into_bytes();
        tunnel.shared.secrets.veil(&mut path);
        let event = Http {
            tunnel: tunnel.id(),
            pid: tunnel.pid(),
            host: Arc::from(host.as_str()),
            port: tunnel.port,
            method: method.as_str().chars().take(32).collect(),
            path: String::from_utf8_lossy(&path).into_owned(),
            status: 0,
            verdict: Verdict::Allow,
            rule: Arc::from(""),
            layer: Layer::BuiltIn,
            up: 0,
            down: 0,
            duration: 0,
        };
        let tunnel = Arc::clone(tunnel);
        Note {
            tunnel,
            event,
            up: Arc::default(),
            begun: Instant::now(),
            echoed: Arc::default(),
            redacted: BTreeSet::new(),
        }
    }

    /// By which rule it goes on.
    pub fn allowed(&mut self, rule: &Arc<str>, layer: Layer) {
        (self.event.rule, self.event.layer) = (Arc::clone(rule), layer);
    }

    pub fn refused(&mut self, refusal: &Refusal) {
        self.event.status = refusal.status.as_u16();
        if !refusal.is_lost() {
            (self.event.rule, self.event.layer) = (Arc::clone(&refusal.rule), refusal.layer);
            self.event.verdict = Verdict::Deny;
        }
    }

    pub fn status(&mut self, status: StatusCode) {
        self.event.status = status.as_u16();
    }

    /// Counts the bytes that are sent.
    pub fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.up)
    }

    pub fn down(&mut self, bytes: u64) {
        self.event.down += bytes;
    }

    /// These strings are taken out of the response.
    pub fn hides(&mut self, echoed: Arc<Needles>) {
        self.echoed = echoed;
    }

    pub fn hidden(&self) -> &Arc<Needles> {
        &self.echoed
    }

    /// Takes them out of headers.
    pub fn clean(&mut self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let mut text = value.as_bytes().to_vec();
            let found = self.echoed.replace(&mut text);
            if let (false, Ok(clean)) = (found.is_empty(), HeaderValue::from_bytes(&text)) {
                *value = clean;
                found.into_iter().for_each(|mark| self.redacted(mark));
            }
        }
    }

    /// One was taken out: told once for each credential and request.
    pub fn redacted(&mut self, mark: Mark) {
        if self.redacted.insert(mark.credential) {
            self.credential(mark.credential, CredentialUse::Redacted);
        }
    }

    pub fn credential(&self, number: usize, what: CredentialUse) {
        credential(&self.tunnel, &self.event.host, number, what);
    }
}

/// Says what became of a credential.
pub fn credential(tunnel: &Tunnel, host: &Arc<str>, number: usize, what: CredentialUse) {
    let name = tunnel.shared.secrets.name(number);
    let (host, pid) = (Arc::clone(host), tunnel.pid());
    let blocked = match what {
        CredentialUse::PlaceholderBlocked => Some("the placeholder"),
        CredentialUse::SecretBlocked => Some("the secret"),
        CredentialUse::Used | CredentialUse::Redacted => None,
    };
    let alert = blocked.map(|blocked| format!("{blocked} of credential '{name}' was about to be sent to {host}"));
    tunnel.bus().publish(Event::Credential(Box::new(Credential { name, tunnel: tunnel.id(), pid, host, what })));
    if let Some(what) = alert {
        tunnel.bus().publish(Event::Alert { pid, what });
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.event.up = self.up.load(Ordering::Relaxed);
        self.event.duration = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.tunnel.bus().publish(Event::Http(Box::new(self.event.clone())));
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Http { method, host, path, .. } = &self.event;
        write!(f, "{method} {host}{path}")
    }
}

/// The path as sent; of a query the names, and digests of the values.
fn shown(uri: &Uri) -> String {
    let mut out: String = uri.path().chars().take(LONGEST).collect();
    let Some(query) = uri.query() else { return out };
    for (number, part) in query.split('&').enumerate() {
        if out.len() > LONGEST {
            out.push('…');
            break;
        }
        let (name, value) = part.split_once('=').unwrap_or(("", part));
        out.push(if number == 0 { '?' } else { '&' });
        out.extend(name.chars().take(64));
        if !value.is_empty() {
            let digest = blake3::keyed_hash(&KEY, value.as_bytes()).to_hex();
            // Writing to a string does not fail.
            let _ = write!(out, "=~{}", digest.get(..8).unwrap_or_default());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_query_are_digests() {
        let shown = |uri: &str| shown(&uri.parse::<Uri>().unwrap());
        assert_eq!(shown("/a/b"), "/a/b");
        let text = shown("/a?token=hunter2&empty=&hunter2");
        assert!(text.starts_with("/a?token=~") && !text.contains("hunter2"), "{text}");
        assert!(text.contains("&empty&=~"), "{text}");
        assert_eq!(shown("/a?x=1"), shown("/a?x=1"));
        assert!(shown(&format!("/a?{}", "b=c&".repeat(1000))).len() < LONGEST + 100);
    }
}
