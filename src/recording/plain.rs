//! Event lines as the writer makes them, read without a JSON parser.
//!
//! Invariant: what is read here is what a JSON parser reads; whatever is not exactly as the writer makes it is left to that.

use memchr::memchr;

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
fn text(body: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(body.len());
    unescaped(body, &mut text)?;
    String::from_utf8(text).ok()
}

/// Appends the text of an event line of output behind its interval, `,"o","…"]`; what could not be read so leaves `out`
/// as it was.
pub(super) fn append_output(rest: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let body = rest.strip_prefix(b",\"o\",\"")?.strip_suffix(b"\"]")?;
    // Escapes stand for ASCII, so that the text is valid where they are.
    simdutf8::basic::from_utf8(body).ok()?;
    let before = out.len();
    let read = unescaped(body, out);
    if read.is_none() {
        out.truncate(before);
    }
    read
}

/// Appends what the body of a JSON string stands for. None for a control character, a quote that ends it before its end,
/// and escapes of what is not ASCII; something may have been appended then.
fn unescaped(mut rest: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.reserve(rest.len());
    loop {
        let run = plain(rest, out);
        let [b'\\', letter, after @ ..] = rest.get(run..)? else {
            return (run == rest.len()).then_some(());
        };
        rest = after;
        out.push(match letter {
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
}

/// Appends what stands for itself up to the first quote, backslash or control character; its length.
fn plain(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;

    let (words, rest) = bytes.as_chunks::<8>();
    for (at, bytes) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*bytes);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        // The lowest mark is right; those above it may be its borrow.
        let marks = control | zero_in(word ^ (ONES * 0x22)) | zero_in(word ^ (ONES * 0x5c));
        out.extend_from_slice(bytes);
        if marks != 0 {
            let plain = marks.trailing_zeros() as usize / 8;
            out.truncate(out.len() - 8 + plain);
            return at * 8 + plain;
        }
    }
    let plain = rest.iter().take_while(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\')).count();
    out.extend_from_slice(rest.get(..plain).unwrap_or_default());
    words.len() * 8 + plain
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
            let mut out = b"before".to_vec();
            let appended = append_output(line.as_bytes(), &mut out).map(|()| out.split_off(6));
            prop_assert_eq!(appended, code_and_text(line.as_bytes()).map(|(_, text)| text.into_bytes()));
            prop_assert_eq!(out, b"before");
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
