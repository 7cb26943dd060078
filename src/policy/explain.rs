//! Why a request gets its verdict: every rule that matched, and why those that did not decide did not.
//!
//! Invariant: the verdict is that of [`Policy::decide`]; the list is for people and decides nothing.
//! Leaves to others: what would have to be written to change it (`change`), printing (`cmd`).

use super::asks::{ArgvPattern, Wanted};
use super::compiled::Policy;
use super::document::FileKey;
use super::load::PathRule;
use super::network::{Purpose, parse};
use super::pattern::Pattern;
use super::{Access, Decision, Reach, Request, RuleId, UnixAddr, Vars, Verdict};

/// A decision and all that had a say in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub decision: Decision,
    /// The other rules that match, strongest first.
    pub others: Vec<Other>,
}

/// A rule that matched and did not decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub rule: RuleId,
    /// Why not, as half a sentence.
    pub why: String,
}

/// What kind of rule it is, the stronger before the weaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Deny,
    Readonly,
    Answer,
    Ask,
    Grant,
}

#[derive(Debug, Clone, Copy)]
struct Matched {
    rule: u32,
    class: Class,
    /// Which rights it is about.
    access: Access,
    /// An exception of it covers the path, or another rule lifts it.
    out: Option<&'static str>,
}

impl Policy {
    /// The decision, the rule that gave it, and what became of the others that match.
    pub fn explain(&self, request: &Request<'_>) -> Explanation {
        let decision = self.decide(request);
        let (mut matched, wanted) = match *request {
            Request::File { path, access } => (self.matching_paths(path, access), access),
            Request::Exec { path, argv } => {
                let mut matched = self.matching_paths(path, Access::EXEC);
                matched.extend(self.matching_programs(path, argv));
                (matched, Access::EXEC)
            }
            Request::Net(ref reach) => (self.matching_places(reach), Access::all()),
            Request::Unix { addr } => (self.matching_sockets(addr), Access::all()),
        };
        matched.sort_by_key(|matched| (matched.class, matched.rule));
        matched.dedup_by_key(|matched| matched.rule);
        let decided = matched.iter().find(|matched| matched.rule == decision.rule.0).map(|matched| matched.class);
        let others = matched
            .iter()
            .filter(|matched| matched.rule != decision.rule.0)
            .map(|matched| Other { rule: RuleId(matched.rule), why: why(matched, decision, decided, wanted) })
            .collect();
        Explanation { decision, others }
    }

    fn matching_paths(&self, path: &[u8], access: Access) -> Vec<Matched> {
        let files = &self.files;
        let placed = files.placed.iter().filter(|placed| placed.pattern.matches(path)).map(|placed| {
            let (class, access) = meaning(placed);
            let excepted = placed.except.iter().any(|except| except.covers(path));
            let out = excepted.then_some("an exception of it leaves this path out");
            Matched { rule: placed.rule, class, access, out }
        });
        let named: Vec<u32> = files
            .lifts
            .iter()
            .filter(|lift| lift.pattern.matches(path))
            .flat_map(|lift| lift.held.iter().copied())
            .collect();
        let held = files.held.iter().filter(|(_, pattern)| pattern.matches(path)).map(|(rule, _)| {
            let out = named.contains(rule).then_some("a rule that names this very path lifts it");
            Matched { rule: *rule, class: Class::Readonly, access: Access::CHANGES, out }
        });
        let asked = self.asks.files.iter().filter(|asked| asked.pattern.matches(path)).map(|asked| Matched {
            rule: asked.rule,
            class: Class::Ask,
            access: asked.access,
            out: None,
        });
        let answers = self.matching_answers(&Wanted::File { path, access });
        placed.chain(held).chain(asked).chain(answers).collect()
    }

    fn matching_answers(&self, wanted: &Wanted<'_>) -> Vec<Matched> {
        let answers = self.asks.answers.iter().filter(|answer| answer.kept.covers(wanted));
        let matched =
            |rule| Matched { rule, class: Class::Answer, access: Access::all(), out: Some("nothing asks about this") };
        answers.map(|answer| matched(answer.rule)).collect()
    }

    /// The rules of `[exec]`, by their text.
    fn matching_programs(&self, path: &[u8], argv: &[Vec<u8>]) -> Vec<Matched> {
        let mut matched = self.matching_answers(&Wanted::Exec { path, argv });
        for (index, rule) in self.rules().iter().enumerate() {
            let class = match rule.key {
                "exec.deny" => Class::Deny,
                "exec.ask" => Class::Ask,
                "exec.allow" => Class::Grant,
                _ => continue,
            };
            if names_program(&rule.text, path, argv, self.vars()) {
                let rule = u32::try_from(index).unwrap_or(0);
                matched.push(Matched { rule, class, access: Access::EXEC, out: None });
            }
        }
        matched
    }

