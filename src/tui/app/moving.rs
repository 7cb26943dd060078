//! Moving through time, through rows, and over the screen.

use super::{App, Over, Pane};
use crate::recording::ReadError;
use crate::recording::summary::clock;
use crate::tui::copy;
use crate::tui::history::History;
use crate::tui::keys::{Action, Chord, KEYS, Press, Stop, action};
use crate::tui::list::place_of;
use crate::tui::panels::{Tone, detail};
use crate::tui::player::Sought;
use crate::tui::screen_pane::{self, Selection, Spot};

use super::Errand;

impl App {
    pub(super) fn play(&mut self) {
        if self.player.following {
            // Holds what is seen now.
            self.player.following = false;
            self.player.playing = false;
            return;
        }
        let at_end = self.player.time() >= self.source.duration();
        if at_end && !self.grows() {
            self.seek_to(0);
            self.player.playing = true;
        } else if at_end {
            self.go_to_end();
        } else {
            self.player.playing = !self.player.playing;
        }
        self.history = None;
    }

    pub(super) fn set_speed(&mut self, speed: f64) {
        self.player.set_speed(speed);
    }

    /// Moves by so many milliseconds.
    pub(super) fn seek_by(&mut self, milliseconds: i64) {
        let nanos = milliseconds.saturating_mul(1_000_000);
        self.seek_to(self.player.time().saturating_add_signed(nanos));
    }

    /// To a time, in nanoseconds since the session's start.
    pub(super) fn seek_to(&mut self, t: u64) {
        self.leave_end();
        let sought = self.player.seek(&mut *self.source, t);
        self.ran(sought);
        self.moved();
    }

    pub(super) fn leave_end(&mut self) {
        self.player.following = false;
        self.history = None;
        self.selection = None;
    }

    pub(super) fn go_to_end(&mut self) {
        self.leave_end();
        let gone = self.player.go_to_end(&mut *self.source);
        self.ran(gone);
        self.player.following = self.grows();
        self.player.playing = false;
        self.moved();
    }

    pub(super) fn go_to_event(&mut self, seq: u64) -> Result<(), ReadError> {
        match place_of(&mut *self.source, seq)? {
            Some(place) => self.player.go_after(&mut *self.source, place)?,
            None => self.say(&format!("there is no event {seq}"), Tone::Deny),
        }
        Ok(())
    }

    pub(super) fn step(&mut self, stop: Stop, forward: bool) {
        self.leave_end();
        self.player.playing = false;
        let stepped = self.player.step(&mut *self.source, stop, forward, &self.filter);
        match self.ran(stepped) {
            Some(Sought::None) => {
                let which = if forward { "no later" } else { "no earlier" };
                self.say(&format!("{which} {}", name(stop)), Tone::Dim);
            }
            Some(Sought::Far(place)) => {
                let t = self.source.frames().get(place.frame).map_or(0, |index| index.ns[0]);
                self.say(&format!("none up to {}: go there and look on", clock(t)), Tone::Dim);
            }
            Some(Sought::At(_)) | None => {}
        }
        self.moved();
    }

    /// To the next or previous row of the list, or through the panel that has the keys.
    pub(super) fn row(&mut self, forward: bool) {
        let by = if forward { 1 } else { -1 };
        match self.focus {
            Pane::Detail => return self.scroll_detail(by),
            Pane::Tree => return self.scroll_tree(by),
            Pane::Net | Pane::Mcp => {
                self.scrolls.net = self.scrolls.net.saturating_add_signed(by);
                return;
            }
            Pane::Events | Pane::Screen => {}
        }
        let row = match (self.list.present(), forward) {
            (Some(at), true) => Some(at + 1),
            (None, true) => Some(0),
            (at, false) => at.and_then(|at| at.checked_sub(1)),
        };
        let place = match row {
            Some(row) => self.list.place(&mut *self.source, row),
            None => Ok(None),
        };
        match self.ran(place).flatten() {
            Some(place) => self.go_after(place),
            None => self.step(Stop::Event, forward),
        }
    }

    pub(super) fn go_after(&mut self, place: crate::tui::player::Place) {
        self.leave_end();
        self.player.playing = false;
        let gone = self.player.go_after(&mut *self.source, place);
        self.ran(gone);
        self.moved();
    }

    fn scroll_detail(&mut self, by: isize) {
        let Some(areas) = &self.areas else { return };
        let Some(area) = areas.detail else { return };
        let most = detail::height(&self.said, area, areas.edge).saturating_sub(usize::from(area.height) / 2);
        self.scrolls.detail = self.scrolls.detail.saturating_add_signed(by).min(most);
    }

    fn scroll_tree(&mut self, by: isize) {
        let most = self.survey.look().programs.kept().len();
        let from = self.scrolls.tree.unwrap_or(most.saturating_sub(1));
        self.scrolls.tree = Some(from.saturating_add_signed(by).min(most));
    }

