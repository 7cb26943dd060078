//! Foreign text in a given width: visible, and cut in the middle, never at the dangerous end.
//!
//! Invariant: what comes out takes at most the columns it was given and moves no cursor.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::recording::visible;

/// Columns that `text` takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `most` columns; a third of them for its beginning when it is too long.
pub fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(1);
    let head = room / 3;
    let front = columns(text.chars(), head);
    let behind: Vec<char> = columns(text.chars().rev(), room - head).chars().rev().collect();
    let mark = if most == 0 { "" } else { "…" };
    front + mark + &behind.into_iter().collect::<String>()
}

/// As many characters as fit.
fn columns(text: impl Iterator<Item = char>, most: usize) -> String {
    let mut taken = 0;
    text.take_while(|character| {
        taken += character.width().unwrap_or(0);
        taken <= most
    })
    .collect()
}

/// `text` over at most `lines` lines of `most` columns, the middle left out when that is not enough.
pub fn wrap(text: &str, most: usize, lines: usize) -> Vec<String> {
    if most == 0 || lines == 0 {
        return Vec::new();
    }
    let mut rest = cut(text, most * lines);
    let mut wrapped = Vec::new();
    while !rest.is_empty() && wrapped.len() < lines {
        let last = wrapped.len() + 1 == lines;
        let line = if last { cut(&rest, most) } else { columns(rest.chars(), most) };
        // A character wider than the line: it cannot be shown.
        if line.is_empty() {
            break;
        }
        rest = if last { String::new() } else { rest.get(line.len()..).unwrap_or_default().to_owned() };
        wrapped.push(line);
    }
    wrapped
}

/// A command line as one would type it: arguments with blanks or nothing in them between quotes.
pub fn command(argv: &[Vec<u8>]) -> String {
    let quoted = |argument: &Vec<u8>| {
        let plain = visible(argument);
        let needs = plain.is_empty() || plain.contains([' ', '\'', '"', '$', '`', '\\', ';', '|', '&', '<', '>', '*']);
        if needs { format!("'{}'", plain.replace('\'', "'\\''")) } else { plain }
    };
    argv.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The last component of a program's name.
pub fn program(argv: &[Vec<u8>]) -> String {
    let name = argv.first().map(Vec::as_slice).unwrap_or_default();
    visible(name.rsplit(|byte| *byte == b'/').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_stay() {
        assert_eq!(cut("/home/user/.ssh/id_rsa", 12), "/ho…h/id_rsa");
        // A wide character that does not fit leaves its place empty.
        assert_eq!(cut("世界世界世界世界end", 9), "世…界end");
        assert_eq!((cut("abc", 1), cut("abc", 0), cut("abc", 3)), ("…".to_owned(), String::new(), "abc".to_owned()));
        assert_eq!(wrap("abcdefghij", 4, 2), ["ab…f", "ghij"]);
        assert_eq!(wrap("abcdefg", 4, 2), ["abcd", "efg"]);
        assert!(wrap("世界世界", 1, 3).iter().all(|line| width(line) <= 1));
    }

    #[test]
    fn arguments_stay_apart() {
        let argv = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(command(&argv(&["sh", "-c", "rm -rf /", ""])), "sh -c 'rm -rf /' ''");
        assert_eq!(program(&argv(&["/usr/bin/git\x1b[2J"])), "git\\x1b[2J");
    }
}
