//! The panel while it is open: what is in front, which keys count, what is painted.
//!
//! Invariant: a key answers only the question that has stood in front, readable, for [`GUARD`], and only when no key was
//! pressed for as long before it.
//! Leaves to others: opening and closing (`super`), the rows (`panel`), the bytes (`paint`).

use std::time::{Duration, Instant};

use super::Said;
use super::keys::{Key, Keys, Read};
use super::menu::Menu;
use super::model::Model;
use super::paint::{self, Looks, Place, Way};
use super::panel::{Panel, Question, View, compose};
use super::recent::Recent;
use crate::event::{Ask, Scope};
use crate::policy::Verdict;
use crate::screen::Screen;

/// How long a question stands before keys count, and how long no key may have been pressed.
const GUARD: Duration = Duration::from_millis(400);
/// How long something said stays.
const NOTE: Duration = Duration::from_millis(1_800);
/// How long an ESC may be the beginning of something.
const ESCAPE: Duration = Duration::from_millis(50);
/// Characters of a marker.
const LONGEST_MARKER: usize = 200;

/// What the pressed keys ask for.
pub enum Order {
    Say(Question, Said),
    Mark(String),
}

/// What became of keys.
#[derive(Default)]
pub struct Heard {
    pub orders: Vec<Order>,
    /// For the agent.
    pub forward: Vec<u8>,
}

/// What the panel is drawn from.
pub struct Scene<'a> {
    pub questions: &'a [Question],
    pub recent: &'a Recent,
    pub home: &'a [u8],
    pub looks: Looks,
    pub model: &'a Model,
    pub size: (u16, u16),
}

pub struct Open {
    way: Way,
    place: Option<Place>,
    /// The terminal's row of the model's first.
    shift: i32,
    /// To be sent again: the agent's unfinished sequence.
    cancelled: Vec<u8>,
    menu: bool,
    typing: Option<String>,
    /// The question in front, the rule chosen in it.
    front: u64,
    choice: usize,
    /// Keys count from then on.
    guard: Instant,
    /// No key has counted yet: what is pressed was meant for the agent.
    fresh: bool,
    keys: Keys,
    pressed: Instant,
    aside: bool,
    /// The panel is to come back from there.
    was_aside: bool,
    note: Option<(String, Instant)>,
    answering: bool,
    /// The question that was in front was answered by somebody else.
    gone: Option<u64>,
    painted: Option<Panel>,
    /// The model has yet to follow a change of size.
    stale: bool,
    was_resized: bool,
    ended: bool,
}

impl Open {
    /// Puts the terminal's state aside.
    pub fn enter(
        screen: &Screen,
        way: Way,
        place: Option<Place>,
        cancelled: Vec<u8>,
        now: Instant,
        out: &mut String,
    ) -> Self {
        let modes = screen.modes();
        let shift = match place {
            Some((row, _)) if !screen.is_alternate() && !modes.origin => {
                i32::from(row) - i32::from(screen.cursor().row)
            }
            // Whoever uses all of the screen addresses it as it is.
            _ => 0,
        };
        paint::enter(&modes, way, out);
        if way != Way::Over {
            paint::backdrop(screen, shift, out);
        }
        Open {
            way,
            place,
            shift,
            cancelled,
            menu: false,
            typing: None,
            front: 0,
            choice: 0,
            guard: now + GUARD,
            fresh: true,
            keys: Keys::default(),
            pressed: now,
            aside: false,
            was_aside: false,
            note: None,
            answering: false,
            gone: None,
            painted: None,
            stale: false,
            was_resized: false,
            ended: false,
        }
    }

    /// Opened by the hot key: deliberately, so keys count at once.
    pub fn with_menu(self) -> Self {
        Open { menu: true, fresh: false, guard: self.pressed, ..self }
    }

    /// Id of the question in front.
    pub fn front(&self) -> u64 {
        self.front
    }

    /// The terminal may not show what the agent has drawn. `lost`: the model may not have it.
    pub fn is_doubtful(&self, lost: bool) -> bool {
        match self.way {
            Way::Over => lost,
            Way::Beside => self.was_resized,
            Way::Saved => false,
        }
    }

    pub fn resized(&mut self) {
        (self.stale, self.was_resized) = (true, true);
    }

    /// Something became of an answer.
    pub fn told(&mut self, words: String, now: Instant) {
        self.answering = false;
        if !words.is_empty() {
            self.note = Some((words, now + NOTE));
        }
    }

    /// The question that somebody else has answered, once.
    pub fn take_gone(&mut self) -> Option<u64> {
        self.gone.take()
    }

    /// After an answer was given.
    pub fn settle_in(&mut self, now: Instant) {
        self.guard = self.guard.max(now);
    }

