//! An event in a few words, for a column.
//!
//! Invariant: control characters are visible, and it is never longer than [`MOST`] characters.
//! Leaves to others: every detail (`show`, the panels).

use crate::event::{Event, Judged, Kind, McpWhat};
use crate::policy::Verdict;
use crate::recording::summary::{cut, object, verb};
use crate::recording::{authority, is_denied, mcp_phrase, place, qtype, visible};

/// Characters.
pub const MOST: usize = 120;

/// None for what says nothing by itself, like output.
pub fn of(event: &Event) -> Option<String> {
    let text = match event {
        Event::Judged(judged) => self::judged(judged)?,
        Event::Ask(ask) => {
            let object = match ask.of {
                Kind::Exec | Kind::Mcp if !ask.argv.is_empty() => ask.argv.join(&b' '),
                _ => object(ask.of, place(ask.host.as_deref(), ask.addr, ask.port), &ask.path, &ask.path2, &ask.argv),
            };
            format!("? {} {}", verb(ask.of, ask.op, ask.access), visible(&object))
        }
        Event::Answer(answer) if answer.verdict == Verdict::Allow => format!("question {} allowed", answer.ask),
        Event::Answer(answer) => format!("question {} denied", answer.ask),
        Event::Marker { label, .. } => format!("marker {}", visible(label.as_bytes())),
        // What was allowed says nothing that its connection has not said.
        Event::Dns(dns) if dns.verdict == Verdict::Deny => {
            format!("denied lookup {} {}", qtype(dns.qtype), visible(dns.name.as_bytes()))
        }
        Event::Http(http) => {
            let denied = if http.verdict == Verdict::Deny { "denied " } else { "" };
            let (method, path) = (visible(http.method.as_bytes()), visible(http.path.as_bytes()));
            format!("{denied}{method} {}{path}", authority(&http.host, http.port))
        }
        Event::Credential(credential) if event.verdict() == Some(Verdict::Deny) => {
            let (name, host) = (visible(credential.name.as_bytes()), visible(credential.host.as_bytes()));
            format!("credential {name} kept from {host}")
        }
        Event::Mcp(mcp) if matches!(mcp.what, McpWhat::Call(_)) || is_denied(event) => {
            let denied = if is_denied(event) { "denied " } else { "" };
            format!("{denied}mcp {}", mcp_phrase(mcp))
        }
        Event::Alert { what, .. } => format!("alert {}", visible(what.as_bytes())),
        Event::Limit { what } => format!("limit {}", visible(what.as_bytes())),
        Event::Exit { status, .. } => format!("ended, status {status}"),
        _ => return None,
    };
    Some(cut(&text, MOST))
}

/// `exec cargo test`, `write notes.txt`, `denied read ~/.ssh/id_rsa`; reads that were allowed say nothing.
fn judged(judged: &Judged) -> Option<String> {
    let Judged { kind, op, access, path, path2, addr, host, port, argv, verdict, .. } = judged;
    let verb = verb(*kind, op, *access);
    let denied = *verdict == Verdict::Deny;
    if !denied && (verb == "read" || judged.errno != 0) {
        return None;
    }
    let object = match kind {
        Kind::Exec if !argv.is_empty() => argv.join(&b' '),
        _ => object(*kind, place(host.as_deref(), *addr, *port), path, path2, argv),
    };
    let object = object.get(..4 * MOST).unwrap_or(&object);
    Some(format!("{}{verb} {}", if denied { "denied " } else { "" }, visible(object)))
}
