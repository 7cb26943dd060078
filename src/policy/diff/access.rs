//! Paths and addresses that both policies judge.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::{Difference, Differences, MOST, side, word};
use crate::policy::network::NetRule;
use crate::policy::pattern::Pattern;
use crate::policy::regions::{meeting, samples};
use crate::policy::{Access, Decision, NetOp, Policy, Reach, Request, RuleId};

/// A rule on paths of either policy.
struct Region<'p> {
    /// As written.
    text: String,
    key: &'static str,
    pattern: &'p Pattern,
    except: &'p [Pattern],
    access: Access,
}

impl Region<'_> {
    fn identity(&self) -> (&'static str, String, String, Access) {
        (self.key, format!("{:?}", self.pattern), format!("{:?}", self.except), self.access)
    }
}

fn regions(policy: &Policy) -> Vec<Region<'_>> {
    let named = |rule: u32| {
        let rule = policy.rule(RuleId(rule));
        (rule.text.to_string(), rule.key)
    };
    let placed = policy.files.placed.iter().map(|placed| {
        let (text, key) = named(placed.rule);
        Region { text, key, pattern: &placed.pattern, except: &placed.except, access: placed.access }
    });
    let asked = policy.asks.files.iter().map(|asked| {
        let (text, key) = named(asked.rule);
        Region { text, key, pattern: &asked.pattern, except: &[], access: asked.access }
    });
    let held = policy.files.held.iter().map(|(rule, pattern)| {
        let (text, key) = named(*rule);
        Region { text, key, pattern, except: &[], access: Access::CHANGES }
    });
    placed.chain(asked).chain(held).collect()
}

