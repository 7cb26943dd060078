//! What of a flood of plain text still shows at its end.
//!
//! Invariant: feeding CR and the tail leaves the same screen as feeding the whole run, in ground state and without margins.
//! Leaves to others: whether those hold.
//!
//! Why it is so: let the tail begin after a CR and hold `2 × rows + 1` line feeds. Its first character goes to column 0
//! whatever came before. The cursor is at most `rows - 1` rows above the bottom, so at least `rows + 2` of the line feeds
//! scroll: everything that was on the screen at the tail's beginning is gone, the last line evicted is one of the tail's,
//! and the cursor is on the last row. With history, as many line feeds more.

use memchr::{memrchr, memrchr_iter};

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

/// What of `run` follows a CR and still holds `lines` line feeds, where that is shorter.
pub(super) fn visible_tail(run: &str, lines: usize) -> Option<&str> {
    let bytes = run.as_bytes();
    if bytes.len() <= lines {
        return None;
    }
    let feed = memrchr_iter(b'\n', bytes).nth(lines.checked_sub(1)?)?;
    let cr = memrchr(b'\r', bytes.get(..feed)?)?;
    run.get(cr + 1..)
}
