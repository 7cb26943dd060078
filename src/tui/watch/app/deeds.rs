//! What keys do to a session, and the lines that are typed.
//!
//! Invariant: whatever a session refuses is said in the last line, never dropped.
//! Leaves to others: which key means what (`keys`, `panels::question`).

use std::time::Instant;

use super::{GUARD, List, Open, Question};
use crate::session::control::client::{Client, ClientError};
use crate::session::control::protocol::{Given, State};
use crate::tui::keys::{Chord, Press};
use crate::tui::panels::Tone;
use crate::tui::panels::question::{self, Act};

impl List {
    /// Does it to a session that is connected, and says how that went.
    pub(super) fn act(&mut self, id: &str, done: &str, deed: impl FnOnce(&mut Client) -> Result<(), ClientError>) {
        let session = self.roster.sessions.iter_mut().find(|session| session.id == id);
        let said = match session.and_then(|session| session.client()) {
            None => Err(format!("session {id} cannot be reached")),
            Some(client) => deed(client).map(|()| format!("{id}: {done}")).map_err(|error| format!("{id}: {error}")),
        };
        match said {
            Ok(said) => self.say(&said, Tone::Plain),
            Err(why) => self.say(&why, Tone::Deny),
        }
    }

    pub(super) fn freeze(&mut self) {
        let Some(session) = self.chosen_session() else { return };
        let (id, frozen) = (session.id.clone(), session.status.state == State::Frozen);
        // What it is now is known before the session tells it again.
        let status = &mut session.status;
        if frozen {
            status.state = State::Working;
            self.act(&id, "it goes on", Client::thaw);
        } else {
            status.state = State::Frozen;
            self.act(&id, "every process of it is held still; f lets it go on", |client| client.freeze().map(drop));
        }
    }

    /// Shows the oldest question of the chosen session.
    pub(super) fn ask(&mut self) {
        let first = self.chosen_session().and_then(|session| {
            let (id, ask) = (session.id.clone(), session.questions.first()?.ask.clone());
            Some(Question { id, ask, since: Instant::now(), choice: 0, settled: None })
        });
        match first {
            Some(question) => self.open = Open::Question(Box::new(question)),
            None => self.say("no question of this session waits", Tone::Plain),
        }
    }

    pub(super) fn answer_key(&mut self, chord: Chord) {
        let Open::Question(open) = &self.open else { return };
        if open.since.elapsed() < GUARD {
            return;
        }
        let leaves = chord == Chord::plain(Press::Escape) || chord == Chord::char('q');
        if open.settled.is_some() || leaves {
            self.open = Open::Nothing;
            return;
        }
        let Press::Char(key) = chord.press else { return };
        match question::act(&self.question_view(open), key).filter(|_| !chord.ctrl && !chord.alt) {
            Some(Act::Answer(verdict, scope)) => {
                let (id, given) = (open.id.clone(), Given::new(open.ask.id, verdict, scope, open.choice));
                self.answer(&id, given);
            }
            Some(Act::Wider) => {
                if let Open::Question(open) = &mut self.open {
                    open.choice = (open.choice + 1) % open.ask.choices.len().max(1);
                }
            }
            Some(Act::Screen) | None => {}
        }
    }

    fn answer(&mut self, id: &str, given: Given) {
        let ask = given.ask;
        let session = self.roster.sessions.iter_mut().find(|session| session.id == id);
        let Some(client) = session.and_then(|session| session.client()) else {
            return self.say("the session cannot be reached", Tone::Deny);
        };
        match client.answer(given) {
            Ok(said) => {
                self.say(&format!("{id}: {said}"), Tone::Plain);
                self.open = Open::Nothing;
                // Behind it the next one may wait; this one is known to be answered.
                if let Some(session) = self.roster.sessions.iter_mut().find(|session| session.id == id) {
                    session.questions.retain(|one| one.ask.id != ask);
                }
            }
            Err(error) => {
                if let Open::Question(open) = &mut self.open {
                    open.settled = Some(error.to_string());
                }
            }
        }
    }

    pub(super) fn typed(&mut self, character: char) {
        if let Open::Typing { text, cursor, .. } = &mut self.open
            && text.len() < 1_000
        {
            text.insert((*cursor).min(text.len()), character);
            *cursor += 1;
        }
        self.filter_as_typed();
    }

    pub(super) fn edit(&mut self, chord: Chord) {
        let Open::Typing { marker, text, cursor } = &mut self.open else { return };
        match chord.press {
            Press::Enter => {
                let (marker, text) = (marker.take(), text.iter().collect::<String>());
                self.open = Open::Nothing;
                match marker {
                    Some(id) if !text.trim().is_empty() => {
                        self.act(&id, "marked", |client| client.marker(&text));
                    }
                    Some(_) => {}
                    None => self.filter = text,
                }
                return;
            }
            Press::Escape => {
                if marker.is_none() {
                    self.filter.clear();
                }
                self.open = Open::Nothing;
                return;
            }
            Press::Backspace if *cursor > 0 => {
                *cursor -= 1;
                text.remove(*cursor);
            }
            Press::Delete if *cursor < text.len() => drop(text.remove(*cursor)),
            Press::Left => *cursor = cursor.saturating_sub(1),
            Press::Right => *cursor = (*cursor + 1).min(text.len()),
            Press::Home => *cursor = 0,
            Press::End => *cursor = text.len(),
            Press::Char('u') if chord.ctrl => {
                text.clear();
                *cursor = 0;
            }
            Press::Char(character) if !chord.ctrl && !chord.alt => return self.typed(character),
            _ => {}
        }
        self.filter_as_typed();
    }

    fn filter_as_typed(&mut self) {
        if let Open::Typing { marker: None, text, .. } = &self.open {
            self.filter = text.iter().collect();
        }
    }
}
