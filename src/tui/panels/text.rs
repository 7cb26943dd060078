//! Text measured and cut in cells of the terminal, made safe to draw.
//!
//! Invariant: what comes from an agent passes [`visible`] here, bounded before it is looked at, so that a megabyte of arguments
//! costs what a line costs; a cut is always marked, and never falls at the end of a path or of a command, where the danger is.
//! Leaves to others: what the words are (`words`), where they stand (the panels).

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::recording::visible;

/// Stands where something was left out.
pub const CUT: char = '…';
/// Bytes of an untrusted text that are looked at, most of them at its end.
pub const MOST: usize = 2 << 10;
/// The same for text that a reader asked to see in full, wrapped over lines.
pub const WHOLE: usize = 16 << 10;

/// Cells that `text` takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `bytes` made visible, of at most `most` bytes; what is left out is in the middle.
pub fn bounded(bytes: &[u8], most: usize) -> String {
    if bytes.len() <= most {
        return visible(bytes);
    }
    let head = most / 3;
    let head = bytes.get(..floor(bytes, head)).unwrap_or_default();
    let tail = bytes.get(ceiling(bytes, bytes.len() - (most - head.len()))..).unwrap_or_default();
    format!("{}{CUT}{}", visible(head), visible(tail))
}

/// The next place at or before `at` that does not split a character.
fn floor(bytes: &[u8], at: usize) -> usize {
    (at.saturating_sub(3)..=at).rev().find(|at| begins(bytes, *at)).unwrap_or(at)
}

/// The next place at or after `at` that does not split a character.
fn ceiling(bytes: &[u8], at: usize) -> usize {
    (at..=at + 3).find(|at| begins(bytes, *at)).unwrap_or(at)
}

fn begins(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_none_or(|byte| byte & 0xc0 != 0x80)
}

/// Arguments as one would type them, of about `most` bytes; what is left out is in the middle.
pub fn command(argv: &[Vec<u8>], most: usize) -> String {
    let (mut head, mut taken, mut first) = (Vec::new(), 0, 0);
    while let Some(word) = argv.get(first).filter(|_| taken < most / 3) {
        head.push(typed(word, most));
        (taken, first) = (taken + word.len() + 1, first + 1);
    }
    let (mut tail, mut taken, mut last) = (Vec::new(), 0, argv.len());
    while let Some(word) = last.checked_sub(1).and_then(|at| argv.get(at)).filter(|_| last > first && taken < most) {
        tail.push(typed(word, most));
        (taken, last) = (taken + word.len() + 1, last - 1);
    }
    if last > first {
        head.push(CUT.to_string());
    }
    head.extend(tail.into_iter().rev());
    head.join(" ")
}

/// In quotes where blanks or a shell's own characters would make something else of it.
fn typed(word: &[u8], most: usize) -> String {
    const OWN: [char; 16] = [' ', '\'', '"', '$', '`', '\\', '*', '?', ';', '&', '|', '<', '>', '(', ')', '#'];
    let word = bounded(word, most);
    // What `visible` wrote out begins with a backslash; in quotes it would look as if it had been typed so.
    let plain = !word.is_empty() && !word.replace("\\x", "").replace("\\u{", "").contains(OWN);
    if plain { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// `text` in at most `cells`, cut at its end: for what is ours and not for paths.
pub fn front(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut out = first_cells(text, cells.saturating_sub(1)).to_owned();
    out.extend((cells > 0).then_some(CUT));
    out
}

/// `text` in at most `cells`, cut in the middle, a third of what is left in front of the cut.
pub fn middle(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    split(text, cells, cells.saturating_sub(1) / 3)
}

/// A command in at most `cells`: its program stays whole where that leaves the end as much room.
pub fn program_and_end(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let program = width(text.split(' ').next().unwrap_or_default()) + 1;
    let third = cells.saturating_sub(1) / 3;
    split(text, cells, if program <= cells / 2 { program.max(third) } else { third })
}

fn split(text: &str, cells: usize, head: usize) -> String {
    let Some(rest) = cells.checked_sub(1 + head) else { return String::new() };
    format!("{}{CUT}{}", first_cells(text, head), last_cells(text, rest))
}

/// The longest beginning that takes at most `cells`.
fn first_cells(text: &str, cells: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, character)| {
        taken += character.width().unwrap_or(0);
        taken > cells
    });
    end.map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}

