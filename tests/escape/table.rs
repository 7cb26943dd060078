//! The table of attempts in this crate's documentation, `attempts.md`, and that it is true.
//!
//! A row for every attempt that the sources beside this file name: every literal whose first word is an attempt of
//! `tests/attempt`. `GOVSH_ESCAPE_TABLE=write cargo test --test escape table` writes the table anew.
//! Invariant: the table is made of the sources alone, so a row cannot outlive its attempt, nor an attempt lack a row.
//! Leaves to others: making the attempts (the other files).

use std::collections::BTreeSet;
use std::process::Command;

macro_rules! sources {
    ($($name:ident)*) => { [$((stringify!($name), include_str!(concat!(stringify!($name), ".rs")))),*] };
}

/// Those that attack; `parity` shows that ordinary programs see no difference, `count` that nothing is lost.
const SOURCES: [(&str, &str); 17] = sources![
    carve control doors egress files floor gitdirs govsh metadata mounts names procs races siege sockets terminal tricks
];

/// Fewer would mean that attempts went missing.
const LEAST: usize = 150;

/// One attempt, as the sources have it.
struct Row {
    place: String,
    words: String,
    errno: String,
    event: String,
}

/// How many more parentheses a line of Rust opens than it closes, outside of its strings.
fn opened(line: &str) -> i32 {
    let outside = line.split('"').step_by(2).flat_map(str::chars);
    outside.map(|c| i32::from(c == '(') - i32::from(c == ')')).sum()
}

/// The strings of a line of Rust, without escapes, which attempts have none of.
fn literals(line: &str) -> Vec<&str> {
    line.split('"').skip(1).step_by(2).collect()
}

fn rows(names: &BTreeSet<String>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (module, text) in SOURCES {
        let mut place = String::new();
        // A case may take several lines; then its strings are gathered until it ends.
        let mut gathered: Vec<&str> = Vec::new();
        let mut in_case = false;
        let mut depth = 0;
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let of = line.trim_start().trim_start_matches("pub ").split([' ', '(', ':']).collect::<Vec<_>>();
            if let ["fn" | "const", name, ..] = of[..] {
                place = format!("{module}::{name}");
            }
            if !in_case && let Some(at) = line.find("case(") {
                in_case = true;
                depth = opened(&line[at..]);
            } else {
                depth += opened(line);
            }
            gathered.extend(literals(line));
            if in_case && depth > 0 {
                continue;
            }
            let is_attempt = |text: &str| {
                let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
                names.contains(name) && (in_case || !rest.is_empty())
            };
            if let Some(at) = gathered.iter().position(|text| is_attempt(text)) {
                let (errno, event) = match gathered[..] {
                    [.., errno, event] if in_case => (errno, event),
                    _ => ("", ""),
                };
                let mut found: Vec<&str> = vec![gathered[at]];
                if !in_case {
                    found = gathered.iter().copied().filter(|text| is_attempt(text)).collect();
                }
                // What must go on working is no attack.
                let harmless = place.ends_with("::harmless_forms_still_work");
                for words in found.into_iter().filter(|_| !harmless) {
                    if rows.iter().any(|row| row.place == place && row.words == words) {
                        continue;
                    }
                    let event = if in_case { event } else { "deny" };
                    rows.push(Row {
                        place: place.clone(),
                        words: words.into(),
                        errno: errno.into(),
                        event: event.into(),
                    });
                }
            }
            gathered.clear();
            in_case = false;
        }
    }
    rows
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("| attempt | tried in | refused with | leaves |\n|---|---|---|---|\n");
    let cell = |text: &str| text.replace('|', "\\|").trim().to_owned();
    for row in rows {
        let errno = if row.errno.is_empty() { "see there".into() } else { cell(&row.errno) };
        let event = match row.event.strip_prefix("- ") {
            Some(reason) => format!("*nothing*: {}", cell(reason)),
            None => cell(&row.event),
        };
        text.push_str(&format!("| `{}` | `{}` | {errno} | {event} |\n", cell(&row.words), row.place));
    }
    text
}

/// Names of attempts, as the program itself has them.
fn names() -> BTreeSet<String> {
    let listed = Command::new(crate::lab::attempt()).arg("--list").output().expect("attempt --list");
    String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect()
}

/// Tests that are named elsewhere are there.
#[test]
fn what_is_tried_elsewhere_is_there() {
    let text = include_str!("elsewhere.md");
    let named: Vec<Vec<&str>> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|name| name.split("::").collect())
        .filter(|name: &Vec<_>| name.len() > 1)
        .collect();
    assert!(named.len() > 10);
    for name in named {
        let [place, file, test] = name[..] else { panic!("{name:?}") };
        let dir = if place == "escape" { "escape".to_owned() } else { format!("it/{place}") };
        let path = format!("{}/tests/{dir}/{file}.rs", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(source.contains(&format!("fn {test}()")), "{path} has no {test}");
    }
}

#[test]
fn the_table_is_true() {
    let rows = rows(&names());
    assert!(rows.len() >= LEAST, "only {} attempts", rows.len());
    let silent: Vec<_> = rows.iter().filter(|row| row.event.is_empty()).map(|row| &row.words).collect();
    assert!(silent.is_empty(), "attempts that leave no event, without a reason: {silent:?}");
    let text = table(&rows);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/escape/attempts.md");
    if std::env::var("GOVSH_ESCAPE_TABLE").is_ok_and(|word| word == "write") {
        std::fs::write(path, &text).expect("the table");
    }
    let written = std::fs::read_to_string(path).expect("the table");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (sources, table) = (lines(&text), lines(&written));
    let missing: Vec<_> = sources.difference(&table).collect();
    let stale: Vec<_> = table.difference(&sources).collect();
    assert!(
        missing.is_empty() && stale.is_empty() && text == written,
        "attempts.md is not what the sources say (GOVSH_ESCAPE_TABLE=write makes it so): {missing:#?} {stale:#?}"
    );
}
