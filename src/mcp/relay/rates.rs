//! How often rules have let calls pass: for all connections of a session, so that a new connection is no new allowance.
//!
//! Invariant: bounded by the rules there are and the calls they allow.
//! Leaves to others: the clock, and which rule decides.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::policy::mcp::{McpRule, Rate};

/// Times of calls, by rule. A clone counts the same calls.
#[derive(Debug, Clone, Default)]
pub struct Rates(Arc<Mutex<Counted>>);

/// Ids alone are not unique over layers: two rules that share one are told apart by what they allow, and count together
/// where that is the same.
type Counted = HashMap<(String, u32, Duration), VecDeque<u64>>;

impl Rates {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        // Whatever panicked, what is counted stays counted.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call at `at` (nanoseconds of the session's clock); false where that would be one too many.
    pub(super) fn take(&self, rule: &McpRule, rate: Rate, at: u64) -> bool {
        let mut counted = self.lock();
        let times = counted.entry((rule.id.clone(), rate.calls, rate.per)).or_default();
        let window = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX);
        while times.front().is_some_and(|time| at.saturating_sub(*time) >= window) {
            times.pop_front();
        }
        let may = times.len() < rate.calls as usize;
        if may {
            times.push_back(at);
        }
        may
    }

    /// Forgets rules that are gone.
    pub(super) fn keep(&self, rules: &[McpRule]) {
        let stays = |id: &String, calls: u32, per: Duration| {
            let same = |rule: &McpRule| rule.id == *id && rule.rate.is_some_and(|r| (r.calls, r.per) == (calls, per));
            rules.iter().any(same)
        };
        self.lock().retain(|(id, calls, per), _| stays(id, *calls, *per));
    }
}
