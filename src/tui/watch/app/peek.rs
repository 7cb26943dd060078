//! Opening a session; one that keeps no recording is shown as its terminal is now.
//!
//! Invariant: a look costs one answer of the session, which is waited for as long as any other.
//! Leaves to others: the view of one that is recorded (`tui::view`).

use super::{Do, Left, List, Open};
use crate::screen::Screen;
use crate::session::control::client::{Client, ClientError, NAMED};
use crate::session::control::protocol::Role;
use crate::tui::panels::Tone;
use crate::tui::watch::Tie;

impl List {
    /// The view of the chosen session, or its terminal alone where nothing is recorded.
    pub(super) fn open_chosen(&mut self) -> Option<Do> {
        let session = self.chosen_session()?;
        let (id, ended) = (session.id.clone(), matches!(session.tie, Tie::Ended(_)));
        if let Some(recording) = session.hello.recording.clone() {
            return Some(Do::Leave(Left::Open { id, recording, ended }));
        }
        match self.look_at(&id) {
            Ok(screen) => self.open = Open::Peek { id, screen: Box::new(screen) },
            Err(why) => self.say(&why, Tone::Deny),
        }
        None
    }

    /// Chooses this session and opens it as Enter would.
    pub fn open_at_once(&mut self, id: &str) {
        if let Ok(screen) =
            Client::connect_within(id, Role::Watch, NAMED).map_err(told).and_then(|mut client| screen_of(&mut client))
        {
            id.clone_into(&mut self.chosen);
            self.open = Open::Peek { id: id.to_owned(), screen: Box::new(screen) };
        }
    }

    pub(super) fn peek_again(&mut self) {
        let Open::Peek { id, .. } = &self.open else { return };
        let id = id.clone();
        // Of one that has ended or is stopped, what was shown last stays.
        if let Ok(screen) = self.look_at(&id) {
            self.open = Open::Peek { id, screen: Box::new(screen) };
        }
    }

    fn look_at(&mut self, id: &str) -> Result<Screen, String> {
        let session = self.roster.sessions.iter_mut().find(|session| session.id == id);
        let client = session.and_then(|session| session.client()).ok_or("the session cannot be reached")?;
        screen_of(client)
    }
}

fn screen_of(client: &mut Client) -> Result<Screen, String> {
    let dump = client.screen().map_err(told)?;
    Screen::restore(&dump).ok_or_else(|| "the session shows something that this govsh cannot draw".to_owned())
}

fn told(error: ClientError) -> String {
    error.to_string()
}
