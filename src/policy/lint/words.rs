//! Rules of `[exec]` and `[network]` that never decide, and questions that are never put.

use super::Look;
use crate::policy::asks::ArgvPattern;
use crate::policy::network::{Entry, Purpose, parse};
use crate::policy::pattern::Pattern;
use crate::policy::{Access, RuleId, Verdict};

/// Entries of `exec.deny` twice, questions behind a deny, and questions about what may not be run anyway.
pub(super) fn programs(look: &mut Look<'_>) {
    let policy = look.policy;
    let of = |key: &str| -> Vec<(u32, String)> {
        let rules = policy.rules().iter().zip(0..).filter(|(rule, _)| rule.key == key);
        rules.map(|(rule, id)| (id, rule.text.to_string())).collect()
    };
    let (denies, asks) = (of("exec.deny"), of("exec.ask"));
    let own: Vec<_> = denies.iter().enumerate().filter(|(_, (rule, _))| look.own(*rule)).collect();
    for (at, (rule, text)) in own {
        if let Some((by, _)) = denies.iter().take(at).find(|(_, other)| other == text) {
            let says = format!("changes nothing: {} says the same", look.named(*by));
            look.warn(*rule, "dead", says, Some("remove it"));
        }
    }
    let runs = policy.grants().iter().any(|grant| grant.access.contains(Access::EXEC));
    let own: Vec<_> = asks.iter().filter(|(rule, _)| look.own(*rule)).collect();
    for (rule, text) in own {
        let program = text.split_whitespace().next().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        let all_of = |entry: &str| ArgvPattern::parse_rule(entry).is_ok() && !entry.contains([' ', '*', '/']);
        if let Some((by, _)) = denies.iter().find(|(_, entry)| all_of(entry) && entry == name) {
            let says = format!("never asks: {} refuses the program", look.named(*by));
            look.warn(*rule, "shadowed", says, None);
        } else if !runs || unrunnable(look, program) {
            let hint = "what is asked about must stand in files.exec: the kernel is told before anything is asked";
            look.warn(*rule, "unasked", "never asks: no rule lets this program run".to_owned(), Some(hint));
        }
    }
}

/// The program is given by its whole path, which nothing lets run.
fn unrunnable(look: &Look<'_>, program: &str) -> bool {
    let pattern = Pattern::parse(program, look.policy.vars()).ok().filter(Pattern::is_literal);
    pattern.is_some_and(|pattern| {
        let path = pattern.literal_prefix().0;
        look.policy.decide_file(&path, Access::EXEC).verdict == Verdict::Deny
    })
}

/// Places that an earlier entry of the same list holds, grants that are asked about as a whole, and those behind a denial.
pub(super) fn network(look: &mut Look<'_>) {
    let policy = look.policy;
    let all = |key: &'static str, purpose: Purpose| -> Vec<(u32, Vec<Entry>)> {
        let rules = policy.rules().iter().zip(0..).filter(|(rule, _)| rule.key == key);
        rules.filter_map(|(rule, id)| Some((id, parse(&rule.text, purpose, RuleId(id)).ok()?))).collect()
    };
    let allowed = all("network.allow", Purpose::Allow);
    let (mut asked, denied) = (all("network.ask", Purpose::Deny), all("network.deny", Purpose::Deny));
    // '**' comes after whatever allows.
    asked.retain(|(_, entries)| !entries.iter().any(Entry::is_every_name));
    for list in [&allowed, &asked, &denied] {
        let own: Vec<_> = list.iter().enumerate().filter(|(_, (rule, _))| look.own(*rule)).collect();
        for (at, (rule, inner)) in own {
            let others = list.iter().enumerate().filter(|(other, _)| *other != at);
            let covering = |other: usize, outer: &[Entry]| hold(outer, inner) && (other < at || !hold(inner, outer));
            if let Some((_, (by, _))) = others.into_iter().find(|(other, (_, outer))| covering(*other, outer)) {
                let says = format!("changes nothing: {} holds every place of it", look.named(*by));
                look.warn(*rule, "dead", says, Some("remove it"));
            }
        }
    }
    for (weaker, stronger, says) in
        [(&allowed, &asked, "asks first"), (&allowed, &denied, "refuses it"), (&asked, &denied, "refuses it")]
    {
        let own: Vec<_> = weaker.iter().filter(|(rule, _)| look.own(*rule)).collect();
        for (rule, inner) in own {
            if let Some((by, _)) = stronger.iter().find(|(_, outer)| hold(outer, inner)) {
                let says = format!("never decides: {} {says}", look.named(*by));
                look.warn(*rule, "shadowed", says, None);
            }
        }
    }
}

/// Whether every place of `inner` is one of `outer`.
fn hold(outer: &[Entry], inner: &[Entry]) -> bool {
    !inner.is_empty() && inner.iter().all(|inner| outer.iter().any(|outer| outer.holds(inner)))
}
