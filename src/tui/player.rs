//! The clock of a view, and the terminal at its time.
//!
//! Invariant: the screen is always that after every event before `place`, however it was reached: played, stepped or jumped to.
//! Going forward feeds only what is new; anything else begins at the frame's keyframe, never at the session's beginning.
//! Leaves to others: keys (`app`), drawing.

use std::sync::Arc;
use std::time::Duration;

use super::filter::{self, Filter};
use super::keys::Stop;
use super::source::Source;
use crate::event::{Event, ProcOp, Stamped};
use crate::recording::{ReadError, Tally, draw};
use crate::screen::Screen;

mod stops;

pub use stops::clears;

/// Slowest and fastest.
const SPEEDS: (f64, f64) = (0.25, 64.0);
/// Longest pause while pauses are skipped, unless another was asked for.
const IDLE: Duration = Duration::from_secs(1);
/// Frames that are read for one step; beyond, the person is told to go on.
const FAR: usize = 512;
/// A jump over more frames than this begins at a keyframe.
const NEAR: usize = 1;

/// Where in the recording: the event that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    pub frame: usize,
    pub index: usize,
}

/// What looking for a place came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// The event is there.
    At(Place),
    /// There is none.
    None,
    /// None so far; frames beyond this place were not looked at.
    Far(Place),
}

/// See the module.
pub struct Player {
    screen: Screen,
    place: Place,
    /// Nanoseconds since the session's start.
    t: u64,
    /// Time of the last event before `place`.
    last: u64,
    /// Its sequence number.
    seq: Option<u64>,
    pub playing: bool,
    speed: f64,
    pub skip_idle: bool,
    idle: Duration,
    /// Stays at the end as it grows.
    pub following: bool,
}

impl Player {
    /// At the beginning, paused.
    pub fn new(source: &mut dyn Source) -> Result<Self, ReadError> {
        let mut player = Self {
            screen: source.screen_before(0)?,
            place: Place::default(),
            t: 0,
            last: 0,
            seq: None,
            playing: false,
            speed: 1.0,
            skip_idle: false,
            idle: IDLE,
            following: false,
        };
        player.seek(source, 0)?;
        Ok(player)
    }

    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Nanoseconds since the session's start.
    pub fn time(&self) -> u64 {
        self.t
    }

    /// The event that comes next.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The event that came last.
    pub fn seq(&self) -> Option<u64> {
        self.seq
    }

    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Anything is taken into the range 0.25 to 64.
    pub fn set_speed(&mut self, speed: f64) {
        self.speed = if speed.is_finite() { speed.clamp(SPEEDS.0, SPEEDS.1) } else { 1.0 };
    }

    /// Pauses last no longer than this.
    pub fn limit_idle(&mut self, most: Duration) {
        (self.skip_idle, self.idle) = (true, most);
    }

    /// To `t`: every event up to it has happened.
    pub fn seek(&mut self, source: &mut dyn Source, t: u64) -> Result<(), ReadError> {
        let t = t.min(source.duration());
        let frame = source.frame_at(t);
        if t < self.t || frame > self.place.frame + NEAR {
            self.enter(source, frame)?;
        }
        self.feed(source, |stamped, _| stamped.t <= t)?;
        self.t = t;
        Ok(())
    }

    /// To just after the event at `place`.
    pub fn go_after(&mut self, source: &mut dyn Source, place: Place) -> Result<(), ReadError> {
        if place < self.place || place.frame > self.place.frame + NEAR {
            self.enter(source, place.frame)?;
        }
        self.feed(source, |_, at| at <= place)?;
        self.t = self.last;
        Ok(())
    }

    /// To the end, as far as it is known.
    pub fn go_to_end(&mut self, source: &mut dyn Source) -> Result<(), ReadError> {
        let end = source.duration();
        self.seek(source, end)
    }

    /// Lets `elapsed` of the viewer's time pass; whether anything happened. Paused, or at the end, nothing does.
    pub fn advance(&mut self, source: &mut dyn Source, elapsed: Duration) -> Result<bool, ReadError> {
        if self.following {
            let before = self.place;
            self.go_to_end(source)?;
            return Ok(self.place != before);
        }
        if !self.playing {
            return Ok(false);
        }
        let nanos = elapsed.mul_f64(self.speed).as_nanos();
        let mut t = self.t.saturating_add(u64::try_from(nanos).unwrap_or(u64::MAX));
        let Some(next) = self.next_time(source)? else {
            self.t = source.duration();
            self.playing = source.end().is_none() && self.playing;
            return Ok(true);
        };
        let idle = u64::try_from(self.idle.as_nanos()).unwrap_or(u64::MAX);
        if self.skip_idle && next > t && t.saturating_sub(self.last) >= idle {
            t = next;
        }
        self.seek(source, t)?;
        Ok(true)
    }

