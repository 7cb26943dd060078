//! The panel over the agent's screen: questions, and what the hot key shows.
//!
//! ```text
//! question or hot key ─▶ Opening ── output held, all delivered, model drawn, between sequences, cursor asked for ──▶ Open
//!                                                                          keys answer, countdown, more questions ◀──┤
//!      agent's output goes on ◀── Closed ◀── screen, cursor, pen and modes as they were ◀── nothing waits any more ◀─┘
//! ```
//! Invariant: while the panel is open nothing the agent writes is read, so nothing is lost; what the terminal shows and how it
//! acts afterwards is what it was before. A key pressed before the question could be read never answers it.
//! Leaves to others: moving bytes (`pump`), the questions themselves (`supervisor`), writing *always* (`answers`).

mod desk;
mod hotkey;
mod keys;
mod menu;
mod model;
mod open;
mod paint;
mod panel;
mod question;
mod recent;
#[cfg(test)]
mod tests;
mod text;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use desk::{Desk, Said, Tell, Terminals};
pub use hotkey::{HotKey, HotKeyError};
pub use model::Model;
pub use panel::Question;
pub use recent::Recent;

use crate::bus::Bus;
use crate::event::Event;
use crate::sys::unix;
use hotkey::Watch;
use keys::{Token, cursor_report, token};
use open::Open;
use paint::{Looks, Place, Way};

/// How long a sequence that the agent has begun may take to end.
const UNFINISHED: Duration = Duration::from_millis(250);
/// How long the terminal may take to say where its cursor is.
const REPLY: Duration = Duration::from_millis(500);
/// Between two panels, so that questions one after the other do not keep the agent from being seen.
const PAUSE: Duration = Duration::from_millis(700);
/// Asks the terminal where its cursor is: DSR 6.
const WHERE: &str = "\x1b[6n";

/// What the panel works with.
pub struct Setup {
    pub desk: Option<Box<dyn Desk>>,
    pub hot_key: Option<HotKey>,
    pub recent: Recent,
    pub bus: Bus,
    /// The user's home directory, as people are shown it as `~`.
    pub home: Vec<u8>,
    pub cols: u16,
    pub rows: u16,
}

/// See the module.
pub struct Overlay {
    desk: Option<Box<dyn Desk>>,
    hot: Option<Watch>,
    recent: Recent,
    bus: Bus,
    home: Vec<u8>,
    looks: Looks,
    /// Terminals that have no second screen, or may have it switched off, are painted over.
    one_screen: bool,
    /// The terminal (tmux) keeps the cursor of mode 1049 apart from that of DECSC, and needs it to follow a change of size.
    keeps_both: bool,
    model: Arc<Model>,
    size: (u16, u16),
    wake: File,
    waker: Arc<OwnedFd>,
    changed: Option<File>,
    news: Arc<Mutex<Vec<String>>>,
    questions: Vec<Question>,
    fetched: Option<Instant>,
    state: State,
    /// Not before.
    next: Option<Instant>,
    /// The hot key was pressed.
    summoned: bool,
    /// Replies of the terminal that are ours and have not come yet.
    owed: usize,
    place: Option<Place>,
    /// The terminal is the agent's, and a panel may open.
    free: bool,
    /// Others have used the terminal: it may not show what the model has.
    disturbed: bool,
    /// The agent is to draw its screen anew.
    nudge: bool,
}

enum State {
    Closed,
    Opening(Opening),
    Open(Box<Open>),
}

struct Opening {
    phase: Phase,
    /// When it goes on as it is.
    until: Instant,
    /// The agent has begun a sequence and does not end it.
    cancel: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// What was read goes to the terminal.
    Deliver,
    /// The model catches up.
    Draw,
    /// In the middle of a sequence: so much was read by then, and more is let through.
    More(u64),
    /// The terminal was asked where its cursor is.
    Locate,
}

impl Overlay {
    pub fn new(setup: Setup) -> io::Result<Self> {
        let (read, write) = unix::pipe()?;
        for end in [&read, &write] {
            unix::set_nonblocking(end.as_fd(), true)?;
        }
        let model = Arc::new(Model::start(setup.cols, setup.rows, write.try_clone()?)?);
        let changed = setup.desk.as_ref().map(|desk| desk.changed()).transpose()?.map(File::from);
        let term = std::env::var("TERM").unwrap_or_default();
        let one_screen = term.starts_with("linux") || term.starts_with("vt") || std::env::var_os("STY").is_some();
        Ok(Overlay {
            desk: setup.desk,
            hot: setup.hot_key.map(Watch::new),
            recent: setup.recent,
            bus: setup.bus,
            home: setup.home,
            looks: Looks::of_environment(),
            one_screen,
            keeps_both: std::env::var_os("TMUX").is_some(),
            model,
            size: (setup.cols, setup.rows),
            wake: read.into(),
            waker: Arc::new(write),
            changed,
            news: Arc::default(),
            questions: Vec::new(),
            fetched: None,
            state: State::Closed,
            next: None,
            summoned: false,
            owed: 0,
            place: None,
            free: false,
            disturbed: false,
            nudge: false,
        })
    }

