//! pkt-line, the framing of git's protocols: four hexadecimal digits of length, these included, then the payload.
//!
//! Invariant: a line is known only once all of it is there; a length that no line has is a fault, never skipped.
//! Leaves to others: what the lines say (`push`). Specification: gitprotocol-common(5).
//! ```text
//! 0000      flush        0001 delimiter        0002 end of response
//! 000bfoobar\n           a payload of 7 bytes; at most 65516
//! ```

/// Most bytes of one line with its length (gitprotocol-common(5)).
const LONGEST: usize = 65_520;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'b> {
    Flush,
    Delimiter,
    ResponseEnd,
    /// With the line feed at its end, if it has one.
    Text(&'b [u8]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line of the git protocol has no valid length")]
pub struct LineFault;

/// The first line of `bytes` and how many bytes it takes; None while it is not all there.
pub fn first(bytes: &[u8]) -> Result<Option<(Line<'_>, usize)>, LineFault> {
    let Some(digits) = bytes.get(..4) else { return Ok(None) };
    // from_str_radix alone would take a sign.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(LineFault);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| LineFault)?;
    let length = usize::from_str_radix(digits, 16).map_err(|_| LineFault)?;
    match length {
        0 => Ok(Some((Line::Flush, 4))),
        1 => Ok(Some((Line::Delimiter, 4))),
        2 => Ok(Some((Line::ResponseEnd, 4))),
        3 => Err(LineFault),
        _ if length > LONGEST => Err(LineFault),
        _ => Ok(bytes.get(4..length).map(|text| (Line::Text(text), length))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_the_manual_shows() {
        assert_eq!(first(b"0006a\n"), Ok(Some((Line::Text(b"a\n"), 6))));
        assert_eq!(first(b"0004"), Ok(Some((Line::Text(b""), 4))));
        assert_eq!(first(b"000bfoobar\nrest"), Ok(Some((Line::Text(b"foobar\n"), 11))));
        assert_eq!(first(b"0000"), Ok(Some((Line::Flush, 4))));
        assert_eq!(first(b"00"), Ok(None));
        assert_eq!(first(b"0006a"), Ok(None));
        for bad in [&b"0003"[..], b"+006a\n", b"fff1x", b"00 6", b"PACK", b"\xff\xff\xff\xff"] {
            assert_eq!(first(bad), Err(LineFault), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_beginning_is_unfinished_or_the_same(payload in prop::collection::vec(any::<u8>(), 0..300), cut: usize) {
            let mut line = format!("{:04x}", payload.len() + 4).into_bytes();
            line.extend_from_slice(&payload);
            prop_assert_eq!(first(&line), Ok(Some((Line::Text(&payload), line.len()))));
            let cut = cut % line.len();
            prop_assert_eq!(first(&line[..cut]), Ok(None));
        }
    }
}