    /// When something changes by itself.
    pub fn deadline(&self, now: Instant, left: Option<Duration>) -> Instant {
        // When the shown second is over.
        let second = left.map(|left| now + Duration::from_nanos(u64::from(left.subsec_nanos()).max(1_000_000)));
        let guard = (self.guard > now).then_some(self.guard);
        let note = self.note.as_ref().map(|(_, until)| *until);
        let escape = self.keys.is_waiting().then(|| self.pressed + ESCAPE);
        [second, guard, note, escape].into_iter().flatten().min().unwrap_or(now + Duration::from_secs(1))
    }

    /// Keys as they were typed.
    pub fn keys(&mut self, bytes: &[u8], questions: &[Question], now: Instant) -> Heard {
        let mut heard = Heard::default();
        self.pressed = now;
        if now < self.guard && self.typing.is_none() {
            // Still typing: the guard begins again. What was begun before the panel came is the agent's.
            self.guard = now + GUARD;
            if self.fresh {
                heard.forward.extend_from_slice(bytes);
            }
            return heard;
        }
        self.fresh = false;
        for read in self.keys.read(bytes, self.menu) {
            match read {
                Read::Report(report) => heard.forward.extend(report),
                Read::Key(Key::Control('c')) => heard.forward.push(3),
                Read::Key(_) if self.aside => {
                    self.aside = false;
                    self.painted = None;
                    self.guard = now + GUARD;
                }
                Read::Key(key) if self.menu => self.menu_key(key, questions, now, &mut heard),
                Read::Key(key) => self.question_key(key, questions, now, &mut heard),
            }
        }
        heard
    }

    fn menu_key(&mut self, key: Key, questions: &[Question], now: Instant, heard: &mut Heard) {
        match (&mut self.typing, key) {
            (Some(text), Key::Char(character)) => {
                if text.chars().count() < LONGEST_MARKER {
                    text.push(character);
                }
            }
            (Some(text), Key::Backspace) => drop(text.pop()),
            (Some(text), Key::Enter) => {
                let label = std::mem::take(text).trim().to_owned();
                self.typing = None;
                if !label.is_empty() {
                    heard.orders.push(Order::Mark(label));
                    self.note = Some(("marked".to_owned(), now + NOTE));
                }
            }
            (Some(_), Key::Escape) => self.typing = None,
            (Some(_), _) => {}
            (None, Key::Char('m')) => self.typing = Some(String::new()),
            (None, Key::Char('a')) if !questions.is_empty() => {
                self.menu = false;
                self.guard = now + GUARD;
            }
            (None, Key::Char('q') | Key::Escape) => self.ended = true,
            (None, _) => {}
        }
    }

    fn question_key(&mut self, key: Key, questions: &[Question], now: Instant, heard: &mut Heard) {
        let at = questions.iter().position(|question| question.ask.id == self.front);
        let Some((at, question)) = at.and_then(|at| Some((at, questions.get(at)?))) else { return };
        match key {
            Key::Char('v') => {
                self.aside = true;
                return;
            }
            Key::Char('w') | Key::Right if self.choice + 1 < question.ask.choices.len() => self.choice += 1,
            Key::Char('w') | Key::Left => self.choice = self.choice.saturating_sub(usize::from(key == Key::Left)),
            Key::Down if self.choice + 1 < question.ask.choices.len() => self.choice += 1,
            Key::Up if self.choice > 0 => self.choice -= 1,
            Key::Down => self.turn(questions.get(at + 1).or(questions.first()), now),
            Key::Up => {
                self.turn(questions.get(at.wrapping_sub(1)).or(questions.last()), now);
            }
            _ => {}
        }
        let Some(said) = said(key, &question.ask, self.choice).filter(|_| !self.answering) else { return };
        self.answering = true;
        self.guard = now + GUARD;
        heard.orders.push(Order::Say(question.clone(), said));
    }

    /// Another question comes to the front; it is read before it is answered.
    fn turn(&mut self, question: Option<&Question>, now: Instant) {
        let id = question.map_or(0, |question| question.ask.id);
        if id != self.front {
            self.front = id;
            self.choice = 0;
            self.guard = now + GUARD;
        }
    }

