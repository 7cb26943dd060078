//! The list on the terminal: keys in, sessions out, until the person leaves or opens one.
//!
//! Invariant: a key that does something to a session means the one that was shown as chosen when it was pressed; an answer
//! means the question that was shown, also when another one has taken its place.
//! Leaves to others: drawing (`view`, `panels`), the connections (`roster`).

mod deeds;
mod peek;

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ratatui::Frame;
use ratatui::layout::Rect;

use super::keys::{KEYS, WatchAction};
use super::roster::{Roster, Session};
use super::rows::{self, Row};
use super::view::{self, ListView};
use crate::event::Ask;
use crate::recording::visible;
use crate::screen::Screen;
use crate::tui::input::{Input, MouseWhat};
use crate::tui::keys::{self, Chord};
use crate::tui::panels::edge::{Title, over};
use crate::tui::panels::foot::Prompt;
use crate::tui::panels::{Bearings, ConfirmView, FootView, HelpView, Tone, ascii, confirm, help, question};
use crate::tui::screen_pane::{self, ScreenView};
use crate::tui::terminal::{Terminal, Woken};
use crate::tui::theme::Theme;

/// Between two pictures when nothing happens: ages and countdowns go on.
const TICK: Duration = Duration::from_millis(500);
/// How long something that was said stays in the last line.
const SAID: Duration = Duration::from_secs(6);
/// Until the keys of a question act: what was typed for the list must not answer it.
const GUARD: Duration = Duration::from_millis(300);

/// Why the list was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    Quit,
    /// This session is to be opened: its id, and its recording.
    Open {
        id: String,
        recording: String,
        ended: bool,
    },
    /// By this signal.
    Signal(i32),
}

/// What is open over the list.
enum Open {
    Nothing,
    Help(usize),
    /// A text for the filter, or for a marker of this session.
    Typing {
        marker: Option<String>,
        text: Vec<char>,
        cursor: usize,
    },
    /// End this session?
    End(String),
    Question(Box<Question>),
    /// The terminal of this session, which keeps no recording.
    Peek {
        id: String,
        screen: Box<Screen>,
    },
}

/// The question that is shown.
#[derive(Debug, Clone)]
struct Question {
    id: String,
    ask: Ask,
    since: Instant,
    /// Which of its choices is offered.
    choice: usize,
    /// It waits no more: what became of it.
    settled: Option<String>,
}

/// The list and what the person is doing with it.
pub struct List {
    roster: Roster,
    rows: Vec<Row>,
    hidden: usize,
    /// The id of the chosen session, so that it stays chosen when rows move.
    chosen: String,
    filter: String,
    open: Open,
    said: Option<(String, Tone, Instant)>,
    theme: Theme,
    home: Vec<u8>,
    utf8: bool,
}

impl List {
    /// `home` is the home directory, empty for none.
    pub fn start(home: Vec<u8>) -> io::Result<Self> {
        Ok(List {
            roster: Roster::start(true)?,
            rows: Vec::new(),
            hidden: 0,
            chosen: String::new(),
            filter: String::new(),
            open: Open::Nothing,
            said: None,
            theme: Theme::detect(),
            home,
            utf8: ascii::is_utf8(|name| std::env::var(name).ok()),
        })
    }

    /// Until it is left.
    pub fn run(&mut self, terminal: &mut Terminal) -> io::Result<Left> {
        loop {
            self.roster.refresh();
            self.arrange();
            terminal.draw(|frame| self.draw(frame))?;
            let woken = terminal.wait(TICK, &self.roster.readable())?;
            let inputs = match woken {
                Woken::Ended(signal) => return Ok(Left::Signal(signal)),
                Woken::Input(inputs) => inputs,
                Woken::Resized | Woken::Nothing => continue,
            };
            for input in inputs {
                match self.input(input) {
                    Some(Do::Leave(left)) => return Ok(left),
                    Some(Do::Suspend) => terminal.suspend()?,
                    Some(Do::Redraw) => terminal.redraw()?,
                    None => {}
                }
            }
        }
    }

    /// Says something in the last line for a while.
    pub fn say(&mut self, text: &str, tone: Tone) {
        self.said = Some((visible(text.as_bytes()), tone, Instant::now()));
    }

