//! A session that runs: markers, freezing, ending, answering.
//!
//! Invariant: nothing is done to a session without a second key, and no answer is taken before the panel has been in sight for a
//! moment.

use std::time::Duration;

use super::{App, Deed, Over};
use crate::recording::visible;
use crate::tui::keys::{Chord, Press};
use crate::tui::panels::Tone;
use crate::tui::panels::question::{self, Act, QuestionView};
use crate::tui::source::{Live, Refused, Reply, Waiting};

/// How long the panel is in sight before keys act.
const GUARD: Duration = Duration::from_millis(400);

/// The panel of a question.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Answering {
    /// [`crate::event::Ask::id`].
    ask: u64,
    /// How long it has been in sight.
    shown: Duration,
    /// The way that the arrows chose.
    chosen: Option<usize>,
    /// Which of the question's choices is offered.
    choice: usize,
}

impl App {
    pub(super) fn with_live(&mut self, act: impl FnOnce(&mut Self)) {
        if self.live.as_ref().is_some_and(|live| !live.condition().over) {
            act(self);
        } else {
            self.say("only for a session that runs: govsh watch", Tone::Dim);
        }
    }

    /// Does something to the session and says what came of it.
    fn told(&mut self, act: impl FnOnce(&mut dyn Live) -> Result<String, Refused>) {
        let Some(live) = &mut self.live else { return };
        match act(&mut **live) {
            Ok(said) => self.say(&visible(said.as_bytes()), Tone::Accent),
            Err(refused) => self.say(&visible(refused.0.as_bytes()), Tone::Deny),
        }
    }

    pub(super) fn marker(&mut self, label: &str) {
        let label = label.to_owned();
        self.told(|live| live.marker(&label).map(|()| "marker set".to_owned()));
    }

    pub(super) fn freeze_or_thaw(&mut self) {
        if self.live.as_ref().is_some_and(|live| live.condition().frozen) {
            self.told(|live| live.freeze(false).map(|()| "it goes on".to_owned()));
        } else {
            self.over = Over::Confirm(Deed::Freeze);
        }
    }

    pub(super) fn perform(&mut self, deed: Deed) {
        match deed {
            Deed::Freeze => self.told(|live| live.freeze(true).map(|()| "frozen: f lets it go on".to_owned())),
            Deed::End => self.told(|live| live.end().map(|()| "the session is being ended".to_owned())),
        }
    }

    pub(super) fn live_tick(&mut self) {
        let Some(live) = &mut self.live else { return };
        let before = live.waiting().len();
        let changed = live.refresh();
        let waiting = live.waiting();
        // The countdown is drawn.
        self.dirty |= changed || !waiting.is_empty();
        let asked = matches!(self.over, Over::Question(_));
        if waiting.len() > before && !asked {
            self.say("a question waits: a answers it", Tone::Ask);
        }
        if let Over::Question(answering) = &self.over
            && !waiting.iter().any(|one| one.ask.id == answering.ask)
        {
            // Answered by another, or too late: its keys must not fall to the next one.
            self.over = Over::Nothing;
            self.say("that question does not wait any more", Tone::Dim);
        }
    }

    pub(super) fn pass(&mut self, elapsed: Duration) {
        if let Over::Question(answering) = &mut self.over {
            self.dirty |= answering.shown < GUARD;
            answering.shown = answering.shown.saturating_add(elapsed);
        }
    }

    pub(super) fn open_question(&mut self) {
        let first = self.live.as_ref().and_then(|live| live.waiting().first().map(|waiting| waiting.ask.id));
        match first {
            Some(ask) => self.over = Over::Question(Answering { ask, ..Answering::default() }),
            None => self.say("nothing is asked now", Tone::Dim),
        }
    }

    /// The question that is answered, and its panel.
    pub(super) fn question(&self) -> Option<(Waiting, QuestionView)> {
        let Over::Question(answering) = &self.over else { return None };
        let waiting = self.live.as_ref()?.waiting();
        let one = waiting.iter().find(|one| one.ask.id == answering.ask)?.clone();
        let mut view =
            question::of(&one.ask, one.left, (one.calls, waiting.len() - 1), answering.choice, &self.bearings);
        view.awake = answering.shown >= GUARD;
        view.chosen = answering.chosen;
        Some((one, view))
    }

    pub(super) fn question_key(&mut self, chord: Chord) {
        let Some((waiting, view)) = self.question() else {
            self.over = Over::Nothing;
            return;
        };
        if chord.press == Press::Escape || chord == Chord::ctrl('c') {
            self.over = Over::Nothing;
            return;
        }
        let Over::Question(answering) = &mut self.over else { return };
        if !view.awake || chord.ctrl || chord.alt {
            return;
        }
        let last = view.ways.len().saturating_sub(1);
        let act = match chord.press {
            Press::Up => {
                answering.chosen = Some(answering.chosen.map_or(last, |at| at.saturating_sub(1)));
                None
            }
            Press::Down => {
                answering.chosen = Some(answering.chosen.map_or(0, |at| (at + 1).min(last)));
                None
            }
            Press::Enter => answering.chosen.and_then(|at| view.ways.get(at)).map(|way| way.act),
            Press::Char(key) => question::act(&view, key),
            _ => None,
        };
        match act {
            Some(Act::Answer(verdict, scope)) => {
                self.over = Over::Nothing;
                let reply = Reply { verdict, scope, choice: view.choice };
                self.told(|live| live.answer(waiting.ask.id, reply));
            }
            Some(Act::Wider) => {
                // What *always* would write has changed: it is read first.
                answering.choice = (view.choice + 1) % waiting.ask.choices.len().max(1);
                answering.shown = Duration::ZERO;
            }
            Some(Act::Screen) => self.over = Over::Nothing,
            None => {}
        }
    }
}
