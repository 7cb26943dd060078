//! The sources of this crate as tests look at them: code without comments and text.

use std::path::{Path, PathBuf};

/// A file under `src`.
pub struct Source {
    /// From `src` on: `sandbox/probe.rs`.
    pub path: PathBuf,
    pub text: String,
    /// `text` with comments, strings and character literals blanked; line numbers are kept.
    pub code: String,
}

impl Source {
    /// The module at the crate's root that the file belongs to: `sandbox`, `main`, `bus`.
    pub fn module(&self) -> String {
        let first = self.path.iter().next().unwrap().to_str().unwrap();
        first.strip_suffix(".rs").unwrap_or(first).to_owned()
    }

    /// Whether `super` means the crate's root here.
    pub fn is_root_module(&self) -> bool {
        self.path.iter().count() == 1 || (self.path.iter().count() == 2 && self.path.ends_with("mod.rs"))
    }

    /// 1-based line of a byte offset.
    pub fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file under `src`, in order.
pub fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut found = Vec::new();
    let mut left = vec![src.clone()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = blank(&text);
                found.push(Source { path: path.strip_prefix(&src).unwrap().to_owned(), text, code });
            }
        }
    }
    assert!(found.len() > 10, "the sources are not where they should be");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Blanks what is not code, byte for byte.
pub fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + length_of_text(&bytes[at..], at > 0 && is_word(bytes[at - 1]));
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(code).unwrap()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many bytes of comment, string or character literal begin here; 0 where code goes on.
fn length_of_text(rest: &[u8], in_word: bool) -> usize {
    let until = |from: usize, stop: &[u8]| {
        rest[from..].windows(stop.len()).position(|w| w == stop).map_or(rest.len(), |at| from + at + stop.len())
    };
    match rest {
        [b'/', b'/', ..] => until(0, b"\n"),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !in_word => raw(rest, until),
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        // a lifetime has no closing quote right behind its first character
        [b'\'', first, ..] => {
            let wide = rest[1..].iter().skip(1).take_while(|byte| **byte & 0xc0 == 0x80).count() + 1;
            if *first != b'\'' && rest.get(1 + wide) == Some(&b'\'') { wide + 2 } else { 0 }
        }
        _ => 0,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw(rest: &[u8], until: impl Fn(usize, &[u8]) -> usize) -> usize {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let stop: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    until(2 + hashes, &stop)
}

#[test]
fn only_code_is_left() {
    let text = r####"a /* b /* c */ d */ e // f
'g' '\'' 'h "i\"" r#"j " k"# 'ä' l"####;
    let left: Vec<_> = blank(text).split_whitespace().map(str::to_owned).collect();
    assert_eq!(left, ["a", "e", "'h", "l"]);
    assert_eq!(blank(text).len(), text.len());
}
