//! An event in a few words, for a column.
//!
//! Invariant: control characters are visible, and it is never longer than [`MOST`] characters.
//! Leaves to others: every detail (`show`, the panels).

use crate::event::{Event, Judged, Kind};
use crate::policy::Verdict;
use crate::recording::summary::{cut, object, verb};
use crate::recording::visible;

/// Characters.
pub const MOST: usize = 120;

/// None for what says nothing by itself, like output.
pub fn of(event: &Event) -> Option<String> {
    let text = match event {
        Event::Judged(judged) => self::judged(judged)?,
        Event::Ask(ask) => {
            let object = match ask.of {
                Kind::Exec if !ask.argv.is_empty() => ask.argv.join(&b' '),
                _ => object(ask.of, ask.addr, &ask.path, &ask.path2, &ask.argv),
            };
            format!("? {} {}", verb(ask.of, ask.op, ask.access), visible(&object))
        }
        Event::Answer(answer) if answer.verdict == Verdict::Allow => format!("question {} allowed", answer.ask),
        Event::Answer(answer) => format!("question {} denied", answer.ask),
        Event::Marker { label, .. } => format!("marker {}", visible(label.as_bytes())),
        Event::Alert { what, .. } => format!("alert {}", visible(what.as_bytes())),
        Event::Limit { what } => format!("limit {}", visible(what.as_bytes())),
        Event::Exit { status, .. } => format!("ended, status {status}"),
        _ => return None,
    };
    Some(cut(&text, MOST))
}

/// `exec cargo test`, `write notes.txt`, `denied read ~/.ssh/id_rsa`; reads that were allowed say nothing.
fn judged(judged: &Judged) -> Option<String> {
    let Judged { kind, op, access, path, path2, addr, argv, verdict, .. } = judged;
    let verb = verb(*kind, op, *access);
    let denied = *verdict == Verdict::Deny;
    if !denied && (verb == "read" || judged.errno != 0) {
        return None;
    }
    let object = match kind {
        Kind::Exec if !argv.is_empty() => argv.join(&b' '),
        _ => object(*kind, *addr, path, path2, argv),
    };
    let object = object.get(..4 * MOST).unwrap_or(&object);
    Some(format!("{}{verb} {}", if denied { "denied " } else { "" }, visible(object)))
}
