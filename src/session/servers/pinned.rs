//! Whether a server is what it was when it was first used, before a byte of it is passed on.
//!
//! Invariant: pins that cannot be read or written are the end of the connection, never a server without pins.
//! Leaves to others: what it says once it runs (`mcp::relay`), the file (`session::pins`), the question itself (`teller`).

use std::path::Path;

use super::super::pins;
use super::teller::Teller;
use super::{Declared, Shared};
use crate::mcp::pins::{Change, Identity, OnChange, Pinned};
use crate::mcp::relay::{Changed, Relay};
use crate::policy::mcp::Launch;
use crate::policy::{OnChange as Wish, Verdict};

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

/// Compares what is to be started or reached with what is pinned. It reads programs and may wait for an answer: call it
/// where that is allowed. The error is for whoever wanted the server.
pub(super) fn look(
    shared: &Shared,
    declared: &Declared,
    (launch, program): (&Launch, Option<&Path>),
    teller: &Teller,
) -> Result<Held, String> {
    let name = declared.name.as_str();
    let on_change = match shared.policy.load().on_change() {
        Wish::Deny => OnChange::Deny,
        Wish::Ask => OnChange::Ask,
        Wish::Log => OnChange::Log,
    };
    let failed = |error: &dyn std::error::Error| format!("cannot tell whether server '{name}' is what it was: {error}");
    let identity = pins::identity(launch, program, &shared.cwd).map_err(|error| failed(&error))?;
    let mut known = shared.pins.known(name).map_err(|error| failed(&error))?;
    if let Some(pinned) = known.as_mut().filter(|pinned| pinned.identity != identity) {
        let change = Change::Identity { was: pinned.identity.clone(), is: identity.clone() };
        let changes = vec![change];
        shared.pins.note(name, pinned, &changes).map_err(|error| failed(&error))?;
        let asked = (on_change == OnChange::Ask).then(|| teller.accepts(&changes));
        let verdict = match (on_change, asked) {
            (OnChange::Log, _) | (OnChange::Ask, Some(true)) => Verdict::Allow,
            _ => Verdict::Deny,
        };
        teller.tell_changed(&Changed { changes: changes.clone(), verdict });
        if verdict != Verdict::Allow {
            return Err(format!(
                "server '{name}' is not what was pinned: 'govsh mcp diff {name}' shows what changed, 'govsh mcp pin' accepts it"
            ));
        }
        changes.iter().for_each(|change| change.accept(pinned));
        if asked == Some(true) {
            shared.pins.keep(name, pinned).map_err(|error| failed(&error))?;
        }
    }
    Ok(Held { known, identity, on_change })
}
