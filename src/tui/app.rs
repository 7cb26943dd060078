//! The view of one session: its state, and what keys do to it. The same for a recording and for a session that runs.
//!
//! Invariant: pure over its source: the same events and the same keys draw the same cells. Time passes only by [`App::tick`].
//! Leaves to others: the terminal (`view`), drawing (`paint`, `panels`), reading (`source`).

use std::time::Duration;

use super::filter::Filter;
use super::history::History;
use super::keys::Stop;
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

mod acting;
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
    Mcp,
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
    /// What was called of MCP servers stands where the places would.
    mcp: bool,
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
    /// Version of the survey that was taken in.
    surveyed: u64,
    /// What was taken in of the search: see [`Search::progress`].
    searched: (Option<u16>, usize),
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
            mcp: false,
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
            searched: (None, 0),
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
            Begin::Event(seq) => self.go_to_event(seq)?,
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
        let news =
            self.seal_from.is_some() || self.notice.is_some() || self.seeking.is_some() || self.has_news_to_take_in();
        if news { NEWS } else { Duration::from_secs(60) }
    }

    /// Whether survey or search goes on, or ended after it was last looked at: the end of a thread wakes nobody.
    fn has_news_to_take_in(&self) -> bool {
        let survey = self.survey.look();
        !survey.whole
            || survey.version != self.surveyed
            || self.searched.0.is_some()
            || self.search_now() != self.searched
    }

    fn search_now(&self) -> (Option<u16>, usize) {
        self.search.as_ref().map_or((None, 0), Search::progress)
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
        let searched = self.search_now();
        self.dirty |= std::mem::replace(&mut self.searched, searched) != searched;
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
}

#[cfg(test)]
mod tests;
