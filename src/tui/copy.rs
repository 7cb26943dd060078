//! Text to the viewer's clipboard, through the terminal (OSC 52, xterm ctlseqs).
//!
//! Invariant: only base64 of the text is sent: nothing in it can end the sequence.
//! Leaves to others: which text.

use crate::recording::to_base64;

/// Most bytes that are sent: terminals refuse more.
pub const MOST: usize = 74_000;

/// The sequence that copies `text`, of which at most [`MOST`] bytes are taken. Inside tmux it needs `set-clipboard on`.
pub fn sequence(text: &str) -> Vec<u8> {
    let mut end = text.len().min(MOST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut out = b"\x1b]52;c;".to_vec();
    to_base64(&mut out, text.get(..end).unwrap_or_default().as_bytes());
    out.push(7);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_base64_is_sent() {
        assert_eq!(sequence("a\x1b\\b"), b"\x1b]52;c;YRtcYg==\x07");
        let long = sequence(&"\u{6f22}".repeat(MOST));
        assert!(long.len() < MOST * 4 / 3 + 20);
        assert!(long[7..long.len() - 1].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte)));
    }
}
