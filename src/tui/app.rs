//! The view of one session: its state, and what keys do to it. The same for a recording and for a session that runs.
//!
//! Invariant: pure over its source: the same events and the same keys draw the same cells. Time passes only by [`App::tick`].
//! Leaves to others: the terminal (`view`), drawing (`paint`, `panels`), reading (`source`).

use std::time::Duration;

use ratatui::layout::Rect;

use super::filter::Filter;
use super::history::History;
use super::input::Input;
use super::keys::{Action, Chord, KEYS, Press, Stop, action};
use super::list::List;
use super::panels::detail::Said;
use super::panels::header::Seal;
use super::panels::words::Bearings;
use super::panels::{Areas, Tone};
use super::player::{Player, Sought};
use super::prompt::Line;
use super::screen_pane::{Placement, Selection};
use super::search::{Search, Within};
use super::source::{Live, Source};
use super::survey::Survey;
use super::theme::Theme;
use crate::recording::ReadError;

mod finding;
mod living;
mod mouse;
mod moving;
mod paint;
mod paint_over;
mod spans;

use spans::Spans;

/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(4);

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Begin {
    #[default]
    Start,
    /// At a time, in nanoseconds since the session's start.
    At(u64),
    /// After the event with this number.
    Event(u64),
    /// At the first denial; with a list of denials only.
    Denied,
    /// At the end, and on with it.
    Follow,
}

/// How to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub begin: Begin,
    pub speed: f64,
    pub idle_limit: Option<Duration>,
    /// Whose paths are shortened: the viewer's home directory.
    pub home: Vec<u8>,
    /// What the header calls the recording.
    pub name: String,
    /// The locale has only ASCII.
    pub ascii: bool,
    /// The recording may grow.
    pub grows: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            begin: Begin::Start,
            speed: 1.0,
            idle_limit: None,
            home: Vec::new(),
            name: String::new(),
            ascii: false,
            grows: false,
        }
    }
}

/// Which panel has the keys that move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Pane {
    #[default]
    Events,
    Screen,
    Detail,
    Tree,
    Net,
}

/// What is being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Search(Within),
    Jump,
    Filter,
    Marker,
}

/// What lies over the view and takes the keys first.
#[derive(Debug, Clone, PartialEq, Default)]
enum Over {
    #[default]
    Nothing,
    Prompt {
        wish: Wish,
        line: Line,
        wrong: String,
    },
    Help {
        scroll: usize,
    },
    Confirm(Deed),
    Question(living::Answering),
    /// Text is chosen with the arrows.
    Choosing,
}

/// What needs a second key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Freeze,
    End,
}

/// Why the view ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    Quit,
}

/// What the application wants of the terminal beside being drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Send these bytes, a finished sequence.
    Send(Vec<u8>),
    Suspend,
    Redraw,
}

/// See the module.
pub struct App {
    source: Box<dyn Source>,
    live: Option<Box<dyn Live>>,
    theme: Theme,
    options: Options,
    bearings: Bearings,
    player: Player,
    filter: Filter,
    list: List,
    survey: Survey,
    spans: Spans,
    search: Option<Search>,
    /// A jump that waits for the search: forward or back.
    seeking: Option<bool>,
    history: Option<History>,
    said: Vec<Said>,
    /// The process that did the event which is shown.
    chosen: Option<i32>,
    over: Over,
    focus: Pane,
    tree: bool,
    net: bool,
    detail: bool,
    zoom: bool,
    pan: Option<(u16, u16)>,
    selection: Option<Selection>,
    scrolls: Scrolls,
    notice: Option<(String, Tone, Duration)>,
    seal: Seal,
    seal_from: Option<std::sync::mpsc::Receiver<Seal>>,
    /// Largest screen so far, so that the layout does not jump.
    largest: (u16, u16),
    areas: Option<Areas>,
    placement: Option<Placement>,
    pressed: Option<mouse::Pressed>,
    /// Version of the survey that was drawn.
    surveyed: u64,
    dirty: bool,
    errands: Vec<Errand>,
    leaving: Option<Leaving>,
}