    /// Paints what has changed. True when there is nothing left to show.
    pub fn draw(&mut self, scene: &Scene<'_>, now: Instant, out: &mut String) -> bool {
        let alone = self.keys.is_waiting() && now >= self.pressed + ESCAPE;
        if let Some(key) = if alone { self.keys.give_up() } else { None }
            && self.menu
        {
            self.menu_key(key, scene.questions, now, &mut Heard::default());
        }
        if self.note.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.note = None;
        }
        let present = scene.questions.iter().any(|question| question.ask.id == self.front);
        if !present && self.front != 0 && !std::mem::take(&mut self.answering) {
            // Not by us.
            self.gone = Some(std::mem::take(&mut self.front));
            return false;
        }
        let only_a_note = self.note.is_some() && scene.questions.is_empty();
        if !present && !only_a_note {
            self.turn(scene.questions.first(), now);
        }
        if self.menu && !scene.questions.is_empty() && self.typing.is_none() && !present {
            // A question has come while the panel was open for something else.
            self.menu = false;
            self.guard = now + GUARD;
        }
        if self.ended || (!self.menu && scene.questions.is_empty() && self.note.is_none()) {
            return true;
        }
        if self.stale {
            if !scene.model.is_current() {
                return false;
            }
            self.repaint(scene, out);
        }
        self.paint(scene, now, out);
        false
    }

    /// Everything anew, after a change of size.
    fn repaint(&mut self, scene: &Scene<'_>, out: &mut String) {
        self.stale = false;
        self.painted = None;
        let screen = scene.model.screen();
        paint::hold(out);
        let (cols, rows) = screen.size();
        match self.way {
            Way::Over => paint::cover(&screen, super::panel::Area { row: 0, col: 0, cols, rows }, self.shift, out),
            // It comes back with everything anew.
            _ if self.was_aside => {}
            _ => {
                // The terminal brings its first screen to the new size while nothing of the new size is on the other.
                paint::step_out(self.way, out);
                paint::step_in(self.way, out);
                paint::backdrop(&screen, self.shift, out);
            }
        }
        paint::show(out);
    }

    fn paint(&mut self, scene: &Scene<'_>, now: Instant, out: &mut String) {
        if self.aside {
            if let Some(painted) = self.painted.take() {
                self.uncover(scene, &painted, out);
            }
            return;
        }
        if std::mem::take(&mut self.was_aside) && self.way != Way::Over {
            paint::hold(out);
            paint::step_in(self.way, out);
            paint::backdrop(&scene.model.screen(), self.shift, out);
        }
        let (denied, others) = if self.menu { scene.recent.lists() } else { Default::default() };
        let at = scene.questions.iter().position(|question| question.ask.id == self.front).unwrap_or(0);
        let note =
            if self.answering { Some("answering …") } else { self.note.as_ref().map(|(words, _)| words.as_str()) };
        let menu = Menu { denied: &denied, others: &others, typing: self.typing.as_deref() };
        let view = View {
            questions: scene.questions,
            at,
            choice: self.choice,
            note,
            guarded: now < self.guard,
            home: scene.home,
            menu: self.menu.then_some(menu),
        };
        let panel = compose(&view, scene.size.0, scene.size.1, scene.looks.plain);
        if self.painted.as_ref() == Some(&panel) {
            return;
        }
        paint::hold(out);
        if let Some(before) = self.painted.as_ref().filter(|before| before.area != panel.area) {
            paint::cover(&scene.model.screen(), before.area, self.shift, out);
        }
        paint::panel(&panel, scene.looks, out);
        paint::show(out);
        self.painted = Some(panel);
    }

    /// Steps aside, so that the screen can be seen.
    fn uncover(&mut self, scene: &Scene<'_>, painted: &Panel, out: &mut String) {
        self.was_aside = true;
        paint::hold(out);
        if self.way == Way::Over {
            paint::cover(&scene.model.screen(), painted.area, self.shift, out);
        }
        paint::step_out(self.way, out);
        paint::show(out);
    }

    /// The terminal as the agent had it, and what it had begun.
    pub fn close(self, model: &Model) -> Vec<u8> {
        let mut out = String::new();
        let screen = model.screen();
        let modes = screen.modes();
        paint::hold(&mut out);
        if let (Way::Over, Some(painted)) = (self.way, &self.painted) {
            paint::cover(&screen, painted.area, self.shift, &mut out);
        }
        if !self.was_aside {
            paint::step_out(self.way, &mut out);
        }
        let known = screen.cursor();
        let place = match (self.way, self.place) {
            (Way::Saved, _) if !modes.origin => None,
            // Terminals differ in what they report in origin mode.
            (_, Some(place)) if self.way == Way::Beside && !modes.origin => Some(place),
            _ if modes.origin => Some((known.row.saturating_sub(modes.region.0), known.col)),
            _ => Some((known.row.saturating_add_signed(self.shift as i16), known.col)),
        };
        paint::leave(&screen, &modes, place, &mut out);
        let mut out = out.into_bytes();
        out.extend_from_slice(&self.cancelled);
        out
    }
}

/// The answer that a key gives, if it gives one.
fn said(key: Key, ask: &Ask, choice: usize) -> Option<Said> {
    let Key::Char(letter) = key else { return None };
    let has_choice = ask.choices.get(choice).is_some();
    let (verdict, scope) = match letter {
        'o' => (Verdict::Allow, Scope::Once),
        's' if has_choice => (Verdict::Allow, Scope::Session),
        'p' => (Verdict::Allow, Scope::Program),
        'a' if has_choice && !ask.file.is_empty() => (Verdict::Allow, Scope::Always),
        'd' => (Verdict::Deny, Scope::Once),
        'n' => (Verdict::Deny, Scope::Never),
        _ => return None,
    };
    Some(Said { verdict, scope, choice })
}
