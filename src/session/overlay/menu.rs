//! The rows behind the hot key: what waits, what happened last, and a marker to be typed.
//!
//! Invariant: denials come first.
//! Leaves to others: layout (`panel`), what the keys do (`overlay`).

use super::panel::{Row, Style, View, span};
use super::question::{act, subject};
use super::recent::Happened;
use crate::recording::summary::clock;

/// Before what is typed.
pub const PROMPT: &str = "marker: ";

/// Rows of each kind.
const QUESTIONS: usize = 4;
const DENIALS: usize = 6;
const OTHERS: usize = 6;

pub struct Menu<'a> {
    /// Newest first.
    pub denied: &'a [Happened],
    pub others: &'a [Happened],
    /// The marker as it is typed.
    pub typing: Option<&'a str>,
}

/// Title and content.
pub fn rows(menu: &Menu<'_>, view: &View<'_>, _across: usize) -> (Row, Vec<Row>) {
    let waiting = view.questions.len();
    let right = if waiting == 0 { Vec::new() } else { vec![span(format!("{waiting} waiting"), Style::Warm)] };
    let title = Row { left: vec![span("govsh", Style::Strong)], right, spare: 0 };
    let mut rows = Vec::new();
    for question in view.questions.iter().take(QUESTIONS) {
        let left = vec![
            span("? ", Style::Warm),
            span(format!("{} {}", act(&question.ask), subject(&question.ask, view.home)), Style::Plain),
        ];
        let time = clock(question.left.as_nanos() as u64);
        rows.push(Row { left, right: vec![span(time, Style::Warm)], spare: 2 });
    }
    for happened in menu.denied.iter().take(DENIALS) {
        let left = vec![span("✘ ", Style::Warm), span(happened.what.clone(), Style::Plain)];
        rows.push(Row { left, right: vec![span(clock(happened.t), Style::Dim)], spare: 3 });
    }
    for happened in menu.others.iter().take(OTHERS) {
        let left = vec![span("  ", Style::Plain), span(happened.what.clone(), Style::Dim)];
        rows.push(Row { left, right: vec![span(clock(happened.t), Style::Dim)], spare: 4 });
    }
    if rows.is_empty() {
        rows.push(Row::left(3, vec![span("nothing was denied, nothing waits", Style::Dim)]));
    }
    rows.push(Row::left(9, Vec::new()));
    let mut foot = Vec::new();
    match (menu.typing, view.note) {
        (Some(text), _) => {
            foot.push(span(PROMPT, Style::Key));
            foot.push(span(text, Style::Strong));
        }
        (None, Some(note)) => foot.push(span(note, Style::Warm)),
        (None, None) => {
            let key = |letter: &str, words: &str| {
                [span(format!(" {letter}"), Style::Key), span(format!(" {words} "), Style::Plain)]
            };
            if waiting > 0 {
                foot.extend(key("a", "answer"));
            }
            foot.extend(key("m", "marker"));
            foot.extend(key("q", "close"));
        }
    }
    rows.push(Row::left(0, foot));
    (title, rows)
}
