//! The keys: one table by which input is dispatched and from which help and the foot line are drawn.
//!
//! Invariant: a chord means one thing in a table; what help says is what happens.
//! Leaves to others: bytes into chords (`input`), doing it (`app`).

use std::fmt;

/// What was pressed, without what was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Press {
    /// As the keyboard gives it: with shift this is another character.
    Char(char),
    Enter,
    Escape,
    Tab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    /// F1 to F12.
    Function(u8),
}

/// A key with what is held beside it. `shift` is never set beside a `Char`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    pub press: Press,
    pub shift: bool,
    pub ctrl: bool,
    pub alt: bool,
}

impl Chord {
    pub const fn plain(press: Press) -> Self {
        Self { press, shift: false, ctrl: false, alt: false }
    }

    pub const fn char(character: char) -> Self {
        Self::plain(Press::Char(character))
    }

    pub const fn ctrl(character: char) -> Self {
        Self { ctrl: true, ..Self::char(character) }
    }

    pub const fn shift(press: Press) -> Self {
        Self { shift: true, ..Self::plain(press) }
    }

    pub const fn with_ctrl(press: Press) -> Self {
        Self { ctrl: true, ..Self::plain(press) }
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, name) in [(self.ctrl, "ctrl-"), (self.alt, "alt-"), (self.shift, "shift-")] {
            if held {
                out.write_str(name)?;
            }
        }
        match self.press {
            Press::Char(' ') => out.write_str("space"),
            Press::Char(character) => write!(out, "{character}"),
            Press::Function(number) => write!(out, "F{number}"),
            Press::Enter => out.write_str("enter"),
            Press::Escape => out.write_str("esc"),
            Press::Tab => out.write_str("tab"),
            Press::Backspace => out.write_str("backspace"),
            Press::Delete => out.write_str("del"),
            Press::Up => out.write_str("↑"),
            Press::Down => out.write_str("↓"),
            Press::Left => out.write_str("←"),
            Press::Right => out.write_str("→"),
            Press::Home => out.write_str("home"),
            Press::End => out.write_str("end"),
            Press::PageUp => out.write_str("pgup"),
            Press::PageDown => out.write_str("pgdn"),
        }
    }
}

/// One line of a table: these chords do this.
#[derive(Debug, Clone, Copy)]
pub struct Key<A: 'static> {
    /// All that do it, the one to be learnt first.
    pub chords: &'static [Chord],
    pub action: A,
    /// Heading in help; lines of a group stand together.
    pub group: &'static str,
    /// Shown in help.
    pub words: &'static str,
    /// Shown in the foot line as (keys, word); empty for those that only help tells of.
    pub foot: (&'static str, &'static str),
}

impl<A> Key<A> {
    /// The chords as help shows them: `d`, `→ l`.
    pub fn shown(&self) -> String {
        self.chords.iter().map(Chord::to_string).collect::<Vec<_>>().join(" ")
    }
}

/// What `chord` does by `table`.
pub fn action<A: Copy>(table: &[Key<A>], chord: Chord) -> Option<A> {
    table.iter().find(|key| key.chords.contains(&chord)).map(|key| key.action)
}

/// What of `table` the foot line shows in `width` columns, two between each, in order: the last group's always, so that help
/// and the way out are never what is cut.
pub fn foot<A>(table: &[Key<A>], width: usize) -> Vec<(&'static str, &'static str)> {
    let last = table.last().map_or("", |key| key.group);
    let length = |key: &Key<A>| key.foot.0.chars().count() + key.foot.1.chars().count() + 3;
    let shown = || table.iter().filter(|key| !key.foot.0.is_empty());
    let kept: usize = shown().filter(|key| key.group == last).map(length).sum();
    let mut left = width.saturating_sub(kept);
    let mut foot = Vec::new();
    for key in shown() {
        if key.group != last {
            let Some(rest) = left.checked_sub(length(key)) else { continue };
            left = rest;
        }
        foot.push(key.foot);
    }
    foot
}

/// Where stepping stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stop {
    /// Any event that the list shows.
    Event,
    /// The next picture: output that changed the screen.
    Frame,
    /// A screen later: as much output as fills it, or one that was cleared.
    Screenful,
    Denial,
    Question,
    Program,
    Connection,
    Marker,
}

