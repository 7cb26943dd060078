//! The public key in a certificate (RFC 5280 §4.1): what stays the same when a server has the same key certified anew.
//!
//! ```text
//! Certificate ─ tbsCertificate ─ [0] version, serial, algorithm, issuer, validity, subject, subjectPublicKeyInfo, …
//! ```
//! Invariant: reads a certificate that TLS has verified; whatever else is none. Leaves to others: verifying (`rustls`).

/// SEQUENCE, and the version's tag.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
/// serial, algorithm, issuer, validity, subject.
const BEFORE: usize = 5;

/// `subjectPublicKeyInfo` as it stands there, its tag and length included.
pub fn key(certificate: &[u8]) -> Option<&[u8]> {
    let outer = element(certificate).filter(|outer| outer.tag == SEQUENCE)?;
    let mut rest = element(outer.content).filter(|inner| inner.tag == SEQUENCE)?.content;
    if let Some(version) = element(rest).filter(|first| first.tag == VERSION) {
        rest = version.rest;
    }
    for _ in 0..BEFORE {
        rest = element(rest)?.rest;
    }
    element(rest).filter(|key| key.tag == SEQUENCE).map(|key| key.whole)
}

struct Element<'d> {
    tag: u8,
    content: &'d [u8],
    whole: &'d [u8],
    rest: &'d [u8],
}

/// The first element (X.690 §8.1, definite lengths of at most four bytes).
fn element(der: &[u8]) -> Option<Element<'_>> {
    let (tag, length) = (*der.first()?, usize::from(*der.get(1)?));
    let (begin, length) = match length {
        0..=0x7f => (2, length),
        0x81..=0x84 => {
            let bytes = der.get(2..2 + length - 0x80)?;
            (2 + bytes.len(), bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
        _ => return None,
    };
    let end = begin.checked_add(length)?;
    Some(Element { tag, content: der.get(begin..end)?, whole: der.get(..end)?, rest: der.get(end..)? })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PublicKeyData};

    use super::*;

    #[test]
    fn the_key_is_the_same_in_every_certificate_of_it() {
        let (one, two) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let of = |names: &[&str], pair: &KeyPair| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let made = CertificateParams::new(names).unwrap().self_signed(pair).unwrap();
            key(made.der()).map(<[u8]>::to_vec)
        };
        let long = "a.example.".repeat(12);
        assert_eq!(of(&["a.example"], &one), Some(one.subject_public_key_info()));
        assert_eq!(of(&["a.example"], &one), of(&["b.example", &long[..60]], &one));
        assert_ne!(of(&["a.example"], &one), of(&["a.example"], &two));
    }

    #[test]
    fn what_is_no_certificate_has_no_key() {
        let pair = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec!["a.example".to_owned()]).unwrap().self_signed(&pair).unwrap();
        for end in 0..made.der().len() {
            assert_eq!(key(&made.der()[..end]), None, "{end}");
        }
        assert_eq!(key(b"0\x84\xff\xff\xff\xff"), None);
    }
}
