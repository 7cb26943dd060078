//! Characters that some readers take for the end of a line: U+0085, U+2028, U+2029 (Python's `splitlines`, Node's `readline`).
//!
//! Invariant: none of them is passed on raw: a message that carries another one between two of them would be two messages to
//! such a reader. JSON has them in strings alone, where an escape says the same. Leaves to others: carriage returns within
//! a message, which are refused (`message`, `scan`).

use memchr::memmem;

const BREAKS: [(&[u8], &[u8]); 3] =
    [(b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085")];

/// `bytes` with escapes in their place; None: there are none. `bytes` begin and end with whole characters.
pub fn escaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    for (raw, escape) in BREAKS {
        let text = out.as_deref().unwrap_or(bytes);
        if memmem::find(text, raw).is_none() {
            continue;
        }
        let (mut less, mut from) = (Vec::with_capacity(text.len() + 64), 0);
        for at in memmem::find_iter(text, raw) {
            less.extend_from_slice(text.get(from..at).unwrap_or_default());
            less.extend_from_slice(escape);
            from = at + raw.len();
        }
        less.extend_from_slice(text.get(from..).unwrap_or_default());
        out = Some(less);
    }
    out
}

/// The same of a text in pieces.
#[derive(Debug, Default)]
pub struct Pieces {
    /// The beginning of what may be one of them.
    begun: Vec<u8>,
}

impl Pieces {
    /// What can be passed on of what has come.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut whole = std::mem::take(&mut self.begun);
        whole.extend_from_slice(bytes);
        let longest = (1..=2.min(whole.len())).rev().find(|count| {
            let end = whole.get(whole.len() - count..).unwrap_or_default();
            BREAKS.iter().any(|(raw, _)| raw.len() > *count && raw.starts_with(end))
        });
        self.begun = whole.split_off(whole.len() - longest.unwrap_or(0));
        escaped(&whole).unwrap_or(whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn breaks_are_escaped_and_nothing_else() {
        let text = "\"a\u{2028}b\u{2029}\u{85}\u{2027}é\u{202a}\"";
        assert_eq!(escaped(text.as_bytes()).unwrap(), "\"a\\u2028b\\u2029\\u0085\u{2027}é\u{202a}\"".as_bytes());
        assert_eq!(escaped("\u{2027}é".as_bytes()), None);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[a\u{2028}\u{2029}\u{85}\u{2027}é]{0,12}", piece in 1_usize..5) {
            let mut pieces = Pieces::default();
            let text = format!("{text}}}");
            let out: Vec<u8> = text.as_bytes().chunks(piece).flat_map(|piece| pieces.pass(piece)).collect();
            prop_assert_eq!(&out, &escaped(text.as_bytes()).unwrap_or_else(|| text.clone().into_bytes()));
        }
    }
}