/// What the view of a session can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Play,
    /// Seconds forward, or back.
    Seek(i32),
    Start,
    End,
    Faster,
    Slower,
    NormalSpeed,
    SkipIdle,
    /// Through the rows of the panel that has the keys: forward when true.
    Row(bool),
    /// Forward when true.
    Step(Stop, bool),
    Jump,
    Search,
    NextHit,
    PreviousHit,
    Filter,
    FilterNext,
    Focus,
    Tree,
    Net,
    Mcp,
    Detail,
    Zoom,
    /// Lines of what scrolled away: up is negative.
    Scroll(i32),
    /// Pages of it.
    ScrollPage(i32),
    /// Columns and rows by which a screen larger than its panel moves.
    Pan(i32, i32),
    Select,
    Copy,
    CopyEvent,
    Marker,
    Answer,
    Freeze,
    Stop,
    Help,
    Redraw,
    Suspend,
    Back,
    Quit,
}

const fn key(
    chords: &'static [Chord],
    action: Action,
    group: &'static str,
    words: &'static str,
    foot: (&'static str, &'static str),
) -> Key<Action> {
    Key { chords, action, group, words, foot }
}

const NONE: (&str, &str) = ("", "");
const PLAY: &str = "play";
const STEP: &str = "go to";
const FIND: &str = "find";
const LOOK: &str = "look";
const LIVE: &str = "a running session";
const LEAVE: &str = "leave";

