//! The keys of the list of sessions: help and the foot line are drawn from this table, input goes by it.

use crate::tui::keys::{Chord, Key, Press};

/// What the list can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WatchAction {
    Open,
    Answer,
    Marker,
    Freeze,
    End,
    Filter,
    /// Rows: up is negative.
    Move(i32),
    First,
    Last,
    Help,
    Redraw,
    Suspend,
    Back,
    Quit,
}

const fn key(
    chords: &'static [Chord],
    action: WatchAction,
    group: &'static str,
    words: &'static str,
    foot: (&'static str, &'static str),
) -> Key<WatchAction> {
    Key { chords, action, group, words, foot }
}

const NONE: (&str, &str) = ("", "");
const SESSION: &str = "the chosen session";
const LIST: &str = "the list";
const LEAVE: &str = "leave";

#[rustfmt::skip]
pub const KEYS: &[Key<WatchAction>] = &[
    key(&[Chord::plain(Press::Enter)], WatchAction::Open, SESSION, "open it: its screen, its events, its questions", ("↵", "open")),
    key(&[Chord::char('a')], WatchAction::Answer, SESSION, "answer its question", ("a", "answer")),
    key(&[Chord::char('m')], WatchAction::Marker, SESSION, "leave a marker or a note in its recording", ("m", "marker")),
    key(&[Chord::char('f')], WatchAction::Freeze, SESSION, "hold every process of it still, or let them go on", ("f", "freeze")),
    key(&[Chord::char('K')], WatchAction::End, SESSION, "end it, after a question", ("K", "end")),

    key(&[Chord::plain(Press::Down), Chord::char('j')], WatchAction::Move(1), LIST, "next", NONE),
    key(&[Chord::plain(Press::Up), Chord::char('k')], WatchAction::Move(-1), LIST, "previous", NONE),
    key(&[Chord::plain(Press::PageDown)], WatchAction::Move(10), LIST, "ten on", NONE),
    key(&[Chord::plain(Press::PageUp)], WatchAction::Move(-10), LIST, "ten back", NONE),
    key(&[Chord::plain(Press::Home), Chord::char('g')], WatchAction::First, LIST, "the first", NONE),
    key(&[Chord::plain(Press::End), Chord::char('G')], WatchAction::Last, LIST, "the last", NONE),
    key(&[Chord::char('/')], WatchAction::Filter, LIST, "only those whose id, agent, place or state has this text", ("/", "filter")),

    key(&[Chord::char('?'), Chord::plain(Press::Function(1))], WatchAction::Help, LEAVE, "these keys", ("?", "help")),
    key(&[Chord::plain(Press::Escape)], WatchAction::Back, LEAVE, "close what is open; show all again", NONE),
    key(&[Chord::ctrl('l')], WatchAction::Redraw, LEAVE, "draw again", NONE),
    key(&[Chord::ctrl('z')], WatchAction::Suspend, LEAVE, "to the shell for a while", NONE),
    key(&[Chord::char('q'), Chord::ctrl('c')], WatchAction::Quit, LEAVE, "leave; the sessions go on", ("q", "quit")),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_chord_means_one_thing() {
        let mut seen = HashSet::new();
        for chord in KEYS.iter().flat_map(|key| key.chords) {
            assert!(seen.insert(chord), "{chord} twice");
        }
    }
}
