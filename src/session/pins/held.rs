//! Whether a server is what it was when it was first used, before a byte of it is passed on: its program, its address, the key
//! of its certificate.
//!
//! Invariant: pins that cannot be read or written are the end of the connection, never a server without pins.
//! Leaves to others: what it says once it runs (`mcp::relay`), the file (`pins`), who is asked and told ([`Voice`]).

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Store, StoreError};
use crate::mcp::http::{Certifies, Later};
use crate::mcp::pins::{Change, Identity, OnChange, Pinned};
use crate::mcp::relay::{Changed, Relay};
use crate::policy::mcp::Launch;
use crate::policy::{OnChange as Wish, Verdict};

/// Whoever asks and tells about a server that is another now.
pub trait Voice: Send + Sync {
    /// Whether somebody accepts it; waits for the answer. False where nobody can be asked.
    fn accepts(&self, changes: &[Change]) -> bool;

    fn tell_changed(&self, changed: &Changed);
}

/// What the relay holds a server to.
pub struct Held {
    known: Option<Pinned>,
    identity: Identity,
    on_change: OnChange,
}

impl Held {
    pub fn hold(self, relay: Relay) -> Relay {
        relay.pinned(self.known, self.identity, self.on_change)
    }
}

/// One server's pins while it is used.
pub struct Guard {
    pub store: Store,
    /// As the policy names the server.
    pub name: String,
    pub on_change: OnChange,
    pub voice: Arc<dyn Voice>,
    /// The key of its certificate, once it is known: what is pinned from then on has it.
    pub key: Arc<OnceLock<String>>,
    /// Keys that need no further look.
    accepted: Mutex<Vec<String>>,
}

impl Guard {
    pub fn new(store: Store, name: &str, on_change: Wish, voice: Arc<dyn Voice>, key: Arc<OnceLock<String>>) -> Guard {
        let on_change = match on_change {
            Wish::Deny => OnChange::Deny,
            Wish::Ask => OnChange::Ask,
            Wish::Log => OnChange::Log,
        };
        Guard { store, name: name.to_owned(), on_change, voice, key, accepted: Mutex::default() }
    }

    fn failed(&self, error: &dyn std::error::Error) -> String {
        let why = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        format!("cannot tell whether server '{}' is what it was: {error}{why}", self.name)
    }

    /// Compares what is to be started or reached with what is pinned. It reads programs and may wait for an answer: call it
    /// where that is allowed. The error is for whoever wanted the server.
    pub fn look(&self, launch: &Launch, program: Option<&Path>, cwd: &Path) -> Result<Held, String> {
        let mut identity = self.store.identity(launch, program, cwd).map_err(|error| self.failed(&error))?;
        let mut known = self.store.known(&self.name).map_err(|error| self.failed(&error))?;
        if let Some(pinned) = &mut known {
            identity.keep_certificate(&pinned.identity);
            if pinned.identity != identity {
                let change = Change::Identity { was: pinned.identity.clone(), is: identity.clone() };
                self.judge(pinned, &change)?;
            }
        }
        Ok(Held { known, identity, on_change: self.on_change })
    }

    /// The same of the key of its certificate, each time that it proves to hold it. The first one is pinned.
    fn certify(&self, key: &str) -> Result<(), String> {
        let mut known = self.store.known(&self.name).map_err(|error| self.failed(&error))?;
        match &mut known {
            Some(pinned) => match &pinned.identity {
                Identity::Url { certificate: Some(was), .. } if was == key => {}
                Identity::Url { url, certificate: Some(_) } => {
                    let is = Identity::Url { url: url.clone(), certificate: Some(key.to_owned()) };
                    let change = Change::Identity { was: pinned.identity.clone(), is };
                    self.judge(pinned, &change)?;
                }
                Identity::Url { url, certificate: None } => {
                    pinned.identity = Identity::Url { url: url.clone(), certificate: Some(key.to_owned()) };
                    self.store.keep(&self.name, pinned).map_err(|error| self.failed(&error))?;
                }
                // What is pinned is a program: `look` has judged that.
                Identity::Command { .. } => {}
            },
            None => drop(self.key.set(key.to_owned())),
        }
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).push(key.to_owned());
        Ok(())
    }

    /// Denies, asks or only tells; what was accepted is pinned.
    fn judge(&self, pinned: &mut Pinned, change: &Change) -> Result<(), String> {
        let changes = vec![change.clone()];
        self.store.note(&self.name, pinned, &changes).map_err(|error| self.failed(&error))?;
        let asked = (self.on_change == OnChange::Ask).then(|| self.voice.accepts(&changes));
        let verdict = match (self.on_change, asked) {
            (OnChange::Log, _) | (OnChange::Ask, Some(true)) => Verdict::Allow,
            _ => Verdict::Deny,
        };
        self.voice.tell_changed(&Changed { changes, verdict });
        if verdict != Verdict::Allow {
            let name = &self.name;
            return Err(format!(
                "server '{name}' is not what was pinned: 'govsh mcp diff {name}' shows what changed, 'govsh mcp pin {name} --accept' accepts it"
            ));
        }
        change.accept(pinned);
        match asked {
            Some(true) => self.store.keep(&self.name, pinned).map_err(|error| self.failed(&error)),
            _ => Ok(()),
        }
    }
}

/// What is to be pinned, with the key that its certificate has had.
pub fn with_key(mut pinned: Pinned, key: &OnceLock<String>) -> Pinned {
    if let Identity::Url { certificate: certificate @ None, .. } = &mut pinned.identity {
        *certificate = key.get().cloned();
    }
    pinned
}

