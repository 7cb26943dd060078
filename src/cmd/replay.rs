//! `govsh replay --plain`: the terminal bytes of a session again, in their time.
//!
//! Invariant: into a pipe or file go exactly the recorded bytes, what was stderr to stderr; a terminal is left as it was found,
//! and what it answers to recorded queries reaches no shell.
//! Leaves to others: reading (`recording`), the player with a timeline (a later version).

use std::ffi::OsStr;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::find::find;
use super::paint::printed;
use super::show::{complain, nothing_in, open};
use crate::event::{Event, Stream};

mod screen;

use screen::Screen;

/// How to play.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayOptions {
    /// Bytes to stdout instead of the player. So far there is no player: it may be left out.
    pub plain: bool,
    /// Times as fast as it happened; 0 is as fast as possible.
    pub speed: f64,
    /// No pause longer than this.
    pub idle_limit: Option<Duration>,
    /// Begin here: what came before is written at once.
    pub at: Option<Duration>,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { plain: true, speed: 1.0, idle_limit: None, at: None }
    }
}

/// Plays `session`. Exit status 0, 1 when the recording is damaged, 128+n when a key or signal ended it.
pub fn replay(session: &OsStr, opts: &ReplayOptions) -> anyhow::Result<i32> {
    let path = find(session)?;
    let reader = open(&path)?;
    let mut screen = Screen::take().context("cannot set up the terminal")?;
    let mut pace = Pace::new(opts);
    let mut empty = true;
    for item in reader {
        let stamped = match item {
            Ok(stamped) => stamped,
            Err(error) => {
                drop(screen);
                complain(&path, error);
                return Ok(1);
            }
        };
        empty = false;
        let Event::Output { stream, data } = &stamped.event else { continue };
        if let Some(status) = screen.wait(pace.due(stamped.t)).context("cannot read the terminal")? {
            return Ok(status);
        }
        screen.ready_for(*stream).context("cannot set up the terminal")?;
        let written = match stream {
            Stream::Terminal | Stream::Stdout => put(&mut io::stdout(), data),
            Stream::Stderr => put(&mut io::stderr(), data),
        };
        if written.is_err() {
            return printed(written, 0);
        }
    }
    if empty { Err(nothing_in(&path)) } else { Ok(0) }
}

fn put(out: &mut impl Write, data: &[u8]) -> io::Result<()> {
    out.write_all(data)?;
    out.flush()
}

/// When each event is due.
struct Pace {
    begun: Instant,
    /// Time of the last event, in nanoseconds of the session.
    last: u64,
    /// When it was due, since `begun`.
    due: Duration,
    speed: f64,
    idle_limit: Option<Duration>,
    at: Duration,
}

impl Pace {
    fn new(opts: &ReplayOptions) -> Self {
        let ReplayOptions { speed, idle_limit, at, .. } = *opts;
        Self { begun: Instant::now(), last: 0, due: Duration::ZERO, speed, idle_limit, at: at.unwrap_or_default() }
    }

    /// How long from now until the event at `t` is due.
    fn due(&mut self, t: u64) -> Duration {
        let from = Duration::from_nanos(self.last).max(self.at);
        let mut pause = Duration::from_nanos(t).saturating_sub(from);
        self.last = self.last.max(t);
        if let Some(limit) = self.idle_limit {
            pause = pause.min(limit);
        }
        let pause = if self.speed > 0.0 { pause.div_f64(self.speed.max(1e-3)) } else { Duration::ZERO };
        self.due = self.due.saturating_add(pause);
        self.due.saturating_sub(self.begun.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_follow_speed_limit_and_start() {
        let second = Duration::from_secs(1);
        let near = |pace: &mut Pace, t: u64, want: Duration| {
            let due = pace.due(t * 1_000_000_000);
            assert!(due <= want && due + second / 2 > want, "{due:?} is not about {want:?}");
        };
        let mut pace =
            Pace::new(&ReplayOptions { speed: 2.0, idle_limit: Some(second * 20), ..ReplayOptions::default() });
        near(&mut pace, 10, second * 5);
        near(&mut pace, 100, second * 15);
        let mut pace = Pace::new(&ReplayOptions { at: Some(second * 50), ..ReplayOptions::default() });
        near(&mut pace, 49, Duration::ZERO);
        near(&mut pace, 53, second * 3);
        let mut pace = Pace::new(&ReplayOptions { speed: 0.0, ..ReplayOptions::default() });
        near(&mut pace, 1_000, Duration::ZERO);
    }
}
