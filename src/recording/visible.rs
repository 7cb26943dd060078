//! Untrusted text made safe to draw: names, arguments and paths come from an adversary.
//!
//! Invariant: what comes out moves no cursor, changes no colour, hides nothing and never breaks the line.

use std::fmt::Write;

/// `bytes` with control characters, bytes that are not UTF-8 and characters that reorder or hide text written as escapes.
pub fn visible(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push(&mut out, character);
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn push(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..='\u{1f}' | '\u{7f}' => {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{:02x}", u32::from(character));
        }
        hidden if is_hidden(hidden) => {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(hidden));
        }
        plain => out.push(plain),
    }
}

/// Whether a character is written as an escape: controls, and what [`visible`] calls hidden.
pub fn hides(character: char) -> bool {
    matches!(character, '\0'..='\u{1f}' | '\u{7f}') || is_hidden(character)
}

/// C1 controls, separators that break lines, bidirectional controls, and characters without width or shape.
fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_and_the_rest_is_written_out() {
        assert_eq!(visible("grüße 漢字 🦀".as_bytes()), "grüße 漢字 🦀");
        assert_eq!(visible(b"a\x1b[2Jb\n\xff"), "a\\x1b[2Jb\\n\\xff");
        assert_eq!(visible("x\u{202e}gpj.exe\u{200b}".as_bytes()), "x\\u{202e}gpj.exe\\u{200b}");
    }
}