    fn matching_places(&self, reach: &Reach<'_>) -> Vec<Matched> {
        let mut matched = self.matching_answers(&Wanted::Net(*reach));
        let never = self.never_reached(reach).map(|decision| decision.rule.0);
        for (index, rule) in self.rules().iter().enumerate() {
            let id = u32::try_from(index).unwrap_or(0);
            let class = match (rule.key, &*rule.text) {
                ("network.allow", "none") | ("network.deny", _) => Class::Deny,
                ("network.allow", _) => Class::Grant,
                ("network.ask", _) => Class::Ask,
                ("network", _) if never == Some(id) => Class::Readonly,
                _ => continue,
            };
            let all = matches!(&*rule.text, "all" | "none") || never == Some(id);
            let purpose = if rule.key == "network.allow" { Purpose::Allow } else { Purpose::Deny };
            let parsed = || parse(&rule.text, purpose, RuleId(id)).unwrap_or_default();
            if all || parsed().iter().any(|entry| entry.means(reach)) {
                let replaced = rule.key == "network.allow" && self.replaced(id);
                let out = replaced.then_some("a file that builds on it says otherwise of the whole network");
                matched.push(Matched { rule: id, class, access: Access::all(), out });
            }
        }
        matched
    }

    /// Whether a word or a list of a more derived file took the place of this rule of `network.allow`.
    fn replaced(&self, rule: u32) -> bool {
        match &self.network {
            super::Network::List(places) => !places.entries().iter().any(|known| known.rule.0 == rule),
            _ => rule != self.fixed.network,
        }
    }

    fn matching_sockets(&self, addr: UnixAddr<'_>) -> Vec<Matched> {
        match addr {
            UnixAddr::Path(path) => {
                let mut matched = self.matching_paths(path, Access::CHANGES);
                matched.retain(|matched| matched.class == Class::Deny);
                let named = self.sockets.paths.hits(path).rule(super::trie::Slot::Read);
                matched.extend(named.map(socket));
                matched
            }
            UnixAddr::Abstract(name) => {
                let found = self.sockets.abstracts.iter().filter(|(pattern, _)| pattern.matches(name));
                found.map(|(_, rule)| socket(*rule)).collect()
            }
        }
    }
}

fn socket(rule: u32) -> Matched {
    Matched { rule, class: Class::Grant, access: Access::all(), out: None }
}

/// What a rule of `[files]` is about.
fn meaning(placed: &PathRule) -> (Class, Access) {
    let class = match placed.key {
        FileKey::Deny => Class::Deny,
        FileKey::Readonly => Class::Readonly,
        _ => Class::Grant,
    };
    (class, placed.access)
}

/// Whether an entry of `[exec]` means this program: by path, by name, or by its arguments.
pub(super) fn names_program(text: &str, path: &[u8], argv: &[Vec<u8>], vars: &Vars) -> bool {
    let by_path = text.contains('/') || text.starts_with(['~', '$']);
    if by_path && !text.contains([' ', '\t']) {
        let patterns = Pattern::parse_all(text, vars).unwrap_or_default();
        return patterns.iter().any(|pattern| pattern.covers(path));
    }
    ArgvPattern::parse_rule(text).is_ok_and(|pattern| pattern.matches(path, argv))
}

/// Why a rule that matches did not decide.
fn why(matched: &Matched, decision: Decision, decided: Option<Class>, wanted: Access) -> String {
    if let Some(out) = matched.out.filter(|_| matched.class != Class::Answer || decided != Some(Class::Ask)) {
        return out.to_owned();
    }
    let missing = wanted - matched.access;
    if !wanted.intersects(matched.access) {
        return match matched.class {
            Class::Grant => format!("it gives {}, and this is {}", matched.access.words(), wanted.words()),
            _ => format!("it is about {}, and this is {}", matched.access.words(), wanted.words()),
        };
    }
    match (decided, decision.verdict) {
        (Some(class), _) if class == matched.class && decision.rule.0 < matched.rule => {
            "a rule that comes first says the same".to_owned()
        }
        (Some(Class::Deny), _) if matched.class > Class::Deny => "a deny comes before it".to_owned(),
        (Some(Class::Readonly), _) if matched.class > Class::Readonly => {
            "what may not be changed comes before it".to_owned()
        }
        (Some(Class::Answer), _) if matched.class > Class::Answer => "a kept answer stands in for it".to_owned(),
        (Some(Class::Ask), _) if matched.class > Class::Ask => "a question comes before it".to_owned(),
        (None, Verdict::Deny) if matched.class == Class::Grant && !missing.is_empty() => {
            format!("it gives {}, and {} is wanted too", matched.access.words(), missing.words())
        }
        _ => "another right, or another rule for it, decided first".to_owned(),
    }
}