    /// What is to be told everything the terminal gets.
    pub fn model(&self) -> Arc<Model> {
        Arc::clone(&self.model)
    }

    /// What to wait for.
    pub fn descriptors(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [Some(self.wake.as_fd()), self.changed.as_ref().map(AsFd::as_fd)]
    }

    /// The agent's output is not to be read now.
    pub fn holds(&self) -> bool {
        match &self.state {
            State::Closed => false,
            State::Opening(opening) => !matches!(opening.phase, Phase::More(_)),
            State::Open(_) => true,
        }
    }

    /// The terminal has another size.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.size = (cols, rows);
        self.model.resize(cols, rows);
        if let State::Open(open) = &mut self.state {
            open.resized();
            self.model.catch_up();
        }
    }

    /// Others have used the terminal meanwhile.
    pub fn disturbed(&mut self) {
        self.disturbed = true;
    }

    /// The agent should draw its screen anew.
    pub fn take_nudge(&mut self) -> bool {
        std::mem::take(&mut self.nudge)
    }

    /// When [`Overlay::step`] is to be called at the latest.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let hot = self.hot.as_ref().and_then(Watch::deadline);
        let state = match &self.state {
            State::Closed if !self.free || self.questions.is_empty() => None,
            State::Closed => self.next,
            State::Opening(opening) => Some(opening.until),
            State::Open(open) => Some(open.deadline(now, self.left_in_front(now))),
        };
        [hot, state].into_iter().flatten().min()
    }

    /// These keys are the agent's as they are.
    pub fn passes(&self, bytes: &[u8]) -> bool {
        let closed = !matches!(self.state, State::Open(_)) && self.owed == 0;
        closed && self.hot.as_ref().is_none_or(|watch| watch.is_plain(bytes))
    }

    /// Keys as they were typed; returns what goes to the agent.
    pub fn keys(&mut self, bytes: Vec<u8>, now: Instant) -> Vec<u8> {
        let bytes = if self.owed > 0 { self.without_reply(bytes) } else { bytes };
        if let State::Open(open) = &mut self.state {
            let heard = open.keys(&bytes, &self.questions, now);
            self.act(heard.orders, now);
            return heard.forward;
        }
        let Some(watch) = self.hot.as_mut().filter(|watch| !watch.is_plain(&bytes)) else { return bytes };
        let passed = watch.pass(&bytes, now);
        // What follows the hot key was typed for a panel that is not there yet: it counts for nobody.
        self.summoned |= passed.pressed.is_some();
        passed.forward
    }

    /// Takes our own reply out of what the terminal sends.
    fn without_reply(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let mut kept = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (length, token) = token(rest).unwrap_or((rest.len(), Token::Report));
            let (piece, after) = rest.split_at(length.clamp(1, rest.len()));
            rest = after;
            match cursor_report(piece).filter(|_| token == Token::Report && self.owed > 0) {
                Some(place) => {
                    self.owed -= 1;
                    self.place = Some(place);
                }
                None => kept.extend_from_slice(piece),
            }
        }
        kept
    }

    /// Whatever is due. `ready`: one of the descriptors is readable. `delivered`: the terminal has got everything that was read. `free`: the terminal is the agent's and a
    /// panel may open. Returns what goes to the terminal, and what to the agent.
    pub fn step(&mut self, now: Instant, ready: bool, delivered: bool, free: bool) -> (Vec<u8>, Vec<u8>) {
        let idle = matches!(self.state, State::Closed) && self.questions.is_empty() && !self.summoned;
        if std::mem::replace(&mut self.free, free) != free {
            self.fetched = None;
        } else if idle && !ready && self.hot.as_ref().and_then(Watch::deadline).is_none() {
            return (Vec::new(), Vec::new());
        }
        self.listen(now, ready);
        let to_agent = self.hot.as_mut().map(|watch| watch.give_up(now)).unwrap_or_default();
        let mut out = String::new();
        if !free {
            self.summoned = false;
            return (self.close(now), to_agent);
        }
        if matches!(self.state, State::Closed) && self.is_due(now) {
            self.state = State::Opening(Opening { phase: Phase::Deliver, until: now + UNFINISHED, cancel: Vec::new() });
        }
        if matches!(self.state, State::Opening(_)) {
            self.open(now, delivered, &mut out);
        }
        let mut out = out.into_bytes();
        let questions = self.aged(now);
        if let State::Open(open) = &mut self.state {
            let view = open::Scene {
                questions: &questions,
                recent: &self.recent,
                home: &self.home,
                looks: self.looks,
                model: &self.model,
                size: self.size,
            };
            let mut text = String::new();
            let ends = open.draw(&view, now, &mut text);
            if let Some(words) = open.take_gone().and_then(|gone| Some(self.desk.as_ref()?.became(gone))) {
                open.told(words, now);
                self.fetched = None;
            }
            out.extend_from_slice(text.as_bytes());
            if ends {
                out.extend(self.close(now));
            }
        }
        (out, to_agent)
    }

    /// Closes at once, whatever waits; returns what goes to the terminal.
    pub fn close(&mut self, now: Instant) -> Vec<u8> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => Vec::new(),
            // The sequence that was cut short has not been cut yet.
            State::Opening(_) => Vec::new(),
            State::Open(open) => {
                self.next = Some(now + PAUSE);
                self.summoned = false;
                let lost = self.model.take_lost() | std::mem::take(&mut self.disturbed);
                self.nudge |= open.is_doubtful(lost);
                open.close(&self.model)
            }
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.summoned || (!self.questions.is_empty() && self.next.is_none_or(|next| now >= next))
    }

    /// Looks at the descriptors and at the list.
    fn listen(&mut self, now: Instant, ready: bool) {
        const FRESH: Duration = Duration::from_secs(1);
        let mut changed = self.fetched.is_none();
        if ready {
            let mut drain = [0; 64];
            // Nothing there is no news: both never wait.
            let _woken = self.wake.read(&mut drain).is_ok();
            changed |= self.changed.as_mut().is_some_and(|bell| bell.read(&mut drain).is_ok_and(|count| count > 0));
        }
        let old = self.fetched.is_none_or(|at| now.saturating_duration_since(at) >= FRESH);
        if changed || old && !self.questions.is_empty() {
            self.questions = self.desk.as_ref().map(|desk| desk.waiting()).unwrap_or_default();
            self.fetched = Some(now);
        }
        let news = std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner));
        if let State::Open(open) = &mut self.state {
            news.into_iter().for_each(|news| open.told(news, now));
        }
    }

    /// The questions with what is left of their time now.
    fn aged(&self, now: Instant) -> Vec<Question> {
        let passed = self.fetched.map(|at| now.saturating_duration_since(at)).unwrap_or_default();
        let aged = |question: &Question| Question { left: question.left.saturating_sub(passed), ..question.clone() };
        self.questions.iter().map(aged).collect()
    }

    fn left_in_front(&self, now: Instant) -> Option<Duration> {
        let State::Open(open) = &self.state else { return None };
        self.aged(now).into_iter().find(|question| question.ask.id == open.front()).map(|question| question.left)
    }

    /// One step further on the way to an open panel.
    fn open(&mut self, now: Instant, delivered: bool, out: &mut String) {
        let State::Opening(opening) = &mut self.state else { return };
        if let Phase::More(read) = opening.phase
            && (self.model.total() != read || now >= opening.until)
        {
            opening.phase = Phase::Deliver;
        }
        if opening.phase == Phase::Deliver && delivered {
            opening.phase = Phase::Draw;
            self.model.catch_up();
        }
        if opening.phase == Phase::Draw && self.model.is_current() {
            let screen = self.model.screen();
            if !screen.is_ground() && now < opening.until {
                opening.phase = Phase::More(self.model.total());
                return;
            }
            opening.cancel = screen.unfinished().to_vec();
            drop(screen);
            if !opening.cancel.is_empty() {
                out.push('\x18');
            }
            out.push_str(WHERE);
            self.owed += 1;
            self.place = None;
            opening.phase = Phase::Locate;
            opening.until = now + REPLY;
        }
        if opening.phase == Phase::Locate && (self.place.is_some() || now >= opening.until) {
            let cancelled = std::mem::take(&mut opening.cancel);
            let screen = self.model.screen();
            let way = match (screen.is_alternate() || self.one_screen, self.place) {
                (true, _) => Way::Over,
                (false, Some(_)) if !self.keeps_both => Way::Beside,
                (false, _) => Way::Saved,
            };
            let open = Open::enter(&screen, way, self.place, cancelled, now, out);
            drop(screen);
            self.state = State::Open(Box::new(if self.summoned { open.with_menu() } else { open }));
            self.summoned = false;
        }
    }

    fn act(&mut self, orders: Vec<open::Order>, now: Instant) {
        for order in orders {
            match order {
                open::Order::Say(question, said) => {
                    let (news, waker) = (Arc::clone(&self.news), Arc::clone(&self.waker));
                    let tell = Box::new(move |words: String| {
                        news.lock().unwrap_or_else(PoisonError::into_inner).push(words);
                        if let Ok(fd) = waker.try_clone() {
                            // A full pipe wakes as well.
                            let _ = File::from(fd).write(&[1]);
                        }
                    });
                    if let Some(desk) = &self.desk {
                        desk.settle(&question, said, tell);
                    }
                    self.fetched = None;
                }
                open::Order::Mark(label) => self.bus.publish(Event::Marker { label, by: String::new() }),
            }
        }
        if let State::Open(open) = &mut self.state {
            open.settle_in(now);
        }
    }
}
