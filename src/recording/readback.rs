//! Lines back into events.
//!
//! Invariant: gives back what `lines` was given; lines and codes it does not know are skipped.
//! Leaves to others: frames (`reader`), the objects of `#govsh` lines (`parse`).

use std::borrow::Cow;

use serde::Deserialize;

use super::base64;
use super::lines::{COMMENT, FORMAT, marks};
use super::parse::{self, Fault, exact, from};
use super::plain;
use super::words::{Word, kind};
use crate::event::{Event, Stamped, Stream};

/// The state between lines, the same that the writer has.
#[derive(Debug, Default)]
pub(super) struct Readback {
    /// Sum of all intervals, in microseconds.
    clock: u64,
    next: u64,
    /// The last line was a companion: it speaks of the next one.
    companion: Option<Companion>,
    /// The next line may be a marker that belongs to the event before it.
    marked: bool,
}

#[derive(Debug)]
struct Companion {
    seq: u64,
    t: u64,
    kind: String,
    more: More,
}

/// What a line completes.
#[derive(Debug)]
pub(super) enum Got {
    Event(Stamped),
    /// Output of a terminal, whose bytes were appended to what there was.
    Output {
        seq: u64,
        t: u64,
    },
}

/// What a companion may say besides place and time.
#[derive(Debug, Default, Deserialize)]
struct More {
    stream: Option<String>,
    #[serde(default)]
    head: usize,
    tail: Option<String>,
    data_bytes: Option<String>,
    signal: Option<i32>,
    by: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    version: u32,
    govsh: Ours,
}

#[derive(Deserialize)]
struct Ours {
    format: u32,
}

/// What the first line says of the file.
pub(super) enum Origin {
    /// In this format, 1 to [`FORMAT`].
    Ours(u32),
    /// Made by a later govsh, in this format.
    Newer(u32),
    Foreign,
}

pub(super) fn header(line: &[u8]) -> Origin {
    match serde_json::from_slice::<Header>(line) {
        Ok(Header { version: 3, govsh: Ours { format: format @ 1..=FORMAT } }) => Origin::Ours(format),
        Ok(Header { version: 3, govsh: Ours { format } }) if format > FORMAT => Origin::Newer(format),
        _ => Origin::Foreign,
    }
}

#[derive(Deserialize)]
struct CodeAndText<'a>(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>);

impl More {
    /// It says nothing about the bytes.
    fn is_plain(&self) -> bool {
        self.stream.is_none() && self.head == 0 && self.tail.is_none() && self.data_bytes.is_none()
    }
}

impl Readback {
    /// As it stands before the first line of a frame.
    pub(super) fn at(clock_us: u64, next: u64) -> Self {
        Self { clock: clock_us, next, ..Self::default() }
    }

    /// Sum of all intervals so far, in microseconds.
    pub(super) fn clock(&self) -> u64 {
        self.clock
    }

    /// The event that `line`, without its line break, completes. The line is changed while it is read.
    pub(super) fn line(&mut self, line: &mut [u8]) -> Result<Option<Stamped>, Fault> {
        let marked = std::mem::take(&mut self.marked);
        match line.first() {
            Some(b'#') => match line.strip_prefix(COMMENT).map(<[u8]>::len) {
                Some(length) => self.comment(&mut line[COMMENT.len()..][..length]),
                None => Ok(None),
            },
            Some(b'[') => self.event(line, marked),
            None => Ok(None),
            Some(_) => Err("neither an event nor a comment".to_owned()),
        }
    }

    /// As [`Readback::line`], but output of a terminal goes to `out`, without an event of its own where it is plain.
    pub(super) fn line_onto(&mut self, line: &mut [u8], out: &mut Vec<u8>) -> Result<Option<Got>, Fault> {
        if let Some(got) = self.plain_output(line, out) {
            return Ok(Some(got));
        }
        Ok(self.line(line)?.map(|stamped| match stamped {
            Stamped { seq, t, event: Event::Output { stream: Stream::Terminal, data } } => {
                out.extend_from_slice(&data);
                Got::Output { seq, t }
            }
            stamped => Got::Event(stamped),
        }))
    }

