//! What might alter a verdict, the narrowest first; whether it does is found out by trying.

use super::State;
use super::edit::quoted;
use crate::policy::asks::Wanted;
use crate::policy::pattern::Pattern;
use crate::policy::sockets;
use crate::policy::{Access, Decision, Layer, NetOp, Policy, Request, UnixAddr, Vars, Verdict};

/// Where a change goes.
pub(super) enum Place {
    /// The policy in use, or one of the user's that builds on it.
    Own { table: &'static str, key: &'static str },
    /// The file of the rule, an exception.
    Except,
    /// The file of the rule, without it.
    Without,
    /// The answers, a whole entry.
    Answer,
}

pub(super) struct Try {
    pub place: Place,
    /// In TOML.
    pub entry: String,
}

/// What might bring the verdict nearer, the narrowest first.
pub(super) fn tries(policy: &Policy, vars: &Vars, request: &Request<'_>, at: &State, wanted: Verdict) -> Vec<Try> {
    let own = |table, key, entry: &str| Try { place: Place::Own { table, key }, entry: entry.to_owned() };
    let decision = at.decision;
    if wanted == Verdict::Allow && decision.verdict == Verdict::Ask {
        return answer(policy, request, decision).into_iter().collect();
    }
    let rule = policy.rule(decision.rule);
    match *request {
        Request::Unix { addr } => socket(vars, addr, wanted),
        // Listening elsewhere than on loopback is part of an open network: no one entry of a list says so.
        Request::Net(reach) if reach.op == NetOp::Bind => Vec::new(),
        Request::Net(reach) => {
            let entry = match (reach.host, reach.addr) {
                (None, Some(addr)) => quoted(&addr.to_string()),
                (Some(host), _) => quoted(&format!("{host}:{}", reach.port)),
                (None, None) => return Vec::new(),
            };
            let key = if wanted == Verdict::Allow { "allow" } else { "deny" };
            vec![own("network", key, &entry), Try { place: Place::Without, entry }]
        }
        Request::File { path, .. } | Request::Exec { path, .. } => {
            let Some(entry) = Pattern::literal(path, false).text().map(|text| quoted(&text)) else { return Vec::new() };
            let exec = matches!(request, Request::Exec { .. });
            match (wanted, rule.key, rule.layer) {
                (Verdict::Deny, ..) if exec => vec![own("exec", "deny", &entry)],
                (Verdict::Deny, ..) => restricting(request).into_iter().map(|key| own("files", key, &entry)).collect(),
                (_, "exec.deny", _) => vec![Try { place: Place::Without, entry }],
                (_, "files.readonly", Layer::BuiltIn) => vec![own("files", "write", &entry)],
                (_, "files.deny" | "files.readonly", _) => vec![Try { place: Place::Except, entry }],
                _ => granting(at.missing, &entry).into_iter().map(|(key, entry)| own("files", key, &entry)).collect(),
            }
        }
    }
}

/// A well-known service by its name, which goes on meaning it where its socket moves; else this very socket.
fn socket(vars: &Vars, addr: UnixAddr<'_>, wanted: Verdict) -> Vec<Try> {
    let text = match addr {
        UnixAddr::Path(path) => Pattern::literal(path, false).text(),
        UnixAddr::Abstract(name) => std::str::from_utf8(name).ok().map(|name| format!("@{name}")),
    };
    let Some(text) = text else { return Vec::new() };
    let key = if wanted == Verdict::Allow { "allow" } else { "deny" };
    let own = |entry: &str| Try { place: Place::Own { table: "sockets", key }, entry: quoted(entry) };
    let named = sockets::name_of(addr, vars).map(own);
    let mut all: Vec<Try> = named.into_iter().chain([own(&text)]).collect();
    all.push(Try { place: Place::Without, entry: quoted(&text) });
    all
}

/// Lists that take an allowed access away, the narrower first.
fn restricting(request: &Request<'_>) -> Vec<&'static str> {
    match request {
        Request::File { access, .. } if !access.intersects(Access::READ | Access::EXEC) => vec!["readonly", "deny"],
        _ => vec!["deny"],
    }
}

/// Lists and entries that give what is missing, the narrower first.
fn granting(missing: Access, entry: &str) -> Vec<(&'static str, String)> {
    let words: Vec<String> = missing.words().split(' ').map(quoted).collect();
    let exact = format!("{{ path = {entry}, access = [{}] }}", words.join(", "));
    let mut lists = Vec::new();
    if missing.contains(Access::EXEC) {
        lists.push(("exec", entry.to_owned()));
    }
    if missing == Access::READ {
        lists.push(("read", entry.to_owned()));
    }
    if missing.changes() {
        lists.push(("allow", exact));
        lists.push(("write", entry.to_owned()));
    }
    lists
}

/// The narrowest answer to the question, as a file keeps it.
fn answer(policy: &Policy, request: &Request<'_>, decision: Decision) -> Option<Try> {
    let wanted = match *request {
        Request::File { path, access } => Wanted::File { path, access: policy.asked_rights(path, access) },
        Request::Exec { path, argv } => Wanted::Exec { path, argv },
        Request::Net(reach) => Wanted::Net(reach),
        Request::Unix { .. } => return None,
    };
    let (key, text) = policy.choices(decision.rule, &wanted).into_iter().next()?;
    let program = match wanted {
        Wanted::Exec { path, .. } => format!("program = {}\n", quoted(std::str::from_utf8(path).ok()?)),
        _ => String::new(),
    };
    let entry =
        format!("[[answers]]\nask = {}\nmatch = {}\n{program}verdict = \"allow\"\n", quoted(key), quoted(&text));
    Some(Try { place: Place::Answer, entry })
}
