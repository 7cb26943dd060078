//! How many different names may be looked up under one wildcard: names can carry what must not leave.
//!
//! Invariant: a name that was looked up before costs nothing; a new one costs one piece, one that looks as if it carried
//! something ten. Each rule has an [`Allowance`] of pieces. Bounded in rules and names.
//! Leaves to others: names that a rule names exactly (they are not counted), what is done about it (`serve`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::policy::Host;

/// What one rule gives: pieces at first and at most, and those that come back each second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    burst: f64,
    refill: f64,
}

/// Of a wildcard.
pub(super) const WILDCARD: Allowance = Allowance { burst: 100.0, refill: 2.0 };
/// Of a policy that allows every host: what whole days of work look up is let through, a stream of names is not.
pub(super) const OPEN: Allowance = Allowance { burst: 1_000.0, refill: 10.0 };
/// What a name costs that looks as if it carried something.
const CARRIER: f64 = 10.0;
/// Rules that are told apart; past them all begin anew, which happens only to a policy that is replaced again and again.
const RULES: usize = 1_024;
/// Names that are remembered of each.
const SEEN: usize = 8_192;
/// Between two alerts about one rule.
const QUIET: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rates {
    rules: HashMap<Arc<str>, Rule, RandomState>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Rule {
    seen: HashSet<u64, RandomState>,
    order: VecDeque<u64>,
    pieces: f64,
    at: Instant,
    alerted: Option<Instant>,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Fine,
    /// `alert`: nobody was told for a while.
    TooMany {
        alert: bool,
    },
}

impl Rates {
    /// Whether `host` may be looked up now under the wildcard `text` of the rule `name`.
    pub(super) fn take(
        &mut self,
        name: &Arc<str>,
        (text, allowance): (&str, Allowance),
        host: &Host,
        now: Instant,
    ) -> Taken {
        let Allowance { burst, refill } = allowance;
        let hash = self.hasher.hash_one(host.as_str());
        if self.rules.len() >= RULES && !self.rules.contains_key(name) {
            self.rules.clear();
        }
        let fresh = || Rule { seen: HashSet::default(), order: VecDeque::new(), pieces: burst, at: now, alerted: None };
        let rule = self.rules.entry(Arc::clone(name)).or_insert_with(fresh);
        if rule.seen.contains(&hash) {
            return Taken::Fine;
        }
        let past = now.saturating_duration_since(rule.at).as_secs_f64();
        rule.pieces = (rule.pieces + past * refill).min(burst);
        rule.at = now;
        let cost = if carries(beneath(host, text)) { CARRIER } else { 1.0 };
        if rule.pieces < cost {
            let alert = rule.alerted.is_none_or(|at| now.saturating_duration_since(at) >= QUIET);
            if alert {
                rule.alerted = Some(now);
            }
            return Taken::TooMany { alert };
        }
        rule.pieces -= cost;
        rule.seen.insert(hash);
        rule.order.push_back(hash);
        if rule.order.len() > SEEN
            && let Some(oldest) = rule.order.pop_front()
        {
            rule.seen.remove(&oldest);
        }
        Taken::Fine
    }
}

/// The part of a name that its owner chose: what the wildcard stands for, or all but two labels where it stands for everything.
fn beneath<'h>(host: &'h Host, text: &str) -> &'h str {
    let pattern = text.rsplit_once(':').map_or(text, |(pattern, _)| pattern);
    let suffix = pattern.trim_start_matches('*');
    if suffix.is_empty() {
        let mut labels = host.as_str().rmatch_indices('.');
        return labels.nth(1).and_then(|(at, _)| host.get(..at)).unwrap_or_default();
    }
    host.as_str().strip_suffix(suffix.to_ascii_lowercase().as_str()).unwrap_or(host)
}

/// Whether the labels are longer, and more evenly mixed, than people and content networks make them.
fn carries(labels: &str) -> bool {
    const LONG: usize = 52;
    const LABEL: usize = 24;
    labels.len() >= LONG
        || labels.split('.').any(|label| {
            let digits = label.bytes().filter(u8::is_ascii_digit).count();
            label.len() >= LABEL && digits * 8 >= label.len() && entropy(label) >= 3.0
        })
}