/// The keys of the view of one session.
#[rustfmt::skip]
pub const KEYS: &[Key<Action>] = &[
    key(&[Chord::char(' ')], Action::Play, PLAY, "play, pause", ("space", "play")),
    key(&[Chord::plain(Press::Left)], Action::Seek(-5), PLAY, "5 seconds back", ("←→", "5s")),
    key(&[Chord::plain(Press::Right)], Action::Seek(5), PLAY, "5 seconds on", NONE),
    key(&[Chord::shift(Press::Left)], Action::Seek(-60), PLAY, "a minute back", NONE),
    key(&[Chord::shift(Press::Right)], Action::Seek(60), PLAY, "a minute on", NONE),
    key(&[Chord::char('+'), Chord::char('=')], Action::Faster, PLAY, "twice as fast, up to 64×", NONE),
    key(&[Chord::char('-')], Action::Slower, PLAY, "half as fast, down to ¼×", NONE),
    key(&[Chord::char('1')], Action::NormalSpeed, PLAY, "as fast as it was", NONE),
    key(&[Chord::char('i')], Action::SkipIdle, PLAY, "skip pauses, or not", NONE),
    key(&[Chord::plain(Press::Home), Chord::char('g')], Action::Start, PLAY, "the beginning", NONE),
    key(&[Chord::plain(Press::End), Chord::char('G')], Action::End, PLAY, "the end; a running session is followed", NONE),

    key(&[Chord::plain(Press::Down), Chord::char('j')], Action::Row(true), STEP, "next row of the list", ("↑↓", "row")),
    key(&[Chord::plain(Press::Up), Chord::char('k')], Action::Row(false), STEP, "row before", NONE),
    key(&[Chord::char('.')], Action::Step(Stop::Event, true), STEP, "next event, also within a row", (",.", "event")),
    key(&[Chord::char(',')], Action::Step(Stop::Event, false), STEP, "event before", NONE),
    key(&[Chord::char('d')], Action::Step(Stop::Denial, true), STEP, "next denial", ("d/D", "denial")),
    key(&[Chord::char('D')], Action::Step(Stop::Denial, false), STEP, "denial before", NONE),
    key(&[Chord::char('u')], Action::Step(Stop::Question, true), STEP, "next question", NONE),
    key(&[Chord::char('U')], Action::Step(Stop::Question, false), STEP, "question before", NONE),
    key(&[Chord::char('x')], Action::Step(Stop::Program, true), STEP, "next program", ("x/X", "program")),
    key(&[Chord::char('X')], Action::Step(Stop::Program, false), STEP, "program before", NONE),
    key(&[Chord::char('c')], Action::Step(Stop::Connection, true), STEP, "next connection", NONE),
    key(&[Chord::char('C')], Action::Step(Stop::Connection, false), STEP, "connection before", NONE),
    key(&[Chord::char(']')], Action::Step(Stop::Marker, true), STEP, "next marker", NONE),
    key(&[Chord::char('[')], Action::Step(Stop::Marker, false), STEP, "marker before", NONE),
    key(&[Chord::char('>')], Action::Step(Stop::Frame, true), STEP, "next picture", NONE),
    key(&[Chord::char('<')], Action::Step(Stop::Frame, false), STEP, "picture before", NONE),
    key(&[Chord::char('}')], Action::Step(Stop::Screenful, true), STEP, "a screenful on", NONE),
    key(&[Chord::char('{')], Action::Step(Stop::Screenful, false), STEP, "a screenful back", NONE),
    key(&[Chord::char(':')], Action::Jump, STEP, "a time (12:34, +30, -5), an event (#812)", (":", "jump")),

    key(&[Chord::char('/')], Action::Search, FIND, "search; tab: on the screen or in events", ("/", "search")),
    key(&[Chord::char('n')], Action::NextHit, FIND, "next hit; without a search, the places reached", NONE),
    key(&[Chord::char('N')], Action::PreviousHit, FIND, "hit before", NONE),
    key(&[Chord::char('&')], Action::Filter, FIND, "filter events: exec file net denied asked path:… host:… pid:…", NONE),
    key(&[Chord::char('\\')], Action::FilterNext, FIND, "next of the usual filters", NONE),

    key(&[Chord::plain(Press::Enter)], Action::Detail, LOOK, "everything about the event", NONE),
    key(&[Chord::plain(Press::Tab)], Action::Focus, LOOK, "another panel takes the keys", NONE),
    key(&[Chord::char('t')], Action::Tree, LOOK, "processes", ("t", "tree")),
    key(&[Chord::char('h')], Action::Net, LOOK, "places reached", ("h", "net")),
    key(&[Chord::char('M')], Action::Mcp, LOOK, "calls of MCP servers", NONE),
    key(&[Chord::char('z')], Action::Zoom, LOOK, "the screen alone", NONE),
    key(&[Chord::shift(Press::Up)], Action::Scroll(-1), LOOK, "what scrolled away", NONE),
    key(&[Chord::shift(Press::Down)], Action::Scroll(1), LOOK, "back towards the screen", NONE),
    key(&[Chord::plain(Press::PageUp)], Action::ScrollPage(-1), LOOK, "a page of what scrolled away", NONE),
    key(&[Chord::plain(Press::PageDown)], Action::ScrollPage(1), LOOK, "a page back", NONE),
    key(&[Chord::with_ctrl(Press::Left)], Action::Pan(-8, 0), LOOK, "a larger screen: to the left", NONE),
    key(&[Chord::with_ctrl(Press::Right)], Action::Pan(8, 0), LOOK, "to the right", NONE),
    key(&[Chord::with_ctrl(Press::Up)], Action::Pan(0, -4), LOOK, "up", NONE),
    key(&[Chord::with_ctrl(Press::Down)], Action::Pan(0, 4), LOOK, "down", NONE),
    key(&[Chord::char('v')], Action::Select, LOOK, "choose text with the arrows (or the mouse)", NONE),
    key(&[Chord::char('y')], Action::Copy, LOOK, "copy the chosen text, or the screen", NONE),
    key(&[Chord::char('Y')], Action::CopyEvent, LOOK, "copy the event", NONE),

    key(&[Chord::char('a')], Action::Answer, LIVE, "answer a question", NONE),
    key(&[Chord::char('m')], Action::Marker, LIVE, "leave a marker; of what is over: calls of MCP servers", NONE),
    key(&[Chord::char('f')], Action::Freeze, LIVE, "freeze, or let go on", NONE),
    key(&[Chord::char('K')], Action::Stop, LIVE, "end it", NONE),

    key(&[Chord::char('?'), Chord::plain(Press::Function(1))], Action::Help, LEAVE, "these keys", ("?", "help")),
    key(&[Chord::plain(Press::Escape)], Action::Back, LEAVE, "close what is open", NONE),
    key(&[Chord::ctrl('l')], Action::Redraw, LEAVE, "draw again", NONE),
    key(&[Chord::ctrl('z')], Action::Suspend, LEAVE, "to the shell for a while", NONE),
    key(&[Chord::char('q'), Chord::ctrl('c')], Action::Quit, LEAVE, "leave", ("q", "quit")),
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
            assert!(action(KEYS, *chord).is_some());
        }
    }

    #[test]
    fn the_foot_line_keeps_help() {
        assert_eq!(foot(KEYS, 20), [("?", "help"), ("q", "quit")]);
        assert_eq!(foot(KEYS, 36), [("space", "play"), ("←→", "5s"), ("?", "help"), ("q", "quit")]);
        assert!(foot(KEYS, 200).contains(&("/", "search")));
    }

    #[test]
    fn chords_are_shown_as_people_write_them() {
        assert_eq!(Chord::ctrl('c').to_string(), "ctrl-c");
        assert_eq!(Chord::shift(Press::Up).to_string(), "shift-↑");
        assert_eq!(Chord::char(' ').to_string(), "space");
        assert_eq!(KEYS[0].shown(), "space");
    }
}
