//! Everything that was denied, the same thing once.
//!
//! Invariant: bounded; every denial is counted, whether it is kept or not.

use super::phrase::{cut, home_short};
use crate::event::{Event, Judged, Kind, Mcp, McpWhat};
use crate::policy::{Access, Layer};
use crate::recording::mcp::called;
use crate::recording::network::{authority, place, qtype};
use crate::recording::visible;
use crate::recording::words::{Word, kind};
use std::collections::HashMap;

/// Different denials that are kept.
const KEPT: usize = 1_000;
/// Bytes of a path or command that are kept.
pub(super) const LONGEST: usize = 1 << 10;

#[derive(Debug, Default)]
pub struct Denials {
    kept: Vec<Denial>,
    same: HashMap<Same, usize>,
    total: u64,
}

/// What makes two denials the same to a reviewer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Same {
    what: What,
    rule: std::sync::Arc<str>,
    program: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct What {
    verb: &'static str,
    object: Vec<u8>,
}

/// A request that was denied, one time or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The first and the last time, in nanoseconds since the session's start.
    pub first: u64,
    pub last: u64,
    pub count: u64,
    /// As in `show --events --kind`.
    pub kind: &'static str,
    /// `read`, `connect`, `run`, `lookup`, …
    pub verb: &'static str,
    /// Path, address or command line.
    pub object: Vec<u8>,
    /// Name of the program that tried; empty when it is not known.
    pub program: Vec<u8>,
    pub pid: i32,
    pub rule: std::sync::Arc<str>,
    pub layer: Layer,
    pub errno: i32,
}

impl Denials {
    /// `event` was denied at `t`; `program` is what its process runs.
    pub(super) fn add(&mut self, t: u64, event: &Event, program: &[u8]) {
        let Some(Refused { verb, mut object, rule, layer, pid, errno }) = Refused::of(event) else { return };
        self.total += 1;
        object.truncate(LONGEST);
        let same = Same { what: What { verb, object }, rule, program: program.to_vec() };
        if let Some(denial) = self.same.get(&same).and_then(|at| self.kept.get_mut(*at)) {
            (denial.count, denial.last) = (denial.count + 1, t);
            return;
        }
        if self.kept.len() >= KEPT {
            return;
        }
        self.same.insert(same.clone(), self.kept.len());
        self.kept.push(Denial {
            first: t,
            last: t,
            count: 1,
            kind: kind(event),
            verb: same.what.verb,
            object: same.what.object,
            program: same.program,
            pid,
            rule: same.rule,
            layer,
            errno,
        });
    }

    /// How many requests were denied.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The first different ones, in the order of their first time.
    pub fn kept(&self) -> &[Denial] {
        &self.kept
    }

    /// [`Denials::kept`], those that a written rule refused before those that nothing allowed: somebody foresaw them.
    pub fn telling(&self) -> Vec<&Denial> {
        let mut kept: Vec<_> = self.kept.iter().collect();
        kept.sort_by_key(|denial| !denial.rule.starts_with('"'));
        kept
    }

    /// How many requests are not among those of [`Denials::kept`].
    pub fn beyond(&self) -> u64 {
        self.total - self.kept.iter().map(|denial| denial.count).sum::<u64>()
    }
}

/// A denial of any kind, in the words of a list.
struct Refused {
    verb: &'static str,
    object: Vec<u8>,
    rule: std::sync::Arc<str>,
    layer: Layer,
    pid: i32,
    errno: i32,
}