    /// Looks back by lines: up is negative.
    pub(super) fn scroll(&mut self, lines: isize) {
        if self.history.is_none() {
            if lines > 0 {
                return;
            }
            if self.player.screen().is_alternate() {
                return self.say("a full-screen program leaves nothing to look back at", Tone::Dim);
            }
            self.player.playing = false;
            let place = self.player.place();
            let history = History::new(&mut *self.source, place);
            self.history = self.ran(history);
        }
        let Some(mut history) = self.history.take() else { return };
        let scrolled = history.scroll(&mut *self.source, lines);
        let back = self.ran(scrolled).unwrap_or(false);
        if back {
            self.history = Some(history);
        } else if lines < 0 {
            self.say("nothing has scrolled away", Tone::Dim);
        }
        self.selection = None;
    }

    pub(super) fn scroll_page(&mut self, pages: isize) {
        let rows = self.placement.map_or(20, |placement| placement.area.height.max(2)) as isize;
        match self.focus {
            Pane::Detail => self.scroll_detail(pages * 8),
            Pane::Tree => self.scroll_tree(pages * 10),
            Pane::Net | Pane::Mcp => self.scrolls.net = self.scrolls.net.saturating_add_signed(pages * 10),
            Pane::Events | Pane::Screen => self.scroll(pages * (rows - 1)),
        }
    }

    pub(super) fn pan(&mut self, columns: i32, rows: i32) {
        let Some(placement) = self.placement else { return };
        let shown = self.history.as_ref().map_or(self.player.screen(), |history| &history.screen);
        let top = placement.origin.row.saturating_sub(shown.scrollback());
        let (cols, lines) = shown.size();
        let most = (cols.saturating_sub(placement.area.width), lines.saturating_sub(placement.area.height));
        if most == (0, 0) {
            return self.say("the whole screen is in sight", Tone::Dim);
        }
        let moved = |from: u16, by: i32, most: u16| (i32::from(from) + by).clamp(0, i32::from(most)) as u16;
        let top = u16::try_from(top).unwrap_or(u16::MAX);
        self.pan = Some((moved(placement.origin.col, columns, most.0), moved(top, rows, most.1)));
    }

    /// Begins to choose text where the cursor is.
    pub(super) fn choose(&mut self) {
        let Some(placement) = self.placement else { return };
        let shown = self.history.as_ref().map_or(self.player.screen(), |history| &history.screen);
        let cursor = shown.cursor();
        let spot = Spot { row: shown.scrollback() + usize::from(cursor.row), col: cursor.col };
        let inside = spot.row >= placement.origin.row
            && spot.row < placement.origin.row + usize::from(placement.area.height)
            && self.history.is_none();
        let spot = if inside { spot } else { placement.origin };
        self.player.playing = false;
        self.selection = Some(Selection { from: spot, to: spot });
        self.over = Over::Choosing;
        self.say("arrows choose, v begins anew, y copies, esc leaves", Tone::Accent);
    }

    pub(super) fn choosing_key(&mut self, chord: Chord) {
        let Some(mut selection) = self.selection else {
            self.over = Over::Nothing;
            return;
        };
        let (cols, rows) = self.player.screen().size();
        let shown = self.history.as_ref().map_or(self.player.screen(), |history| &history.screen);
        let last = shown.scrollback() + usize::from(rows - 1);
        let to = &mut selection.to;
        match chord.press {
            Press::Left => to.col = to.col.saturating_sub(1),
            Press::Right => to.col = (to.col + 1).min(cols - 1),
            Press::Up => to.row = to.row.saturating_sub(1),
            Press::Down => to.row = (to.row + 1).min(last),
            Press::Home => to.col = 0,
            Press::End => to.col = cols - 1,
            Press::Char('v' | ' ') => selection.from = selection.to,
            Press::Char('y') | Press::Enter => {
                self.over = Over::Nothing;
                return self.copy();
            }
            _ => {
                self.over = Over::Nothing;
                self.selection = None;
                if !matches!(action(KEYS, chord), Some(Action::Back)) {
                    self.key(chord);
                }
                return;
            }
        }
        self.selection = Some(selection);
    }

    /// The chosen text, else the event in a list that has the keys and was not left, else the screen.
    pub(super) fn copy(&mut self) {
        let shown = self.history.as_ref().map_or(self.player.screen(), |history| &history.screen);
        let text = screen_pane::text(shown, self.selection);
        let what = if self.selection.is_some() { "chosen text" } else { "screen" };
        self.send_copy(what, &text);
    }

    pub(super) fn copy_event(&mut self) {
        let text: Vec<_> = self.said.iter().map(|said| said.text.as_str()).collect();
        let text = text.join("\n");
        self.send_copy("event", &text);
    }

    fn send_copy(&mut self, what: &str, text: &str) {
        if text.is_empty() {
            return self.say("there is nothing to copy", Tone::Dim);
        }
        self.errands.push(Errand::Send(copy::sequence(text)));
        let count = text.chars().count();
        let cut = if text.len() > copy::MOST { ", cut" } else { "" };
        self.say(&format!("{what} sent to the clipboard: {count} characters{cut}"), Tone::Accent);
    }
}

fn name(stop: Stop) -> &'static str {
    match stop {
        Stop::Event => "event in this list",
        Stop::Frame => "picture",
        Stop::Screenful => "output",
        Stop::Denial => "denial",
        Stop::Question => "question",
        Stop::Program => "program",
        Stop::Connection => "connection",
        Stop::Marker => "marker",
    }
}
