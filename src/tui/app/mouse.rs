//! The mouse: a row that is clicked, the timeline that is dragged along, the wheel, text on the screen.
//!
//! Invariant: a click means what is drawn where it fell, by the same arithmetic that drew it.

use ratatui::layout::{Position, Rect};

use super::{App, Over, Pane};
use crate::tui::input::{Mouse, MouseWhat};
use crate::tui::panels::{EventsView, Tone, events, timeline};
use crate::tui::screen_pane::Selection;

/// What the button went down on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressed {
    Timeline,
    Screen,
}

impl App {
    pub(super) fn mouse(&mut self, mouse: Mouse) {
        match (&mut self.over, mouse.what) {
            (Over::Help { scroll }, MouseWhat::WheelDown) => *scroll += 3,
            (Over::Help { scroll }, MouseWhat::WheelUp) => *scroll = scroll.saturating_sub(3),
            (Over::Help { .. }, MouseWhat::Down) => self.over = Over::Nothing,
            (Over::Nothing | Over::Choosing, _) => self.mouse_on_view(mouse),
            _ => {}
        }
    }

    fn mouse_on_view(&mut self, mouse: Mouse) {
        let Some(areas) = self.areas else { return };
        let at = Position::new(mouse.column, mouse.row);
        let within = |area: Option<Rect>| area.is_some_and(|area| area.contains(at));
        let panes = [
            (Pane::Events, areas.events),
            (Pane::Screen, areas.screen),
            (Pane::Detail, areas.detail),
            (Pane::Tree, areas.tree),
            (if self.mcp { Pane::Mcp } else { Pane::Net }, areas.net),
        ];
        let pane = panes.into_iter().find(|(_, area)| within(*area)).map(|(pane, _)| pane);
        let on_timeline = areas.timeline.contains(at);
        match (mouse.what, pane) {
            (MouseWhat::Down, _) if on_timeline => {
                self.pressed = Some(Pressed::Timeline);
                self.go_to_column(mouse.column);
            }
            (MouseWhat::Down, Some(Pane::Events)) => self.click_row(mouse.row),
            (MouseWhat::Down, Some(Pane::Screen)) => self.press_screen(mouse),
            (MouseWhat::Down, Some(pane)) => self.focus = pane,
            (MouseWhat::Drag, _) => match self.pressed {
                Some(Pressed::Timeline) => self.go_to_column(mouse.column),
                Some(Pressed::Screen) => self.drag_screen(mouse),
                None => {}
            },
            (MouseWhat::Up, _) => self.release(),
            (MouseWhat::WheelUp | MouseWhat::WheelDown, pane) => {
                self.wheel(mouse.what == MouseWhat::WheelDown, on_timeline, pane);
            }
            (MouseWhat::Down, None) => {}
        }
    }

    fn wheel(&mut self, down: bool, on_timeline: bool, pane: Option<Pane>) {
        match pane {
            _ if on_timeline => self.seek_by(if down { 5_000 } else { -5_000 }),
            Some(Pane::Screen) => self.scroll(if down { 3 } else { -3 }),
            Some(pane) => {
                let before = std::mem::replace(&mut self.focus, pane);
                self.row(down);
                self.focus = before;
            }
            None => {}
        }
    }

    fn go_to_column(&mut self, column: u16) {
        if let Some(areas) = &self.areas {
            let t = timeline::scale(areas.timeline, self.total()).time(column);
            self.player.playing = false;
            self.seek_to(t);
        }
    }

    fn click_row(&mut self, row: u16) {
        self.focus = Pane::Events;
        let Some((area, edge)) = self.areas.as_ref().and_then(|areas| Some((areas.events?, areas.edge))) else {
            return;
        };
        let view = EventsView { rows: self.list.rows(), present: self.list.present(), edge, ..EventsView::default() };
        if let Some(row) = events::row_at(area, &view, row) {
            let place = self.list.place(&mut *self.source, row);
            if let Some(place) = self.ran(place).flatten() {
                self.go_after(place);
            }
        }
    }

    fn press_screen(&mut self, mouse: Mouse) {
        self.focus = Pane::Screen;
        self.selection = None;
        self.over = Over::Nothing;
        let Some(placement) = &self.placement else { return };
        if placement.area.contains(Position::new(mouse.column, mouse.row)) {
            self.pressed = Some(Pressed::Screen);
            let spot = placement.spot(mouse.column, mouse.row);
            self.selection = Some(Selection { from: spot, to: spot });
        }
    }

    fn drag_screen(&mut self, mouse: Mouse) {
        if let (Some(placement), Some(selection)) = (&self.placement, &mut self.selection) {
            selection.to = placement.spot(mouse.column, mouse.row);
            self.player.playing = false;
        }
    }

    fn release(&mut self) {
        if self.pressed.take() != Some(Pressed::Screen) {
            return;
        }
        match self.selection {
            Some(selection) if selection.from == selection.to => self.selection = None,
            Some(_) => self.say("y copies it", Tone::Accent),
            None => {}
        }
    }
}
