//! Parts of names that differ from run to run: versions, hashes, numbers of processes, dates.
//!
//! Invariant: what a name becomes matches that name.
//! Leaves to others: where in a path a `*` may stand (`trees`).

/// The literal pieces around the `*`s that stand for what varies; None where nothing does.
pub(super) fn varying(name: &str) -> Option<Vec<String>> {
    let bytes = name.as_bytes();
    if !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit) {
        return Some(vec![String::new(), String::new()]);
    }
    let mut marks = vec![false; bytes.len()];
    mark_uuids(bytes, &mut marks);
    mark_versions(bytes, &mut marks);
    mark_words(bytes, &mut marks);
    if !marks.contains(&true) {
        return None;
    }
    Some(pieces(name, &marks))
}

fn mark(marks: &mut [bool], from: usize, to: usize) {
    marks.iter_mut().take(to).skip(from).for_each(|mark| *mark = true);
}

/// `8-4-4-4-12` hexadecimal digits.
fn mark_uuids(bytes: &[u8], marks: &mut [bool]) {
    for (at, window) in bytes.windows(36).enumerate() {
        let fits = window.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        if fits {
            mark(marks, at, at + 36);
        }
    }
}

/// `1.2`, `22.1.0`: digits joined by dots.
fn mark_versions(bytes: &[u8], marks: &mut [bool]) {
    let mut at = 0;
    while at < bytes.len() {
        let end = digits_and_dots(bytes, at);
        if end > at && bytes.get(at..end).is_some_and(|run| run.contains(&b'.')) {
            mark(marks, at, end);
        }
        at = end.max(at + 1);
    }
}

/// The end of `\d+(\.\d+)*` at `from`; `from` itself without a digit there.
fn digits_and_dots(bytes: &[u8], from: usize) -> usize {
    let digits = |at: usize| bytes.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = from + digits(from);
    while end > from && bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    end
}

/// Long numbers, hashes and random suffixes.
fn mark_words(bytes: &[u8], marks: &mut [bool]) {
    let mut at = 0;
    let mut temporary = false;
    while at < bytes.len() {
        let length = bytes.iter().skip(at).take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let word = bytes.get(at..at + length).unwrap_or_default();
        if is_hash(word) || is_random(word, temporary) {
            mark(marks, at, at + length);
        } else {
            mark_numbers(word, at, marks);
        }
        if length > 0 {
            let lower = word.to_ascii_lowercase();
            temporary |= [b"tmp".as_slice(), b"temp"].iter().any(|mark| lower.windows(mark.len()).any(|w| w == *mark));
        }
        at += length.max(1);
    }
}

fn is_hash(word: &[u8]) -> bool {
    let hex = word.len() >= 8 && word.iter().all(u8::is_ascii_hexdigit);
    hex && word.iter().any(u8::is_ascii_digit)
}

fn is_random(word: &[u8], temporary: bool) -> bool {
    let has = |test: fn(&u8) -> bool| word.iter().any(test);
    let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let digit = has(u8::is_ascii_digit);
    word.len() >= 6 && mixed && digit || temporary && word.len() >= 5 && (mixed || digit)
}

/// Runs of digits: of at least four, or of at least five beside letters.
fn mark_numbers(word: &[u8], from: usize, marks: &mut [bool]) {
    let mut at = 0;
    while at < word.len() {
        let length = word.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count();
        let alone = length == word.len();
        if length >= 5 || (alone && length >= 4) {
            mark(marks, from + at, from + at + length);
        }
        at += length.max(1);
    }
}

/// Cuts what is marked out of the name; stars with only a mark of punctuation between them become one.
fn pieces(name: &str, marks: &[bool]) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut in_star = false;
    for (at, c) in name.char_indices() {
        let marked = marks.get(at).copied().unwrap_or(false);
        if marked && !in_star {
            let only_a_mark = pieces.len() > 1
                && pieces.last().is_some_and(|piece| piece.len() <= 1 && !piece.chars().any(char::is_alphanumeric));
            if only_a_mark {
                pieces.pop();
            }
            pieces.push(String::new());
        }
        if !marked && let Some(last) = pieces.last_mut() {
            last.push(c);
        }
        in_star = marked;
    }
    if pieces.len() == 1 {
        pieces.push(String::new());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(name: &str) -> String {
        varying(name).map_or_else(|| name.to_owned(), |pieces| pieces.join("*"))
    }

    #[test]
    fn what_varies_becomes_a_star() {
        let cases = [
            ("12345", "*"),
            ("7", "*"),
            ("main.rs", "main.rs"),
            ("x86_64-linux-gnu", "x86_64-linux-gnu"),
            ("sha512", "sha512"),
            ("content-v2", "content-v2"),
            ("lib64", "lib64"),
            ("node-v22.1.0-linux-x64", "node-v*-linux-x64"),
            ("python3.11", "python*"),
            ("serde-1.0.229", "serde-*"),
            ("index.example.org-1949cf8c6b5b557f", "index.example.org-*"),
            (".claude.json.tmp.4711.1763800000000", ".claude.json.tmp.*"),
            ("tmp_obj_w3OELr", "tmp_obj_*"),
            ("9897f29f9819a0ab6850d7e22443508a1a29d5", "*"),
            ("3f2504e0-4f89-11d3-9a0c-0305e82c3301.jsonl", "*.jsonl"),
            (
                "rollout-2026-11-22T08-30-01-3f2504e0-4f89-11d3-9a0c-0305e82c3301.jsonl",
                "rollout-*-11-22T08-30-01-*.jsonl",
            ),
            ("deadbeef", "deadbeef"),
            ("ünïcode-2.0", "ünïcode-*"),
        ];
        for (name, expected) in cases {
            assert_eq!(glob(name), expected);
        }
    }
}