/// Writes what is pinned, or what differs from it.
pub fn note(store: &Store, name: &str, changes: &[Change]) -> Result<(), StoreError> {
    match store.known(name)? {
        Some(known) => store.note(name, &known, changes),
        None => Ok(()),
    }
}

/// Looks at the keys of a remote server's certificates.
pub struct Keys(pub Arc<Guard>);

impl Certifies for Keys {
    fn certified(&self, key: String) -> Later<'_, Result<(), String>> {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            if guard.accepted.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
                return Ok(());
            }
            // It reads a file, and may wait for an answer.
            let judged = tokio::task::spawn_blocking(move || guard.certify(&key)).await;
            judged.unwrap_or_else(|_| Err("the look at the server's certificate was given up".to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts or not, and counts what it was told.
    struct Says(bool, Mutex<Vec<String>>);

    impl Voice for Says {
        fn accepts(&self, changes: &[Change]) -> bool {
            assert_eq!(changes.len(), 1);
            self.0
        }

        fn tell_changed(&self, changed: &Changed) {
            let diff = changed.changes.iter().map(Change::diff).collect::<String>();
            self.1.lock().unwrap().push(format!("{:?} {diff}", changed.verdict));
        }
    }

    struct Rig {
        store: Store,
        says: Arc<Says>,
        dir: tempfile::TempDir,
    }

    fn rig(accepts: bool) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("server"), "one").unwrap();
        Rig { store: Store::at(dir.path().join("pins")), says: Arc::new(Says(accepts, Mutex::default())), dir }
    }

    impl Rig {
        fn guard(&self, on_change: Wish) -> Guard {
            Guard::new(self.store.clone(), "s", on_change, self.says.clone(), Arc::default())
        }

        fn command(&self, on_change: Wish) -> Result<Held, String> {
            let program = self.dir.path().join("server");
            let argv = Launch::Command(vec!["server".into(), "--now".into()]);
            self.guard(on_change).look(&argv, Some(&program), self.dir.path())
        }

        fn told(&self) -> Vec<String> {
            std::mem::take(&mut *self.says.1.lock().unwrap())
        }
    }

    #[test]
    fn a_program_that_changed_is_refused_asked_about_or_told() {
        for (on_change, accepts, passes, keeps) in [
            (Wish::Deny, true, false, false),
            (Wish::Ask, false, false, false),
            (Wish::Ask, true, true, true),
            (Wish::Log, false, true, false),
        ] {
            let rig = rig(accepts);
            let first = rig.command(on_change).expect("the first use");
            assert!(first.known.is_none());
            rig.store.keep("s", &Pinned::new(first.identity)).unwrap();
            assert!(rig.command(on_change).is_ok_and(|held| held.known.is_some()) && rig.told().is_empty());
            std::fs::write(rig.dir.path().join("server"), "two").unwrap();
            let again = rig.command(on_change);
            assert_eq!(again.is_ok(), passes, "{on_change:?}");
            let told = rig.told();
            assert!(told.len() == 1 && told[0].contains("\n+ ") && told[0].contains("sha256:"), "{told:?}");
            if let Err(why) = again {
                assert!(why.contains("govsh mcp diff s") && why.contains("--accept"), "{why}");
            }
            // Noted for `govsh mcp diff` until it is settled; told again unless somebody accepted it.
            assert_eq!(rig.store.seen("s").unwrap().is_some(), !keeps, "{on_change:?}");
            let _ = rig.command(on_change);
            assert_eq!(rig.told().is_empty(), keeps, "{on_change:?}");
        }
    }

    #[test]
    fn the_key_of_a_certificate_is_pinned_at_its_first_sight() {
        for (on_change, accepts, passes) in
            [(Wish::Deny, true, false), (Wish::Ask, true, true), (Wish::Log, false, true)]
        {
            let rig = rig(accepts);
            let url = Launch::Url("https://a.example/mcp".into());
            let guard = rig.guard(on_change);
            let first = guard.look(&url, None, rig.dir.path()).unwrap();
            assert_eq!(guard.certify("sha256:one"), Ok(()));
            // What the relay then pins has it.
            rig.store.keep("s", &with_key(Pinned::new(first.identity), &guard.key)).unwrap();
            let guard = rig.guard(on_change);
            assert!(guard.look(&url, None, rig.dir.path()).is_ok(), "the address is the same");
            assert_eq!(guard.certify("sha256:one"), Ok(()));
            assert!(rig.told().is_empty());
            assert_eq!(guard.certify("sha256:two").is_ok(), passes, "{on_change:?}");
            let told = rig.told();
            assert!(
                told.len() == 1 && told[0].contains("- certificate sha256:one\n+ certificate sha256:two"),
                "{told:?}"
            );
        }
    }

    #[test]
    fn pins_of_before_gain_the_key_and_pins_that_cannot_be_read_end_it() {
        let rig = rig(false);
        let url = Identity::Url { url: "https://a.example/mcp".into(), certificate: None };
        rig.store.keep("s", &Pinned::new(url)).unwrap();
        let guard = rig.guard(Wish::Deny);
        assert_eq!(guard.certify("sha256:one"), Ok(()));
        assert!(rig.guard(Wish::Deny).certify("sha256:two").is_err());
        std::fs::write(rig.dir.path().join("pins/s.json"), "{").unwrap();
        assert!(guard.certify("sha256:one").is_err_and(|why| why.contains("cannot tell")));
    }
}
