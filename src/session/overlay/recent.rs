//! The last denials, and the last programs and connections, for the panel behind the hot key.
//!
//! Invariant: bounded; noting an event that is not shown costs a comparison.
//! Leaves to others: the whole story (`recording`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Event, Judged, Kind, Stamped};
use crate::policy::Verdict;
use crate::recording::summary::{home_short, verb};
use crate::recording::{is_denied, place, visible};
use crate::session::control::words::of;

use super::text::command;

/// Of each kind.
const MOST: usize = 12;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Nanoseconds since the session's start.
    pub t: u64,
    pub what: String,
}

/// Shared between the recorder's thread, which notes, and the panel.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    lists: Arc<Mutex<Lists>>,
    home: Vec<u8>,
}

#[derive(Debug, Default)]
struct Lists {
    denied: VecDeque<Happened>,
    others: VecDeque<Happened>,
}

impl Recent {
    /// `home` is shown as `~`.
    pub fn new(home: Vec<u8>) -> Self {
        Recent { lists: Arc::default(), home }
    }

    /// An event as it goes into the recording.
    pub fn note(&self, stamped: &Stamped) {
        let Some(verdict) = stamped.event.verdict() else { return };
        let denied = verdict != Verdict::Allow;
        let what = match &stamped.event {
            Event::Judged(judged) if !denied && judged.kind == Kind::File => return,
            Event::Judged(judged) => say(judged, &self.home),
            // Names that were found and connections that went on have been told by their connect.
            Event::Http(_) | Event::Mcp(_) => of(&stamped.event).unwrap_or_default(),
            event if is_denied(event) => of(event).unwrap_or_default(),
            _ => return,
        };
        let happened = Happened { t: stamped.t, what };
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let list = if denied { &mut lists.denied } else { &mut lists.others };
        if list.front().is_some_and(|last| last.what == happened.what) {
            list.pop_front();
        }
        list.truncate(MOST - 1);
        list.push_front(happened);
    }

    /// Denials and others, newest first.
    pub fn lists(&self) -> (Vec<Happened>, Vec<Happened>) {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        (lists.denied.iter().cloned().collect(), lists.others.iter().cloned().collect())
    }
}

fn say(judged: &Judged, home: &[u8]) -> String {
    let object = match judged.kind {
        Kind::Exec if !judged.argv.is_empty() => command(&judged.argv),
        Kind::Net => place(judged.host.as_deref(), judged.addr, judged.port).unwrap_or_else(|| visible(&judged.path)),
        _ => home_short(&judged.path, home),
    };
    format!("{} {object}", verb(judged.kind, judged.op, judged.access))
}
