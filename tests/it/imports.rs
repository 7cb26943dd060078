//! Imports point down only; `unsafe` has one address; every file says what it is for.

use crate::source::{Source, sources};

/// From the top down. What shares a line may not use one another, except on the first line.
const FLOORS: [&[&str]; 9] = [
    &["main", "lib", "cli", "cmd"],
    &["tui", "export"],
    &["session"],
    &["supervisor", "egress", "mcp"],
    &["sandbox", "recording"],
    &["bus"],
    &["event"],
    &["policy", "sys", "screen"],
    &[],
];

/// Lines of a file before its tests.
const LONGEST: usize = 450;

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn may_use(user: &str, used: &str) -> bool {
    match (floor(user), floor(used)) {
        (Some(0), Some(_)) => true,
        (Some(from), Some(to)) => user == used || from < to,
        // not a module: an item of the crate's root
        (_, None) => true,
        (None, _) => false,
    }
}

/// The names that follow `path` (such as `crate::`), groups in braces included, with their offsets.
fn names_after<'a>(code: &'a str, path: &str) -> Vec<(usize, &'a str)> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(path) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(first_words(group).into_iter().map(|word| (at, word))),
            None => names.push((at, word(rest))),
        }
    }
    names
}

fn word(text: &str) -> &str {
    let text = text.trim_start();
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// Of `a::b, c::{d, e}, f}`: a, c, f.
fn first_words(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut words) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                words.push(word(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                words.push(word(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn upward(source: &Source) -> Vec<String> {
    let module = source.module();
    let mut uses = names_after(&source.code, "crate::");
    uses.extend(names_after(&source.code, "govsh::"));
    if source.is_root_module() {
        uses.extend(names_after(&source.code, "super::").into_iter().filter(|(_, used)| floor(used) < floor(&module)));
    }
    uses.retain(|(_, used)| !may_use(&module, used));
    uses.iter().map(|(at, used)| format!("src/{}:{}: uses {used}", source.path.display(), source.line(*at))).collect()
}

#[test]
fn imports_point_down() {
    let wrong: Vec<_> = sources().iter().flat_map(upward).collect();
    assert!(wrong.is_empty(), "imports that do not point down:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_has_its_floor() {
    let lost: Vec<_> = sources().iter().map(Source::module).filter(|module| floor(module).is_none()).collect();
    assert!(lost.is_empty(), "modules without a place in the order: {lost:?}");
}

#[test]
fn the_rule_can_fail() {
    let source = |path: &str, code: &str| Source { path: path.into(), text: code.into(), code: code.into() };
    assert_eq!(upward(&source("policy/mod.rs", "use crate::event::Event;")), ["src/policy/mod.rs:1: uses event"]);
    assert_eq!(upward(&source("bus.rs", "\nuse crate::{event, sandbox::Plan};")), ["src/bus.rs:2: uses sandbox"]);
    assert_eq!(upward(&source("bus.rs", "use super::session;")), ["src/bus.rs:1: uses session"]);
    assert_eq!(upward(&source("supervisor/a.rs", "crate::egress::dial()")), ["src/supervisor/a.rs:1: uses egress"]);
    let fine = "use crate::{bus::Bus, event::{Event, Kind}, sys};";
    assert!(upward(&source("supervisor/a.rs", fine)).is_empty());
}

#[test]
fn unsafe_has_one_address() {
    let is_unsafe = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
    let elsewhere: Vec<_> = sources()
        .iter()
        .filter(|source| source.module() != "sys")
        .flat_map(|source| {
            let lines = source.code.lines().enumerate().filter(|(_, line)| is_unsafe(line));
            lines.map(|(at, _)| format!("src/{}:{}", source.path.display(), at + 1)).collect::<Vec<_>>()
        })
        .collect();
    assert!(elsewhere.is_empty(), "unsafe outside src/sys: {elsewhere:?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = |source: &&Source| {
        let first = source.text.lines().next().unwrap_or_default();
        first.strip_prefix("//! ").is_none_or(|words| words.len() < 12 || words.starts_with("To be"))
    };
    let silent: Vec<_> = sources().iter().filter(silent).map(|source| source.path.clone()).collect();
    assert!(silent.is_empty(), "files that do not open with what they are for: {silent:?}");
}

#[test]
fn no_file_is_too_long_and_nothing_is_left_for_later() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if lines > LONGEST {
            wrong.push(format!("src/{}: {lines} lines", source.path.display()));
        }
        for word in ["TODO", "FIXME", "XXX"] {
            if source.text.contains(word) {
                wrong.push(format!("src/{}: {word}", source.path.display()));
            }
        }
        for call in ["todo!", "unimplemented!", "dbg!"] {
            if source.code.contains(call) {
                wrong.push(format!("src/{}: {call}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
