//! A program's digest that is being computed while its event already has its place.
//!
//! Invariant: settled at most once; whoever waits does so for a bounded time. Leaves to others: computing it (`supervisor`).

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// To be settled by whoever computes the digest; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Later(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// The outer: settled; the inner: with what.
    digest: Mutex<Option<Option<[u8; 32]>>>,
    changed: Condvar,
}

impl Later {
    /// None: there will be none.
    pub fn settle(&self, digest: Option<[u8; 32]>) {
        *self.0.digest.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
        self.0.changed.notify_all();
    }

    /// What it was settled with; the outer None when that did not happen within `patience`.
    pub fn settled(&self, patience: Duration) -> Option<Option<[u8; 32]>> {
        let digest = self.0.digest.lock().unwrap_or_else(PoisonError::into_inner);
        if patience.is_zero() || digest.is_some() {
            return *digest;
        }
        let open = |digest: &mut Option<Option<[u8; 32]>>| digest.is_none();
        let waited = self.0.changed.wait_timeout_while(digest, patience, open);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
