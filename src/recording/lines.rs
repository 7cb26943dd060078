//! Events into asciicast v3 lines and `#govsh` lines.
//!
//! Invariant: a line never holds a line break, a lone surrogate or invalid UTF-8; event lines have exactly three elements; the
//! intervals add up to the events' own times without drift; `readback` makes the same events of it.
//! Leaves to others: compression and frames (`writer`).
//!
//! ```text
//! #govsh {"seq":7,"t":1.250000,"kind":"output","head":1,"tail":"4oI="}      companion, only where the event line is not enough
//! [0.250000,"o","…"]                                                        what stock players see
//! #govsh {"seq":8,"t":1.300000,"kind":"file","op":"open",…,"verdict":"deny"}
//! [0.050000,"m","denied: open /root/.ssh/id_rsa"]                           belongs to the line before it
//! ```
//! A character split over two events is shown whole with the later one. The first event's companion holds the bytes back in
//! `tail`, the second one's says how many bytes at the `head` of its text are not its own.

use std::net::SocketAddr;

use super::encode::{self, Rulings};
use super::json::{Object, seconds, string};
use super::network;
use super::visible::visible;
use super::words::Word;
use crate::event::{Event, Judged, Stamped, Start, Stream};
use crate::policy::Verdict;

/// Version of the format, in the header.
pub(super) const FORMAT: u32 = 2;
/// What a line begins with that stock players skip.
pub(super) const COMMENT: &[u8] = b"#govsh ";

/// The state between lines: what a reader knows when it has read them all.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Sum of all intervals, in microseconds.
    clock: u64,
    /// Sequence number a reader expects next.
    next: u64,
    /// Bytes of an unfinished character, at most three, for each stream and the input.
    held: [Vec<u8>; 4],
    scratch: String,
    rulings: Rulings,
}

impl Lines {
    /// The header: what stock players need, and a sign that this is ours.
    pub(super) fn header(start: &Start, out: &mut Vec<u8>) {
        let mut header = Object::begin(out);
        header.number("version", 3);
        header.object("term", |term| {
            term.number("cols", start.cols.max(1));
            term.number("rows", start.rows.max(1));
            if !start.term.is_empty() {
                term.text("type", &start.term);
            }
        });
        header.number("timestamp", start.timestamp);
        let command: Vec<_> = start.argv.iter().map(|word| String::from_utf8_lossy(word)).collect();
        header.text("command", &command.join(" "));
        header.object("govsh", |govsh| {
            govsh.number("format", FORMAT);
            govsh.text("id", &start.id);
        });
        header.end();
        out.push(b'\n');
    }

    /// Appends the lines of one event.
    pub(super) fn add(&mut self, stamped: &Stamped, out: &mut Vec<u8>) {
        match &stamped.event {
            Event::Output { stream, data } => self.bytes(stamped, "o", Some(*stream), data, out),
            Event::Input { data } => self.bytes(stamped, "i", None, data, out),
            Event::Resize { cols, rows } => self.plain(stamped, "r", &format!("{cols}x{rows}"), out),
            Event::Marker { label, .. } => self.plain(stamped, "m", label, out),
            Event::Exit { status, .. } => self.plain(stamped, "x", &status.to_string(), out),
            _ => {
                out.extend_from_slice(COMMENT);
                match &stamped.event {
                    Event::Judged(judged) => self.rulings.object(stamped, judged, out),
                    _ => encode::object(stamped, out),
                }
                out.push(b'\n');
                if let Some(label) = marker(&stamped.event) {
                    let interval = self.advance(stamped.t);
                    event_line(out, interval, "m", &label);
                }
            }
        }
        self.next = stamped.seq.saturating_add(1);
    }

    /// Microseconds that the intervals so far add up to.
    pub(super) fn clock(&self) -> u64 {
        self.clock
    }

    /// Moves the clock as near to `t` as it can get; the interval in microseconds.
    fn advance(&mut self, t: u64) -> u64 {
        let interval = (t / 1_000).saturating_sub(self.clock);
        self.clock += interval;
        interval
    }

    /// Whether a reader would give the next event line another place or time than `stamped` has.
    fn off(&self, stamped: &Stamped) -> bool {
        self.next != stamped.seq || self.clock.checked_mul(1_000) != Some(stamped.t)
    }

    fn plain(&mut self, stamped: &Stamped, code: &str, text: &str, out: &mut Vec<u8>) {
        let interval = self.advance(stamped.t);
        let more = match &stamped.event {
            Event::Marker { by, .. } => !by.is_empty(),
            Event::Exit { signal, .. } => signal.is_some(),
            _ => false,
        };
        if more || self.off(stamped) {
            out.extend_from_slice(COMMENT);
            let mut companion = encode::begin(stamped, out);
            match &stamped.event {
                Event::Marker { by, .. } => encode::by(&mut companion, by),
                Event::Exit { signal, .. } => companion.some_number("signal", *signal),
                _ => {}
            }
            companion.end();
            out.push(b'\n');
        }
        event_line(out, interval, code, text);
    }

