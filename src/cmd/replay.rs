//! `govsh replay`: a session in the view, or with `--plain` its terminal bytes again, in their time.
//!
//! Invariant: into a pipe or file go exactly the recorded bytes, what was stderr to stderr; a terminal is left as it was found,
//! and what it answers to recorded queries reaches no shell.
//! Leaves to others: reading (`recording`), the view (`tui`).

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::find::find;
use super::paint::{home, printed};
use super::show::{complain, nothing_in, open, typed};
use crate::event::{Event, Stream};
use crate::recording::ReadError;
pub use crate::tui::app::Begin;
use crate::tui::app::{App, Options};
use crate::tui::panels::ascii::is_utf8;
use crate::tui::source::{Recorded, Source};
use crate::tui::terminal::Terminal;
use crate::tui::{Theme, seal, view};

mod screen;

use screen::Screen;

/// How to play.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayOptions {
    /// Bytes to stdout instead of the view.
    pub plain: bool,
    /// Times as fast as it happened; 0 is as fast as possible.
    pub speed: f64,
    /// No pause longer than this.
    pub idle_limit: Option<Duration>,
    /// Where to begin. Without the view what came before is written at once.
    pub begin: Begin,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { plain: true, speed: 1.0, idle_limit: None, begin: Begin::Start }
    }
}

/// Shows or plays `session`. Exit status 0, 1 when the recording is damaged, 128+n when a key or signal ended it.
pub fn replay(session: &OsStr, opts: &ReplayOptions) -> anyhow::Result<i32> {
    let path = find(session)?;
    if opts.plain || !Terminal::is_there() { plain(&path, opts) } else { look(&path, opts) }
}

/// The view.
fn look(path: &Path, opts: &ReplayOptions) -> anyhow::Result<i32> {
    // Says in a line what is wrong with a file that is no recording.
    drop(open(path)?);
    let recorded =
        Recorded::open(path.to_owned()).with_context(|| format!("cannot read recording '{}'", shown(path)))?;
    if recorded.is_empty() {
        return Err(nothing_in(path));
    }
    let grows = recorded.end().is_none() && is_written(path);
    let options = Options {
        begin: opts.begin.clone(),
        speed: opts.speed,
        idle_limit: opts.idle_limit,
        home: home(),
        name: typed(path),
        ascii: !is_utf8(|name| std::env::var(name).ok()),
        grows: grows || opts.begin == Begin::Follow,
    };
    let mut terminal = Terminal::take().context("cannot set up the terminal")?;
    let app = App::new(Box::new(recorded), None, Theme::detect(), options);
    let mut app = match app {
        Ok(app) => app,
        Err(error) => {
            drop(terminal);
            return damaged(path, error);
        }
    };
    if !grows {
        app.expect_seal(seal::look(path.to_owned()));
    }
    view::show(&mut terminal, &mut app).context("cannot show the session")
}

fn damaged(path: &Path, error: ReadError) -> anyhow::Result<i32> {
    complain(path, error);
    Ok(1)
}

/// Whether a session still writes it: its recorder holds a lock on the file.
fn is_written(path: &Path) -> bool {
    let file = File::open(path);
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn shown(path: &Path) -> String {
    crate::recording::visible(path.as_os_str().as_encoded_bytes())
}

/// The bytes.
fn plain(path: &Path, opts: &ReplayOptions) -> anyhow::Result<i32> {
    let reader = open(path)?;
    let mut screen = Screen::take().context("cannot set up the terminal")?;
    let mut pace = Pace::new(opts);
    let mut empty = true;
    for item in reader {
        let stamped = match item {
            Ok(stamped) => stamped,
            Err(error) => {
                drop(screen);
                complain(path, error);
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
    if empty { Err(nothing_in(path)) } else { Ok(0) }
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
        let ReplayOptions { speed, idle_limit, ref begin, .. } = *opts;
        let at = if let Begin::At(t) = begin { Duration::from_nanos(*t) } else { Duration::ZERO };
        Self { begun: Instant::now(), last: 0, due: Duration::ZERO, speed, idle_limit, at }
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
        let mut pace = Pace::new(&ReplayOptions { begin: Begin::At(50_000_000_000), ..ReplayOptions::default() });
        near(&mut pace, 49, Duration::ZERO);
        near(&mut pace, 53, second * 3);
        let mut pace = Pace::new(&ReplayOptions { speed: 0.0, ..ReplayOptions::default() });
        near(&mut pace, 1_000, Duration::ZERO);
    }
}
