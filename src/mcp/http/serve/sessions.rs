//! Which relay judges an exchange: one for each session of the server's, one for each exchange where there is none.
//!
//! Invariant: an answer is looked for among the requests of its own session; sessions that are kept are bounded, the oldest
//! leave first, and what comes for one that is gone is judged as new.
//! Leaves to others: everything that a relay decides (`relay`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::header::{HeaderMap, HeaderValue};
use tokio::sync::{broadcast, watch};

use crate::mcp::http::headers::SESSION;
use crate::mcp::relay::Relay;
use crate::policy::mcp::McpRule;

/// Sessions that are kept.
const KEPT: usize = 1024;
/// Withdrawals that nobody has heard of yet.
const WITHDRAWN: usize = 16;

/// A relay that several exchanges may use, one at a time and never while they wait.
#[derive(Clone)]
pub struct Shared {
    relay: Arc<Mutex<Relay>>,
    /// Tickets of questions that are moot.
    pub withdrawn: broadcast::Sender<u64>,
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, Relay> {
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Known {
    by_id: HashMap<HeaderValue, Shared>,
    order: VecDeque<HeaderValue>,
}

pub struct Sessions {
    /// Whom all the others stand beside: it shares rates and tasks with them, and carries nothing itself.
    model: Mutex<Relay>,
    rules: Mutex<watch::Receiver<Arc<[McpRule]>>>,
    known: Mutex<Known>,
}

impl Sessions {
    pub fn new(model: Relay, rules: watch::Receiver<Arc<[McpRule]>>) -> Sessions {
        Sessions { model: Mutex::new(model), rules: Mutex::new(rules), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A relay of its own, beside all others.
    pub fn fresh(&self) -> Shared {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.has_changed().unwrap_or(false) {
            // It has no client of its own that had to hear of it.
            drop(model.judge_by(Arc::clone(&rules.borrow_and_update())));
        }
        Shared { relay: Arc::new(Mutex::new(model.beside())), withdrawn: broadcast::channel(WITHDRAWN).0 }
    }

    /// The relay of this request's session; a new one where it names none.
    pub fn of(&self, headers: &HeaderMap) -> Shared {
        match headers.get(SESSION) {
            Some(id) => {
                let found = self.known().by_id.get(id).cloned();
                found.unwrap_or_else(|| self.keep(id, self.fresh()))
            }
            None => self.fresh(),
        }
    }

    /// The server has begun a session with an exchange of this relay's.
    pub fn begins(&self, id: &HeaderValue, relay: &Shared) {
        self.keep(id, relay.clone());
    }

    fn keep(&self, id: &HeaderValue, relay: Shared) -> Shared {
        let mut known = self.known();
        if known.by_id.insert(id.clone(), relay.clone()).is_none() {
            known.order.push_back(id.clone());
        }
        while known.by_id.len() > KEPT {
            let Some(oldest) = known.order.pop_front() else { break };
            known.by_id.remove(&oldest);
        }
        relay
    }

    pub fn ends(&self, headers: &HeaderMap) {
        if let Some(id) = headers.get(SESSION) {
            let mut known = self.known();
            known.by_id.remove(id);
            known.order.retain(|kept| kept != id);
        }
    }
}
