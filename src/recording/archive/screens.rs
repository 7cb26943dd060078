//! The terminal as it was at any moment: from the keyframe before it, fed forward.
//!
//! Invariant: the same screen as feeding every event from the start.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use super::super::ReadError;
use super::super::frame::{Content, Index, KEYFRAME, LONGEST, OURS};
use super::Archive;
use crate::event::{Event, Stream};
use crate::screen::Screen;

/// Most bytes of a dump: a cell of the largest screen takes about 30.
const DUMP: u64 = 16 << 20;
/// Size before anything says another one.
const SIZE: (u16, u16) = (80, 24);
/// Bytes of dumps that are kept for places far from a keyframe.
const ROOM: usize = 8 << 20;
/// Frames fed between two of them.
const APART: usize = 8;

/// Draws what an event changed; false when it changed nothing. What was a pipe's gets its line breaks as a terminal would.
pub fn draw(screen: &mut Screen, event: &Event) -> bool {
    match event {
        Event::Output { stream: Stream::Terminal, data } => screen.feed(data),
        Event::Output { stream: Stream::Stdout | Stream::Stderr, data } => {
            for line in data.split_inclusive(|byte| *byte == b'\n') {
                match line.split_last() {
                    Some((b'\n', rest)) => {
                        screen.feed(rest);
                        screen.feed(b"\r\n");
                    }
                    _ => screen.feed(line),
                }
            }
        }
        Event::Resize { cols, rows } => screen.resize(*cols, *rows),
        _ => return false,
    }
    true
}

/// Screens on the way to those that were asked for, by the frame they stand before.
#[derive(Default)]
pub(super) struct Dumps {
    kept: BTreeMap<usize, Vec<u8>>,
    bytes: usize,
}

impl Dumps {
    fn keep(&mut self, frame: usize, dump: Vec<u8>) {
        if self.bytes + dump.len() > ROOM {
            self.kept.clear();
            self.bytes = 0;
        }
        self.bytes += dump.len();
        if let Some(old) = self.kept.insert(frame, dump) {
            self.bytes -= old.len();
        }
    }
}

impl<R: Read + Seek> Archive<R> {
    /// The screen before the first event of `frame`.
    pub fn screen_before(&mut self, frame: usize) -> Result<Screen, ReadError> {
        let frame = frame.min(self.frames.len());
        let (mut screen, from) = self.nearest(frame)?;
        for (fed, at) in (from..frame).enumerate() {
            if fed > 0 && fed % APART == 0 {
                self.dumps.keep(at, screen.dump());
            }
            if self.frames.get(at).is_some_and(|index| index.tally.draws()) {
                self.events(at)?.iter().for_each(|stamped| {
                    draw(&mut screen, &stamped.event);
                });
            }
        }
        Ok(screen)
    }

    /// The dump of the screen before the first event of `frame`.
    pub(in super::super) fn dump_before(&mut self, frame: usize) -> Result<Vec<u8>, ReadError> {
        if let Some(before) = frame.checked_sub(1).filter(|before| *before < self.frames.len())
            && let Some(dump) = self.key(before)?.filter(|dump| Screen::script(dump).is_some())
        {
            return Ok(dump);
        }
        Ok(self.screen_before(frame)?.dump())
    }

    /// The screen after the last event at or before `t`.
    pub fn screen_at(&mut self, t: u64) -> Result<Screen, ReadError> {
        let frame = self.frame_at(t);
        let mut screen = self.screen_before(frame)?;
        for stamped in self.events(frame)?.iter().take_while(|stamped| stamped.t <= t) {
            draw(&mut screen, &stamped.event);
        }
        Ok(screen)
    }

    /// The last screen known before `frame`, and the frame it stands before.
    fn nearest(&mut self, frame: usize) -> Result<(Screen, usize), ReadError> {
        for at in (1..=frame).rev() {
            if let Some(screen) = self.dumps.kept.get(&at).and_then(|dump| Screen::restore(dump)) {
                return Ok((screen, at));
            }
            if let Some(screen) = self.keyframe(at - 1)? {
                return Ok((screen, at));
            }
        }
        let (cols, rows) = self.start.as_ref().map_or(SIZE, |start| (start.cols, start.rows));
        Ok((Screen::new(cols, rows), 0))
    }

    /// The screen after `frame`, if it has a keyframe that can be read.
    fn keyframe(&mut self, frame: usize) -> Result<Option<Screen>, ReadError> {
        Ok(self.key(frame)?.and_then(|dump| Screen::restore(&dump)))
    }

    /// The dump that follows `frame`, if it has a keyframe.
    fn key(&mut self, frame: usize) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(&Index { at: [at, length], key, .. }) = self.frames.get(frame) else { return Ok(None) };
        if key == 0 || key > u64::from(LONGEST) {
            return Ok(None);
        }
        self.source.seek(SeekFrom::Start(at + length))?;
        let mut note = Vec::new();
        self.source.by_ref().take(key).read_to_end(&mut note)?;
        let content = note.strip_prefix(&OURS).and_then(|rest| Content::split(rest.get(4..)?));
        let Some(members) = content.filter(|content| content.kind == KEYFRAME).map(|content| content.members) else {
            return Ok(None);
        };
        let mut dump = Vec::new();
        let inflated = zstd::Decoder::with_buffer(members).and_then(|frame| frame.take(DUMP).read_to_end(&mut dump));
        Ok(inflated.ok().map(|_| dump))
    }
}
