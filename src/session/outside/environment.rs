//! What the agent's programs are told of the way out: variables.
//!
//! Invariant: nothing here is needed for a rule to hold; who ignores it is redirected all the same.
//! Leaves to others: which variables the policy keeps (`policy::environment`), certificates (`egress::tls`).

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::egress::credentials::Secrets;
use crate::policy::{Policy, Verdict};

/// Each also in lower case: curl and others read `http_proxy` only so.
const PROXIES: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
/// What the session serves itself is reached directly.
const LOOPBACK: &str = "localhost,127.0.0.1,::1";

/// git-config(1): configuration by variables.
const COUNT: &str = "GIT_CONFIG_COUNT";

/// An environment that is being made.
pub struct Variables(Vec<(OsString, OsString)>);

impl Variables {
    pub fn new(env: &[(OsString, OsString)]) -> Self {
        Self(env.to_vec())
    }

    pub fn set(&mut self, name: &str, value: &OsStr) {
        self.take(name);
        self.0.push((name.into(), value.to_owned()));
    }

    fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }

    fn take(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// For programs that know of proxies. The names are resolved there.
    pub fn proxies(&mut self, [four, _]: [SocketAddr; 2]) {
        for name in PROXIES {
            // SOCKS is spoken there, too. ALL_PROXY does not say so: httpx, and with it the clients of most models, does not
            // start with a proxy of a kind that it has no library for, even where HTTPS_PROXY is what it would use.
            let value = OsString::from(format!("http://{four}"));
            self.set(name, &value);
            self.set(&name.to_lowercase(), &value);
        }
        self.set("NO_PROXY", OsStr::new(LOOPBACK));
        self.set("no_proxy", OsStr::new(LOOPBACK));
    }

    /// SSH remotes of hosts whose repositories are judged as what they are by HTTPS: one rule and one credential for both.
    pub fn remotes(&mut self, policy: &Policy) {
        let known = self.get(COUNT).and_then(OsStr::to_str).and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
        let mut next = known;
        for host in policy.git_hosts() {
            for old in [format!("git@{host}:"), format!("ssh://git@{host}/"), format!("ssh://{host}/")] {
                self.set(&format!("GIT_CONFIG_KEY_{next}"), OsStr::new(&format!("url.https://{host}/.insteadOf")));
                self.set(&format!("GIT_CONFIG_VALUE_{next}"), OsStr::new(&old));
                next += 1;
            }
        }
        if next > known {
            self.set(COUNT, OsStr::new(&next.to_string()));
        }
    }

    /// Placeholders in place of credentials, wherever a value holds one.
    pub fn secrets(&mut self, secrets: &Secrets) {
        for (name, value) in secrets.environment() {
            match value {
                Some(value) => self.set(name, OsStr::new(value)),
                None => self.take(name),
            }
        }
        for (_, value) in &mut self.0 {
            let mut bytes = std::mem::take(value).into_vec();
            secrets.veil(&mut bytes);
            *value = OsString::from_vec(bytes);
        }
    }

    pub fn done(self) -> Vec<(OsString, OsString)> {
        self.0
    }
}

/// Whether a program of this name is found, and may be run.
pub fn runs(policy: &Policy, name: &str) -> bool {
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&dirs).map(|dir| dir.join(name)).find_map(|path| path.canonicalize().ok());
    let allows = |path: PathBuf| {
        policy.decide_exec(path.as_os_str().as_bytes(), &[name.as_bytes().to_vec()]).verdict != Verdict::Deny
    };
    found.is_some_and(allows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_proxy_are_told_and_loopback_is_left_out() {
        let mut variables = Variables::new(&[("http_proxy".into(), "http://10.0.0.1:3128".into())]);
        let at: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        variables.proxies([at, at]);
        for (name, wanted) in [
            ("http_proxy", "http://127.0.0.1:4000"),
            ("HTTPS_PROXY", "http://127.0.0.1:4000"),
            ("all_proxy", "http://127.0.0.1:4000"),
        ] {
            assert_eq!(variables.get(name), Some(OsStr::new(wanted)), "{name}");
        }
        assert!(variables.get("NO_PROXY").is_some_and(|none| none.as_bytes().starts_with(b"localhost")));
        assert_eq!(variables.0.iter().filter(|(name, _)| name == "http_proxy").count(), 1);
    }
}