    fn bytes(&mut self, stamped: &Stamped, code: &str, stream: Option<Stream>, data: &[u8], out: &mut Vec<u8>) {
        let interval = self.advance(stamped.t);
        let place = match stream {
            Some(Stream::Terminal) => 0,
            Some(Stream::Stdout) => 1,
            Some(Stream::Stderr) => 2,
            None => 3,
        };
        let named = stream.filter(|stream| *stream != Stream::Terminal);
        let off = self.off(stamped) || named.is_some();
        let held = &mut self.held[place];
        if held.is_empty()
            && let Ok(text) = std::str::from_utf8(data)
        {
            if off {
                companion(stamped, named, &Shown::default(), data, out);
            }
            event_line(out, interval, code, text);
            return;
        }
        let shown = Shown::split(held, data, &mut self.scratch);
        companion(stamped, named, &shown, data, out);
        event_line(out, interval, code, &self.scratch);
    }
}

/// How the text of an event line relates to the bytes of its event.
#[derive(Default)]
struct Shown {
    /// Bytes at the start of the text that belong to earlier events.
    head: usize,
    /// Bytes of the event that a later text shows.
    tail: Vec<u8>,
    /// The text does not tell the bytes.
    lossy: bool,
}

impl Shown {
    /// Puts into `text` what can be shown of the bytes `held` from before and `data`, and leaves the rest in `held`.
    fn split(held: &mut Vec<u8>, data: &[u8], text: &mut String) -> Shown {
        let head = held.len();
        held.extend_from_slice(data);
        text.clear();
        let (mut lossy, mut done) = (false, 0);
        for chunk in held.utf8_chunks() {
            text.push_str(chunk.valid());
            done += chunk.valid().len();
            let invalid = chunk.invalid();
            if invalid.is_empty() || (done + invalid.len() == held.len() && unfinished(invalid)) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            done += invalid.len();
            lossy = true;
        }
        let tail = held.split_off(done);
        let shown = Shown { head, lossy: lossy || done < head, tail: tail.clone() };
        *held = tail;
        shown
    }
}

/// Whether `bytes` may still become a character.
fn unfinished(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

fn companion(stamped: &Stamped, stream: Option<Stream>, shown: &Shown, data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(COMMENT);
    let mut object = encode::begin(stamped, out);
    if let Some(stream) = stream {
        object.text("stream", stream.word());
    }
    if shown.lossy {
        object.base64("data_bytes", data);
    } else {
        if shown.head > 0 {
            object.number("head", shown.head);
        }
        if !shown.tail.is_empty() {
            object.base64("tail", &shown.tail);
        }
    }
    object.end();
    out.push(b'\n');
}

fn event_line(out: &mut Vec<u8>, interval: u64, code: &str, text: &str) {
    out.push(b'[');
    seconds(out, interval.saturating_mul(1_000));
    out.extend_from_slice(b",\"");
    out.extend_from_slice(code.as_bytes());
    out.extend_from_slice(b"\",");
    string(out, text);
    out.extend_from_slice(b"]\n");
}

/// The label by which stock players can jump to what went wrong.
fn marker(event: &Event) -> Option<String> {
    match event {
        Event::Judged(judged @ Judged { verdict: Verdict::Deny, op, .. }) => {
            Some(format!("denied: {op} {}", object(judged.host.as_deref(), judged.addr, judged.port, &judged.path)))
        }
        _ if is_denied(event) => network::label(event).map(|what| format!("denied: {what}")),
        Event::Ask(ask) => Some(match &ask.argv[..] {
            [] => format!("asked: {} {}", ask.op, object(ask.host.as_deref(), ask.addr, ask.port, &ask.path)),
            argv => {
                let words: Vec<_> = argv.iter().map(|word| visible(word)).collect();
                format!("asked: {} {}", ask.op, words.join(" "))
            }
        }),
        Event::Answer(answer) => Some(format!("answered: {} {}", answer.verdict.word(), answer.scope.word())),
        Event::Alert { what, .. } => Some(format!("alert: {}", visible(what.as_bytes()))),
        _ => None,
    }
}

fn object(host: Option<&str>, addr: Option<SocketAddr>, port: u16, path: &[u8]) -> String {
    network::place(host, addr, port).unwrap_or_else(|| visible(path))
}

/// Whether a decision was a denial. The end of a tunnel is none: what ended it was judged, and told, for itself.
pub fn is_denied(event: &Event) -> bool {
    !matches!(event, Event::Tunnel(_)) && event.verdict() == Some(Verdict::Deny)
}

/// Whether the writer puts a marker of its own after the event.
pub(super) fn marks(event: &Event) -> bool {
    is_denied(event) || matches!(event, Event::Alert { .. } | Event::Ask(_) | Event::Answer(_))
}
