//! Two texts beside each other, for people.
//!
//! Invariant: what comes out can be shown on a terminal as it is: no controls, nothing that reorders text. Bounded in size.
//! Leaves to others: what is compared (`pins`).

use serde_json::Value as Json;

/// Lines of each side up to which they are matched with each other; beyond, one side stands after the other.
const MOST_MATCHED: usize = 1500;
/// Longest difference that is shown, in bytes.
const LONGEST: usize = 32 << 10;

/// JSON with one thing to a line; the lines of a text are lines.
pub fn readable(json: &str) -> String {
    let mut out = String::new();
    match serde_json::from_str(json) {
        Ok(value) => write(&value, "", &mut out),
        Err(_) => out.push_str(json),
    }
    out
}

fn write(value: &Json, path: &str, out: &mut String) {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            for (key, item) in fields {
                write(item, &format!("{path}/{key}"), out);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                write(item, &format!("{path}/{at}"), out);
            }
        }
        Json::String(text) => {
            for line in text.split('\n') {
                out.push_str(&format!("{path}: {line}\n"));
            }
        }
        other => out.push_str(&format!("{path}: {other}\n")),
    }
}

/// What is in `was` alone with `-` before it, what is in `is` alone with `+`; the rest is left out.
pub fn lines(was: &str, is: &str) -> String {
    let (was, is): (Vec<&str>, Vec<&str>) = (was.lines().collect(), is.lines().collect());
    let mut out = String::new();
    let mut say = |sign: char, line: &str| {
        if out.len() < LONGEST {
            out.push_str(&format!("{sign} {}\n", visible(line)));
            if out.len() >= LONGEST {
                out.push_str("… and more\n");
            }
        }
    };
    if was.len() > MOST_MATCHED || is.len() > MOST_MATCHED {
        was.iter().for_each(|line| say('-', line));
        is.iter().for_each(|line| say('+', line));
        return out;
    }
    // common[i][j]: length of the longest common subsequence of was[i..] and is[j..]
    let width = is.len() + 1;
    let mut common = vec![0_u16; (was.len() + 1) * width];
    let at = |i: usize, j: usize| i * width + j;
    for i in (0..was.len()).rev() {
        for j in (0..is.len()).rev() {
            common[at(i, j)] = match was[i] == is[j] {
                true => common[at(i + 1, j + 1)] + 1,
                false => common[at(i + 1, j)].max(common[at(i, j + 1)]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < was.len() || j < is.len() {
        if i < was.len() && j < is.len() && was[i] == is[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == is.len() || i < was.len() && common[at(i + 1, j)] >= common[at(i, j + 1)] {
            say('-', was[i]);
            i += 1;
        } else {
            say('+', is[j]);
            j += 1;
        }
    }
    out
}

/// Controls, and characters that have no width or turn the direction of text, by number.
pub fn visible(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { out.push_str(&format!("\\u{{{:x}}}", u32::from(c))) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown_and_all_of_it_can_be_seen() {
        assert_eq!(lines("a\nb\nc", "a\nx\nc\nd"), "- b\n+ x\n+ d\n");
        assert_eq!(lines("", "\u{1b}[2J\u{202e}x\u{200b}"), "+ \\u{1b}[2J\\u{202e}x\\u{200b}\n");
        assert_eq!(readable(r#"{"a":{"b":["x\ny",1]},"c":{}}"#), "/a/b/0: x\n/a/b/0: y\n/a/b/1: 1\n/c: {}\n");
        assert!(lines("", &"x\n".repeat(100_000)).len() < LONGEST + 100);
    }
}
