//! What the front says to `govsh mcp connect`, which says what the client says.
//!
//! ```text
//! connect ─▶ front   NAME '\n', then the client's bytes as they are
//! front ─▶ connect   kind (1 byte), length (32 bits, little-endian), so many bytes
//!                    'o' for stdout · 'e' for stderr · 'x' the exit status, 4 bytes · 'r' why it is refused, in words
//! ```
//! Invariant: a frame holds at most `LARGEST` bytes. Leaves to others: sockets (`client`, `cmd::mcp::connect`).

/// Bytes in one frame.
pub const LARGEST: usize = 64 << 10;
/// Longest first line, its end included.
pub const LONGEST_NAME: usize = 128;
/// Bytes before those of a frame.
pub const HEAD: usize = 5;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Stdout,
    Stderr,
    Exit,
    Refused,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Stdout => b'o',
            Kind::Stderr => b'e',
            Kind::Exit => b'x',
            Kind::Refused => b'r',
        }
    }
}

/// What stands before so many bytes of this kind.
pub fn head(kind: Kind, length: usize) -> [u8; HEAD] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    [kind.byte(), a, b, c, d]
}

/// Kind and length; None where it is not ours.
pub fn read_head(head: [u8; HEAD]) -> Option<(Kind, usize)> {
    let [byte, a, b, c, d] = head;
    let kind = [Kind::Stdout, Kind::Stderr, Kind::Exit, Kind::Refused].into_iter().find(|kind| kind.byte() == byte)?;
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    (length <= LARGEST).then_some((kind, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_read_back() {
        for kind in [Kind::Stdout, Kind::Stderr, Kind::Exit, Kind::Refused] {
            assert_eq!(read_head(head(kind, LARGEST)), Some((kind, LARGEST)));
        }
        assert_eq!(read_head(head(Kind::Stdout, LARGEST + 1)), None);
        assert_eq!(read_head(*b"z\0\0\0\0"), None);
    }
}