/// Shannon's, in bits for each byte.
fn entropy(label: &str) -> f64 {
    let mut counts = [0u32; 256];
    label.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = label.len().max(1) as f64;
    let parts = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length);
    parts.map(|part| -part * part.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Host {
        Host::parse(name).unwrap()
    }

    #[test]
    fn many_names_at_once_are_too_many_and_known_ones_never() {
        let (mut rates, rule, now) = (Rates::default(), Arc::from("r"), Instant::now());
        let text = "*.example.org:443";
        let asked = (0..150).map(|n| rates.take(&rule, (text, WILDCARD), &host(&format!("n{n}.example.org")), now));
        let outcomes: Vec<_> = asked.collect();
        assert_eq!(outcomes.iter().filter(|taken| **taken == Taken::Fine).count(), 100);
        assert_eq!(outcomes[100..102], [Taken::TooMany { alert: true }, Taken::TooMany { alert: false }]);
        assert_eq!(rates.take(&rule, (text, WILDCARD), &host("n3.example.org"), now), Taken::Fine);
        let later = now + Duration::from_secs(5);
        let again = (200..220).map(|n| rates.take(&rule, (text, WILDCARD), &host(&format!("n{n}.example.org")), later));
        assert_eq!(again.filter(|taken| *taken == Taken::Fine).count(), 10);
        assert_eq!(rates.take(&Arc::from("other"), (text, WILDCARD), &host("n9.example.org"), now), Taken::Fine);
    }

    #[test]
    fn an_open_policy_has_an_end_as_well() {
        let (mut rates, rule, now) = (Rates::default(), Arc::from("r"), Instant::now());
        let asked = (0..1_500).map(|n| rates.take(&rule, ("**", OPEN), &host(&format!("n{n}.example.org")), now));
        assert_eq!(asked.filter(|taken| *taken == Taken::Fine).count(), 1_000);
    }

    #[test]
    fn names_that_carry_something_are_ten_at_most() {
        let (mut rates, rule, now) = (Rates::default(), Arc::from("r"), Instant::now());
        let name = |n: u32| {
            let hash = blake3::hash(&n.to_le_bytes()).to_hex();
            host(&format!("{}.{}.evil.example", &hash[..60], &hash[..20]))
        };
        let asked = (0..50).map(|n| rates.take(&rule, ("**.evil.example", WILDCARD), &name(n), now));
        assert_eq!(asked.filter(|taken| *taken == Taken::Fine).count(), 10);
    }

    #[test]
    fn what_people_and_networks_call_their_hosts_carries_nothing() {
        for plain in
            ["www", "d3k81ch9hvuctc", "rr3---sn-4g5e6nz7", "ec2-54-210-167-204.compute-1", "feature-branch-of-the-shop"]
        {
            assert!(!carries(plain), "{plain}");
        }
        for laden in ["mzxw6ytboi4tqmzrgq3dknrxhe2tcmzx", "0123456789abcdef0123456789abcdef"] {
            assert!(carries(laden), "{laden}");
        }
        assert_eq!(beneath(&host("a.b.example.org"), "**.Example.org:443"), "a.b");
        assert_eq!(beneath(&host("a.b.example.org"), "**"), "a.b");
        assert_eq!(beneath(&host("example.org"), "**"), "");
    }

    #[test]
    fn a_million_names_cost_bounded_memory() {
        let (mut rates, rule, now) = (Rates::default(), Arc::from("r"), Instant::now());
        for n in 0..20_000u32 {
            let later = now + Duration::from_secs(u64::from(n));
            rates.take(&rule, ("*.x.test", WILDCARD), &host(&format!("n{n}.x.test")), later);
        }
        let rule = &rates.rules[&rule];
        assert_eq!((rule.seen.len(), rule.order.len()), (SEEN, SEEN));
    }
}
