//! The shapes in which a secret turns up in bytes, each beside the same shape of its placeholder.
//!
//! Invariant: both sides of a form have the same length, so that one can stand in for the other without moving anything.
//! Leaves to others: finding them in a stream (`scan`), making placeholders (`placeholder`).
//!
//! Base64 of a text that holds the secret holds one of three strings, by where the secret begins in its group of three
//! bytes; the characters at both ends that mix in neighbouring bytes are left out (RFC 4648 §4):
//! ```text
//!  bytes   u s e : | s e c r e t | …        offset 1: two characters at the left belong to ':' too
//!  base64  dXNlO  n  NlY3JldA               offset 2: three
//! ```

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// Shorter pieces of a form would be found in texts that have nothing to do with the secret, in bytes.
const SHORTEST: usize = 8;

/// One shape of the secret and the same shape of the placeholder.
pub struct Form {
    pub real: Zeroizing<Vec<u8>>,
    pub placeholder: Zeroizing<Vec<u8>>,
}

/// All shapes of `real`: as it is, percent-encoded, inside of a JSON string, in base64 of either alphabet.
/// `placeholder` is as long as `real` and has its punctuation, as `placeholder::like` makes it.
pub fn of(real: &[u8], placeholder: &[u8]) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::with_capacity(10);
    let mut add = |real: Zeroizing<Vec<u8>>, placeholder: Zeroizing<Vec<u8>>| {
        let fits = real.len() == placeholder.len() && real.len() >= SHORTEST;
        if fits && !forms.iter().any(|form| *form.real == *real) {
            forms.push(Form { real, placeholder });
        }
    };
    add(Zeroizing::new(real.to_vec()), Zeroizing::new(placeholder.to_vec()));
    add(percent(real), percent(placeholder));
    add(json(real), json(placeholder));
    for offset in 0..3 {
        add(grouped(&STANDARD_NO_PAD, real, offset), grouped(&STANDARD_NO_PAD, placeholder, offset));
        add(grouped(&URL_SAFE_NO_PAD, real, offset), grouped(&URL_SAFE_NO_PAD, placeholder, offset));
    }
    forms
}

/// What base64 of any text holds that has `secret` at a position that leaves `offset` when divided by three.
fn grouped(alphabet: &impl Engine, secret: &[u8], offset: usize) -> Zeroizing<Vec<u8>> {
    let mut padded = Zeroizing::new(vec![0; offset]);
    padded.extend_from_slice(secret);
    let text = Zeroizing::new(alphabet.encode(&*padded));
    let first = (offset * 8).div_ceil(6);
    let whole = padded.len() * 8 / 6;
    Zeroizing::new(text.as_bytes().get(first..whole).unwrap_or_default().to_vec())
}

/// Everything but unreserved characters as `%XX` (RFC 3986 §2.1).
fn percent(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() * 3));
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(*byte);
        } else {
            out.extend([b'%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    out
}

/// As a JSON string has it, without its quotes (RFC 8259 §7).
fn json(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + 8));
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

fn hex(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'A' + digit - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn holds(text: &[u8], part: &[u8]) -> bool {
        memchr::memmem::find(text, part).is_some()
    }

    #[test]
    fn a_plain_token_has_itself_and_base64() {
        let forms = of(b"ghp_0123456789abcdef", b"ghp_fedcba9876543210");
        assert_eq!(forms.len(), 4, "the alphabets differ in no character of it");
        assert_eq!(*forms[0].real, b"ghp_0123456789abcdef");
    }

    #[test]
    fn punctuation_is_known_encoded() {
        let forms = of(b"pa\"ss/w\\ord+1234", b"qb\"tt/x\\pse+5678");
        assert!(forms.iter().any(|form| *form.real == b"pa%22ss%2Fw%5Cord%2B1234"));
        assert!(forms.iter().any(|form| *form.real == b"pa\\\"ss/w\\\\ord+1234"));
    }

    proptest! {
        #[test]
        fn base64_around_it_holds_one(
            before in "[ -~]{0,20}", secret in "[a-zA-Z0-9_/+-]{12,60}", after in "[ -~]{0,20}",
        ) {
            let forms = of(secret.as_bytes(), &vec![b'x'; secret.len()]);
            let whole = format!("{before}{secret}{after}");
            for text in [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole), whole] {
                let found: Vec<_> = forms.iter().filter(|form| holds(text.as_bytes(), &form.real)).collect();
                prop_assert!(!found.is_empty());
            }
        }

        #[test]
        fn putting_the_placeholder_there_hides_it(before in "[ -~]{0,9}", secret in "[a-z]{16,40}", after in "[ -~]{0,9}") {
            let placeholder: String = secret.chars().rev().collect();
            prop_assume!(placeholder != secret);
            let mut text = STANDARD.encode(format!("{before}{secret}{after}")).into_bytes();
            for form in of(secret.as_bytes(), placeholder.as_bytes()) {
                if let Some(at) = memchr::memmem::find(&text, &form.real) {
                    text[at..at + form.real.len()].copy_from_slice(&form.placeholder);
                }
            }
            let decoded = STANDARD.decode(&text).unwrap();
            prop_assert!(!holds(&decoded, secret.as_bytes()));
        }
    }
}