/// Lines scrolled away in the panels that scroll.
#[derive(Debug, Clone, Copy, Default)]
struct Scrolls {
    detail: usize,
    tree: Option<usize>,
    net: usize,
}

impl App {
    /// Opens the view at the place that `options` name.
    pub fn new(
        mut source: Box<dyn Source>,
        live: Option<Box<dyn Live>>,
        theme: Theme,
        options: Options,
    ) -> Result<Self, ReadError> {
        let cwd = source.start().map(|start| start.cwd.clone()).unwrap_or_default();
        let bearings = Bearings { home: options.home.clone(), cwd };
        let player = Player::new(&mut *source)?;
        let grows = (options.grows || live.is_some()) && source.end().is_none();
        let survey = Survey::start(source.again()?, bearings.clone(), grows);
        let start = source.start().map_or((80, 24), |start| (start.cols, start.rows));
        let mut app = Self {
            largest: start,
            source,
            live,
            theme,
            bearings,
            player,
            survey,
            filter: Filter::default(),
            list: List::default(),
            spans: Spans::default(),
            search: None,
            seeking: None,
            history: None,
            said: Vec::new(),
            chosen: None,
            over: Over::Nothing,
            focus: Pane::Events,
            tree: false,
            net: false,
            detail: false,
            zoom: false,
            pan: None,
            selection: None,
            scrolls: Scrolls::default(),
            notice: None,
            seal: Seal::Unknown,
            seal_from: None,
            areas: None,
            placement: None,
            pressed: None,
            surveyed: 0,
            dirty: true,
            errands: Vec::new(),
            leaving: None,
            options,
        };
        app.begin()?;
        Ok(app)
    }

    fn begin(&mut self) -> Result<(), ReadError> {
        self.player.set_speed(self.options.speed);
        if let Some(limit) = self.options.idle_limit {
            self.player.limit_idle(limit);
        }
        match self.options.begin.clone() {
            Begin::Start => self.player.playing = self.source.end().is_some() || self.live.is_none(),
            Begin::At(t) => self.player.seek(&mut *self.source, t)?,
            Begin::Event(seq) => self.to_event(seq)?,
            Begin::Denied => {
                self.filter = Filter::new("denied");
                let sought = self.player.step(&mut *self.source, Stop::Denial, true, &self.filter)?;
                if !matches!(sought, Sought::At(_)) {
                    self.filter = Filter::default();
                    self.say("nothing was denied", Tone::Allow);
                }
            }
            Begin::Follow => {
                self.player.following = true;
                self.player.go_to_end(&mut *self.source)?;
            }
        }
        Ok(())
    }

    /// The result of a look at the recording's integrity will come from here.
    pub fn expect_seal(&mut self, from: std::sync::mpsc::Receiver<Seal>) {
        (self.seal, self.seal_from) = (Seal::Checking(0), Some(from));
    }

