//! The head of an HTTP/1 request, looked at before anybody else reads it.
//!
//! Invariant: what two parsers could read in two ways is refused: a length twice or beside chunks, a folded or bare-ended
//! line, two hosts, an odd method. Leaves to others: what the request asks for (`check`), the stream (`watch`).
//! Specification: RFC 9112 §3 to §7, RFC 9110 §7.2.

/// Longest head, in bytes.
pub const LONGEST: usize = 64 << 10;
/// Most header lines.
pub const LINES: usize = 128;

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Nothing,
    /// As many bytes, at least one.
    Length(u64),
    Chunked,
    /// Perhaps another protocol.
    Open,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    #[error("its head is longer than 64 KiB or has more than 128 lines")]
    Long,
    #[error("a line of its head does not end in CR LF")]
    Line,
    #[error("its head is not HTTP/1")]
    Syntax,
    #[error("its method is not made of 1 to 32 capital letters")]
    Method,
    #[error("it has no host, or more than one")]
    Host,
    #[error("its length is given twice, or both as a length and in chunks")]
    Length,
    #[error("its transfer encoding is not 'chunked' alone")]
    Encoding,
}

impl HeadFault {
    const ALL: [HeadFault; 7] = [
        HeadFault::Long,
        HeadFault::Line,
        HeadFault::Syntax,
        HeadFault::Method,
        HeadFault::Host,
        HeadFault::Length,
        HeadFault::Encoding,
    ];

    /// For [`HeadFault::of`].
    pub fn number(self) -> usize {
        HeadFault::ALL.iter().position(|fault| *fault == self).unwrap_or(0)
    }

    pub fn of(number: usize) -> Option<HeadFault> {
        HeadFault::ALL.get(number).copied()
    }
}

/// Where the head ends that `bytes` begins with: behind its empty line. None while that is not there.
pub fn end(bytes: &[u8]) -> Result<Option<usize>, HeadFault> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4);
    let head = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    let bare = memchr::memchr_iter(b'\n', head).any(|at| at == 0 || head.get(at - 1) != Some(&b'\r'));
    match (bare, head.len() > LONGEST) {
        (true, _) => Err(HeadFault::Line),
        (_, true) => Err(HeadFault::Long),
        _ => Ok(end),
    }
}

/// Looks at a whole head, its empty line included.
pub fn check(head: &[u8]) -> Result<Framing, HeadFault> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut request = httparse::Request::new(&mut lines);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(HeadFault::Long),
        _ => return Err(HeadFault::Syntax),
    }
    let method = request.method.unwrap_or_default();
    if !is_method(method) {
        return Err(HeadFault::Method);
    }
    let mut seen = Seen::default();
    for line in request.headers.iter() {
        seen.note(line.name, line.value)?;
    }
    if seen.hosts != 1 {
        return Err(HeadFault::Host);
    }
    if seen.chunked && (seen.length.is_some() || request.version == Some(0)) {
        return Err(HeadFault::Length);
    }
    Ok(match seen.length {
        _ if seen.upgrade || method == "CONNECT" => Framing::Open,
        _ if seen.chunked => Framing::Chunked,
        Some(length) if length > 0 => Framing::Length(length),
        _ => Framing::Nothing,
    })
}

