//! What the agent gets in place of a secret: the same length, prefix and kinds of characters, the rest random.
//!
//! Invariant: nothing of the secret but its known prefix, its length and its punctuation can be told from it, and of a JSON
//! web token its header and claims, which programs read; what gives the token its worth is the signature (RFC 7515 §3).
//! Leaves to others: where it is put (`session`), finding it again (`scan`).

use zeroize::Zeroizing;

/// Beginnings that programs check, the longer first where one begins another.
const PREFIXES: &[&str] = &[
    "github_pat_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "glpat-",
    "sk-ant-api03-",
    "sk-ant-oat01-",
    "sk-ant-",
    "sk-proj-",
    "sk-svcacct-",
    "sk-or-v1-",
    "sk-",
    "npm_",
    "pypi-",
    "hf_",
    "gsk_",
    "xai-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "r8_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "dop_v1_",
    "cio",
    "rk_live_",
    "sk_live_",
    "sk_test_",
    "SG.",
    "shpat_",
    "lin_api_",
    "ntn_",
    "secret_",
];

/// Characters of a placeholder that must be random for nobody to meet it by chance.
const FREE: usize = 8;

/// Longest secret, in bytes: it has to fit into one header.
pub const LONGEST: usize = 8 << 10;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeFault {
    #[error("it is shorter than {FREE} characters without its prefix, too short to be told from other text")]
    Short,
    #[error("it is longer than {LONGEST} bytes")]
    Long,
    #[error("it has bytes that no header carries")]
    Bytes,
}

/// Fills with random bytes.
pub type Random<'r> = &'r mut dyn FnMut(&mut [u8]);

/// A placeholder for `real`, keeping `prefix` where it begins so, else a prefix that is known.
pub fn like(real: &[u8], prefix: Option<&str>, random: Random) -> Result<Zeroizing<Vec<u8>>, ShapeFault> {
    if real.len() > LONGEST {
        return Err(ShapeFault::Long);
    }
    if !real.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return Err(ShapeFault::Bytes);
    }
    let kept = kept(real, prefix);
    let tail = real.get(kept..).unwrap_or_default();
    if tail.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() < FREE {
        return Err(ShapeFault::Short);
    }
    let hex = tail.iter().all(|byte| byte.is_ascii_hexdigit() || !byte.is_ascii_alphanumeric());
    let mut made = Zeroizing::new(real.to_vec());
    let mut dice = Dice { random, left: 0, bytes: [0; 64] };
    // A secret that meets its own placeholder by chance is given another; the odds make a second round all but impossible.
    for _ in 0..8 {
        for (new, old) in made.iter_mut().zip(real).skip(kept) {
            *new = dice.like(*old, hex);
        }
        if *made != real {
            return Ok(made);
        }
    }
    Err(ShapeFault::Short)
}

/// How many bytes at the beginning are kept.
fn kept(real: &[u8], prefix: Option<&str>) -> usize {
    if let Some(prefix) = prefix.filter(|prefix| real.starts_with(prefix.as_bytes())) {
        return prefix.len();
    }
    // A JSON web token in compact form: `eyJ…` is `{"` and dots part it.
    let mut dots = memchr::memchr_iter(b'.', real);
    if let (true, Some(_), Some(second), None) = (real.starts_with(b"eyJ"), dots.next(), dots.next(), dots.next()) {
        return second + 1;
    }
    PREFIXES.iter().find(|known| real.starts_with(known.as_bytes())).map_or(0, |known| known.len())
}

struct Dice<'r> {
    random: Random<'r>,
    left: usize,
    bytes: [u8; 64],
}

impl Dice<'_> {
    fn below(&mut self, faces: u8) -> u8 {
        // The largest multiple of `faces` that a byte holds: what lies above would favour the first.
        let fair = 255 - (255 % faces);
        loop {
            if self.left == 0 {
                (self.random)(&mut self.bytes);
                self.left = self.bytes.len();
            }
            self.left -= 1;
            match self.bytes.get(self.left) {
                Some(byte) if *byte < fair => return byte % faces,
                _ => {}
            }
        }
    }

    /// Another character of the kind of `old`; punctuation stays.
    fn like(&mut self, old: u8, hex: bool) -> u8 {
        match old {
            b'0'..=b'9' => b'0' + self.below(10),
            b'a'..=b'z' => b'a' + self.below(if hex { 6 } else { 26 }),
            b'A'..=b'Z' => b'A' + self.below(if hex { 6 } else { 26 }),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A generator that is the same each time (xorshift).
    fn numbers(seed: u64) -> impl FnMut(&mut [u8]) {
        let mut state = seed | 1;
        move |bytes: &mut [u8]| {
            for byte in bytes {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = (state >> 32) as u8;
            }
        }
    }

    fn made(real: &str, prefix: Option<&str>) -> String {
        let made = like(real.as_bytes(), prefix, &mut numbers(7)).unwrap();
        String::from_utf8(made.to_vec()).unwrap()
    }

    #[test]
    fn prefix_length_and_kinds_stay() {
        let token = made("ghp_16C7e42F292c6912E7710c838347Ae178B4a", None);
        assert!(token.starts_with("ghp_") && token.len() == 40, "{token}");
        let key = made("sk-ant-api03-abcDEF123_-xyzXYZ", None);
        assert!(key.starts_with("sk-ant-api03-") && key.as_bytes()[22..24] == *b"_-", "{key}");
        assert!(made("0123456789abcdef0123", None).bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(made("acme-0123456789abc", Some("acme-")).starts_with("acme-"));
    }

    #[test]
    fn a_web_token_can_still_be_read() {
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDB9.c2lnbmF0dXJlLXRoYXQtY291bnRz";
        let made = made(token, None);
        let signature = token.rfind('.').unwrap() + 1;
        assert_eq!(made[..signature], token[..signature]);
        assert_ne!(made[signature..], token[signature..]);
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        let fault = |text: &[u8]| like(text, None, &mut numbers(1)).unwrap_err();
        assert_eq!(fault(b"hunter2"), ShapeFault::Short);
        assert_eq!(fault(b"ghp_abc"), ShapeFault::Short);
        assert_eq!(fault(b"ghp_abc\r\nx: 123456789"), ShapeFault::Bytes);
        assert_eq!(fault(&[b'a'; LONGEST + 1]), ShapeFault::Long);
    }

    proptest! {
        #[test]
        fn has_its_shape(real in "[!-~]{0,10}[a-z0-9]{12,40}[!-~]{0,10}", seed: u64) {
            let made = like(real.as_bytes(), None, &mut numbers(seed)).unwrap();
            prop_assert_eq!(made.len(), real.len());
            for (new, old) in made.iter().zip(real.bytes()) {
                prop_assert_eq!(new.is_ascii_digit(), old.is_ascii_digit());
                prop_assert_eq!(new.is_ascii_lowercase(), old.is_ascii_lowercase());
                prop_assert_eq!(new.is_ascii_uppercase(), old.is_ascii_uppercase());
            }
            prop_assert!(*made != real.as_bytes());
        }
    }
}
