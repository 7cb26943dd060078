//! The user's terminal while a recording plays on it.
//!
//! Invariant: however the replay ends, the terminal is as it was found; what it answers to queries in the recording is read
//! here and reaches no shell.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::event::Stream;
use crate::sys::signals::{self, Set, SignalFd};
use crate::sys::tty::Attributes;
use crate::sys::unix::{self, NO_POLL, poll_for};

/// Undoes what a program may have left a terminal in: alternate screen, mouse, paste, focus and cursor modes, margins, kitty
/// and xterm key reports, synchronised output, colours and character sets.
const RESET: &str = "\x1b[?2026l\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?1015l\
\x1b[?2004l\x1b[?1l\x1b>\x1b[?5l\x1b[?7h\x1b[=0u\x1b[>4;0m\x1b[4l\x1b7\x1b[?6l\x1b[r\x1b8\x1b(B\x0f\x1b[0m\x1b[0 q\x1b[?25h\
\r\n";
/// How long late answers of the terminal are waited for.
const LATE: Duration = Duration::from_millis(80);

/// Holds the terminal; giving it up restores it. Without a terminal on stdout it only waits.
pub(super) struct Screen {
    terminal: Option<Terminal>,
}

struct Terminal {
    signals: SignalFd,
    /// As stdin was found, when that is a terminal too.
    found: Option<Attributes>,
    /// Whether line feeds are the recording's own affair.
    raw_output: bool,
}

impl Screen {
    pub(super) fn take() -> io::Result<Self> {
        if !io::stdout().is_terminal() {
            return Ok(Self { terminal: None });
        }
        let set = Set::of(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT]);
        signals::block(set)?;
        let signals = SignalFd::new(set)?;
        let found = io::stdin().is_terminal().then(|| Attributes::of(io::stdin().as_fd())).transpose()?;
        let mut terminal = Terminal { signals, found, raw_output: true };
        terminal.treat_output(false)?;
        Ok(Self { terminal: Some(terminal) })
    }

    /// Before bytes of `stream`: those of a pipe have line feeds that the terminal is to complete.
    pub(super) fn ready_for(&mut self, stream: Stream) -> io::Result<()> {
        match &mut self.terminal {
            Some(terminal) => terminal.treat_output(stream == Stream::Terminal),
            None => Ok(()),
        }
    }

    /// Waits; the exit status when the user or a signal ends the replay before.
    pub(super) fn wait(&self, pause: Duration) -> io::Result<Option<i32>> {
        match &self.terminal {
            Some(terminal) => terminal.wait(pause),
            None => {
                std::thread::sleep(pause);
                Ok(None)
            }
        }
    }
}

impl Terminal {
    fn treat_output(&mut self, raw: bool) -> io::Result<()> {
        let Some(found) = self.found.filter(|_| self.raw_output != raw) else { return Ok(()) };
        self.raw_output = raw;
        let mode = if raw { found.raw() } else { found.raw().with_output_of(&found) };
        mode.set(io::stdin().as_fd())
    }

    fn wait(&self, pause: Duration) -> io::Result<Option<i32>> {
        let until = Instant::now() + pause;
        let stdin = io::stdin();
        loop {
            let keys = if self.found.is_some() { poll_for(stdin.as_fd(), libc::POLLIN) } else { NO_POLL };
            let mut entries = [poll_for(self.signals.as_fd(), libc::POLLIN), keys];
            let left = until.saturating_duration_since(Instant::now());
            unix::poll(&mut entries, i32::try_from(left.as_millis()).unwrap_or(i32::MAX))?;
            if let Some(received) = self.signals.read()? {
                return Ok(Some(128 + received.signal));
            }
            if entries[1].revents != 0
                && let Some(status) = key(&stdin)?
            {
                return Ok(Some(status));
            }
            // Less than a millisecond is made up for by the next pause.
            if until.saturating_duration_since(Instant::now()) < Duration::from_millis(1) {
                return Ok(None);
            }
        }
    }
}

/// Reads what was typed; an exit status when it ends the replay.
fn key(stdin: &io::Stdin) -> io::Result<Option<i32>> {
    let mut bytes = [0; 256];
    let count = unix::read(stdin.as_fd(), &mut bytes)?;
    let typed = bytes.get(..count).unwrap_or_default();
    Ok(match typed {
        [] => Some(128 + libc::SIGHUP),
        [b'q'] => Some(0),
        // Anything longer is what the terminal answers to a recorded query.
        typed if typed.contains(&3) => Some(128 + libc::SIGINT),
        _ => None,
    })
}

impl Drop for Screen {
    fn drop(&mut self) {
        let Some(terminal) = &self.terminal else { return };
        let mut stdout = io::stdout();
        // A terminal that is gone needs no reset.
        let _ = stdout.write_all(RESET.as_bytes()).and_then(|()| stdout.flush());
        if let Some(found) = terminal.found {
            // Swallows late answers; a key now ends what is ending anyway.
            let _ = terminal.wait(LATE);
            // A terminal that is gone needs no mode.
            let _ = found.set(io::stdin().as_fd());
        }
    }
}