/// The longest end that takes at most `cells`.
fn last_cells(text: &str, cells: usize) -> &str {
    let (mut taken, mut from) = (0, text.len());
    for (at, character) in text.char_indices().rev() {
        taken += character.width().unwrap_or(0);
        if taken > cells {
            break;
        }
        // A mark without width belongs to what stands before it, and never begins a line.
        if character.width().unwrap_or(0) > 0 {
            from = at;
        }
    }
    text.get(from..).unwrap_or_default()
}

/// `text` over lines of at most `cells`, broken at blanks where there are any.
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    let (mut lines, mut rest) = (Vec::new(), text);
    if cells == 0 {
        return vec![text.to_owned()];
    }
    loop {
        let fits = first_cells(rest, cells);
        if fits.len() == rest.len() {
            break;
        }
        let fits = if fits.is_empty() { first_character(rest) } else { fits };
        let blank = fits.rfind(' ').map_or(fits.len(), |at| at + 1);
        // A break far from the margin would waste more than it helps.
        let end = if blank * 2 > fits.len() { blank } else { fits.len() };
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        lines.push(line.trim_end_matches(' ').to_owned());
        rest = after;
    }
    lines.push(rest.to_owned());
    lines
}

fn first_character(text: &str) -> &str {
    text.chars().next().and_then(|first| text.get(..first.len_utf8())).unwrap_or(text)
}

/// At most `most` of `lines`, the left out ones in the middle and counted.
pub fn few(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() <= most || most == 0 {
        lines.truncate(most);
        return lines;
    }
    let head = (most - 1) / 2;
    let hidden = lines.len() - (most - 1);
    let tail = lines.split_off(head + hidden);
    lines.truncate(head);
    lines.push(format!("{CUT} {hidden} lines {CUT}"));
    lines.extend(tail);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_stays() {
        assert_eq!(middle("/a/very/long/path/to/id_rsa", 12), "/a/…o/id_rsa");
        assert_eq!(middle("漢字漢字漢字/秘密", 9), "漢…/秘密");
        assert_eq!(program_and_end("cargo test --workspace --all-features -- login", 24), "cargo t…eatures -- login");
        assert_eq!(front("a long title", 7), "a long…");
        assert_eq!(["", "…", "…t"], [0, 1, 2].map(|cells| middle("text", cells)).each_ref().map(String::as_str));
    }

    #[test]
    fn a_flood_of_arguments_is_bounded_and_keeps_both_ends() {
        let mut argv = vec![b"sh".to_vec(), b"-c".to_vec()];
        argv.extend((0..20_000).map(|at| format!("word{at}").into_bytes()));
        argv.push(b"; rm -rf ~".to_vec());
        let shown = command(&argv, MOST);
        assert!(shown.len() < 2 * MOST, "{}", shown.len());
        assert!(shown.starts_with("sh -c word0 ") && shown.ends_with(" '; rm -rf ~'"), "{shown}");
        let one = command(&[b"x".to_vec(), vec![b'a'; 100 << 10]], MOST);
        assert!(one.len() < 2 * MOST, "{}", one.len());
    }

    #[test]
    fn arguments_are_quoted_and_made_visible() {
        let argv = [&b"printf"[..], b"a b", b"\x1b[31m", "\u{202e}x".as_bytes(), b"", b"it's"].map(<[u8]>::to_vec);
        assert_eq!(command(&argv, MOST), r"printf 'a b' \x1b[31m \u{202e}x '' 'it'\''s'");
    }

    #[test]
    fn lines_break_at_blanks_and_are_counted_when_left_out() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("aaaaaaaaaaaa", 5), ["aaaaa", "aaaaa", "aa"]);
        let lines: Vec<_> = (0..9).map(|at| at.to_string()).collect();
        assert_eq!(few(lines, 4), ["0", "… 6 lines …", "7", "8"]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in "\\PC{0,60}", cells in 0usize..40) {
            for cut in [middle(&text, cells), front(&text, cells), program_and_end(&text, cells)] {
                prop_assert!(width(&cut) <= cells, "{cut:?} in {cells}");
            }
            for line in wrap(&text, cells.max(2)) {
                prop_assert!(width(&line) <= cells.max(2), "{line:?} in {cells}");
            }
        }

        #[test]
        fn any_bytes_become_bounded_text_without_controls(bytes in prop::collection::vec(any::<u8>(), 0..400), most in 8usize..200) {
            let shown = bounded(&bytes, most);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert!(shown.len() <= most * 4 + 3);
        }
    }
}
