//! Rules of `[mcp]` that can never decide: of servers that nobody declares, or behind others that say the same of more.
//!
//! Invariant: what is called dead is so whatever is called.

use super::Look;
use crate::policy::Verdict;
use crate::policy::mcp::{McpRule, Names, Statement, When};

pub(super) fn check(look: &mut Look<'_>) {
    undeclared(look);
    shadowed(look);
    unspoken(look);
    governed(look);
}

/// Beside statements of Cedar, what allows grants nothing; and a permit for some principals permits nothing.
fn governed(look: &mut Look<'_>) {
    let rules = look.policy.mcp_rules();
    if rules.iter().all(|rule| rule.cedar.is_none()) {
        return;
    }
    let plain =
        |rule: &&McpRule| rule.cedar.is_none() && rule.effect == Verdict::Allow && rule.names.methods.is_empty();
    let idle: Vec<u32> = rules.iter().filter(plain).map(|rule| rule.rule.0).collect();
    let is_inert = |rule: &&McpRule| rule.cedar.as_deref().is_some_and(Statement::is_inert);
    let inert: Vec<u32> = rules.iter().filter(is_inert).map(|rule| rule.rule.0).collect();
    for rule in idle.into_iter().filter(|rule| look.own(*rule)).collect::<Vec<_>>() {
        let says = "grants nothing: where there are Cedar policies, they alone permit".to_owned();
        look.warn(rule, "dead", says, Some("a 'permit' in the Cedar policy; [[mcp.rules]] that deny or ask narrow it"));
    }
    for rule in inert.into_iter().filter(|rule| look.own(*rule)).collect::<Vec<_>>() {
        let says = "permits nothing: it is for some principals, and here is none to tell".to_owned();
        look.warn(rule, "dead", says, Some("conditions on the resource and the context"));
    }
}

/// Rules of servers that no file declares.
fn undeclared(look: &mut Look<'_>) {
    let dead: Vec<u32> = look
        .policy
        .mcp_rules()
        .iter()
        .filter(|rule| rule.cedar.is_none())
        .filter(|rule| {
            let names = look.policy.servers().iter().map(|server| server.name.as_str());
            !names.into_iter().any(|name| rule.servers.iter().any(|glob| glob.matches(name)))
        })
        .map(|rule| rule.rule.0)
        .collect();
    for rule in dead.into_iter().filter(|rule| look.own(*rule)).collect::<Vec<_>>() {
        let says = "is about no server that is declared: it never decides".to_owned();
        look.warn(rule, "dead", says, Some("[mcp.servers.NAME] declares one; 'govsh mcp list' shows them"));
    }
}

/// Rules behind one that decides everything they speak of.
fn shadowed(look: &mut Look<'_>) {
    let rules = look.policy.mcp_rules();
    let mut found = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        if rule.cedar.is_some() {
            continue;
        }
        let over = rules.iter().enumerate().find(|(other_at, other)| {
            let stronger = strength(other.effect) > strength(rule.effect)
                || strength(other.effect) == strength(rule.effect) && *other_at < at;
            *other_at != at && stronger && is_unconditional(other) && covers(other, rule)
        });
        if let Some((_, over)) = over {
            found.push((rule.rule.0, over.rule.0));
        }
    }
    for (rule, over) in found {
        if look.own(rule) {
            let says = format!("never decides: {} decides all that it speaks of", look.named(over));
            look.warn(rule, "shadowed", says, None);
        }
    }
}

/// Servers of which nothing may be called.
fn unspoken(look: &mut Look<'_>) {
    let policy = look.policy;
    let lets = |name: &str| {
        policy
            .mcp_rules()
            .iter()
            .any(|rule| rule.effect != Verdict::Deny && rule.servers.iter().any(|glob| glob.matches(name)))
    };
    let silent: Vec<u32> =
        policy.servers().iter().filter(|server| !lets(&server.name)).map(|server| server.rule.0).collect();
    for rule in silent.into_iter().filter(|rule| look.own(*rule)).collect::<Vec<_>>() {
        let says = "is a server of which no rule allows anything: its tools are not even listed".to_owned();
        look.warn(rule, "dead", says, Some("[[mcp.rules]] with effect = \"allow\" or \"ask\""));
    }
}

fn strength(effect: Verdict) -> u8 {
    match effect {
        Verdict::Deny => 2,
        Verdict::Ask => 1,
        Verdict::Allow => 0,
    }
}

/// Statements of Cedar aside: what they speak of is not seen from patterns.
fn is_unconditional(rule: &McpRule) -> bool {
    rule.cedar.is_none()
        && rule.arguments.is_empty()
        && !rule.forbids_others
        && rule.rate.is_none()
        && rule.when == When::default()
}

/// Whether `over` speaks of everything that `rule` speaks of, as far as can be seen from their patterns: the same words, or `*`.
fn covers(over: &McpRule, rule: &McpRule) -> bool {
    let within = |over: &[_], own: &[_]| own.iter().all(|glob| over.contains(glob));
    let any = crate::policy::mcp::Segments::parse("*");
    let servers = over.servers.contains(&any) || within(&over.servers, &rule.servers);
    let (all, own) = (&over.names, &rule.names);
    let silent = |names: &Names| {
        [&names.tools, &names.resources, &names.prompts, &names.methods].iter().all(|names| names.is_empty())
    };
    let names = if silent(all) {
        own.methods.is_empty()
    } else {
        !silent(own)
            && (all.tools.contains(&any) || within(&all.tools, &own.tools))
            && within(&all.resources, &own.resources)
            && within(&all.prompts, &own.prompts)
            && within(&all.methods, &own.methods)
    };
    servers && names
}
