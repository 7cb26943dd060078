//! What every connection of one session's way out shares.
//!
//! Invariant: the policy is read anew for each decision, so that one put in force later holds at once.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::credentials::Secrets;
use super::live::Table;
use super::passage::Expected;
use super::{Asks, Setup, Upstream, dns, tls};
use crate::bus::Bus;
use crate::policy::Policy;

/// The policy in force; replaced as a whole.
pub type InForce = Arc<ArcSwap<Policy>>;

pub struct Shared {
    pub policy: InForce,
    pub bus: Bus,
    pub asks: Arc<dyn Asks>,
    pub secrets: Arc<Secrets>,
    pub upstream: Upstream,
    pub names: dns::Names,
    pub tls: Arc<tls::Sessions>,
    pub expected: Expected,
    pub live: Table,
}

impl Shared {
    pub fn new(setup: Setup, tls: Arc<tls::Sessions>) -> Shared {
        let policy: InForce = Arc::new(ArcSwap::new(setup.policy));
        Shared {
            names: dns::Names::new(Arc::clone(&policy), setup.bus.clone()),
            policy,
            live: Table::new(setup.bus.clone()),
            bus: setup.bus,
            asks: setup.asks,
            secrets: setup.secrets,
            upstream: setup.upstream,
            tls,
            expected: Expected::default(),
        }
    }

    /// The same, but that nobody hears of it or is asked.
    pub fn silent(&self, bus: Bus, asks: Arc<dyn Asks>) -> Shared {
        Shared {
            names: dns::Names::new(Arc::clone(&self.policy), bus.clone()),
            policy: Arc::clone(&self.policy),
            live: Table::with_room(bus.clone(), 4),
            bus,
            asks,
            secrets: Arc::clone(&self.secrets),
            upstream: self.upstream.clone(),
            tls: Arc::clone(&self.tls),
            expected: Expected::default(),
        }
    }
}