impl Refused {
    fn of(event: &Event) -> Option<Refused> {
        Some(match event {
            Event::Judged(judged) => {
                let Judged { kind, op, access, path, path2, argv, .. } = judged;
                let place = place(judged.host.as_deref(), judged.addr, judged.port);
                Refused {
                    verb: verb(*kind, op, *access),
                    object: object(*kind, place, path, path2, argv),
                    rule: judged.rule.clone(),
                    layer: judged.layer,
                    pid: judged.pid,
                    errno: judged.errno,
                }
            }
            Event::Dns(dns) => Refused {
                verb: "lookup",
                object: if matches!(dns.qtype, 1 | 28) {
                    dns.name.clone().into_bytes()
                } else {
                    format!("{} {}", dns.name, qtype(dns.qtype)).into_bytes()
                },
                rule: dns.rule.clone(),
                layer: dns.layer,
                pid: dns.pid,
                errno: 0,
            },
            Event::Http(http) => Refused {
                verb: "request",
                object: format!("{} {}{}", http.method, authority(&http.host, http.port), http.path).into_bytes(),
                rule: http.rule.clone(),
                layer: http.layer,
                pid: http.pid,
                errno: 0,
            },
            Event::Credential(credential) => Refused {
                verb: "credential",
                object: format!("{} to {}: {}", credential.name, credential.host, credential.what.word()).into_bytes(),
                rule: credential.name.clone(),
                layer: Layer::BuiltIn,
                pid: credential.pid,
                errno: 0,
            },
            Event::Mcp(mcp) => Refused {
                verb: "mcp",
                object: mcp_object(mcp),
                rule: mcp.rule().map_or_else(|| "relay".into(), |(rule, _)| rule.clone()),
                layer: mcp.rule().map_or(Layer::BuiltIn, |(_, layer)| layer),
                pid: mcp.pid,
                errno: 0,
            },
            _ => return None,
        })
    }
}

/// Server and tool, and the argument that decided: a reviewer's `what`.
fn mcp_object(mcp: &Mcp) -> Vec<u8> {
    let what = match &mcp.what {
        McpWhat::Call(call) => {
            let by = call.argument.as_ref().map_or_else(String::new, |argument| format!(" by '{argument}'"));
            format!(" {}{by}", called(call.side, &call.method, &call.name))
        }
        McpWhat::Dropped { why, .. } => format!(": {why}"),
        McpWhat::Pin(pin) => format!(": changed: {}", pin.changes.join("; ")),
        McpWhat::Start(_) | McpWhat::Result(_) | McpWhat::Stderr { .. } | McpWhat::End { .. } => String::new(),
    };
    format!("{}{what}", mcp.server).into_bytes()
}

impl Denial {
    /// `read ~/.ssh/id_rsa`, the object in at most `most` characters.
    pub fn what(&self, home: &[u8], most: usize) -> String {
        let object = match self.kind {
            "file" => home_short(&self.object, home),
            _ => visible(&self.object),
        };
        format!("{} {}", self.verb, cut(&object, most))
    }
}

/// One word for what was tried.
pub fn verb(kind: Kind, op: &'static str, access: Access) -> &'static str {
    match kind {
        Kind::Exec => "run",
        Kind::Net | Kind::Call | Kind::Mcp => op,
        Kind::File if op.starts_with("open") || op == "creat" => {
            if access.changes() {
                "write"
            } else if access.contains(Access::EXEC) {
                "run"
            } else {
                "read"
            }
        }
        Kind::File => op,
    }
}

/// `/proc/4711/environ` as `/proc/*/environ`: to ask for every process in turn, as ps(1) does, is one thing.
fn any_process(path: &[u8]) -> Vec<u8> {
    let numbered = path.strip_prefix(b"/proc/").map(|rest| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest.split_at(digits)
    });
    match numbered {
        Some((pid, inside)) if !pid.is_empty() && inside.starts_with(b"/") => [b"/proc/*", inside].concat(),
        _ => path.to_vec(),
    }
}

/// Path, place or command line in one piece.
pub fn object(kind: Kind, place: Option<String>, path: &[u8], path2: &[u8], argv: &[Vec<u8>]) -> Vec<u8> {
    if let Some(place) = place {
        return place.into_bytes();
    }
    let mut object = match kind {
        Kind::File => any_process(path),
        Kind::Exec | Kind::Net | Kind::Call | Kind::Mcp => path.to_vec(),
    };
    match kind {
        Kind::Exec | Kind::Mcp => {
            for argument in argv.iter().skip(usize::from(kind == Kind::Exec)) {
                if object.len() > LONGEST {
                    break;
                }
                object.push(b' ');
                object.extend_from_slice(argument);
            }
        }
        Kind::File if !path2.is_empty() => {
            object.extend_from_slice(" → ".as_bytes());
            object.extend_from_slice(path2);
        }
        Kind::File | Kind::Net | Kind::Call => {}
    }
    object
}
