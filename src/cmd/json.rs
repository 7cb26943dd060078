//! What `--json` prints.
//!
//! Invariant: no control character is printed as it is, those above ASCII neither: a terminal might act on it.
//! Leaves to others: what is told.

use std::borrow::Cow;
use std::io::{self, Write};

use memchr::memchr_iter;
use serde::Serialize;

/// First byte of U+0080 to U+00BF.
const LEAD: u8 = 0xc2;

/// A value over several lines, and a line break.
pub fn pretty(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    whole(out, serde_json::to_vec_pretty(value)?)
}

/// A value in one line.
pub fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    whole(out, serde_json::to_vec(value)?)
}

fn whole(out: &mut impl Write, mut json: Vec<u8>) -> io::Result<()> {
    json.push(b'\n');
    out.write_all(&escaped(&json))
}

/// JSON with U+0080 to U+009F escaped: they stand only in strings.
pub fn escaped(json: &[u8]) -> Cow<'_, [u8]> {
    let controls = || memchr_iter(LEAD, json).filter(|at| matches!(json.get(at + 1), Some(0x80..=0x9f)));
    if controls().next().is_none() {
        return Cow::Borrowed(json);
    }
    let mut out = Vec::with_capacity(json.len() + 64);
    let mut done = 0;
    for at in controls() {
        out.extend_from_slice(json.get(done..at).unwrap_or_default());
        let control = json.get(at + 1).copied().unwrap_or_default();
        out.extend_from_slice(format!("\\u00{control:02x}").as_bytes());
        done = at + 2;
    }
    out.extend_from_slice(json.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back_and_drives_no_terminal() {
        let text: String = (0..0x200).filter_map(char::from_u32).collect();
        let mut out = Vec::new();
        pretty(&mut out, &[&text, "ä"]).expect("a vector takes everything");
        line(&mut out, &text).expect("a vector takes everything");
        let printed = String::from_utf8(out).expect("JSON is UTF-8");
        assert!(printed.chars().all(|ch| ch == '\n' || ch == '\u{7f}' || !ch.is_control()), "{printed}");
        let mut read = serde_json::Deserializer::from_str(&printed).into_iter::<serde_json::Value>();
        assert_eq!(read.next().and_then(Result::ok), Some(serde_json::json!([text, "ä"])));
        assert_eq!(read.next().and_then(Result::ok), Some(serde_json::json!(text)));
    }
}