    /// Whether drawing again would show anything new.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    pub fn leaving(&self) -> Option<Leaving> {
        self.leaving
    }

    /// The window has another size, or shows something else: everything is drawn again.
    pub fn resized(&mut self) {
        self.dirty = true;
    }

    /// What the terminal is to do now.
    pub fn errands(&mut self) -> Vec<Errand> {
        std::mem::take(&mut self.errands)
    }

    pub fn live(&self) -> Option<&dyn Live> {
        self.live.as_deref()
    }

    /// How long nothing will happen by itself.
    pub fn pause(&self) -> Duration {
        const PICTURE: Duration = Duration::from_millis(33);
        const GROWTH: Duration = Duration::from_millis(50);
        const NEWS: Duration = Duration::from_millis(100);
        if self.player.playing && !self.player.following {
            return PICTURE;
        }
        if self.grows() {
            return GROWTH;
        }
        let news = self.seal_from.is_some()
            || self.notice.is_some()
            || self.search.as_ref().is_some_and(|search| search.progress().0.is_some())
            || !self.survey.look().whole;
        if news { NEWS } else { Duration::from_secs(60) }
    }

    /// The recording may have more later.
    fn grows(&self) -> bool {
        (self.options.grows || self.live.is_some()) && self.source.end().is_none()
    }

    /// Lets time pass, and takes in what others have found meanwhile.
    pub fn tick(&mut self, elapsed: Duration) {
        if let Some((_, _, left)) = &mut self.notice {
            *left = left.saturating_sub(elapsed);
            if left.is_zero() {
                self.notice = None;
                self.dirty = true;
            }
        }
        self.pass(elapsed);
        if self.grows() {
            let grown = self.source.refresh();
            self.dirty |= matches!(grown, Ok(true));
            self.ran(grown.map(drop));
        }
        self.live_tick();
        let advanced = self.player.advance(&mut *self.source, elapsed);
        match advanced {
            Ok(true) => self.moved(),
            Ok(false) => {}
            Err(error) => {
                self.player.playing = false;
                self.ran::<()>(Err(error));
            }
        }
        self.news();
    }

    /// What threads beside the view have found.
    fn news(&mut self) {
        let version = self.survey.look().version;
        self.dirty |= std::mem::replace(&mut self.surveyed, version) != version;
        if let Some(seal) = self.seal_from.as_ref().and_then(|from| from.try_recv().ok()) {
            if !matches!(seal, Seal::Checking(_)) {
                self.seal_from = None;
            }
            self.seal = seal;
            self.dirty = true;
        }
        if let Some(search) = &self.search
            && search.progress().0.is_some()
        {
            self.dirty = true;
        }
        self.seek_on();
    }

    /// The place has changed.
    fn moved(&mut self) {
        self.dirty = true;
        if self.player.playing && !self.player.following {
            self.history = None;
        }
        let (cols, rows) = self.player.screen().size();
        self.largest = (self.largest.0.max(cols), self.largest.1.max(rows));
        self.scrolls.detail = 0;
    }

    /// Says something for a while.
    fn say(&mut self, text: &str, tone: Tone) {
        self.notice = Some((text.to_owned(), tone, NOTICE));
        self.dirty = true;
    }

    /// Tells what went wrong, if anything did.
    fn ran<T>(&mut self, outcome: Result<T, ReadError>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                self.say(&format!("{error}{cause}"), Tone::Deny);
                None
            }
        }
    }

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

    fn key(&mut self, chord: Chord) {
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
            Action::End => self.to_end(),
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
            Action::Detail => self.toggle(Pane::Detail),
            Action::Zoom => self.zoom = !self.zoom,
            Action::Scroll(lines) => self.scroll(lines as isize),
            Action::ScrollPage(pages) => self.scroll_page(pages as isize),
            Action::Pan(columns, rows) => self.pan(columns, rows),
            Action::Select => self.choose(),
            Action::Copy => self.copy(),
            Action::CopyEvent => self.copy_event(),
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
        if std::mem::take(&mut self.tree) || std::mem::take(&mut self.net) {
            self.focus = Pane::Events;
            return;
        }
        if self.pan.take().is_none() {
            self.filter = Filter::default();
        }
    }

    fn toggle(&mut self, pane: Pane) {
        let shown = match pane {
            Pane::Tree => &mut self.tree,
            Pane::Net => &mut self.net,
            _ => &mut self.detail,
        };
        *shown = !*shown;
        self.focus = if *shown { pane } else { Pane::Events };
        self.zoom = false;
    }

    fn next_focus(&mut self) {
        let Some(areas) = &self.areas else { return };
        let order = [
            (Pane::Events, areas.events),
            (Pane::Screen, areas.screen),
            (Pane::Detail, areas.detail),
            (Pane::Tree, areas.tree),
            (Pane::Net, areas.net),
        ];
        let shown: Vec<_> = order.iter().filter(|(_, area)| area.is_some()).map(|(pane, _)| *pane).collect();
        let at = shown.iter().position(|pane| *pane == self.focus).map_or(0, |at| at + 1);
        self.focus = shown.get(at).or(shown.first()).copied().unwrap_or_default();
    }

    fn area_of(&self, pane: Pane) -> Option<Rect> {
        let areas = self.areas.as_ref()?;
        match pane {
            Pane::Events => areas.events,
            Pane::Screen => areas.screen,
            Pane::Detail => areas.detail,
            Pane::Tree => areas.tree,
            Pane::Net => areas.net,
        }
    }
}

#[cfg(test)]
mod tests;
