//! Events into the rows of a list: one for each that matters, one for a run of many alike.
//!
//! Invariant: what was denied, asked, answered or went wrong is never folded away, except with its own exact repetition; the
//! counts of all rows add up to the events that were given. Pure, in the order of the events.
//! Leaves to others: drawing (`events`), which events are wanted (the app's filter; `is_routine` says what few want).

use std::collections::HashMap;

use super::Tone;
use super::text::{MOST, bounded};
use super::words::{Bearings, Object, answered, ended, failure, program_of, runs, verb};
use crate::event::{Answer, Ask, Event, Judged, Kind, Proc, ProcOp, Stamped, TunnelOp};
use crate::policy::{Access, Verdict};
use crate::recording::kind;

mod mcp;
mod network;
mod place;

use self::place::{Place, common, place};

/// Rows above the last one that a file access may still join: programs at work read here and write there in turn.
const REACH: usize = 6;

/// The same for what belongs to the machine: a bound alone.
const FAR: usize = 200;

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Sequence number of its first and its last event.
    pub seq: [u64; 2],
    /// Time of its first and its last event, in nanoseconds since the session's start.
    pub t: [u64; 2],
    /// Word of the kind: `file`, `exec`, `net`, `ask`, …
    pub kind: &'static str,
    pub tone: Tone,
    /// Stands before the object: `r`, `w`, `unlink`; may be empty.
    pub verb: String,
    /// The object or the words.
    pub text: String,
    /// What of `text` goes when it must be cut.
    pub cut: Cut,
    /// What became of it; empty where nothing needs to be said.
    pub sign: &'static str,
    pub sign_tone: Tone,
    /// Events it stands for.
    pub count: u64,
    group: Option<Group>,
}

/// Where a text is cut when it is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// Between its beginning and its end.
    Middle,
    /// The same, its first word kept whole.
    Arguments,
    /// Words of people: behind.
    End,
}

/// What the accesses of one row have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    access: Access,
    place: Place,
}

/// Whether few people want to see it in a list: bytes of the terminal, the loading of an image that `exec` tells of already,
/// and the end of a process that went well.
pub fn is_routine(event: &Event) -> bool {
    match event {
        Event::Output { .. } | Event::Input { .. } | Event::Redacted { .. } | Event::Report(_) => true,
        // The connection's decision is told, and its end.
        Event::Tunnel(tunnel) => tunnel.op != TunnelOp::Close,
        Event::Proc(proc) => match proc.op {
            ProcOp::Exec => true,
            ProcOp::Exit => proc.signal.is_none() && proc.exit.unwrap_or(0) == 0,
        },
        _ => false,
    }
}

/// The rows of those of `events` that are wanted, folded. The others still tell what processes are called. Folding begins anew with each call: a list that is made frame by frame, one call for each, has
/// the same rows wherever it begins.
pub fn rows<'e>(
    events: impl IntoIterator<Item = &'e Stamped>,
    is_wanted: impl Fn(&Stamped) -> bool,
    bearings: &Bearings,
) -> Vec<EventRow> {
    let (mut rows, mut names) = (Vec::new(), HashMap::new());
    for stamped in events {
        if let Event::Proc(proc) = &stamped.event
            && proc.op == ProcOp::Exec
        {
            names.insert(proc.pid, program_of(proc));
        }
        if is_wanted(stamped) {
            push(&mut rows, stamped, bearings);
        }
        if let (Event::Proc(proc), Some(row)) = (&stamped.event, rows.last_mut())
            && proc.op == ProcOp::Exit
            && let Some(name) = names.get(&proc.pid).filter(|_| row.seq[0] == stamped.seq && proc.exe.is_empty())
        {
            row.text = format!("{name} {}", ended(proc));
        }
    }
    rows
}

/// Adds one event to `rows`, or to the count of one of the last of them.
pub fn push(rows: &mut Vec<EventRow>, stamped: &Stamped, bearings: &Bearings) {
    if let Event::Judged(judged) = &stamped.event
        && judged.kind == Kind::File
        && judged.verdict == Verdict::Allow
    {
        // What programs read of the machine as they start is told once, wherever that was. What is the user's joins over other
        // accesses to files alone: its order against everything else stays as it was.
        let machine = matches!(place(judged, bearings), Place::Machine(_));
        let reach = if machine { FAR } else { REACH };
        let near = rows.iter_mut().rev().take(reach);
        for row in near.take_while(|row| machine || (row.kind == "file" && row.sign.is_empty())) {
            if join(row, judged, bearings) {
                return again(row, stamped);
            }
        }
    }
    let fresh = row(stamped, bearings);
    if let Some(last) = rows.last_mut().filter(|last| is_repetition(last, &fresh)) {
        return again(last, stamped);
    }
    rows.push(fresh);
}