/// Methods are case-sensitive; whoever sends another case hopes for a server that is not.
pub fn is_method(method: &str) -> bool {
    (1..=32).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

#[derive(Default)]
struct Seen {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl Seen {
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), HeadFault> {
        if name.eq_ignore_ascii_case("host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case("upgrade") {
            self.upgrade = true;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(HeadFault::Encoding);
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case("content-length") {
            let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = digits.and_then(|digits| digits.parse().ok()).ok_or(HeadFault::Length)?;
            if self.length.replace(length).is_some() {
                return Err(HeadFault::Length);
            }
        }
        Ok(())
    }
}

/// Finds the end of a chunked body (RFC 9112 §7.1) without keeping any of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunks {
    at: Part,
    /// Bytes of data still to come.
    left: u64,
    /// Bytes of the line so far.
    line: usize,
    /// Lines behind the last chunk.
    trailers: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Size,
    /// Behind the size, up to the line's end.
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    DataEndLine,
    Trailer,
    TrailerEnd,
    Done,
}

/// A line of a chunked body that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkFault;

impl Chunks {
    pub fn is_done(&self) -> bool {
        self.at == Part::Done
    }

    /// How many of `bytes` belong to the body.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, ChunkFault> {
        let mut taken = 0;
        while let (false, Some(byte)) = (self.is_done(), bytes.get(taken)) {
            if self.at == Part::Data {
                let there = (bytes.len() - taken) as u64;
                let some = there.min(self.left);
                self.left -= some;
                taken += some as usize;
                if self.left == 0 {
                    self.at = Part::DataEnd;
                }
                continue;
            }
            self.step(*byte)?;
            taken += 1;
        }
        Ok(taken)
    }

    fn step(&mut self, byte: u8) -> Result<(), ChunkFault> {
        self.line += 1;
        if self.line > LONGEST {
            return Err(ChunkFault);
        }
        self.at = match (self.at, byte) {
            (Part::Size, b'\r') if self.line > 1 => Part::SizeEnd,
            (Part::Size, b';' | b' ' | b'\t') if self.line > 1 => Part::Extension,
            (Part::Size, digit) => {
                let digit = char::from(digit).to_digit(16).ok_or(ChunkFault)?;
                if self.left >> 60 != 0 {
                    return Err(ChunkFault);
                }
                self.left = self.left << 4 | u64::from(digit);
                Part::Size
            }
            (Part::Extension, b'\r') => Part::SizeEnd,
            (Part::Extension, b'\n') => return Err(ChunkFault),
            (Part::Extension, _) => Part::Extension,
            (Part::SizeEnd, b'\n') => self.begin(if self.left > 0 { Part::Data } else { Part::Trailer }),
            (Part::DataEnd, b'\r') => Part::DataEndLine,
            (Part::DataEndLine, b'\n') => self.begin(Part::Size),
            (Part::Trailer, b'\r') => Part::TrailerEnd,
            (Part::Trailer, b'\n') => return Err(ChunkFault),
            (Part::Trailer, _) => Part::Trailer,
            (Part::TrailerEnd, b'\n') if self.line == 2 => Part::Done,
            (Part::TrailerEnd, b'\n') if self.trailers < LINES => {
                self.trailers += 1;
                self.begin(Part::Trailer)
            }
            _ => return Err(ChunkFault),
        };
        Ok(())
    }

    fn begin(&mut self, part: Part) -> Part {
        self.line = 0;
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(head: &str) -> Result<Framing, HeadFault> {
        let head = format!("{}\r\n\r\n", head.replace('\n', "\r\n"));
        assert_eq!(end(head.as_bytes()), Ok(Some(head.len())));
        check(head.as_bytes())
    }

    #[test]
    fn framing_is_told() {
        assert_eq!(told("GET / HTTP/1.1\nhost: x"), Ok(Framing::Nothing));
        assert_eq!(told("POST / HTTP/1.1\nhost: x\ncontent-length: 0"), Ok(Framing::Nothing));
        assert_eq!(told("POST / HTTP/1.1\nhost: x\nContent-Length: 12"), Ok(Framing::Length(12)));
        assert_eq!(told("POST / HTTP/1.1\nhost: x\ntransfer-encoding: Chunked"), Ok(Framing::Chunked));
        assert_eq!(told("GET / HTTP/1.1\nhost: x\nupgrade: websocket"), Ok(Framing::Open));
        assert_eq!(told("CONNECT x:1 HTTP/1.1\nhost: x"), Ok(Framing::Open));
    }

    #[test]
    fn what_could_be_smuggled_is_refused() {
        use HeadFault::{Encoding, Host, Length, Method, Syntax};
        for (head, fault) in [
            ("POST / HTTP/1.1\nhost: x\ncontent-length: 4\ntransfer-encoding: chunked", Length),
            ("POST / HTTP/1.1\nhost: x\ntransfer-encoding: chunked\ncontent-length: 4", Length),
            ("POST / HTTP/1.1\nhost: x\ncontent-length: 4\ncontent-length: 4", Length),
            ("POST / HTTP/1.1\nhost: x\ncontent-length: 4, 4", Length),
            ("POST / HTTP/1.1\nhost: x\ncontent-length: +4", Length),
            ("POST / HTTP/1.1\nhost: x\ncontent-length: ", Length),
            ("POST / HTTP/1.0\nhost: x\ntransfer-encoding: chunked", Length),
            ("POST / HTTP/1.1\nhost: x\ntransfer-encoding: chunked\ntransfer-encoding: chunked", Encoding),
            ("POST / HTTP/1.1\nhost: x\ntransfer-encoding: gzip, chunked", Encoding),
            ("POST / HTTP/1.1\nhost: x\ntransfer-encoding: xchunked", Encoding),
            ("GET / HTTP/1.1\nhost: x\nhost: y", Host),
            ("GET / HTTP/1.1\nHost: x\nhost: x", Host),
            ("GET / HTTP/1.1\naccept: x", Host),
            ("get / HTTP/1.1\nhost: x", Method),
            ("G3T / HTTP/1.1\nhost: x", Method),
            ("GET / HTTP/1.1\nhost: x\n folded", Syntax),
            ("GET / HTTP/1.1\nhost : x", Syntax),
            ("GET / HTTP/1.1\nho st: x", Syntax),
            ("GET / HTTP/2.0\nhost: x", Syntax),
            ("GET  / HTTP/1.1\nhost: x", Syntax),
            ("GET /a b HTTP/1.1\nhost: x", Syntax),
            ("GET / HTTP/1.1\nhost: x\nx: a\0b", Syntax),
        ] {
            assert_eq!(told(head), Err(fault), "{head}");
        }
        assert_eq!(end(b"GET / HTTP/1.1\nhost: x\n\n"), Err(HeadFault::Line));
        assert_eq!(end(b"GET / HTTP/1.1\r\nhost: x\n\r\n"), Err(HeadFault::Line));
        assert_eq!(end(&[b'a'; LONGEST + 1]), Err(HeadFault::Long));
        assert_eq!(end(b"GET / HTTP/1.1\r\nhost: x\r\n"), Ok(None));
    }

    #[test]
    fn every_fault_has_a_number() {
        for fault in HeadFault::ALL {
            assert_eq!(HeadFault::of(fault.number()), Some(fault));
        }
    }

    fn chunked(pieces: &[Vec<u8>], trailers: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            out.extend_from_slice(format!("{:X};x=\"y\"\r\n", piece.len()).as_bytes());
            out.extend_from_slice(piece);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        out
    }

    #[test]
    fn a_chunk_that_is_none_is_refused() {
        for bad in ["g\r\n", "\r\n", "5 \n", "1\r\nab\r\n", "ffffffffffffffffff\r\n", "-1\r\n", "0x1\r\n", "1\r\na\n"] {
            assert_eq!(Chunks::default().take(bad.as_bytes()), Err(ChunkFault), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_body_ends_where_it_ends(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
            trailers in prop_oneof![Just(""), Just("x: y\r\n"), Just("x: y\r\nz: \r\n")],
            cuts in prop::collection::vec(1usize..9, 1..20),
        ) {
            let body = chunked(&pieces, trailers);
            let all = [body.as_slice(), b"GET / HTTP/1.1\r\n"].concat();
            let mut chunks = Chunks::default();
            let mut at = 0;
            for cut in cuts.iter().cycle() {
                let piece = &all[at..(at + cut).min(all.len())];
                at += chunks.take(piece).unwrap();
                if chunks.is_done() {
                    break;
                }
            }
            prop_assert_eq!(at, body.len());
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (end(&bytes), check(&bytes), Chunks::default().take(&bytes));
        }
    }
}
