//! What of a flood of text still shows at its end.
//!
//! Invariant: feeding CR, the last renditions of the head, and the tail leaves the same screen as feeding the whole flood, in
//! ground state and without margins.
//! Leaves to others: whether those hold.
//!
//! Why it is so: let the tail begin after a CR and hold `2 × rows + 1` line feeds. Its first character goes to column 0
//! whatever came before. The cursor is at most `rows - 1` rows above the bottom, so at least `rows + 2` of the line feeds
//! scroll: everything that was on the screen at the tail's beginning is gone, the last line evicted is one of the tail's,
//! and the cursor is on the last row. With history, as many line feeds more. Beside text a flood may hold renditions, of
//! which the last ones count, and erasures within a line.

use memchr::{memchr, memrchr, memrchr_iter};

/// Bytes of a rendition, at most; longer ones end the flood.
const LONGEST: usize = 64;

/// Bytes up to the first that is more than printable text, CR, LF or TAB. Characters that begin with 0xC2 count as more,
/// since the C1 control characters are among them.
pub(super) fn plain_length(text: &str) -> usize {
    const LANE: usize = 64;
    let bytes = text.as_bytes();
    let plain = |byte: u8| (byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r')) && byte != 0x7f && byte != 0xc2;
    // Without early ends the compiler takes a lane at a time.
    let lanes = bytes.chunks(LANE).take_while(|lane| lane.iter().fold(true, |all, byte| all & plain(*byte)));
    let whole: usize = lanes.map(<[u8]>::len).sum();
    let rest = bytes.get(whole..).unwrap_or_default();
    whole + rest.iter().position(|byte| !plain(*byte)).unwrap_or(rest.len())
}

/// Bytes that are plain, renditions (`CSI … m`) or erasures within a line (`CSI … K`).
pub(super) fn flood_length(text: &str) -> usize {
    let mut length = 0;
    loop {
        let rest = text.get(length..).unwrap_or_default();
        let plain = plain_length(rest);
        let sequence = sequence_length(rest.as_bytes().get(plain..).unwrap_or_default());
        length += plain + sequence;
        if sequence == 0 {
            return length;
        }
    }
}

/// Bytes of the rendition or erasure that `bytes` begins with; 0 when it begins with something else.
fn sequence_length(bytes: &[u8]) -> usize {
    let Some(body) = bytes.strip_prefix(b"\x1b[") else { return 0 };
    let body = body.get(..LONGEST).unwrap_or(body);
    match body.iter().position(|byte| !matches!(byte, b'0'..=b';')) {
        Some(last) if matches!(body.get(last), Some(b'm' | b'K')) => last + 3,
        _ => 0,
    }
}

/// Where in `flood` the tail begins: after a CR, with `lines` line feeds behind it.
pub(super) fn visible_tail(flood: &str, lines: usize) -> Option<usize> {
    let bytes = flood.as_bytes();
    let feed = memrchr_iter(b'\n', bytes).nth(lines.checked_sub(1)?)?;
    memrchr(b'\r', bytes.get(..feed)?).map(|cr| cr + 1)
}

/// The renditions of a flood from the last that resets all, in order.
pub(super) fn last_renditions(flood: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut until = flood.len();
    while let Some(at) = memrchr(0x1b, flood.as_bytes().get(..until).unwrap_or_default()) {
        until = at;
        let rest = flood.get(at..).unwrap_or_default();
        let Some(sequence) = rest.get(..sequence_length(rest.as_bytes())).filter(|sequence| sequence.ends_with('m'))
        else {
            continue;
        };
        found.push(sequence);
        if matches!(sequence, "\x1b[m" | "\x1b[0m") || sequence.starts_with("\x1b[0;") {
            break;
        }
    }
    debug_assert!(found.iter().all(|sequence| memchr(b'm', sequence.as_bytes()) == Some(sequence.len() - 1)));
    found.reverse();
    found
}
