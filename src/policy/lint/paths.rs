//! Rules of `[files]` that others cover, trees that hold everything, denies inside what may be read.
//!
//! Invariant: a rule is called dead or shadowed only where every path of it is one of the other's.

use std::collections::{BTreeMap, HashMap};

use super::Look;
use crate::policy::compiled::Policy;
use crate::policy::load::PathRule;
use crate::policy::pattern::Pattern;
use crate::policy::regions::within;
use crate::policy::{Access, RuleId};

/// What a rule does to the paths of its pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Grants,
    Denies,
    Asks,
}

struct Ruled<'p> {
    rule: u32,
    effect: Effect,
    access: Access,
    /// It also says that nothing is there.
    hide: bool,
    pattern: &'p Pattern,
    except: &'p [Pattern],
}

fn ruled(placed: &PathRule) -> Ruled<'_> {
    let effect = if placed.key.narrows() { Effect::Denies } else { Effect::Grants };
    let PathRule { rule, access, hide, ref pattern, ref except, .. } = *placed;
    Ruled { rule, effect, access, hide, pattern, except }
}

fn all(policy: &Policy) -> Vec<Ruled<'_>> {
    let asked = policy.asks.files.iter().map(|asked| Ruled {
        rule: asked.rule,
        effect: Effect::Asks,
        access: asked.access,
        hide: false,
        pattern: &asked.pattern,
        except: &[],
    });
    policy.files.placed.iter().map(ruled).chain(asked).collect()
}

/// Rules that never decide: another says the same of all their paths, or a stronger one the opposite.
pub(super) fn covered(look: &mut Look<'_>) {
    let policy = look.policy;
    let rules = all(policy);
    let mut by_root: HashMap<Vec<u8>, Vec<&Ruled<'_>>> = HashMap::new();
    for rule in &rules {
        by_root.entry(rule.pattern.literal_prefix().0).or_default().push(rule);
    }
    // Of each rule, by what each of its patterns is covered; a rule with one that is not covered is alive.
    let mut over: BTreeMap<u32, Option<(bool, u32)>> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| look.own(rule.rule)) {
        let found = roots(rule.pattern)
            .filter_map(|root| by_root.get(&root))
            .flatten()
            .find_map(|other| covers(policy, other, rule).map(|opposite| (opposite, other.rule)));
        over.entry(rule.rule).and_modify(|before| *before = before.and(found)).or_insert(found);
    }
    for (rule, found) in over {
        let Some((opposite, by)) = found else { continue };
        let by = look.named(by);
        if opposite {
            look.warn(rule, "shadowed", format!("never decides: {by} comes before it on every path of it"), None);
        } else {
            look.warn(
                rule,
                "dead",
                format!("changes nothing: {by} says as much of every path of it"),
                Some("remove it"),
            );
        }
    }
}

/// The pattern's literal directories, from the root down: whatever covers it begins at one of them.
fn roots(pattern: &Pattern) -> impl Iterator<Item = Vec<u8>> {
    let (prefix, _) = pattern.literal_prefix();
    let mut ends: Vec<usize> =
        prefix.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).collect();
    ends.push(prefix.len());
    let mut roots: Vec<Vec<u8>> = ends.into_iter().filter_map(|end| prefix.get(..end).map(<[u8]>::to_vec)).collect();
    if prefix.len() > 1 {
        roots.insert(0, b"/".to_vec());
    }
    roots.into_iter()
}

/// Whether `other` leaves nothing for `rule` to decide, and if so whether it says the opposite.
fn covers(policy: &Policy, other: &Ruled<'_>, rule: &Ruled<'_>) -> Option<bool> {
    if other.rule == rule.rule
        || rule.hide && !other.hide
        || !other.access.contains(decides(rule))
        || !within(rule.pattern, other.pattern)
    {
        return None;
    }
    let apart = |except: &Pattern| !except.meets(rule.pattern) || rule.except.iter().any(|own| within(except, own));
    if !other.except.iter().all(apart) {
        return None;
    }
    match (other.effect, rule.effect) {
        (Effect::Denies, Effect::Denies) | (Effect::Asks, Effect::Asks) => {
            // Of two that say the same, the later one is superfluous.
            let same = other.access == rule.access && within(other.pattern, rule.pattern);
            (!same || other.rule < rule.rule).then_some(false)
        }
        (Effect::Grants, Effect::Grants) => {
            let same = other.access == rule.access && within(other.pattern, rule.pattern);
            // The kernel takes no pattern for a rule, but this one.
            let for_kernel = rule.pattern.is_literal() && !other.pattern.is_literal();
            let lifts = policy.files.lifts.iter().any(|lift| lift.pattern == *rule.pattern);
            (!for_kernel && !lifts && (!same || other.rule < rule.rule)).then_some(false)
        }
        (Effect::Denies, Effect::Grants | Effect::Asks) => Some(true),
        _ => None,
    }
}

/// The rights that a rule is there for: a write that is taken away leaves it to grant reading.
fn decides(rule: &Ruled<'_>) -> Access {
    match (rule.effect, rule.access) {
        (Effect::Grants, access) if access.changes() => access & Access::CHANGES,
        (_, access) => access,
    }
}

/// Trees at the root, at a home directory, or above one.
pub(super) fn wide(look: &mut Look<'_>) {
    let mut found = Vec::new();
    let policy = look.policy;
    let home = policy.vars().home.clone();
    for rule in all(policy).iter().filter(|rule| rule.effect == Effect::Grants && look.own(rule.rule)) {
        let (root, _) = rule.pattern.literal_prefix();
        let whole = rule.pattern.tree && rule.pattern.is_literal();
        let what = match &*root {
            b"/" => "every file of the machine",
            b"/home" | b"/root" | b"/Users" => "every file of a user",
            root if root == home => "every file of the user's own",
            _ => continue,
        };
        if whole {
            let given = policy.rule(RuleId(rule.rule)).key.rsplit('.').next().unwrap_or_default();
            found.push((rule.rule, format!("lets the agent {given} {what}")));
        }
    }
    for (rule, says) in found {
        look.warn(rule, "wide", says, Some("name the directories that are needed; 'govsh learn' finds them"));
    }
}

/// The denies, and questions about reading, that may match inside something readable.
pub(super) fn carving(policy: &Policy) -> Vec<u32> {
    let rules = all(policy);
    let grants: Vec<&Ruled<'_>> = rules.iter().filter(|rule| rule.effect == Effect::Grants).collect();
    let takes = |rule: &&Ruled<'_>| rule.effect != Effect::Grants && rule.access.contains(Access::READ);
    let carves = |rule: &&Ruled<'_>| {
        grants.iter().any(|grant| {
            let root = grant.pattern.literal_prefix().0;
            let given_back = rule.except.iter().any(|except| except.tree && except.matches(&root));
            grant.pattern.meets(rule.pattern) && !given_back
        })
    };
    let mut found: Vec<u32> = rules.iter().filter(takes).filter(carves).map(|rule| rule.rule).collect();
    found.sort_unstable();
    found.dedup();
    found
}
