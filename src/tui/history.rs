//! Looking back at what has scrolled off the agent's screen.
//!
//! Invariant: the last rows are the screen of the present moment, cell for cell; memory is bounded by lines.
//! Leaves to others: drawing (`screen_pane`).

use super::player::Place;
use super::source::Source;
use crate::recording::{ReadError, draw};
use crate::screen::Screen;

/// Lines that are kept.
const LINES: usize = 20_000;
/// Bytes of output that are fed at most for it.
const OUTPUT: u64 = 24 << 20;

/// The screen at a moment, with lines above it.
pub struct History {
    pub screen: Screen,
    /// Lines above the screen's first that are in sight.
    pub back: usize,
    /// The moment: the event that comes next.
    place: Place,
    /// The frame from which lines are there.
    from: usize,
}

impl History {
    /// At `place`, with the lines of some frames before it.
    pub fn new(source: &mut dyn Source, place: Place) -> Result<Self, ReadError> {
        Self::from(source, place, place.frame.saturating_sub(4))
    }

    fn from(source: &mut dyn Source, place: Place, from: usize) -> Result<Self, ReadError> {
        let before = source.screen_before(from)?;
        let mut screen = Screen::restore_with_scrollback(&before.dump(), LINES).unwrap_or(before);
        for frame in from..=place.frame {
            let events = source.events(frame)?;
            let end = if frame == place.frame { place.index.min(events.len()) } else { events.len() };
            events.iter().take(end).for_each(|stamped| {
                draw(&mut screen, &stamped.event);
            });
        }
        Ok(Self { screen, back: 0, place, from })
    }

    /// Moves by `lines`, up when negative; reads further back where that is not enough. False when it arrived at the screen.
    pub fn scroll(&mut self, source: &mut dyn Source, lines: isize) -> Result<bool, ReadError> {
        let wanted = self.back.saturating_add_signed(-lines);
        while self.screen.scrollback() < wanted && self.from > 0 && self.screen.scrollback() < LINES {
            let from = self.place.frame.saturating_sub((self.place.frame - self.from).max(2) * 4);
            let frames = source.frames().get(from..self.place.frame).unwrap_or_default();
            if frames.iter().map(|index| index.tally.output).sum::<u64>() > OUTPUT {
                break;
            }
            *self = Self { back: self.back, ..Self::from(source, self.place, from)? };
        }
        self.back = wanted.min(self.screen.scrollback());
        Ok(self.back > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::player::Player;
    use crate::tui::sample::{self, SECOND};
    use crate::tui::source::memory::Memory;

    #[test]
    fn lines_that_scrolled_away_are_there_and_the_screen_is_the_same() {
        let mut source = Memory::new(sample::session());
        let mut player = Player::new(&mut source).unwrap();
        player.seek(&mut source, 61 * SECOND).unwrap();
        let mut history = History::new(&mut source, player.place()).unwrap();
        assert_eq!(&history.screen, player.screen());
        assert!(history.scroll(&mut source, -500).unwrap());
        assert_eq!(history.back, 23);
        assert_eq!(history.screen.scrollback_text(0).next().as_deref(), Some("line 1"));
        assert!(history.scroll(&mut source, 20).unwrap());
        assert!(!history.scroll(&mut source, 500).unwrap());
    }
}