fn again(row: &mut EventRow, stamped: &Stamped) {
    (row.seq[1], row.t[1]) = (stamped.seq, stamped.t);
    row.count += 1;
}

fn is_repetition(last: &EventRow, fresh: &EventRow) -> bool {
    let place = |row: &EventRow| row.group.as_ref().map(|group| group.place.clone());
    let same = place(last) == Some(Place::Same) && place(fresh) == Some(Place::Same);
    same && (last.kind, &last.verb, &last.text, last.sign) == (fresh.kind, &fresh.verb, &fresh.text, fresh.sign)
}

/// One event as a row of its own.
pub fn row(stamped: &Stamped, bearings: &Bearings) -> EventRow {
    let mut row = EventRow {
        seq: [stamped.seq; 2],
        t: [stamped.t; 2],
        kind: kind(&stamped.event),
        tone: Tone::Plain,
        verb: String::new(),
        text: String::new(),
        cut: Cut::Middle,
        sign: "",
        sign_tone: Tone::Plain,
        count: 1,
        group: None,
    };
    let shown = |text: &str| bounded(text.as_bytes(), MOST);
    match &stamped.event {
        Event::Judged(judged) => fill(&mut row, judged, bearings),
        Event::Tunnel(_) | Event::Dns(_) | Event::Http(_) | Event::Credential(_) => {
            network::fill(&mut row, &stamped.event);
        }
        Event::Mcp(mcp) => self::mcp::fill(&mut row, mcp),
        Event::Ask(ask) => question(&mut row, ask, bearings),
        Event::Answer(answer) => reply(&mut row, answer),
        Event::Proc(proc) => process(&mut row, proc),
        Event::Alert { what, .. } => {
            (row.text, row.tone, row.sign, row.sign_tone) = (shown(what), Tone::Deny, "!", Tone::Deny)
        }
        Event::Limit { what } => {
            (row.text, row.tone, row.sign, row.sign_tone) = (shown(what), Tone::Deny, "!", Tone::Deny)
        }
        Event::Lost { events, why, .. } => {
            row.text = format!("{events} events could not be recorded: {}", shown(why));
            (row.tone, row.sign, row.sign_tone) = (Tone::Deny, "!", Tone::Deny);
        }
        Event::Marker { label, by } => {
            row.text = if by.is_empty() { shown(label) } else { format!("{} — {}", shown(label), shown(by)) };
            (row.tone, row.sign, row.sign_tone, row.cut) = (Tone::Accent, "◆", Tone::Accent, Cut::End);
        }
        Event::Start(start) => (row.text, row.cut) = (super::text::command(&start.argv, MOST), Cut::Arguments),
        Event::Policy(policy) => row.text = format!("{}: {}", shown(&policy.name), shown(&policy.sources.join(", "))),
        Event::Report(report) => {
            row.text = format!("landlock ABI {}, {} lines", report.landlock_abi, report.lines.len())
        }
        Event::Output { data, .. } | Event::Input { data } => row.text = bounded(data, 200),
        Event::Redacted { bytes } => row.text = format!("{bytes} bytes typed without echo"),
        Event::Resize { cols, rows } => row.text = format!("{cols}×{rows}"),
        Event::Exit { status, signal: None } => row.text = format!("the agent ended with {status}"),
        Event::Exit { signal: Some(signal), .. } => row.text = format!("the agent was killed by signal {signal}"),
    }
    row
}