    /// Makes the rows anew, and keeps what is open true.
    fn arrange(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(0);
        let all: Vec<Row> = self.roster.sessions.iter().map(|session| rows::row(session, now, &self.home)).collect();
        let whole = all.len();
        let wanted = self.filter.to_lowercase();
        let has = |row: &Row| {
            [&row.id, &row.agent, &row.place, &row.state].iter().any(|text| text.to_lowercase().contains(&wanted))
        };
        self.rows = all.into_iter().filter(has).collect();
        self.hidden = whole - self.rows.len();
        rows::sort(&mut self.rows);
        if !self.rows.iter().any(|row| row.id == self.chosen) {
            self.chosen = self.rows.first().map(|row| row.id.clone()).unwrap_or_default();
        }
        if self.said.as_ref().is_some_and(|(_, _, since)| since.elapsed() > SAID) {
            self.said = None;
        }
        self.settle_question();
        self.peek_again();
    }

    /// Whether the question that is shown still waits.
    fn settle_question(&mut self) {
        let Open::Question(open) = &mut self.open else { return };
        let session = self.roster.sessions.iter().find(|session| session.id == open.id);
        let waits = session.is_some_and(|session| session.questions.iter().any(|one| one.ask.id == open.ask.id));
        if !waits && open.settled.is_none() {
            let last = session.map(|session| visible(session.status.last.as_bytes())).unwrap_or_default();
            open.settled =
                Some(format!("it waits no more; {}", if last.is_empty() { "the session is gone" } else { &last }));
        }
    }

    fn at(&self) -> usize {
        self.rows.iter().position(|row| row.id == self.chosen).unwrap_or(0)
    }

    fn draw(&self, frame: &mut Frame) {
        let area = frame.area();
        let clock = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        let keys = keys::foot(KEYS, usize::from(area.width));
        let text: String;
        let foot = match (&self.open, &self.said) {
            (Open::Typing { marker, text: typed, cursor }, _) => {
                text = typed.iter().collect();
                let label = if marker.is_some() { "marker" } else { "/" };
                FootView::Prompt(Prompt { label, text: &text, cursor: *cursor, hint: "enter", wrong: "" })
            }
            (_, Some((said, tone, _))) => FootView::Notice { text: said, tone: *tone },
            _ => FootView::Keys(&keys),
        };
        let chosen = self.at();
        let (rows, filter) = (&self.rows, &self.filter);
        let list = ListView { rows, chosen, clock: &clock, filter, hidden: self.hidden, foot };
        view::draw(frame, area, &list, &self.theme);
        match &self.open {
            Open::Nothing | Open::Typing { .. } => {}
            Open::Help(scroll) => help::draw(frame, area, &HelpView::of(KEYS, *scroll), &self.theme),
            Open::End(id) => self.draw_end(frame, id),
            Open::Question(open) => self.draw_question(frame, open),
            Open::Peek { id, screen } => self.draw_peek(frame, id, screen),
        }
        if !self.utf8 {
            ascii::replace(frame.buffer_mut());
        }
    }

    fn draw_peek(&self, frame: &mut Frame, id: &str, screen: &Screen) {
        let (cols, rows) = screen.size();
        let size = (cols.saturating_add(4), rows.saturating_add(2));
        let title = format!("{id} as it is now, not recorded");
        let title = Title { left: &title, right: "esc", focus: true };
        let inner = over(frame, middle_of(frame.area(), size), title, self.theme.focus, &self.theme);
        let view = ScreenView { screen, back: 0, pan: None, selection: None, found: &[] };
        screen_pane::draw(frame.buffer_mut(), inner, &view, &self.theme);
    }

    fn draw_end(&self, frame: &mut Frame, id: &str) {
        let title = format!("end {id}?");
        let agent = self.rows.iter().find(|row| row.id == id).map(|row| row.agent.as_str()).unwrap_or_default();
        let says =
            format!("Every process of {agent} gets SIGTERM, and is killed if it is still there ten seconds later.");
        let view =
            ConfirmView { title: &title, says: &says, no: ("esc", "leave it"), yes: ("y", "end it"), grave: true };
        let size = confirm::size(&view, frame.area().width);
        confirm::draw(frame, middle_of(frame.area(), size), &view, &self.theme);
    }

    fn draw_question(&self, frame: &mut Frame, open: &Question) {
        let view = self.question_view(open);
        let size = question::size(&view, frame.area().width);
        question::draw(frame, middle_of(frame.area(), size), &view, &self.theme);
    }

