//! Programs, sockets, variables, limits and settings: by what the entries of both policies say.

use std::collections::BTreeMap;

use super::{Difference, Differences, Side, side, word};
use crate::policy::pattern::Pattern;
use crate::policy::regions::samples;
use crate::policy::sockets::{self, Abstract, Place};
use crate::policy::{Policy, Request, UnixAddr};

/// The texts of both policies under the keys that `wanted` takes, each once.
fn texts<'p>(a: &'p Policy, b: &'p Policy, wanted: impl Fn(&str) -> bool) -> Vec<&'p str> {
    let rules = a.rules().iter().chain(b.rules());
    let mut texts: Vec<&str> = rules.filter(|rule| wanted(rule.key)).map(|rule| &*rule.text).collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

fn judge(
    a: &Policy,
    b: &Policy,
    request: &Request<'_>,
    told: (&'static str, &str, &str, String),
    all: &mut Differences,
) {
    all.judged += 1;
    let (from, to) = (a.decide(request), b.decide(request));
    if from.verdict == to.verdict {
        return;
    }
    let (kind, what, access, witness) = told;
    all.found.push(Difference {
        side: side(from.verdict, to.verdict),
        kind,
        what: what.to_owned(),
        access: access.to_owned(),
        from: word(from.verdict).to_owned(),
        to: word(to.verdict).to_owned(),
        witness,
        by: [a.rule(from.rule).name.to_string(), b.rule(to.rule).name.to_string()],
    });
}

/// One command line of each entry, by the name in `/usr/bin` where it is none of a path.
pub(super) fn programs(a: &Policy, b: &Policy, all: &mut Differences) {
    for text in texts(a, b, |key| key.starts_with("exec.")) {
        let mut words = text.split_whitespace().map(|word| word.trim_matches('"'));
        let first = words.next().unwrap_or_default();
        let by_path = first.contains('/') || first.starts_with(['~', '$']);
        let paths: Vec<Vec<u8>> = match by_path {
            true => {
                let patterns = Pattern::parse_all(first, a.vars()).unwrap_or_default();
                patterns.iter().filter_map(|pattern| samples(pattern).pop()).collect()
            }
            false => vec![format!("/usr/bin/{}", first.replace('*', "w")).into_bytes()],
        };
        let arguments: Vec<Vec<u8>> =
            words.filter(|word| *word != "**").map(|word| word.replace('*', "w").into_bytes()).collect();
        for path in paths {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
            let argv: Vec<Vec<u8>> = std::iter::once(name).chain(arguments.iter().cloned()).collect();
            let witness = String::from_utf8_lossy(&path).into_owned();
            judge(a, b, &Request::Exec { path: &path, argv: &argv }, ("programs", text, "run", witness), all);
        }
    }
}

pub(super) fn sockets(a: &Policy, b: &Policy, all: &mut Differences) {
    for text in texts(a, b, |key| key.starts_with("sockets.")) {
        for place in sockets::places(text, a.vars()).unwrap_or_default() {
            match place {
                Place::Path(pattern) => {
                    for path in samples(&pattern) {
                        let witness = String::from_utf8_lossy(&path).into_owned();
                        let request = Request::Unix { addr: UnixAddr::Path(&path) };
                        judge(a, b, &request, ("sockets", text, "connect", witness), all);
                    }
                }
                Place::Abstract(name) => {
                    let name = match name {
                        Abstract::Exact(name) => name.to_vec(),
                        Abstract::Glob(glob) => glob.parts().collect::<Vec<_>>().join(b"w".as_slice()),
                    };
                    let witness = format!("@{}", String::from_utf8_lossy(&name));
                    let request = Request::Unix { addr: UnixAddr::Abstract(&name) };
                    judge(a, b, &request, ("sockets", text, "connect", witness), all);
                }
            }
        }
    }
}

/// Every variable that either names, one for each pattern, and one that neither does.
pub(super) fn environment(a: &Policy, b: &Policy, all: &mut Differences) {
    let mut names = texts(a, b, |key| key.starts_with("environment."));
    names.push("SOME_VARIABLE");
    for text in names {
        let name = text.replace('*', "X");
        all.judged += 1;
        let (from, to) = (a.environment().keep(name.as_bytes()), b.environment().keep(name.as_bytes()));
        if from == to {
            continue;
        }
        let said = |kept| if kept { "passed" } else { "withheld" };
        all.found.push(Difference {
            side: if to { Side::Grows } else { Side::Shrinks },
            kind: "environment",
            what: text.to_owned(),
            access: "variable".to_owned(),
            from: said(from).to_owned(),
            to: said(to).to_owned(),
            witness: name,
            by: Default::default(),
        });
    }
}

/// What the last file that speaks of a key says: limits and settings.
pub(super) fn settings(a: &Policy, b: &Policy, all: &mut Differences) {
    let said = |policy: &Policy| -> BTreeMap<&'static str, (String, String)> {
        let keys = ["limits.", "record.", "require.", "agent."];
        let rules = policy.rules().iter().filter(|rule| keys.iter().any(|key| rule.key.starts_with(key)));
        let mut said: BTreeMap<&'static str, (String, String)> = BTreeMap::new();
        for rule in rules {
            let entry = said.entry(rule.key).or_default();
            let source = format!("{}\u{0}", rule.source);
            // A list stands in one file: what a more derived one says takes its place.
            if rule.key.starts_with("agent.") && entry.1 == source {
                entry.0 = format!("{} {}", entry.0, rule.text);
            } else {
                *entry = (rule.text.to_string(), source);
            }
        }
        said
    };
    let (ours, theirs) = (said(a), said(b));
    let mut keys: Vec<&'static str> = ours.keys().chain(theirs.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let text = |said: &BTreeMap<&'static str, (String, String)>| {
            said.get(key).map_or("none".to_owned(), |(text, _)| text.clone())
        };
        let (from, to) = (text(&ours), text(&theirs));
        if from == to {
            continue;
        }
        let limit = key.starts_with("limits.");
        all.found.push(Difference {
            side: if limit { of_limit(&from, &to) } else { Side::Changes },
            kind: if limit { "limits" } else { "settings" },
            what: key.to_owned(),
            access: String::new(),
            from,
            to,
            witness: String::new(),
            by: Default::default(),
        });
    }
}

/// A higher limit, or none, lets more happen.
fn of_limit(from: &str, to: &str) -> Side {
    let amount = |text: &str| text.parse::<u64>().ok();
    match (amount(from), amount(to)) {
        (Some(from), Some(to)) if to < from => Side::Shrinks,
        (None, Some(_)) => Side::Shrinks,
        _ => Side::Grows,
    }
}
