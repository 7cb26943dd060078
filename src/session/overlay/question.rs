//! The rows of a question: who, what, why, for how long, and what each answer would do.
//!
//! Invariant: what *always* would add is on the screen, word for word, before it can be chosen.
//! Leaves to others: layout (`panel`), what the keys do (`overlay`).

use super::panel::{Question, Row, Span, Style, View, span};
use super::text::{command, program, wrap};
use crate::event::{Ask, Choice, Kind};
use crate::recording::summary::{clock, home_short, verb};
use crate::recording::{Word, visible};

/// Lines that the command, path or address may take.
const WHAT_LINES: usize = 3;

/// Title and content, for `across` columns.
pub fn rows(view: &View<'_>, across: usize) -> (Row, Vec<Row>) {
    let Some(question) = view.questions.get(view.at) else {
        let note = view.note.unwrap_or("no question is waiting").to_owned();
        return (title(None), vec![Row::left(0, vec![span(note, Style::Dim)])]);
    };
    let mut rows = what(&question.ask, view.home, across);
    rows.extend(why(question, view.home));
    rows.push(Row::left(9, Vec::new()));
    rows.extend(keys(question, view, across));
    (title(Some(question)), rows)
}

fn title(question: Option<&Question>) -> Row {
    let left = vec![span("govsh asks", Style::Warm)];
    // Whole seconds, up: it must not stand at 00:00 while there is time.
    let left_of = |question: &Question| clock((question.left.as_nanos() as u64).saturating_add(999_999_999));
    let right = question.map(|question| vec![span(left_of(question), Style::Warm)]).unwrap_or_default();
    Row { left, right, spare: 0 }
}

/// What is asked for: in one piece, for a line.
pub fn subject(ask: &Ask, home: &[u8]) -> String {
    let shown = match ask.of {
        Kind::Exec | Kind::Mcp if !ask.argv.is_empty() => command(&ask.argv),
        Kind::Exec => home_short(&ask.path, home),
        Kind::Call | Kind::Mcp => visible(&ask.path),
        Kind::Net => match ask.addr {
            Some(addr) => addr.to_string(),
            None => visible(&ask.path),
        },
        Kind::File if ask.path2.is_empty() => home_short(&ask.path, home),
        Kind::File => format!("{} → {}", home_short(&ask.path, home), home_short(&ask.path2, home)),
    };
    if shown.is_empty() { "?".to_owned() } else { shown }
}

/// `run`, `read`, `connect`.
pub fn act(ask: &Ask) -> &'static str {
    verb(ask.of, ask.op, ask.access)
}

fn what(ask: &Ask, home: &[u8], across: usize) -> Vec<Row> {
    let who = ask.ancestry.last().map(|argv| program(argv)).filter(|name| !name.is_empty());
    let who = who.unwrap_or_else(|| format!("process {}", ask.pid));
    let wants = vec![span(format!("{who} wants to {}", act(ask)), Style::Plain)];
    let subject = subject(ask, home);
    let lines = wrap(&subject, across, WHAT_LINES);
    let mut rows: Vec<Row> = vec![Row::left(1, wants)];
    rows.extend(lines.into_iter().map(|line| Row::left(0, vec![span(line, Style::Strong)])));
    // The program that really runs, where the command line says something else.
    let named = ask.argv.first().map(Vec::as_slice).unwrap_or_default();
    if ask.of == Kind::Exec && !ask.path.is_empty() && named != ask.path {
        rows.push(Row::left(5, vec![span(format!("program: {}", home_short(&ask.path, home)), Style::Dim)]));
    }
    rows
}

fn why(question: &Question, home: &[u8]) -> Vec<Row> {
    let ask = &question.ask;
    let chain: Vec<String> = ask.ancestry.iter().map(|argv| program(argv)).collect();
    let mut rows = Vec::new();
    let place = if ask.cwd.is_empty() { String::new() } else { format!("in {}", home_short(&ask.cwd, home)) };
    if !chain.is_empty() || !place.is_empty() {
        let left = vec![span(chain.join(" › "), Style::Plain)];
        rows.push(Row { left, right: vec![span(place, Style::Dim)], spare: 4 });
    }
    let rule = format!("rule: {} ({})", visible(ask.rule.as_bytes()), ask.layer.word());
    rows.push(Row::left(3, vec![span(rule, Style::Plain)]));
    if !ask.reason.is_empty() {
        rows.push(Row::left(2, vec![span(format!("why: {}", visible(ask.reason.as_bytes())), Style::Plain)]));
    }
    if question.calls > 1 {
        rows.push(Row::left(6, vec![span(format!("{} calls wait for it", question.calls), Style::Dim)]));
    }
    rows
}

fn key(letter: &str, words: &str) -> [Span; 2] {
    [span(format!(" {letter}"), Style::Key), span(format!(" {words} "), Style::Plain)]
}

fn rule(choice: &Choice) -> String {
    format!("{} \"{}\"", choice.key, visible(choice.text.as_bytes()))
}

fn keys(question: &Question, view: &View<'_>, across: usize) -> Vec<Row> {
    let ask = &question.ask;
    let chosen = ask.choices.get(view.choice);
    let wider = ask.choices.get(view.choice + 1);
    let short = across < 56;
    let first = if short { ["once", "session", "deny"] } else { ["once", "this session", "deny"] };
    let mut once = key("o", first[0]).to_vec();
    if chosen.is_some() {
        once.extend(key("s", first[1]));
    }
    once.extend(key("d", first[2]));
    let mut rows = vec![Row::left(0, once)];
    if let Some(choice) = chosen {
        let (letter, words) = if ask.file.is_empty() { ("s", "session:") } else { ("a", "always:") };
        let mut left = key(letter, words).to_vec();
        left.push(span(rule(choice), Style::Strong));
        let place = vec![span(format!(" → {}", visible(ask.file.as_bytes())), Style::Dim)];
        let place = if ask.file.is_empty() { Vec::new() } else { place };
        rows.push(Row { left, right: place, spare: 0 });
        if let (false, Some(row)) = (ask.file.is_empty(), rows.last()) {
            // Where the file does not fit beside it, it has a row of its own.
            let together: usize =
                [&row.left, &row.right].into_iter().flatten().map(|s| super::text::width(&s.text)).sum();
            if together + 1 > across {
                rows.push(Row::left(4, vec![span(format!("   → {}", visible(ask.file.as_bytes())), Style::Dim)]));
            }
        }
    }
    if let Some(choice) = wider {
        let mut left = key("w", "wider:").to_vec();
        left.push(span(rule(choice), Style::Plain));
        rows.push(Row::left(3, left));
    }
    let mut rest = key("p", if short { "program" } else { "for this program" }).to_vec();
    rest.extend(key("n", if short { "never" } else { "never again" }));
    rest.extend(key("v", if short { "view" } else { "see the screen" }));
    rows.push(Row::left(1, rest));
    rows.push(foot(view));
    rows
}

/// What else waits, and what there is to say; a row in any case, so that nothing moves under one's eyes.
fn foot(view: &View<'_>) -> Row {
    let more = view.questions.len().saturating_sub(1);
    let mut left = match (view.note, more) {
        (Some(note), _) => vec![span(format!(" {note}"), Style::Warm)],
        (None, 0) => Vec::new(),
        (None, more) => key("↓", &format!("{more} more waiting")).to_vec(),
    };
    if view.guarded && view.note.is_none() {
        left.push(span(" a moment …", Style::Dim));
    }
    Row::left(2, left)
}
