//! The viewer's terminal: every byte it received, and the cells that they made.

use std::cell::RefCell;

use govsh::screen::Screen;

use crate::outer::Outer;
use crate::scene::{GOVSH, Scene, text};

/// Size of the PTY.
const SIZE: (u16, u16) = (100, 30);

pub struct Glass {
    pub outer: Outer,
    /// Everything received so far.
    bytes: Vec<u8>,
}

impl Glass {
    /// `govsh replay` with these words.
    pub fn replay(scene: &Scene, words: &[&str]) -> Self {
        let words = [&[GOVSH, "replay"], words].concat();
        Self { outer: Outer::start(scene, &words, true), bytes: Vec::new() }
    }

    pub fn over(outer: Outer) -> Self {
        Self { outer, bytes: Vec::new() }
    }

    pub fn types(&mut self, keys: &str) -> &mut Self {
        self.outer.types(keys);
        self
    }

    /// Waits until the text stands somewhere on the screen; all rows.
    #[track_caller]
    pub fn shows(&mut self, wanted: &str) -> Vec<String> {
        self.until(wanted, |rows| rows.iter().any(|row| row.contains(wanted)))
    }

    /// Waits until the rows are so.
    #[track_caller]
    pub fn until(&mut self, what: &str, holds: impl Fn(&[String]) -> bool) -> Vec<String> {
        let (cols, rows) = SIZE;
        let mut screen = Screen::new(cols, rows);
        screen.feed(&self.bytes);
        let state = RefCell::new((screen, 0));
        let taken = self.outer.takes(what, |bytes| {
            let (screen, fed) = &mut *state.borrow_mut();
            screen.feed(&bytes[*fed..]);
            *fed = bytes.len();
            holds(&screen.text()).then_some(bytes.len())
        });
        self.bytes.extend(taken);
        let screen = state.into_inner().0;
        screen.text()
    }

    /// Waits for its end: exit status and everything it has sent.
    #[track_caller]
    pub fn ends(mut self) -> (i32, String) {
        let status = self.outer.ends();
        self.bytes.extend(self.outer.takes("the alternate screen is left", |bytes| {
            let left = b"\x1b[?1049l";
            bytes.windows(left.len()).rposition(|part| part == left).map(|_| bytes.len())
        }));
        assert_eq!(self.outer.attributes(), self.outer.before, "the terminal is as it was");
        (status, text(&self.bytes))
    }
}