pub(super) fn files(a: &Policy, b: &Policy, all: &mut Differences) {
    let (ours, theirs) = (regions(a), regions(b));
    let identities = |regions: &[Region<'_>]| regions.iter().map(Region::identity).collect::<HashSet<_>>();
    let (known_a, known_b) = (identities(&ours), identities(&theirs));
    let only_a = ours.iter().filter(|region| !known_b.contains(&region.identity()));
    let only_b = theirs.iter().filter(|region| !known_a.contains(&region.identity()));
    let changed: Vec<&Region<'_>> = only_a.chain(only_b).collect();
    let mut judged = Judged { a, b, seen: HashSet::new(), all };
    for region in &changed {
        let mut told = Told::new();
        for path in samples(region.pattern) {
            judged.judge(&path, &region.text, &mut told);
        }
        for other in ours.iter().chain(&theirs) {
            if judged.full() {
                return;
            }
            if let Some(path) = meeting(region.pattern, other.pattern) {
                let shown = format!("{} in {}", region.text, other.text);
                judged.judge(&path, &shown, &mut told);
            }
        }
        for path in region.except.iter().flat_map(samples) {
            let shown = String::from_utf8_lossy(&path).into_owned();
            judged.judge(&path, &shown, &mut told);
        }
        judged.keep(told);
    }
}

/// The verdicts of both, in words.
type Transition = (&'static str, &'static str);
/// What is told once of a region: rights, as bits, and verdicts.
type Told = BTreeMap<(u8, Transition), Difference>;

struct Judged<'p, 'd> {
    a: &'p Policy,
    b: &'p Policy,
    seen: HashSet<Vec<u8>>,
    all: &'d mut Differences,
}

impl Judged<'_, '_> {
    fn full(&mut self) -> bool {
        self.all.cut |= self.all.judged >= MOST;
        self.all.cut
    }

    /// Judges one path for every right; what differs as it did before within this region is not told again.
    fn judge(&mut self, path: &[u8], what: &str, told: &mut Told) {
        if !self.seen.insert(path.to_vec()) {
            return;
        }
        self.all.judged += 1;
        let mut by: BTreeMap<Transition, (Access, Decision, Decision)> = BTreeMap::new();
        for (right, _) in Access::RIGHTS {
            let (from, to) = (self.a.decide_file(path, right), self.b.decide_file(path, right));
            if from.verdict != to.verdict {
                let rights = by.entry((word(from.verdict), word(to.verdict))).or_insert((Access::empty(), from, to));
                rights.0 |= right;
            }
        }
        for (transition, (access, from, to)) in by {
            told.entry((access.bits(), transition)).or_insert_with(|| Difference {
                side: side(from.verdict, to.verdict),
                kind: "files",
                what: what.to_owned(),
                access: access.words().to_owned(),
                from: word(from.verdict).to_owned(),
                to: word(to.verdict).to_owned(),
                witness: String::from_utf8_lossy(path).into_owned(),
                by: [self.a.rule(from.rule).name.to_string(), self.b.rule(to.rule).name.to_string()],
            });
        }
    }

    fn keep(&mut self, told: Told) {
        self.all.found.extend(told.into_values());
    }
}

pub(super) fn network(a: &Policy, b: &Policy, all: &mut Differences) {
    let rules: Vec<NetRule> = [a, b].into_iter().flat_map(ranges).collect();
    let mut ports: Vec<u16> = vec![1, 443];
    let mut addresses: Vec<IpAddr> = ["1.1.1.1", "2606:4700::1111", "127.0.0.1", "169.254.169.254"]
        .iter()
        .filter_map(|ip| ip.parse().ok())
        .collect();
    for rule in &rules {
        ports.extend([*rule.ports.start()].into_iter().chain(rule.ports.end().checked_add(1)));
        addresses.push(rule.range.first);
        addresses.extend(behind(rule));
    }
    ports.sort_unstable();
    ports.dedup();
    addresses.sort_unstable();
    addresses.dedup();
    let mut told: BTreeMap<(String, String), Difference> = BTreeMap::new();
    let pairs = addresses.iter().flat_map(|ip| ports.iter().filter(|port| **port > 0).map(|port| (*ip, *port)));
    all.cut |= addresses.len() * ports.len() > MOST;
    for (ip, port) in pairs.take(MOST) {
        all.judged += 1;
        let addr = SocketAddr::new(ip, port);
        let request = Request::Net(Reach::to(NetOp::Connect, addr));
        let (from, to) = (a.decide(&request), b.decide(&request));
        if from.verdict == to.verdict {
            continue;
        }
        let by = [a.rule(from.rule).name.to_string(), b.rule(to.rule).name.to_string()];
        let texts = [(a, from), (b, to)].map(|(policy, decision)| policy.rule(decision.rule));
        let named = texts.iter().rev().find(|rule| rule.line > 0).map_or("addresses", |rule| &rule.text);
        told.entry((by.concat(), format!("{:?}{:?}", from.verdict, to.verdict))).or_insert_with(|| Difference {
            side: side(from.verdict, to.verdict),
            kind: "network",
            what: if named == "none" { "all".to_owned() } else { named.to_owned() },
            access: "connect".to_owned(),
            from: word(from.verdict).to_owned(),
            to: word(to.verdict).to_owned(),
            witness: addr.to_string(),
            by,
        });
    }
    all.found.extend(told.into_values());
}

/// The ranges that a policy's own rules name.
fn ranges(policy: &Policy) -> Vec<NetRule> {
    let rules = policy.rules().iter().filter(|rule| rule.key.starts_with("network."));
    rules.filter_map(|rule| NetRule::parse(&rule.text, RuleId::DEFAULT).ok()).collect()
}

/// The address behind the last one of the range.
fn behind(rule: &NetRule) -> Option<IpAddr> {
    let host_bits = |bits: u32| bits.saturating_sub(u32::from(rule.range.prefix));
    match rule.range.first {
        IpAddr::V4(first) => {
            let next = u64::from(first.to_bits()) + (1u64 << host_bits(32));
            u32::try_from(next).ok().map(|next| std::net::Ipv4Addr::from_bits(next).into())
        }
        IpAddr::V6(first) => {
            let size = 1u128.checked_shl(host_bits(128))?;
            first.to_bits().checked_add(size).map(|next| std::net::Ipv6Addr::from_bits(next).into())
        }
    }
}
