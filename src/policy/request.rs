//! One request of any kind, as it is judged: for whatever asks a policy outside of a session.
//!
//! Invariant: [`Policy::decide`] gives what the front gives for the same request in a session, kept answers included;
//! answers given for one session only are no part of a policy. Leaves to others: resolving paths and names, and what
//! the session itself has bound.

use super::{Access, Decision, Policy, Reach, UnixAddr};

/// What an agent wants, already resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'r> {
    /// `path` is absolute, normalised, resolved; several rights are judged together, the worst verdict holds.
    File { path: &'r [u8], access: Access },
    /// `path` is the image, `argv` with the name it is called by.
    Exec { path: &'r [u8], argv: &'r [Vec<u8>] },
    /// By address, by name, or by a name at an address.
    Net(Reach<'r>),
    /// Connecting or sending to a Unix socket.
    Unix { addr: UnixAddr<'r> },
}

/// Rights as people write them: words with spaces, commas or `+` between them, or the letters `r`, `w` and `x`.
pub fn rights(text: &str) -> Option<Access> {
    let letters = !text.is_empty() && text.bytes().all(|letter| b"rwx".contains(&letter));
    if letters {
        let right = |letter, right| if text.contains(letter) { right } else { Access::empty() };
        return Some(right('r', Access::READ) | right('w', Access::WRITE) | right('x', Access::EXEC));
    }
    let words = text.replace([',', '+'], " ");
    let each = |word: &str| if ["r", "w", "x"].contains(&word) { rights(word) } else { Access::from_words(word) };
    let all = words.split_whitespace().map(each).try_fold(Access::empty(), |all, right| Some(all | right?))?;
    (!all.is_empty()).then_some(all)
}

impl Policy {
    /// Verdict and rule for a request of any kind.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        match *request {
            Request::File { path, access } => self.decide_file(path, access),
            Request::Exec { path, argv } => self.decide_exec(path, argv),
            Request::Net(ref reach) => self.decide_reach(reach),
            Request::Unix { addr } => self.decide_unix(addr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Host, Layer, Library, NetOp, PolicyError, Source, Vars, Verdict};

    struct Bare;

    impl Library for Bare {
        fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
            Err(PolicyError::whole(name, "no such policy", None))
        }

        fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
            Some(path.to_vec())
        }
    }

    #[test]
    fn rights_are_words_or_letters() {
        assert_eq!(rights("rx"), Some(Access::READ | Access::EXEC));
        assert_eq!(rights("read,create + delete"), Some(Access::READ | Access::CREATE | Access::DELETE));
        for wrong in ["", " ", "q", "read;write", "rwz"] {
            assert_eq!(rights(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_kind_is_judged_by_its_rules() {
        let text = "version = 1\n[files]\nread = ['/a/**']\nexec = ['/usr/**']\n[exec]\ndeny = ['su']\n\
                    [sockets]\nallow = ['@x']\n[network]\nallow = ['192.0.2.1:80', '*.x.org']";
        let source = Source { name: "t.toml".into(), text: text.into(), layer: Layer::User, path: None };
        let policy = Policy::load(source, &Bare, &Vars::default()).unwrap();
        let said = |request: Request<'_>| {
            let decision = policy.decide(&request);
            (decision.verdict, policy.rule(decision.rule).key)
        };
        let argv = [b"su".to_vec()];
        let net = |text: &str| Request::Net(Reach::to(NetOp::Connect, text.parse().unwrap()));
        let host = Host::parse("a.x.org").unwrap();
        let cases = [
            (Request::Net(Reach::named(&host, 443)), (Verdict::Allow, "network.allow")),
            (Request::Net(Reach::named(&host, 22)), (Verdict::Deny, "default")),
            (Request::File { path: b"/a/b", access: Access::READ }, (Verdict::Allow, "files.read")),
            (Request::File { path: b"/a/b", access: Access::WRITE }, (Verdict::Deny, "default")),
            (Request::Exec { path: b"/usr/bin/su", argv: &argv }, (Verdict::Deny, "exec.deny")),
            (net("192.0.2.1:80"), (Verdict::Allow, "network.allow")),
            (net("192.0.2.1:81"), (Verdict::Deny, "default")),
            (Request::Unix { addr: UnixAddr::Abstract(b"x") }, (Verdict::Allow, "sockets.allow")),
            (Request::Unix { addr: UnixAddr::Path(b"/run/x") }, (Verdict::Deny, "default")),
        ];
        for (request, expected) in cases {
            assert_eq!(said(request), expected, "{request:?}");
        }
    }
}
