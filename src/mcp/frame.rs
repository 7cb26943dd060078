//! Messages of the stdio transport: one to a line (MCP, §Transports, stdio).
//!
//! Invariant: the bytes given out are the bytes that came, terminator included; at most one line's worth is held.
//! Leaves to others: what the line says (`message`).

use memchr::memchr;

/// Longest line, in bytes, unless told otherwise.
pub const LONGEST: usize = 16 << 20;

/// U+FEFF.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Cuts a stream into lines.
#[derive(Debug)]
pub struct Lines {
    held: Vec<u8>,
    /// Where in `held` what was not given out begins.
    from: usize,
    /// Up to where in `held` there is no line feed.
    searched: usize,
    longest: usize,
    begun: bool,
}

/// A line is longer than may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message longer than {0} bytes")]
pub struct TooLong(pub usize);

/// One line, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// As it came.
    pub bytes: Vec<u8>,
    /// Whether a byte order mark stands before it: only at the beginning of a stream.
    pub(super) marked: bool,
}

impl Line {
    /// What is to be read as a message: no byte order mark, no line end. Empty for a blank line.
    pub fn message(&self) -> &[u8] {
        let rest = if self.marked { self.bytes.get(3..).unwrap_or_default() } else { &self.bytes };
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let begin = rest.iter().position(|byte| !is_space(byte)).unwrap_or(rest.len());
        let end = rest.iter().rposition(|byte| !is_space(byte)).map_or(begin, |last| last + 1);
        rest.get(begin..end).unwrap_or_default()
    }
}

impl Lines {
    pub fn new(longest: usize) -> Lines {
        Lines { held: Vec::new(), from: 0, searched: 0, longest, begun: false }
    }

    /// More of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.from > 0 {
            self.held.drain(..self.from);
            self.searched -= self.from;
            self.from = 0;
        }
        self.held.extend_from_slice(bytes);
    }

    /// The next whole line, if one is there.
    pub fn next_line(&mut self) -> Result<Option<Line>, TooLong> {
        let unread = self.held.get(self.searched..).unwrap_or_default();
        let Some(found) = memchr(b'\n', unread) else {
            self.searched = self.held.len();
            return if self.left() > self.longest { Err(TooLong(self.longest)) } else { Ok(None) };
        };
        let end = self.searched + found + 1;
        if end - self.from > self.longest {
            return Err(TooLong(self.longest));
        }
        let bytes = self.held.get(self.from..end).unwrap_or_default().to_vec();
        (self.from, self.searched) = (end, end);
        let marked = !std::mem::replace(&mut self.begun, true) && bytes.starts_with(MARK);
        Ok(Some(Line { bytes, marked }))
    }

    /// Bytes of a line whose end has not come: at the end of a stream they are no message.
    pub fn left(&self) -> usize {
        self.held.len() - self.from
    }

    /// Those bytes, and whether a byte order mark stands before them; they are no longer held.
    pub(super) fn take_left(&mut self) -> (Vec<u8>, bool) {
        self.push(&[]);
        self.searched = 0;
        let bytes = std::mem::take(&mut self.held);
        let marked = !std::mem::replace(&mut self.begun, true) && bytes.starts_with(MARK);
        (bytes, marked)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<Line> {
        let mut lines = Lines::new(64);
        let mut all = Vec::new();
        for chunk in chunks {
            lines.push(chunk);
            while let Some(line) = lines.next_line().unwrap() {
                all.push(line);
            }
        }
        all
    }

    #[test]
    fn marks_and_line_ends_are_no_part_of_a_message() {
        let lines = cut(&[b"\xef\xbb\xbf{}\r\n\r\n \xef\xbb\xbf{}\n"]);
        assert_eq!(lines.iter().map(Line::message).collect::<Vec<_>>(), [&b"{}"[..], b"", b"\xef\xbb\xbf{}"]);
        assert_eq!(lines[0].bytes, b"\xef\xbb\xbf{}\r\n");
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut lines = Lines::new(4);
        lines.push(b"abcd");
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(b"e");
        assert_eq!(lines.next_line(), Err(TooLong(4)));
        let mut lines = Lines::new(4);
        lines.push(b"abcdef\n");
        assert_eq!(lines.next_line(), Err(TooLong(4)));
    }

    proptest! {
        #[test]
        fn what_comes_out_is_what_went_in(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..60), at in 0_usize..60) {
            let at = at.min(bytes.len());
            let split = cut(&[&bytes[..at], &bytes[at..]]);
            prop_assert_eq!(&split, &cut(&[&bytes]));
            let joined: Vec<u8> = split.iter().flat_map(|line| line.bytes.clone()).collect();
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            prop_assert_eq!(joined, &bytes[..whole]);
        }
    }
}
