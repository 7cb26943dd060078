//! Hosts: one name of every pattern that either policy writes, on every port at which something changes.
//!
//! Leaves to others: addresses (`access`).

use std::collections::BTreeMap;

use super::{Difference, Differences, MOST, Side, side, word};
use crate::policy::network::{Entry, Purpose, What, parse};
use crate::policy::{Host, Policy, Reach, RuleId};

pub(super) fn hosts(a: &Policy, b: &Policy, all: &mut Differences) {
    let entries: Vec<Entry> = [a, b].into_iter().flat_map(written).collect();
    let mut names: Vec<Host> = entries.iter().filter_map(sample).collect();
    names.extend([a, b].iter().flat_map(|policy| policy.net.opened.entries()).filter_map(sample));
    names.extend(Host::parse("somewhere.example"));
    names.sort_unstable();
    names.dedup();
    let mut told: BTreeMap<(String, String), Difference> = BTreeMap::new();
    for name in &names {
        let mut ports: Vec<u16> = vec![443, 80, 22];
        for entry in &entries {
            let meant = matches!(&entry.what, What::Name(pattern) if pattern.matches(name));
            if meant || matches!(entry.what, What::Everything) {
                ports.extend([*entry.ports.start()].into_iter().chain(entry.ports.end().checked_add(1)));
            }
        }
        ports.sort_unstable();
        ports.dedup();
        for port in ports.into_iter().filter(|port| *port > 0) {
            all.judged += 1;
            all.cut |= all.judged >= MOST;
            if all.cut {
                break;
            }
            let reach = Reach::named(name, port);
            let (from, to) = (a.decide_reach(&reach), b.decide_reach(&reach));
            if from.verdict == to.verdict {
                continue;
            }
            let by = [a.rule(from.rule).name.to_string(), b.rule(to.rule).name.to_string()];
            let texts = [(a, from), (b, to)].map(|(policy, decision)| policy.rule(decision.rule));
            let named = texts.iter().rev().find(|rule| rule.line > 0).map_or("hosts", |rule| &rule.text);
            told.entry((by.concat(), format!("{:?}{:?}", from.verdict, to.verdict))).or_insert_with(|| Difference {
                side: side(from.verdict, to.verdict),
                kind: "network",
                what: if named == "none" { "all".to_owned() } else { named.to_owned() },
                access: "connect".to_owned(),
                from: word(from.verdict).to_owned(),
                to: word(to.verdict).to_owned(),
                witness: reach.to_string(),
                by,
            });
        }
    }
    all.found.extend(told.into_values());
}

/// Rules that one of the two has alone: on requests, repositories, registries, secrets, and where names lead.
pub(super) fn requests(a: &Policy, b: &Policy, all: &mut Differences) {
    const KEYS: [&str; 8] = [
        "network.http",
        "network.git",
        "network.registries",
        "network.private",
        "network.splice",
        "network.resolvers",
        "network.upstream",
        "credentials",
    ];
    let texts = |policy: &Policy| -> Vec<(&'static str, String)> {
        let rules = policy.rules().iter().filter(|rule| KEYS.contains(&rule.key));
        let mut texts: Vec<_> = rules.map(|rule| (rule.key, rule.text.to_string())).collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    };
    let (ours, theirs) = (texts(a), texts(b));
    let one = |(key, text): &(&'static str, String), here: bool| {
        let said = |has: bool| if has { "said" } else { "not said" }.to_owned();
        Difference {
            side: Side::Changes,
            kind: "requests",
            what: format!("{key} {text}"),
            access: String::new(),
            from: said(here),
            to: said(!here),
            witness: text.clone(),
            by: Default::default(),
        }
    };
    all.judged += ours.len() + theirs.len();
    all.found.extend(ours.iter().filter(|text| !theirs.contains(text)).map(|text| one(text, true)));
    all.found.extend(theirs.iter().filter(|text| !ours.contains(text)).map(|text| one(text, false)));
}

/// The entries that a policy's own rules write.
fn written(policy: &Policy) -> Vec<Entry> {
    let rules =
        policy.rules().iter().filter(|rule| matches!(rule.key, "network.allow" | "network.deny" | "network.ask"));
    let read = |rule: &crate::policy::Rule| {
        let purpose = if rule.key == "network.allow" { Purpose::Allow } else { Purpose::Deny };
        parse(&rule.text, purpose, RuleId::DEFAULT).unwrap_or_default()
    };
    rules.flat_map(read).collect()
}

fn sample(entry: &Entry) -> Option<Host> {
    match &entry.what {
        What::Name(pattern) => pattern.sample(),
        What::Range(_) | What::Everything => None,
    }
}
