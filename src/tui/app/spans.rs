//! The figures of frames for the timeline, kept as the recording grows.
//!
//! Invariant: one span for each frame, made once; that of the frame under way is made anew when it has more. In a short recording
//! a frame would be spread over many columns, and things would stand where they were not: there it is told in parts, from its events.

use crate::event::{Event, Kind, Stamped};
use crate::recording::{Index, ReadError};
use crate::tui::filter::is_denial;
use crate::tui::panels::timeline::Span;
use crate::tui::source::Source;

/// Frames, and bytes of text in them, up to which a recording is short.
const SHORT: usize = 64;
const TEXT: u64 = 4 << 20;
/// Parts of a frame that are worth telling apart.
const PARTS: usize = 128;

/// See the module.
#[derive(Default)]
pub(super) struct Spans {
    /// Of each frame.
    frames: Vec<Vec<Span>>,
    all: Vec<Span>,
    /// Complete frames among them.
    complete: usize,
    /// Events of the frame under way.
    under_way: usize,
    /// The recording is not short any more: what was told in parts is told in whole.
    long: bool,
    /// Frames whose denials and questions are told by exact moments.
    exact: usize,
}

impl Spans {
    pub(super) fn all(&self) -> &[Span] {
        &self.all
    }

    /// Takes in what is new. Of the first `exact` frames denials and questions are told elsewhere.
    pub(super) fn refresh(&mut self, source: &mut dyn Source, exact: usize) -> Result<(), ReadError> {
        let frames = source.frames().len();
        let grown = frames > self.complete;
        let exact = exact.min(frames);
        let mut changed = grown || exact > self.exact;
        if grown {
            if !self.long && !is_short(source.frames()) {
                // As it would look had it been opened now.
                (self.long, self.complete, self.exact) = (true, 0, 0);
            }
            self.frames.truncate(self.complete);
            self.under_way = 0;
            for frame in self.complete..frames {
                let spans = self.frame(source, frame);
                self.frames.push(spans);
            }
            self.complete = frames;
        }
        for span in self.frames.get_mut(..exact).unwrap_or_default().iter_mut().skip(self.exact).flatten() {
            (span.denied, span.asked) = (0, 0);
        }
        self.exact = self.exact.max(exact);
        if source.len() > frames {
            let events = source.events(frames)?;
            if events.len() != self.under_way || grown {
                self.under_way = events.len();
                self.frames.truncate(frames);
                // Its denials and questions are told by their moments.
                let parts = parts(&events);
                self.frames.push(parts.into_iter().map(|part| Span { denied: 0, asked: 0, ..part }).collect());
                changed = true;
            }
        }
        if changed {
            self.all.clear();
            self.all.extend(self.frames.iter().flatten());
        }
        Ok(())
    }

    fn frame(&self, source: &mut dyn Source, frame: usize) -> Vec<Span> {
        if !self.long
            && let Ok(events) = source.events(frame)
        {
            return parts(&events);
        }
        source.frames().get(frame).map(span).into_iter().collect()
    }
}

fn is_short(frames: &[Index]) -> bool {
    frames.len() <= SHORT && frames.iter().map(|index| index.text[1]).sum::<u64>() <= TEXT
}

fn span(index: &Index) -> Span {
    let count = |kind| index.tally.count(kind);
    // Recordings of the first format do not tell the bytes of output: their text grows with them.
    let out = match index.tally.output {
        0 if count("output") > 0 => index.text[1],
        output => output,
    };
    Span {
        from: index.ns[0],
        to: index.ns[1],
        out,
        exec: count("exec"),
        file: count("file"),
        mcp: count("mcp"),
        net: ["net", "dns", "http", "credential"].map(count).iter().sum(),
        denied: index.tally.denied,
        asked: index.tally.asked,
    }
}

/// The events in parts of equal length, those without any left out.
fn parts(events: &[Stamped]) -> Vec<Span> {
    let (from, to) = (events.first().map_or(0, |stamped| stamped.t), events.last().map_or(0, |stamped| stamped.t));
    let length = (to.saturating_sub(from) / PARTS as u64).max(1);
    let part = |stamped: &Stamped| stamped.t.saturating_sub(from) / length;
    events.chunk_by(|a, b| part(a) == part(b)).map(of_events).collect()
}

fn of_events(events: &[Stamped]) -> Span {
    let mut span = Span {
        from: events.first().map_or(0, |stamped| stamped.t),
        to: events.last().map_or(0, |stamped| stamped.t),
        ..Span::default()
    };
    for stamped in events {
        span.denied += u64::from(is_denial(&stamped.event));
        match &stamped.event {
            Event::Output { data, .. } => span.out += data.len() as u64,
            Event::Ask(_) => span.asked += 1,
            Event::Judged(judged) => match judged.kind {
                Kind::Exec => span.exec += 1,
                Kind::File => span.file += 1,
                Kind::Net => span.net += 1,
                Kind::Call | Kind::Mcp => {}
            },
            Event::Mcp(_) => span.mcp += 1,
            Event::Tunnel(_) | Event::Dns(_) | Event::Http(_) | Event::Credential(_) => span.net += 1,
            _ => {}
        }
    }
    span
}