    fn question_view(&self, open: &Question) -> question::QuestionView {
        let session = self.roster.sessions.iter().find(|session| session.id == open.id);
        let pending = session.and_then(|session| session.questions.iter().find(|one| one.ask.id == open.ask.id));
        let left = Duration::from_millis(pending.map_or(0, |one| one.left)).saturating_sub(self.heard(session));
        let calls = pending.map_or(0, |one| usize::try_from(one.calls).unwrap_or(usize::MAX));
        let behind = session.map_or(0, |session| session.questions.len().saturating_sub(1));
        let bearings = Bearings { home: self.home.clone(), cwd: open.ask.cwd.clone() };
        let mut view = question::of(&open.ask, left, (calls, behind), open.choice, &bearings);
        // The list shows no screen.
        view.ways.retain(|way| way.act != question::Act::Screen);
        view.awake = open.since.elapsed() >= GUARD && open.settled.is_none();
        view.notice = open.settled.clone().unwrap_or_default();
        view
    }

    /// How long ago the session told how long its questions wait.
    fn heard(&self, session: Option<&Session>) -> Duration {
        session.map_or(Duration::ZERO, |session| session.heard.elapsed())
    }

    fn input(&mut self, input: Input) -> Option<Do> {
        match input {
            Input::Key(chord) => self.key(chord),
            Input::Paste(text) => {
                text.chars().filter(|character| !character.is_control()).for_each(|character| self.typed(character));
                None
            }
            Input::Mouse(mouse) => {
                match mouse.what {
                    MouseWhat::WheelUp => self.go(-1),
                    MouseWhat::WheelDown => self.go(1),
                    MouseWhat::Down => {
                        // Below the header and the headings, while nothing is scrolled away.
                        if let Some(row) = usize::from(mouse.row).checked_sub(2).and_then(|at| self.rows.get(at)) {
                            self.chosen.clone_from(&row.id);
                        }
                    }
                    MouseWhat::Drag | MouseWhat::Up => {}
                }
                None
            }
        }
    }

    fn key(&mut self, chord: Chord) -> Option<Do> {
        let action = keys::action(KEYS, chord);
        match (&mut self.open, action) {
            (_, Some(WatchAction::Quit)) if chord == Chord::ctrl('c') => return Some(Do::Leave(Left::Quit)),
            (_, Some(WatchAction::Suspend)) => return Some(Do::Suspend),
            (_, Some(WatchAction::Redraw)) => return Some(Do::Redraw),
            (Open::Typing { .. }, _) => self.edit(chord),
            (Open::Question(_), _) => self.answer_key(chord),
            (Open::End(id), _) => {
                let id = id.clone();
                self.open = Open::Nothing;
                if chord == Chord::char('y') {
                    self.act(&id, "it was told to end", |client| client.end(false).map(drop));
                }
            }
            (Open::Help(scroll), Some(WatchAction::Move(rows))) => {
                *scroll = scroll.saturating_add_signed(rows as isize);
            }
            (Open::Help(_) | Open::Peek { .. }, _) => self.open = Open::Nothing,
            (Open::Nothing, Some(action)) => return self.action(action),
            (Open::Nothing, None) => {}
        }
        None
    }

    fn action(&mut self, action: WatchAction) -> Option<Do> {
        let typing = |marker| Open::Typing { marker, text: Vec::new(), cursor: 0 };
        match action {
            WatchAction::Open => return self.open_chosen(),
            WatchAction::Answer => self.ask(),
            WatchAction::Marker if !self.chosen.is_empty() => self.open = typing(Some(self.chosen.clone())),
            WatchAction::Freeze => self.freeze(),
            WatchAction::End if !self.chosen.is_empty() => self.open = Open::End(self.chosen.clone()),
            WatchAction::Marker | WatchAction::End => {}
            WatchAction::Filter => self.open = typing(None),
            WatchAction::Move(rows) => self.go(rows),
            WatchAction::First => self.go(i32::MIN),
            WatchAction::Last => self.go(i32::MAX),
            WatchAction::Help => self.open = Open::Help(0),
            WatchAction::Back => self.filter.clear(),
            WatchAction::Quit => return Some(Do::Leave(Left::Quit)),
            WatchAction::Suspend => return Some(Do::Suspend),
            WatchAction::Redraw => return Some(Do::Redraw),
        }
        None
    }

    fn go(&mut self, rows: i32) {
        let last = self.rows.len().saturating_sub(1);
        let at = self.at().saturating_add_signed(rows as isize).min(last);
        self.chosen = self.rows.get(at).map(|row| row.id.clone()).unwrap_or_default();
    }

    fn chosen_session(&mut self) -> Option<&mut Session> {
        self.roster.sessions.iter_mut().find(|session| session.id == self.chosen)
    }
}

/// What the loop has to do after a key.
enum Do {
    Leave(Left),
    Suspend,
    Redraw,
}

/// So large, in the middle.
fn middle_of(area: Rect, (width, height): (u16, u16)) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}