    /// When the next event happens; None at the end.
    fn next_time(&self, source: &mut dyn Source) -> Result<Option<u64>, ReadError> {
        let mut place = self.place;
        while place.frame < source.len() {
            if let Some(stamped) = source.events(place.frame)?.get(place.index) {
                return Ok(Some(stamped.t));
            }
            place = Place { frame: place.frame + 1, index: 0 };
        }
        Ok(None)
    }

    /// To before the first event of `frame`.
    fn enter(&mut self, source: &mut dyn Source, frame: usize) -> Result<(), ReadError> {
        self.screen = source.screen_before(frame)?;
        self.place = Place { frame, index: 0 };
        let before = frame.checked_sub(1).and_then(|before| source.frames().get(before));
        (self.last, self.seq) = before.map_or((0, None), |index| (index.ns[1], Some(index.seq[1])));
        Ok(())
    }

    /// Lets events happen while `goes_on`.
    fn feed(&mut self, source: &mut dyn Source, goes_on: impl Fn(&Stamped, Place) -> bool) -> Result<(), ReadError> {
        loop {
            let events = source.events(self.place.frame)?;
            while let Some(stamped) = events.get(self.place.index) {
                if !goes_on(stamped, self.place) {
                    return Ok(());
                }
                draw(&mut self.screen, &stamped.event);
                (self.last, self.seq) = (stamped.t, Some(stamped.seq));
                self.place.index += 1;
            }
            // The frame under way may have more later.
            if self.place.frame + 1 >= source.len() {
                return Ok(());
            }
            self.place = Place { frame: self.place.frame + 1, index: 0 };
        }
    }
}

/// The first event from `from` on, in the direction, that `is` holds for; frames that `may` rules out are not read.
/// Backwards, events before `from` are looked at; forwards, the one at `from` is the first.
pub fn look(
    source: &mut dyn Source,
    from: Place,
    forward: bool,
    may: impl Fn(&Tally) -> bool,
    is: impl FnMut(&Stamped) -> bool,
) -> Result<Sought, ReadError> {
    let mut is = is;
    let mut read = 0;
    let mut frame = if forward { from.frame } else { from.frame.min(source.len().saturating_sub(1)) };
    loop {
        let ruled_out = source.frames().get(frame).is_some_and(|index| !may(&index.tally));
        if !ruled_out && frame < source.len() {
            if read == FAR {
                let index = if forward { 0 } else { usize::MAX };
                return Ok(Sought::Far(Place { frame, index }));
            }
            read += 1;
            let events: Arc<Vec<Stamped>> = source.events(frame)?;
            let here = frame == from.frame;
            let found = if forward {
                let skipped = if here { from.index } else { 0 };
                events.iter().enumerate().skip(skipped).find(|(_, stamped)| is(stamped)).map(|(index, _)| index)
            } else {
                let most = if here { from.index.min(events.len()) } else { events.len() };
                let before = events.get(..most).unwrap_or_default();
                before.iter().enumerate().rev().find(|(_, stamped)| is(stamped)).map(|(index, _)| index)
            };
            if let Some(index) = found {
                return Ok(Sought::At(Place { frame, index }));
            }
        }
        let next = if forward { Some(frame + 1).filter(|next| *next < source.len()) } else { frame.checked_sub(1) };
        match next {
            Some(next) => frame = next,
            None => return Ok(Sought::None),
        }
    }
}

impl Player {
    /// To the next or previous `stop`; what was found.
    pub fn step(
        &mut self,
        source: &mut dyn Source,
        stop: Stop,
        forward: bool,
        filter: &Filter,
    ) -> Result<Sought, ReadError> {
        let sought = match stop {
            Stop::Frame => stops::picture(source, self.place, forward)?,
            Stop::Screenful => stops::screenful(source, self.place, self.screen.size().1, forward)?,
            _ => {
                // The event that came last is where we are, not one before, if it is such a stop.
                let here = if forward { self.place } else { self.before(source)? };
                look(source, here, forward, |tally| stops::may(stop, filter, tally), |s| stops::is(stop, filter, s))?
            }
        };
        match sought {
            Sought::At(place) => self.go_after(source, place)?,
            Sought::None | Sought::Far(_) => {}
        }
        Ok(sought)
    }

    /// The place of the event that came last.
    pub fn before(&self, source: &mut dyn Source) -> Result<Place, ReadError> {
        let mut place = self.place;
        loop {
            if let Some(index) = place.index.checked_sub(1) {
                return Ok(Place { index, ..place });
            }
            let Some(frame) = place.frame.checked_sub(1) else { return Ok(Place::default()) };
            place = Place { frame, index: source.events(frame)?.len() };
        }
    }
}

#[cfg(test)]
mod tests;
