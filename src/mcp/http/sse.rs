//! Server-sent events, one by one, beside the bytes they came as (WHATWG HTML §9.2).
//!
//! Invariant: the raw bytes of all events, in order, are the stream up to the last event's end; what is held is bounded.
//! Leaves to others: what the events say (`bridge`, `serve`).

/// One event: what stands between two blank lines, and the second of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// As it came, line ends included.
    pub raw: Vec<u8>,
    /// Its `event` field; None for `message`.
    pub kind: Option<String>,
    /// Its `data` lines, joined by line feeds; None where it has none, which is no event to a client.
    pub data: Option<Vec<u8>>,
    /// Its own `id` field.
    pub id: Option<String>,
    /// How long to wait before connecting again, in milliseconds.
    pub retry: Option<u64>,
}

/// An event is longer than may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event longer than {0} bytes")]
pub struct TooLong(pub usize);

/// Cuts a stream into events.
#[derive(Debug)]
pub struct Events {
    event: Event,
    line: Vec<u8>,
    /// A carriage return ended the last line: a line feed right behind it belongs to it.
    returned: bool,
    begun: bool,
    longest: usize,
}

impl Event {
    /// The message in it as one line without its end; None where it carries none.
    pub fn message(&self) -> Option<Vec<u8>> {
        if self.kind.as_deref().is_some_and(|kind| kind != "message") {
            return None;
        }
        self.data.as_deref().filter(|data| !data.trim_ascii().is_empty()).map(one_line)
    }

    /// The same event with another message in it; `message` is one line.
    pub fn with(&self, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() + 64);
        if let Some(kind) = &self.kind {
            out.extend_from_slice(format!("event: {kind}\n").as_bytes());
        }
        if let Some(id) = &self.id {
            out.extend_from_slice(format!("id: {id}\n").as_bytes());
        }
        if let Some(retry) = self.retry {
            out.extend_from_slice(format!("retry: {retry}\n").as_bytes());
        }
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(message.trim_ascii());
        out.extend_from_slice(b"\n\n");
        out
    }
}

/// JSON on one line: outside of strings a line end is white space, and inside of them there is none.
pub fn one_line(json: &[u8]) -> Vec<u8> {
    json.trim_ascii().iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}

impl Events {
    /// `longest` bounds the bytes of one event.
    pub fn new(longest: usize) -> Events {
        Events { event: Event::default(), line: Vec::new(), returned: false, begun: false, longest }
    }

    /// More of the stream; the events that are whole now.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut done = Vec::new();
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.returned) && *first == b'\n' {
                self.event.raw.push(b'\n');
                bytes = bytes.get(1..).unwrap_or_default();
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', bytes);
            let (piece, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
            bytes = rest;
            self.event.raw.extend_from_slice(piece);
            if self.event.raw.len() > self.longest {
                return Err(TooLong(self.longest));
            }
            let text = if end.is_some() { piece.get(..piece.len() - 1).unwrap_or_default() } else { piece };
            self.line.extend_from_slice(text);
            if end.is_some() {
                self.returned = piece.ends_with(b"\r");
                done.extend(self.line_ends());
            }
        }
        Ok(done)
    }

    fn line_ends(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = match std::mem::replace(&mut self.begun, true) {
            false => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line),
            true => &line,
        };
        if line.is_empty() {
            return Some(std::mem::take(&mut self.event));
        }
        let (name, value) = match memchr::memchr(b':', line) {
            Some(at) => line.split_at(at),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || std::str::from_utf8(value).ok().filter(|text| !text.contains('\0')).map(str::to_owned);
        match name {
            b"data" => match &mut self.event.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                none => *none = Some(value.to_vec()),
            },
            b"event" => self.event.kind = text().filter(|kind| !kind.is_empty()),
            b"id" => self.event.id = text(),
            b"retry" => self.event.retry = text().filter(|text| text.len() < 10).and_then(|text| text.parse().ok()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(stream: &[u8], cut: usize) -> Vec<Event> {
        let mut events = Events::new(1 << 16);
        stream.chunks(cut).flat_map(|chunk| events.push(chunk).unwrap()).collect()
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        let stream = b"\xef\xbb\xbf: hello\n\nevent: message\r\nid: 7\rdata: {\"a\":\ndata:1}\r\n\r\nretry: 500\nid: 8\ndata\n\ndata: cut off";
        for cut in [1, 2, 3, 7, 200] {
            let events = read(stream, cut);
            let told: Vec<_> = events.iter().map(|event| (event.message(), event.id.as_deref(), event.retry)).collect();
            let message = b"{\"a\": 1}".to_vec();
            assert_eq!(told, [(None, None, None), (Some(message), Some("7"), None), (None, Some("8"), Some(500))]);
        }
        let other = read(b"event: endpoint\ndata: /messages?x=1\n\n", 5);
        assert_eq!((other[0].message(), other[0].data.as_deref()), (None, Some(&b"/messages?x=1"[..])));
    }

    #[test]
    fn an_event_without_end_is_bounded() {
        let mut events = Events::new(8);
        assert_eq!(events.push(b"data: 123"), Err(TooLong(8)));
    }

    #[test]
    fn an_event_keeps_its_id_with_another_message() {
        let event = &read(b"id: 3\nevent: message\ndata: {}\n\n", 99)[0];
        let other = read(&event.with(b"{\"x\":1}\n"), 99);
        assert_eq!((other[0].id.as_deref(), other[0].message()), (Some("3"), Some(b"{\"x\":1}".to_vec())));
    }

    proptest! {
        /// Wherever the stream is cut, the same events come, and their bytes are the stream.
        #[test]
        fn no_cut_changes_what_is_read(lines in prop::collection::vec("(data: [a-z]{0,6}|id: [0-9]|: x|)(\n|\r|\r\n)", 0..20), cut in 1_usize..9) {
            let stream = lines.concat().into_bytes();
            let (pieces, whole) = (read(&stream, cut), read(&stream, stream.len().max(1)));
            let seen = |events: &[Event]| events.iter().map(|event| (event.data.clone(), event.id.clone())).collect::<Vec<_>>();
            prop_assert_eq!(seen(&pieces), seen(&whole));
            let raw: Vec<u8> = pieces.iter().flat_map(|event| event.raw.clone()).collect();
            prop_assert!(stream.starts_with(&raw));
        }
    }
}
