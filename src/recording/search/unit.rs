//! The frames from a keyframe to the next, searched in order by one thread.
//!
//! Invariant: what a frame gives does not depend on who searches it.
//! Leaves to others: the order of the frames (`crew`).

use std::io::{Read, Seek};

use super::glass::Glass;
use super::skim::Skim;
use super::watch::{Memory, Watch};
use super::{Hit, Places, Progress, Query, words};
use crate::event::{Event, Stamped, Stream};
use crate::recording::ReadError;
use crate::recording::archive::{Archive, draw};
use crate::recording::frame::Index;
use crate::recording::readback::Got;
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

/// Output of a terminal that came without anything between that changes what it shows.
#[derive(Default)]
struct Series {
    bytes: Vec<u8>,
    /// Where each event ends, its time and number.
    events: Vec<(usize, u64, u64)>,
}

/// Searches frame after frame.
pub(super) struct Reader<'q> {
    query: &'q Query,
    watch: Watch<'q>,
    glass: Option<Glass>,
    series: Series,
    skim: Skim,
    /// Where events end, behind a place.
    ends: Vec<usize>,
}

impl<'q> Reader<'q> {
    pub(super) fn new(query: &'q Query) -> Self {
        let (series, skim) = (Series::default(), Skim::default());
        Reader { query, watch: Watch::new(query), glass: None, series, skim, ends: Vec::new() }
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
        match archive.frames().get(frame).map(|index| (index.at[0], &index.tally)) {
            Some((at, tally)) if tally.count("resize") == 0 => {
                let draws = tally.draws();
                self.pass(archive, (frame, at), draws, gleaned, progress)
            }
            _ => self.slowly(archive, frame, gleaned, progress),
        }
    }

    /// A complete frame in which the size does not change, as its index says.
    fn pass<R: Read + Seek>(
        &mut self,
        archive: &mut Archive<R>,
        (frame, at): (usize, u64),
        draws: bool,
        gleaned: &mut Gleaned,
        progress: &Progress,
    ) -> Result<(), ReadError> {
        if draws && self.query.places.contains(Places::OUTPUT) && self.glass.is_none() {
            let dump = archive.dump_before(frame)?;
            self.begin(&dump);
        }
        let mut agrees = true;
        let mut bytes = std::mem::take(&mut self.series.bytes);
        let passed = archive.pass(frame, &mut bytes, &mut |got, bytes| match got {
            _ if progress.stopped() => bytes.clear(),
            Got::Output { seq, t } if self.glass.is_some() => self.series.events.push((bytes.len(), t, seq)),
            Got::Output { .. } => {
                agrees &= draws;
                bytes.clear();
            }
            Got::Event(stamped) => {
                if matches!(stamped.event, Event::Output { .. }) {
                    agrees &= draws;
                    std::mem::swap(bytes, &mut self.series.bytes);
                    self.draw();
                    std::mem::swap(bytes, &mut self.series.bytes);
                }
                agrees &= !matches!(stamped.event, Event::Resize { .. });
                self.event(&stamped, None, gleaned);
            }
        });
        self.series.bytes = bytes;
        self.draw();
        passed?;
        // What was left out for that is not taken for searched.
        match agrees {
            true => Ok(()),
            false => Err(ReadError::Damaged { at, what: "the frame holds what its index does not tell of".to_owned() }),
        }
    }

    /// Any frame.
    fn slowly<R: Read + Seek>(
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
            let dump = archive.dump_before(frame)?;
            self.begin(&dump);
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
            match &stamped.event {
                Event::Output { stream: Stream::Terminal, data } if self.glass.is_some() => {
                    self.series.bytes.extend_from_slice(data);
                    self.series.events.push((self.series.bytes.len(), stamped.t, stamped.seq));
                    continue;
                }
                Event::Output { .. } | Event::Resize { .. } => self.draw(),
                _ => {}
            }
            self.event(stamped, screen.as_ref(), gleaned);
        }
        self.draw();
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
                    self.begin(&screen.dump());
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

    /// Draws the output that has gathered, as much of it as matters.
    fn draw(&mut self) {
        let mut series = std::mem::take(&mut self.series);
        if let Some(mut glass) = self.glass.take() {
            let mut at = 0;
            while at < series.bytes.len() {
                at = self.skim(&mut glass, &series, at);
                // Up to the end of the event, or the next one.
                let event = series.events.partition_point(|(end, ..)| *end <= at);
                let end = series.events.get(event).map_or(series.bytes.len(), |(end, ..)| *end);
                at = self.feed(&mut glass, &series, at..end);
            }
            self.glass = Some(glass);
        }
        series.bytes.clear();
        series.events.clear();
        self.series = series;
    }

    /// Draws what only scrolls by from `at` on, or leaves it out where it matters to nobody; the place behind it.
    fn skim(&mut self, glass: &mut Glass, series: &Series, at: usize) -> usize {
        let Some(regex) = self.query.relaxed.as_ref().filter(|_| glass.only_scrolls()) else { return at };
        let length = self.skim.take(series.bytes.get(at..).unwrap_or_default());
        let events = series.events.iter().map(|(end, ..)| *end);
        self.ends.clear();
        self.ends.extend(events.skip_while(|end| *end <= at).map(|end| end - at).take_while(|end| *end < length));
        self.ends.push(length);
        // Twice the screen, so that all which stood there has gone, and what is told beside a match.
        let above = 2 * glass.rows() + 2 + self.query.context;
        let wanted = self.skim.wanted(regex, &self.ends, above).to_vec();
        let mut done = 0;
        for part in wanted {
            if part.start > done {
                glass.feed(b"\r\n", &mut self.watch);
            }
            done = self.feed(glass, series, at + part.start..at + part.end) - at;
        }
        at + done
    }

    /// Draws a part of the series; its end.
    fn feed(&mut self, glass: &mut Glass, series: &Series, part: std::ops::Range<usize>) -> usize {
        let mut at = part.start;
        let first = series.events.partition_point(|(end, ..)| *end <= at);
        for (end, t, seq) in series.events.iter().skip(first) {
            if at >= part.end {
                break;
            }
            (self.watch.t, self.watch.seq) = (*t, *seq);
            let to = part.end.min(*end);
            glass.feed(series.bytes.get(at..to).unwrap_or_default(), &mut self.watch);
            if to == *end {
                glass.settle(&mut self.watch);
            }
            at = to;
        }
        part.end
    }

    /// Goes on from a screen: what stands on it was told when it came.
    fn begin(&mut self, dump: &[u8]) {
        self.watch.silent = true;
        self.glass = Glass::of(dump, &mut self.watch);
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