    fn plain_output(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Got> {
        let (nanos, length) = decimal(line.strip_prefix(b"[")?)?;
        if self.companion.as_ref().is_some_and(|said| said.kind != "output" || !said.more.is_plain()) {
            return None;
        }
        plain::append_output(line.get(1 + length..)?, out)?;
        self.marked = false;
        self.clock = self.clock.saturating_add(nanos / 1_000);
        let said = self.companion.take().map(|said| (said.seq, said.t));
        let (seq, t) = said.unwrap_or((self.next, self.clock.saturating_mul(1_000)));
        self.next = seq.saturating_add(1);
        Some(Got::Output { seq, t })
    }

    fn comment(&mut self, json: &mut [u8]) -> Result<Option<Stamped>, Fault> {
        let (place, rest) = Place::parse(json).ok_or("no seq, t and kind at the start")?;
        let (seq, t, kind) = (place.seq, place.t, place.kind.to_owned());
        let json = &mut json[rest..];
        if let Some(comma) = json.first_mut().filter(|byte| **byte == b',') {
            *comma = b'{';
        }
        let json: &[u8] = if json == b"}" { b"{}" } else { json };
        self.companion = None;
        if matches!(kind.as_str(), "output" | "input" | "resize" | "marker" | "exit") {
            let more = if json == b"{}" { More::default() } else { from(json)? };
            self.companion = Some(Companion { seq, t, kind, more });
            return Ok(None);
        }
        self.next = seq.saturating_add(1);
        let Some(event) = parse::event(&kind, json)? else {
            return Ok(None);
        };
        self.marked = marks(&event);
        Ok(Some(Stamped { seq, t, event }))
    }

    fn event(&mut self, line: &mut [u8], marked: bool) -> Result<Option<Stamped>, Fault> {
        let (nanos, length) = decimal(&line[1..]).ok_or("no interval")?;
        self.clock = self.clock.saturating_add(nanos / 1_000);
        let rest = &mut line[1 + length..];
        let CodeAndText(code, text) = match plain::code_and_text(rest) {
            Some((code, text)) => CodeAndText(Cow::Owned(code), Cow::Owned(text)),
            None => {
                match rest.first_mut() {
                    Some(comma) if *comma == b',' => *comma = b'[',
                    _ => return Err("no code after the interval".to_owned()),
                }
                from(rest)?
            }
        };
        let companion = self.companion.take();
        if marked && code == "m" {
            return Ok(None);
        }
        let more = companion.as_ref().map(|companion| &companion.more);
        let Some(event) = event(&code, text, more)? else {
            return Ok(None);
        };
        let (seq, t) = match companion {
            Some(companion) if companion.kind == kind(&event) => (companion.seq, companion.t),
            Some(_) => return Err("a companion of another kind of event".to_owned()),
            None => (self.next, self.clock.saturating_mul(1_000)),
        };
        self.next = seq.saturating_add(1);
        Ok(Some(Stamped { seq, t, event }))
    }
}

/// The event of an event line; None for codes that are not ours.
fn event(code: &str, text: Cow<'_, str>, more: Option<&More>) -> Result<Option<Event>, Fault> {
    Ok(Some(match code {
        "o" => {
            let stream = match more.and_then(|more| more.stream.as_deref()) {
                Some(word) => Stream::from_word(word).ok_or("unknown stream")?,
                None => Stream::Terminal,
            };
            Event::Output { stream, data: data(text, more)? }
        }
        "i" => Event::Input { data: data(text, more)? },
        "r" => {
            let (cols, rows) = text.split_once('x').ok_or("no size")?;
            let number = |text: &str| text.parse().map_err(|_| "no size".to_owned());
            Event::Resize { cols: number(cols)?, rows: number(rows)? }
        }
        "m" => {
            let by = more.and_then(|more| more.by.clone()).unwrap_or_default();
            Event::Marker { label: text.into_owned(), by }
        }
        "x" => {
            let status = text.parse().map_err(|_| "no exit status")?;
            Event::Exit { status, signal: more.and_then(|more| more.signal) }
        }
        _ => return Ok(None),
    }))
}

/// The exact bytes of an output or input event.
fn data(text: Cow<'_, str>, more: Option<&More>) -> Result<Vec<u8>, Fault> {
    let Some(More { head, tail, data_bytes, .. }) = more else {
        return Ok(text.into_owned().into_bytes());
    };
    if let Some(coded) = data_bytes {
        return exact(text, Some(coded.clone()));
    }
    let mut data = text.as_bytes().get(*head..).ok_or("head is longer than the text")?.to_vec();
    if let Some(coded) = tail {
        data.extend(base64::decode(coded).ok_or("bad base64")?);
    }
    Ok(data)
}

/// What every `#govsh` object begins with.
pub(super) struct Place<'j> {
    pub(super) seq: u64,
    pub(super) t: u64,
    pub(super) kind: &'j str,
}

impl<'j> Place<'j> {
    /// And how many bytes it took, up to the comma or brace after it.
    pub(super) fn parse(json: &'j [u8]) -> Option<(Self, usize)> {
        let rest = json.strip_prefix(b"{\"seq\":")?;
        let (seq, length) = digits(rest)?;
        let rest = rest.get(length..)?.strip_prefix(b",\"t\":")?;
        let (t, length) = decimal(rest)?;
        let rest = rest.get(length..)?.strip_prefix(b",\"kind\":\"")?;
        let end = rest.iter().position(|byte| *byte == b'"')?;
        let kind = std::str::from_utf8(rest.get(..end)?).ok()?;
        let rest = rest.get(end + 1..)?;
        Some((Place { seq, t, kind }, json.len() - rest.len()))
    }
}

/// A decimal number of seconds in nanoseconds, and its length in bytes.
fn decimal(text: &[u8]) -> Option<(u64, usize)> {
    let (whole, length) = digits(text)?;
    let mut nanos = whole.checked_mul(1_000_000_000)?;
    let Some(fraction) = text.get(length..)?.strip_prefix(b".") else {
        return Some((nanos, length));
    };
    let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut unit = 100_000_000;
    for digit in fraction.iter().take(count) {
        nanos = nanos.checked_add(u64::from(digit - b'0') * unit)?;
        unit /= 10;
    }
    Some((nanos, length + 1 + count))
}

fn digits(text: &[u8]) -> Option<(u64, usize)> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(text.get(..count)?).ok()?.parse().ok()?;
    Some((number, count))
}
