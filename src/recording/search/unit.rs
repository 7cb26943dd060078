//! The frames from a keyframe to the next, searched in order by one thread.
//!
//! Invariant: what a frame gives does not depend on who searches it.
//! Leaves to others: the order of the frames (`crew`).

use std::io::{Read, Seek};

use super::glass::Glass;
use super::watch::{Memory, Watch};
use super::{Hit, Places, Progress, Query, words};
use crate::event::{Event, Stamped, Stream};
use crate::recording::ReadError;
use crate::recording::archive::{Archive, draw};
use crate::recording::frame::Index;
use crate::screen::Screen;

/// What one frame gave.
#[derive(Debug, Default)]
pub(super) struct Gleaned {
    /// With the hash of their line, for output.
    pub hits: Vec<(Hit, u64)>,
    /// What was erased at its end.
    pub memory: Memory,
    /// Nobody knew what the frame before had erased.
    pub anew: bool,
    /// Input with time and number.
    pub typed: Vec<(u64, u64, Vec<u8>)>,
    pub error: Option<ReadError>,
}

/// The frames that can be searched without those before: the screen before them is known, or nothing was drawn yet.
pub(super) fn starts(frames: &[Index]) -> Vec<usize> {
    let mut known = true;
    let mut starts = Vec::new();
    for (frame, index) in frames.iter().enumerate() {
        if known {
            starts.push(frame);
        }
        if index.tally.draws() {
            known = index.key > 0;
        }
    }
    starts
}

/// Searches frame after frame.
pub(super) struct Reader<'q> {
    query: &'q Query,
    watch: Watch<'q>,
    glass: Option<Glass>,
}

impl<'q> Reader<'q> {
    pub(super) fn new(query: &'q Query) -> Self {
        Reader { query, watch: Watch::new(query), glass: None }
    }

    pub(super) fn frame<R: Read + Seek>(
        &mut self,
        archive: &mut Archive<R>,
        frame: usize,
        progress: &Progress,
    ) -> Gleaned {
        let mut gleaned = Gleaned { anew: self.glass.is_none(), ..Gleaned::default() };
        match self.read(archive, frame, &mut gleaned, progress) {
            Ok(()) => {}
            Err(error) => gleaned.error = Some(error),
        }
        gleaned.hits = std::mem::take(&mut self.watch.hits);
        gleaned.memory = self.watch.memory.clone();
        gleaned
    }

    fn read<R: Read + Seek>(
        &mut self,
        archive: &mut Archive<R>,
        frame: usize,
        gleaned: &mut Gleaned,
        progress: &Progress,
    ) -> Result<(), ReadError> {
        let events = archive.events(frame)?;
        let output = self.query.places.contains(Places::OUTPUT);
        let draws = |stamped: &Stamped| matches!(stamped.event, Event::Output { .. } | Event::Resize { .. });
        if output && self.glass.is_none() && events.iter().any(draws) {
            let screen = archive.screen_before(frame)?;
            self.begin(&screen);
        }
        // A size that changes is drawn beside it, and taken over.
        let resized = events.iter().any(|stamped| matches!(stamped.event, Event::Resize { .. }));
        let mut screen = if output && resized { Some(archive.screen_before(frame)?) } else { None };
        for stamped in events.iter() {
            if progress.stopped() {
                break;
            }
            if let Some(screen) = &mut screen {
                draw(screen, &stamped.event);
            }
            self.event(stamped, screen.as_ref(), gleaned);
        }
        Ok(())
    }

    fn event(&mut self, stamped: &Stamped, screen: Option<&Screen>, gleaned: &mut Gleaned) {
        (self.watch.t, self.watch.seq) = (stamped.t, stamped.seq);
        match (&stamped.event, &mut self.glass) {
            (Event::Output { stream, data }, Some(glass)) => {
                match stream {
                    Stream::Terminal => glass.feed(data, &mut self.watch),
                    Stream::Stdout | Stream::Stderr => lines(glass, data, &mut self.watch),
                }
                glass.settle(&mut self.watch);
            }
            (Event::Resize { .. }, _) => {
                if let Some(screen) = screen {
                    self.begin(screen);
                }
            }
            (Event::Input { data }, _) if self.query.places.contains(Places::INPUT) => {
                gleaned.typed.push((stamped.t, stamped.seq, data.clone()));
            }
            (Event::Output { .. } | Event::Input { .. }, _) => {}
            _ => {
                let mut hits = Vec::new();
                words::event(self.query, stamped, &mut hits);
                self.watch.hits.extend(hits.into_iter().map(|hit| (hit, 0)));
            }
        }
    }

    /// Goes on from a screen: what stands on it was told when it came.
    fn begin(&mut self, screen: &Screen) {
        self.watch.silent = true;
        self.glass = Some(Glass::of(screen, &mut self.watch));
        self.watch.silent = false;
    }
}

/// What went into a pipe has line breaks that a terminal would complete.
fn lines(glass: &mut Glass, data: &[u8], watch: &mut Watch<'_>) {
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        match line.split_last() {
            Some((b'\n', rest)) => {
                glass.feed(rest, watch);
                glass.feed(b"\r\n", watch);
            }
            _ => glass.feed(line, watch),
        }
    }
}
