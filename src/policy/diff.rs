//! What one policy lets happen that another does not, in terms of access.
//!
//! Invariant: every difference that is told was decided: both policies judged the very request that stands beside it.
//! Leaves to others: loading both for the same place (`cmd`), printing.
//!
//! Requests to judge, the witnesses, come from the rules of both:
//!
//! - Files. A verdict can differ only where a rule lies that one of the two has and the other has not (or has with
//!   other exceptions, or of another kind). Of each such rule: the shortest path it matches, with `**` as nothing and
//!   as one directory, and for trees two levels beneath; a path of each of its exceptions; and for every other rule of
//!   either policy one path that both match, if there is one. Names that a wildcard stands for are made up. Each is
//!   judged for every right. Where three rules must meet to make a difference, it may go unseen.
//! - Addresses. A verdict is the same between the ends of ranges, so that all first addresses and all behind last ones,
//!   with all first ports and all behind last ones, are all there are (up to a bound: [`MOST`]).
//! - Hosts. Of each pattern one name, with the ports at which a list changes; rules on requests by their text.
//! - Programs. Of each entry of `[exec]` of either policy, one command line that it means.
//! - Variables, sockets, limits and settings: by name.

mod access;
mod hosts;
mod words;

use serde::Serialize;

use super::{Policy, Verdict};

/// Requests of one kind that are judged at most; what is left out is said.
pub const MOST: usize = 400_000;

/// More or less can be done with the second policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Grows,
    Shrinks,
    /// Neither more nor less: a setting.
    Changes,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub side: Side,
    /// `files`, `programs`, `network`, `requests`, `sockets`, `environment`, `limits` or `settings`.
    pub kind: &'static str,
    /// What it is about: a pattern, an address, a variable, a key.
    pub what: String,
    /// For files the rights, for others a word.
    pub access: String,
    /// What the first policy says.
    pub from: String,
    /// What the second one says.
    pub to: String,
    /// The request that was judged, where it is not `what` itself.
    pub witness: String,
    /// The rules that decided, in the first and in the second.
    pub by: [String; 2],
}

/// All that was found, and what was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Differences {
    pub found: Vec<Difference>,
    /// Requests that both policies judged.
    pub judged: usize,
    /// Some were left out, there being more than [`MOST`].
    pub cut: bool,
}

/// What grows and shrinks from `a` to `b`, both loaded for the same place.
pub fn compare(a: &Policy, b: &Policy) -> Differences {
    let mut all = Differences::default();
    access::files(a, b, &mut all);
    words::programs(a, b, &mut all);
    access::network(a, b, &mut all);
    hosts::hosts(a, b, &mut all);
    hosts::requests(a, b, &mut all);
    words::sockets(a, b, &mut all);
    words::environment(a, b, &mut all);
    words::settings(a, b, &mut all);
    all.found
        .sort_by(|a, b| (a.side, place(a.kind), &a.what, &a.access).cmp(&(b.side, place(b.kind), &b.what, &b.access)));
    all.found.dedup_by(|a, b| {
        (a.side, a.kind, &a.what, &a.access, &a.from, &a.to) == (b.side, b.kind, &b.what, &b.access, &b.from, &b.to)
    });
    all
}

fn place(kind: &str) -> usize {
    ["files", "programs", "network", "requests", "sockets", "environment", "limits"]
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(9)
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
        Verdict::Ask => "ask",
    }
}

/// Deny, ask, allow: in this order more is let happen.
fn side(from: Verdict, to: Verdict) -> Side {
    let freedom = |verdict| match verdict {
        Verdict::Deny => 0,
        Verdict::Ask => 1,
        Verdict::Allow => 2,
    };
    if freedom(to) > freedom(from) { Side::Grows } else { Side::Shrinks }
}

#[cfg(test)]
mod tests;
