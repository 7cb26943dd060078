//! Keys and clicks into what they do.
//!
//! Invariant: what lies over the view takes the keys first; a key that means nothing there does nothing beneath it.

use super::{App, Deed, Errand, Leaving, Over, Pane, Wish};
use crate::tui::filter::Filter;
use crate::tui::input::Input;
use crate::tui::keys::{Action, Chord, KEYS, Press, Stop, action};
use crate::tui::panels::Tone;
use crate::tui::search::{Search, Within};

impl App {
    /// Takes what the person did.
    pub fn input(&mut self, input: &Input) {
        self.dirty = true;
        match input {
            Input::Key(chord) => self.key(*chord),
            Input::Paste(text) => {
                if let Over::Prompt { line, .. } = &mut self.over {
                    line.paste(text);
                    self.typed();
                }
            }
            Input::Mouse(mouse) => self.mouse(*mouse),
        }
    }

    pub(super) fn key(&mut self, chord: Chord) {
        match &mut self.over {
            Over::Nothing => {
                if let Some(action) = action(KEYS, chord) {
                    self.act(action);
                }
            }
            Over::Prompt { .. } => self.prompt_key(chord),
            Over::Help { scroll } => match action(KEYS, chord) {
                Some(Action::Step(Stop::Event, true) | Action::Row(true)) => *scroll += 1,
                Some(Action::Step(Stop::Event, false) | Action::Row(false)) => *scroll = scroll.saturating_sub(1),
                Some(Action::ScrollPage(1) | Action::Play) => *scroll += 10,
                Some(Action::ScrollPage(-1)) => *scroll = scroll.saturating_sub(10),
                _ => self.over = Over::Nothing,
            },
            Over::Confirm(deed) => {
                let deed = *deed;
                self.over = Over::Nothing;
                match chord.press {
                    Press::Char('y' | 'Y') if !chord.ctrl && !chord.alt => self.perform(deed),
                    _ => self.say("nothing was done", Tone::Dim),
                }
            }
            Over::Question(_) => self.question_key(chord),
            Over::Choosing => self.choosing_key(chord),
        }
    }

    /// Does what a key or a click means.
    pub fn act(&mut self, action: Action) {
        match action {
            Action::Play => self.play(),
            Action::Seek(seconds) => self.seek_by(i64::from(seconds) * 1_000),
            Action::Start => self.seek_to(0),
            Action::End => self.go_to_end(),
            Action::Faster => self.set_speed(self.player.speed() * 2.0),
            Action::Slower => self.set_speed(self.player.speed() / 2.0),
            Action::NormalSpeed => self.set_speed(1.0),
            Action::SkipIdle => self.player.skip_idle = !self.player.skip_idle,
            Action::Row(forward) => self.row(forward),
            Action::Step(stop, forward) => self.step(stop, forward),
            Action::Jump => self.prompt(Wish::Jump),
            Action::Search => self.prompt(Wish::Search(self.search.as_ref().map_or(Within::Screen, Search::within))),
            Action::NextHit => self.next_hit(true),
            Action::PreviousHit => self.next_hit(false),
            Action::Filter => self.prompt(Wish::Filter),
            Action::FilterNext => self.filter = self.filter.next(),
            Action::Focus => self.next_focus(),
            Action::Tree => self.toggle(Pane::Tree),
            Action::Net => self.toggle(Pane::Net),
            Action::Mcp => self.toggle(Pane::Mcp),
            Action::Detail => self.toggle(Pane::Detail),
            Action::Zoom => self.zoom = !self.zoom,
            Action::Scroll(lines) => self.scroll(lines as isize),
            Action::ScrollPage(pages) => self.scroll_page(pages as isize),
            Action::Pan(columns, rows) => self.pan(columns, rows),
            Action::Select => self.choose(),
            Action::Copy => self.copy(),
            Action::CopyEvent => self.copy_event(),
            // What is over takes no markers.
            Action::Marker if self.live.is_none() => self.toggle(Pane::Mcp),
            Action::Marker => self.with_live(|app| app.prompt(Wish::Marker)),
            Action::Answer => self.with_live(Self::open_question),
            Action::Freeze => self.with_live(Self::freeze_or_thaw),
            Action::Stop => self.with_live(|app| app.over = Over::Confirm(Deed::End)),
            Action::Help => self.over = Over::Help { scroll: 0 },
            Action::Redraw => self.errands.push(Errand::Redraw),
            Action::Suspend => self.errands.push(Errand::Suspend),
            Action::Back => self.back(),
            Action::Quit => self.leaving = Some(Leaving::Quit),
        }
    }

    /// Closes what was opened last.
    fn back(&mut self) {
        if self.selection.take().is_some() || self.history.take().is_some() || self.notice.take().is_some() {
            return;
        }
        if self.seeking.take().is_some() || self.search.take().is_some() {
            return;
        }
        if std::mem::take(&mut self.zoom) || std::mem::take(&mut self.detail) {
            return;
        }
        if std::mem::take(&mut self.tree) || std::mem::take(&mut self.mcp) || std::mem::take(&mut self.net) {
            self.focus = Pane::Events;
            return;
        }
        if self.pan.take().is_none() {
            self.filter = Filter::default();
        }
    }

    pub(super) fn toggle(&mut self, pane: Pane) {
        let shown = match pane {
            Pane::Tree => &mut self.tree,
            Pane::Net => &mut self.net,
            Pane::Mcp => &mut self.mcp,
            _ => &mut self.detail,
        };
        *shown = !*shown;
        self.focus = if *shown { pane } else { Pane::Events };
        match pane {
            // They stand in one place.
            Pane::Net => (self.mcp, self.scrolls.net) = (false, 0),
            Pane::Mcp => (self.net, self.scrolls.net) = (false, 0),
            _ => {}
        }
        self.zoom = false;
    }

    fn next_focus(&mut self) {
        let Some(areas) = &self.areas else { return };
        let order = [
            (Pane::Events, areas.events),
            (Pane::Screen, areas.screen),
            (Pane::Detail, areas.detail),
            (Pane::Tree, areas.tree),
            (if self.mcp { Pane::Mcp } else { Pane::Net }, areas.net),
        ];
        let shown: Vec<_> = order.iter().filter(|(_, area)| area.is_some()).map(|(pane, _)| *pane).collect();
        let at = shown.iter().position(|pane| *pane == self.focus).map_or(0, |at| at + 1);
        self.focus = shown.get(at).or(shown.first()).copied().unwrap_or_default();
    }
}
