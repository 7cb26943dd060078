//! Finding text: on the screen as a person saw it, or in events; beside the view, from where it is, over the end to the beginning.
//!
//! Invariant: a hit is text as drawn, escape sequences gone, on the screen or scrolled off it; what stays on the screen is found once,
//! when it appeared. Memory is bounded, and the thread ends with the search.
//! Leaves to others: jumping there, marking it (`app`).

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use regex::{Regex, RegexBuilder};

use super::filter::text_of;
use super::player::{Place, clears};
use super::source::Source;
use crate::event::{Event, Stamped};
use crate::recording::{ReadError, draw};
use crate::screen::Screen;

/// Hits that are kept.
const HITS: usize = 20_000;
/// Bytes of a compiled expression.
const PATTERN: usize = 1 << 20;
/// Output within this time is looked at as one picture.
const PICTURE: u64 = 20_000_000;
/// Lines that can scroll off within one picture and still be found.
const SCROLLED: usize = 10_000;

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Within {
    #[default]
    Screen,
    Events,
}

/// A place where the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    pub place: Place,
    pub seq: u64,
    /// In nanoseconds since the session's start.
    pub t: u64,
    /// The line had scrolled off when the picture was whole: so many lines above the screen's first.
    pub back: usize,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Progress {
    /// From the frame where the search began on, in order.
    after: Vec<Hit>,
    /// From the beginning to that frame, in order.
    before: Vec<Hit>,
    /// The end was reached: `before` is being filled.
    wrapped: bool,
    over: bool,
    frames: usize,
    of: usize,
    more: bool,
}

/// The next hit, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    At(Hit),
    /// The same, on the other side of the beginning or end.
    Wrapped(Hit),
    /// Not found yet.
    Searching,
    None,
}

/// A search under way, or done.
pub struct Search {
    pattern: Regex,
    typed: String,
    within: Within,
    /// The frame from which it began.
    from: usize,
    found: Arc<Mutex<Progress>>,
    over: Arc<AtomicBool>,
}