fn fill(row: &mut EventRow, judged: &Judged, bearings: &Bearings) {
    row.tone = match judged.kind {
        Kind::File | Kind::Call | Kind::Mcp => Tone::File,
        Kind::Exec => Tone::Exec,
        Kind::Net => Tone::Net,
    };
    let verb = verb(judged.op, judged.kind, judged.access);
    row.verb = if matches!(verb, "run" | "connect") { String::new() } else { verb.to_owned() };
    row.text = Object::from(judged).shown(bearings, MOST);
    row.cut = if judged.kind == Kind::Exec { Cut::Arguments } else { Cut::Middle };
    (row.sign, row.sign_tone) = match (judged.verdict, judged.kind) {
        (Verdict::Deny, _) => ("✘", Tone::Deny),
        (Verdict::Ask, _) => ("?", Tone::Ask),
        // It was allowed, and did not come about.
        (Verdict::Allow, Kind::Net) if judged.errno != 0 && judged.errno != libc::EINPROGRESS => ("·", Tone::Dim),
        (Verdict::Allow, Kind::Net) => ("✔", Tone::Allow),
        (Verdict::Allow, _) => ("", Tone::Plain),
    };
    if judged.verdict != Verdict::Allow {
        row.tone = row.sign_tone;
    } else if let (Kind::Exec, Some(why)) = (judged.kind, failure(judged.errno)) {
        row.text = format!("{} ({why})", row.text);
    }
    let place = match (judged.kind, judged.verdict) {
        (Kind::File, Verdict::Allow) => Some(place(judged, bearings)),
        (Kind::Exec, Verdict::Allow) => None,
        _ => Some(Place::Same),
    };
    row.group = place.map(|place| Group { access: judged.access, place });
}

fn question(row: &mut EventRow, ask: &Ask, bearings: &Bearings) {
    let verb = verb(ask.op, ask.of, ask.access);
    row.verb = if verb == "connect" { String::new() } else { verb.to_owned() };
    row.text = Object::from(ask).shown(bearings, MOST);
    row.cut = if matches!(ask.of, Kind::Exec | Kind::Mcp) { Cut::Arguments } else { Cut::Middle };
    (row.tone, row.sign, row.sign_tone) = (Tone::Ask, "?", Tone::Ask);
}

fn reply(row: &mut EventRow, answer: &Answer) {
    let who =
        if answer.who.is_empty() { String::new() } else { format!(" by {}", bounded(answer.who.as_bytes(), 200)) };
    row.text = format!("{}{who}", answered(answer.verdict, answer.scope));
    (row.tone, row.sign, row.sign_tone) = match answer.verdict {
        Verdict::Allow => (Tone::Allow, "✔", Tone::Allow),
        Verdict::Deny | Verdict::Ask => (Tone::Deny, "✘", Tone::Deny),
    };
}

fn process(row: &mut EventRow, proc: &Proc) {
    row.text = match proc.op {
        ProcOp::Exec => runs(proc),
        ProcOp::Exit if proc.argv.is_empty() && proc.exe.is_empty() => format!("pid {} {}", proc.pid, ended(proc)),
        ProcOp::Exit => format!("{} {}", runs(proc), ended(proc)),
    };
    (row.cut, row.tone) = (Cut::Arguments, Tone::Dim);
}

/// Takes `judged` into `row` where they have enough in common.
fn join(row: &mut EventRow, judged: &Judged, bearings: &Bearings) -> bool {
    let letters = verb(judged.op, judged.kind, judged.access);
    let fresh = place(judged, bearings);
    let Some(group) = &mut row.group else { return false };
    // Letters go together with letters, and `unlink` with `unlink`.
    let opened = |verb: &str| verb.bytes().all(|letter| b"rwx".contains(&letter));
    if row.verb != letters && !(opened(&row.verb) && opened(letters)) {
        return false;
    }
    match (&mut group.place, fresh) {
        (Place::Beneath(dir), Place::Beneath(other)) => {
            let Some(common) = common(dir, &other, bearings) else { return false };
            *dir = common.to_vec();
            row.text = format!("{}/…", bearings.near(dir).trim_end_matches('/'));
        }
        (Place::Machine(tops), Place::Machine(others)) if group.access == judged.access => {
            for other in others {
                if !tops.contains(&other) && tops.len() < 4 {
                    tops.push(other);
                }
            }
            let tops: Vec<_> =
                tops.iter().map(|top| format!("{}/…", bounded(top, MOST).trim_end_matches('/'))).collect();
            row.text = tops.join(" ");
        }
        _ => return false,
    }
    group.access |= judged.access;
    if opened(letters) {
        row.verb = group.access.letters().to_owned();
    }
    true
}

#[cfg(test)]
mod tests;
