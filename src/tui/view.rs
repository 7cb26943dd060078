//! The view of one session on the terminal: waits, draws, and ends.
//!
//! Invariant: draws only what changed, and at most thirty times a second of itself; a key is answered at once.
//! Leaves to others: state (`app`), the terminal (`terminal`).

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::app::{App, Errand};
use super::terminal::{Terminal, Woken, is_gone};

/// Shortest time between two pictures.
const PICTURE: Duration = Duration::from_millis(30);

/// Shows `app` until the person leaves, a signal ends it or the window is closed; the exit status.
pub fn show(terminal: &mut Terminal, app: &mut App) -> io::Result<i32> {
    match run(terminal, app) {
        Err(error) if is_gone(&error) => Ok(128 + libc::SIGHUP),
        other => other,
    }
}

fn run(terminal: &mut Terminal, app: &mut App) -> io::Result<i32> {
    let mut last = Instant::now();
    let mut drawn: Option<Instant> = None;
    loop {
        let wait = drawn.map_or(Duration::ZERO, |at| PICTURE.saturating_sub(at.elapsed()));
        if app.is_dirty() && wait.is_zero() {
            terminal.draw(|frame| app.draw(frame))?;
            drawn = Some(Instant::now());
        }
        // What is not drawn yet is, as soon as it may be.
        let pause = if app.is_dirty() { wait } else { app.pause() };
        let woken = {
            let readable: Vec<BorrowedFd> = app.live().and_then(|live| live.readable()).into_iter().collect();
            terminal.wait(pause, &readable)?
        };
        let now = Instant::now();
        app.tick(now.saturating_duration_since(last));
        last = now;
        match woken {
            Woken::Input(inputs) => {
                inputs.iter().for_each(|input| app.input(input));
                // A key is answered without waiting for the next picture.
                drawn = None;
            }
            Woken::Resized => {
                app.resized();
                drawn = None;
            }
            Woken::Ended(signal) => return Ok(128 + signal),
            Woken::Nothing => {}
        }
        for errand in app.errands() {
            match errand {
                Errand::Send(sequence) => terminal.send(&sequence)?,
                Errand::Suspend => {
                    terminal.suspend()?;
                    app.resized();
                    last = Instant::now();
                }
                Errand::Redraw => {
                    terminal.redraw()?;
                    app.resized();
                }
            }
        }
        if app.leaving().is_some() {
            return Ok(0);
        }
    }
}
