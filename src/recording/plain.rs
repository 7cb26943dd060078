//! Event lines as the writer makes them, read without a JSON parser.
//!
//! Invariant: what is read here is what a JSON parser reads; whatever is not exactly as the writer makes it is left to that.

use memchr::{memchr, memchr2};

/// Code and text of `,"o","…"]`: an event line behind its interval.
pub(super) fn code_and_text(rest: &[u8]) -> Option<(String, String)> {
    let rest = rest.strip_prefix(b",\"")?;
    let (&code, rest) = rest.split_first()?;
    let body = rest.strip_prefix(b"\",\"")?.strip_suffix(b"\"]")?;
    if !code.is_ascii_alphabetic() {
        return None;
    }
    Some((char::from(code).to_string(), text(body)?))
}

/// What stands between the quotes of a JSON string; None for what needs a closer look.
fn text(mut rest: &[u8]) -> Option<String> {
    if rest.iter().fold(false, |any, byte| any | (*byte < 0x20)) {
        return None;
    }
    let mut text = Vec::with_capacity(rest.len());
    // A quote that is not escaped ends the string before its end.
    while let Some(at) = memchr2(b'\\', b'"', rest) {
        let (run, escape) = rest.split_at(at);
        text.extend_from_slice(run);
        let [b'\\', letter, after @ ..] = escape else { return None };
        rest = after;
        text.push(match letter {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'"' | b'\\' | b'/' => *letter,
            b'u' => {
                let (&[b'0', b'0', high, low], after) = rest.split_first_chunk()? else { return None };
                rest = after;
                let byte = hex(high)? << 4 | hex(low)?;
                // Others take more than one byte.
                if !byte.is_ascii() {
                    return None;
                }
                byte
            }
            _ => return None,
        });
    }
    text.extend_from_slice(rest);
    String::from_utf8(text).ok()
}

fn hex(digit: u8) -> Option<u8> {
    memchr(digit.to_ascii_lowercase(), b"0123456789abcdef").and_then(|at| u8::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_read_as_by_a_parser(body in "([ -~é客\u{1f}]|\\\\[nrtbfu/\"x]|\\\\u00[0-9a-fA-F]{2}|\\\\ud83[de]){0,12}") {
            let line = format!(",\"o\",\"{body}\"]");
            if let Some(read) = code_and_text(line.as_bytes()) {
                let parsed: (String, String) = serde_json::from_str(&format!("[{}", &line[1..])).expect("JSON");
                prop_assert_eq!(read, parsed);
            }
        }

        #[test]
        fn what_the_writer_makes_is_read(text in any::<String>()) {
            let mut line = b",\"o\",".to_vec();
            crate::recording::json::string(&mut line, &text);
            line.push(b']');
            let plain = !text.contains(|ch| matches!(ch, '\u{80}'..='\u{9f}'));
            let read = code_and_text(&line);
            prop_assert!(read.is_some() || !plain, "{:?}", text);
            prop_assert!(read.is_none_or(|read| read == ("o".to_owned(), text)));
        }
    }
}