impl Search {
    /// Compiles what was typed: a regular expression; letters mean both cases unless one is a capital.
    pub fn pattern(typed: &str) -> Result<Regex, String> {
        let plain = !typed.chars().any(char::is_uppercase);
        let built = RegexBuilder::new(typed).case_insensitive(plain).size_limit(PATTERN).build();
        built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "too large".to_owned(),
            error => error.to_string().lines().last().unwrap_or("not a regular expression").trim().to_owned(),
        })
    }

    /// Begins at `frame`.
    pub fn start(source: Box<dyn Source>, typed: &str, within: Within, frame: usize) -> Result<Self, String> {
        let pattern = Self::pattern(typed)?;
        let found = Arc::new(Mutex::new(Progress { of: source.len().max(1), ..Progress::default() }));
        let over = Arc::new(AtomicBool::new(false));
        let seeker = Seeker {
            source,
            pattern: pattern.clone(),
            found: Arc::clone(&found),
            over: Arc::clone(&over),
            from: frame,
            seen: Seen::default(),
        };
        let spawned = std::thread::Builder::new().name("search".to_owned()).spawn(move || seeker.run(within));
        spawned.map_err(|error| error.to_string())?;
        Ok(Self { pattern, typed: typed.to_owned(), within, from: frame, found, over })
    }

    pub fn expression(&self) -> &Regex {
        &self.pattern
    }

    pub fn typed(&self) -> &str {
        &self.typed
    }

    pub fn within(&self) -> Within {
        self.within
    }

    fn look(&self) -> MutexGuard<'_, Progress> {
        self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Thousandths of the recording that were looked at, and hits so far. None for the first when done.
    pub fn progress(&self) -> (Option<u16>, usize) {
        let found = self.look();
        let done = (found.frames * 1000 / found.of.max(1)).min(1000) as u16;
        ((!found.over).then_some(done), found.after.len() + found.before.len())
    }

    /// There were more than are kept.
    pub fn is_cut(&self) -> bool {
        self.look().more
    }

    /// Times of the hits, at most `most` of them.
    pub fn times(&self, most: usize) -> Vec<u64> {
        let found = self.look();
        found.before.iter().chain(&found.after).take(most).map(|hit| hit.t).collect()
    }

    /// The hit after event `seq` (None for the beginning), or before it.
    pub fn next(&self, seq: Option<u64>, forward: bool) -> Next {
        let found = self.look();
        if forward { found.following(seq, self.from) } else { found.preceding(seq) }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Progress {
    fn following(&self, seq: Option<u64>, from: usize) -> Next {
        let behind = |hit: &&Hit| seq.is_none_or(|seq| hit.seq > seq);
        // The part before the search's beginning is known in order too, as far as it goes.
        let early = self.before.iter().find(behind);
        let late = self.after.iter().find(behind);
        let in_early_part = seq.is_some_and(|seq| self.after.first().is_none_or(|first| seq < first.seq)) && from > 0;
        match (early, late) {
            (Some(hit), _) => Next::At(*hit),
            (None, Some(hit)) if self.over || !in_early_part => Next::At(*hit),
            (None, Some(hit)) if !self.wrapped => Next::At(*hit),
            (None, Some(_)) => Next::Searching,
            (None, None) if !self.wrapped => Next::Searching,
            (None, None) => match self.before.first().or(if self.over { self.after.first() } else { None }) {
                Some(hit) => Next::Wrapped(*hit),
                None if self.over => Next::None,
                None => Next::Searching,
            },
        }
    }

    fn preceding(&self, seq: Option<u64>) -> Next {
        let ahead = |hit: &&Hit| seq.is_some_and(|seq| hit.seq < seq);
        if let Some(hit) = self.after.iter().rev().find(ahead) {
            return Next::At(*hit);
        }
        if !self.over {
            return Next::Searching;
        }
        match self.before.iter().rev().find(ahead) {
            Some(hit) => Next::At(*hit),
            None => self.after.last().or(self.before.last()).map_or(Next::None, |hit| Next::Wrapped(*hit)),
        }
    }
}

struct Seeker {
    source: Box<dyn Source>,
    pattern: Regex,
    found: Arc<Mutex<Progress>>,
    over: Arc<AtomicBool>,
    from: usize,
    seen: Seen,
}

/// The rows of the picture before.
#[derive(Default)]
struct Seen {
    rows: Vec<String>,
    all: HashSet<String>,
}

impl Seeker {
    fn run(mut self, within: Within) {
        let frames = self.source.len();
        let from = self.from.min(frames);
        for (wrapped, part) in [(false, from..frames), (true, 0..from)] {
            self.look().wrapped = wrapped;
            self.seen = Seen::default();
            for frame in part {
                if self.over.load(Ordering::Relaxed) {
                    return;
                }
                // What is damaged cannot be searched; the rest can.
                let hits = match within {
                    Within::Screen => self.on_screen(frame),
                    Within::Events => self.in_events(frame),
                };
                self.take(hits.unwrap_or_default(), wrapped);
            }
        }
        let mut found = self.look();
        (found.wrapped, found.over) = (true, true);
    }

    fn look(&self) -> MutexGuard<'_, Progress> {
        self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn take(&self, hits: Vec<Hit>, wrapped: bool) {
        let mut found = self.look();
        found.frames += 1;
        let room = HITS.saturating_sub(found.after.len() + found.before.len());
        found.more |= hits.len() > room;
        let list = if wrapped { &mut found.before } else { &mut found.after };
        list.extend(hits.into_iter().take(room));
    }

    fn in_events(&mut self, frame: usize) -> Result<Vec<Hit>, ReadError> {
        let events = self.source.events(frame)?;
        let holds = |stamped: &Stamped| {
            let text = text_of(&stamped.event);
            !text.is_empty() && self.pattern.is_match(&text)
        };
        let hit = |(index, stamped): (usize, &Stamped)| {
            let place = Place { frame, index };
            holds(stamped).then_some(Hit { place, seq: stamped.seq, t: stamped.t, back: 0 })
        };
        Ok(events.iter().enumerate().filter_map(hit).collect())
    }

    fn on_screen(&mut self, frame: usize) -> Result<Vec<Hit>, ReadError> {
        if self.source.frames().get(frame).is_some_and(|index| !index.tally.draws()) {
            return Ok(Vec::new());
        }
        let events = self.source.events(frame)?;
        let before = self.source.screen_before(frame)?;
        let mut screen = Screen::restore_with_scrollback(&before.dump(), SCROLLED).unwrap_or(before);
        if frame > 0 && self.seen.rows.is_empty() {
            self.seen.look(&screen);
        }
        let (mut hits, mut scrolled) = (Vec::new(), 0);
        let drawing = |stamped: &&Stamped| matches!(stamped.event, Event::Output { .. } | Event::Resize { .. });
        let mut next = events.iter().enumerate().filter(|(_, stamped)| drawing(stamped)).peekable();
        while let Some((mut index, mut last)) = next.next() {
            let since = last.t;
            draw(&mut screen, &last.event);
            while let Some((at, more)) = next.next_if(|(_, more)| belongs(more, since)) {
                draw(&mut screen, &more.event);
                (index, last) = (at, more);
            }
            let place = Place { frame, index };
            let mut hit = |back| hits.push(Hit { place, seq: last.seq, t: last.t, back });
            let lines = screen.scrollback();
            let from = if lines >= scrolled { scrolled } else { 0 };
            for (at, line) in screen.scrollback_text(from).enumerate() {
                if self.pattern.is_match(&line) && !self.seen.all.contains(&line) {
                    hit(lines - from - at);
                }
            }
            scrolled = lines;
            for _ in 0..self.seen.fresh(&screen, &self.pattern) {
                hit(0);
            }
        }
        Ok(hits)
    }
}

/// Whether output is part of the picture that began at `since`: soon after, and not what wipes it out.
fn belongs(stamped: &Stamped, since: u64) -> bool {
    let wipes = matches!(&stamped.event, Event::Output { data, .. } if clears(data));
    !wipes && stamped.t.saturating_sub(since) <= PICTURE
}

impl Seen {
    fn look(&mut self, screen: &Screen) {
        self.rows = screen.text();
        self.all = self.rows.iter().cloned().collect();
    }

    /// Rows in which there is something that was not there in the picture before.
    fn fresh(&mut self, screen: &Screen, pattern: &Regex) -> usize {
        let rows = screen.text();
        let all: HashSet<String> = rows.iter().cloned().collect();
        let mut fresh = 0;
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty() && !self.all.contains(*row)) {
            let count = pattern.find_iter(row).count();
            // A row that has gone from the picture was written over by this one; another has moved.
            let written_over = self.rows.get(at).filter(|before| !all.contains(*before));
            let before = written_over.map_or(0, |before| pattern.find_iter(before).count());
            fresh += usize::from(count > before);
        }
        self.all = all;
        self.rows = rows;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::tui::sample::{self, SECOND, output};
    use crate::tui::source::memory::Memory;

    fn all(events: Vec<Stamped>, typed: &str, within: Within, frame: usize) -> Search {
        let search = Search::start(Box::new(Memory::new(events)), typed, within, frame).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while search.progress().0.is_some() {
            assert!(Instant::now() < deadline, "not done in twenty seconds");
            std::thread::park_timeout(Duration::from_millis(1));
        }
        search
    }

    fn found(search: &Search) -> Vec<u64> {
        search.times(1_000).iter().map(|t| t / (SECOND / 10)).collect()
    }

    #[test]
    fn each_line_is_found_once_when_it_appears() {
        for frame in [0, 2, 4] {
            let search = all(sample::session(), "line (7|2.)$", Within::Screen, frame);
            let mut times = found(&search);
            times.sort_unstable();
            assert_eq!(times, [140, 400, 420, 440, 460, 480, 500, 520, 540, 560, 580], "from {frame}");
        }
    }

    #[test]
    fn what_was_drawn_is_found_and_not_how() {
        let events = sample::stamped(vec![
            (0, sample::start()),
            (SECOND, output("\x1b[31mer\x1b[0m\x1b[1mror\x1b[0m: \x1b]0;error in title\x07")),
            (2 * SECOND, output("no such file")),
            (3 * SECOND, output("\x1b[2J\x1b[Herr")),
            (4 * SECOND, output("or again")),
        ]);
        assert_eq!(found(&all(events.clone(), "error", Within::Screen, 0)), [10, 40]);
        assert_eq!(found(&all(events.clone(), "error: no such", Within::Screen, 0)), [20]);
        assert!(found(&all(events, "title", Within::Screen, 0)).is_empty());
    }

    #[test]
    fn what_scrolled_by_within_one_picture_is_found() {
        let flood: String = (0..200).map(|line| format!("number {line}\r\n")).collect();
        let events = sample::stamped(vec![(0, sample::start()), (SECOND, output(&flood))]);
        let search = all(events, "number 100$", Within::Screen, 0);
        assert!(matches!(search.next(None, true), Next::At(Hit { back: 93, .. })), "{:?}", search.next(None, true));
    }

    #[test]
    fn hits_follow_one_another_and_wrap() {
        let search = all(sample::session(), "line 1[0-2]", Within::Screen, 3);
        let mut seq = None;
        let mut times = Vec::new();
        for _ in 0..4 {
            let (Next::At(hit) | Next::Wrapped(hit)) = search.next(seq, true) else { panic!("no hit") };
            seq = Some(hit.seq);
            times.push(hit.t / SECOND);
        }
        assert_eq!(times, [20, 22, 24, 20]);
        assert!(matches!(search.next(seq, false), Next::Wrapped(hit) if hit.t == 24 * SECOND));
        assert_eq!(all(sample::session(), "nothing like it", Within::Screen, 0).next(None, true), Next::None);
    }

    #[test]
    fn events_are_searched_by_their_words_and_expressions_are_checked() {
        assert_eq!(found(&all(sample::session(), "ID_RSA|10\\.1", Within::Events, 0)), [510]);
        assert_eq!(found(&all(sample::session(), "id_rsa|10\\.1", Within::Events, 0)), [105, 205, 210, 510]);
        assert!(Search::pattern("(").is_err());
        assert!(Search::pattern("(a{1000}){1000}").is_err_and(|said| said == "too large"));
    }
}
