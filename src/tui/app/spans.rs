//! The figures of frames for the timeline, kept as the recording grows.
//!
//! Invariant: one span for each frame, made once; that of the frame under way is made anew when it has more.

use crate::event::{Event, Kind, Stamped};
use crate::recording::{Index, ReadError};
use crate::tui::panels::timeline::Span;
use crate::tui::source::Source;

/// See the module.
#[derive(Default)]
pub(super) struct Spans {
    spans: Vec<Span>,
    /// Complete frames among them.
    complete: usize,
    /// Events of the frame under way.
    under_way: usize,
    /// Frames whose denials and questions are told by exact moments.
    exact: usize,
}

impl Spans {
    pub(super) fn all(&self) -> &[Span] {
        &self.spans
    }

    /// Takes in what is new. Of the first `exact` frames denials and questions are told elsewhere.
    pub(super) fn refresh(&mut self, source: &mut dyn Source, exact: usize) -> Result<(), ReadError> {
        let frames = source.frames().len();
        let grown = frames > self.complete;
        if grown {
            self.spans.truncate(self.complete);
            self.under_way = 0;
            let fresh = source.frames().get(self.complete..).unwrap_or_default();
            self.spans.extend(fresh.iter().map(span));
            self.complete = frames;
        }
        let exact = exact.min(frames);
        for span in self.spans.get_mut(self.exact..exact).unwrap_or_default() {
            (span.denied, span.asked) = (0, 0);
        }
        self.exact = self.exact.max(exact);
        if source.len() > frames {
            let events = source.events(frames)?;
            if events.len() != self.under_way || grown {
                self.under_way = events.len();
                self.spans.truncate(frames);
                self.spans.push(of_events(&events));
            }
        }
        Ok(())
    }
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
        net: count("net"),
        denied: index.tally.denied,
        asked: index.tally.asked,
    }
}

/// Of the frame under way; its denials and questions are told by their moments.
fn of_events(events: &[Stamped]) -> Span {
    let mut span = Span {
        from: events.first().map_or(0, |stamped| stamped.t),
        to: events.last().map_or(0, |stamped| stamped.t),
        ..Span::default()
    };
    for stamped in events {
        match &stamped.event {
            Event::Output { data, .. } => span.out += data.len() as u64,
            Event::Judged(judged) => match judged.kind {
                Kind::Exec => span.exec += 1,
                Kind::File => span.file += 1,
                Kind::Net => span.net += 1,
            },
            _ => {}
        }
    }
    span
}
