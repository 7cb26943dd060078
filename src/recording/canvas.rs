//! The terminal beside the writer, for keyframes.
//!
//! Invariant: a dump is the screen after everything that was given. Nothing is drawn before a dump is asked for or much has
//! gathered: a short session never pays for it, and what scrolls away in a flood is never drawn.

use super::archive::draw;
use crate::event::{Event, Stream};
use crate::screen::Screen;

/// Bytes that gather before they are drawn.
const GATHERED: usize = 1 << 20;

pub(super) struct Canvas {
    size: (u16, u16),
    screen: Option<Screen>,
    /// Output not drawn yet, all of one stream.
    waiting: Vec<u8>,
    stream: Stream,
}

impl Canvas {
    pub(super) fn new(cols: u16, rows: u16) -> Self {
        Self { size: (cols, rows), screen: None, waiting: Vec::new(), stream: Stream::Terminal }
    }

    pub(super) fn add(&mut self, event: &Event) {
        match event {
            Event::Output { stream, data } => {
                if *stream != self.stream || self.waiting.len() + data.len() > GATHERED {
                    self.catch_up();
                }
                self.stream = *stream;
                self.waiting.extend_from_slice(data);
            }
            Event::Resize { .. } => {
                self.catch_up();
                draw(self.screen(), event);
            }
            _ => {}
        }
    }

    /// The screen as it is now: see `Screen::dump`.
    pub(super) fn dump(&mut self) -> Vec<u8> {
        self.catch_up();
        self.screen().dump()
    }

    fn catch_up(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let event = Event::Output { stream: self.stream, data: std::mem::take(&mut self.waiting) };
        draw(self.screen(), &event);
        if let Event::Output { mut data, .. } = event {
            data.clear();
            self.waiting = data;
        }
    }

    fn screen(&mut self) -> &mut Screen {
        let (cols, rows) = self.size;
        self.screen.get_or_insert_with(|| Screen::new(cols, rows))
    }
}
