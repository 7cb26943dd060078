//! The viewer's terminal while a view is on it.
//!
//! Invariant: however the view ends (left, a signal, a panic, Ctrl-Z), the terminal is as it was found.
//! Leaves to others: what is drawn and what keys mean.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, TerminalOptions, Viewport};

use super::input::{Decoder, Input};
use crate::sys::process;
use crate::sys::signals::{self, Set, SignalFd};
use crate::sys::tty::{self, Attributes};
use crate::sys::unix::{self, NO_POLL, poll_for};

/// Alternate screen, no cursor, button and drag reports in SGR form, bracketed paste.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[?1002h\x1b[?1006h\x1b[?2004h\x1b[0m\x1b[2J";
const LEAVE: &str = "\x1b[?2026l\x1b[?2004l\x1b[?1006l\x1b[?1002l\x1b[?1000l\x1b[0m\x1b[?25h\x1b[?1049l";
/// The picture appears at once where terminals know how (mode 2026), and as it is written elsewhere.
const BEGIN: &str = "\x1b[?2026h";
const DONE: &str = "\x1b[?2026l";
/// How long an escape waits for the rest of its sequence.
const ESCAPE: Duration = Duration::from_millis(30);

/// What to put back when no destructor runs.
static FOUND: Mutex<Option<Attributes>> = Mutex::new(None);

/// Gives the terminal back, if it is taken now.
fn restore() {
    let mut found = FOUND.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(attributes) = found.take() {
        let mut stdout = io::stdout();
        // A terminal that is gone needs nothing.
        let _ = stdout.write_all(LEAVE.as_bytes()).and_then(|()| stdout.flush());
        let _ = attributes.set(io::stdin().as_fd());
    }
}

fn take() -> io::Result<()> {
    let attributes = Attributes::of(io::stdin().as_fd())?;
    *FOUND.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(attributes);
    attributes.raw().set(io::stdin().as_fd())?;
    let mut stdout = io::stdout();
    stdout.write_all(ENTER.as_bytes())?;
    stdout.flush()
}

/// Whether a read or write failed since the terminal's window was closed.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::ENXIO)) || error.kind() == io::ErrorKind::BrokenPipe
}

/// What ended a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Woken {
    Input(Vec<Input>),
    /// The window has another size, or the view was in the background: draw everything.
    Resized,
    /// This signal asks the view to end; its exit status is 128 + signal.
    Ended(i32),
    /// The time is over, or another descriptor is readable.
    Nothing,
}

/// The terminal, taken. Dropping it gives it back.
pub struct Terminal {
    /// Never dropped: its own way out complains on stderr about a window that is closed, and by that panics there.
    screen: ManuallyDrop<ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
    signals: SignalFd,
    mask: Set,
    decoder: Decoder,
    /// When the byte came that an escape sequence may follow.
    escaped: Option<Instant>,
}

impl Terminal {
    /// Whether stdin and stdout are a terminal that a view can be drawn on.
    pub fn is_there() -> bool {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
    }

    /// Takes stdin and stdout. Call it before starting threads: they have to inherit the blocked signals.
    pub fn take() -> io::Result<Self> {
        let set = Set::of(&[
            libc::SIGINT,
            libc::SIGTERM,
            libc::SIGHUP,
            libc::SIGQUIT,
            libc::SIGWINCH,
            libc::SIGCONT,
            libc::SIGTSTP,
        ]);
        let mask = signals::block(set)?;
        let signals = SignalFd::new(set)?;
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            tell(panic);
            process::exit_now(crate::session::FAILED);
        }));
        take()?;
        let screen = ManuallyDrop::new(open().inspect_err(|_| restore())?);
        Ok(Self { screen, signals, mask, decoder: Decoder::default(), escaped: None })
    }

    /// Draws; only cells that changed are sent.
    pub fn draw(&mut self, paint: impl FnOnce(&mut Frame)) -> io::Result<()> {
        self.screen.backend_mut().write_all(BEGIN.as_bytes())?;
        self.screen.draw(paint)?;
        self.send(DONE.as_bytes())
    }

    /// Sends a finished sequence of ours, such as OSC 52.
    pub fn send(&mut self, sequence: &[u8]) -> io::Result<()> {
        let backend = self.screen.backend_mut();
        backend.write_all(sequence)?;
        Write::flush(backend)
    }

    /// Forgets what is on the terminal: the next draw sends every cell.
    pub fn redraw(&mut self) -> io::Result<()> {
        let size = tty::size(io::stdout().as_fd())?;
        self.screen.resize(Rect::new(0, 0, size.cols.max(1), size.rows.max(1)))
    }

    /// Waits for keys, signals, `others` or the end of `pause`.
    pub fn wait(&mut self, pause: Duration, others: &[BorrowedFd<'_>]) -> io::Result<Woken> {
        let stdin = io::stdin();
        let mut entries = vec![poll_for(self.signals.as_fd(), libc::POLLIN), poll_for(stdin.as_fd(), libc::POLLIN)];
        entries.extend(others.iter().map(|other| poll_for(*other, libc::POLLIN)));
        let left = self.escaped.map_or(pause, |since| pause.min(ESCAPE.saturating_sub(since.elapsed())));
        // Rounded up: a pause below a millisecond must not spin.
        let milliseconds = left.as_micros().div_ceil(1_000);
        unix::poll(&mut entries, i32::try_from(milliseconds).unwrap_or(i32::MAX))?;
        if let Some(received) = self.signals.read()? {
            return self.signal(received.signal);
        }
        let typed = entries.get(1).copied().unwrap_or(NO_POLL);
        if typed.revents != 0 {
            let mut bytes = [0; 4096];
            let count = match unix::read(stdin.as_fd(), &mut bytes) {
                Err(error) if is_gone(&error) => 0,
                other => other?,
            };
            if count == 0 {
                return Ok(Woken::Ended(libc::SIGHUP));
            }
            let inputs = self.decoder.feed(bytes.get(..count).unwrap_or_default());
            self.escaped = self.decoder.is_waiting().then(Instant::now);
            return Ok(Woken::Input(inputs));
        }
        if self.escaped.is_some_and(|since| since.elapsed() >= ESCAPE) {
            self.escaped = None;
            return Ok(Woken::Input(self.decoder.settle()));
        }
        Ok(Woken::Nothing)
    }

    fn signal(&mut self, signal: i32) -> io::Result<Woken> {
        match signal {
            libc::SIGWINCH => {
                self.redraw()?;
                Ok(Woken::Resized)
            }
            libc::SIGTSTP => {
                self.suspend()?;
                Ok(Woken::Resized)
            }
            libc::SIGCONT => Ok(Woken::Nothing),
            other => Ok(Woken::Ended(other)),
        }
    }

    /// Gives the terminal back and stops this process group's job as Ctrl-Z does elsewhere; returns when it goes on.
    pub fn suspend(&mut self) -> io::Result<()> {
        restore();
        let stop = Set::of(&[libc::SIGTSTP]);
        process::kill(0, libc::SIGTSTP)?;
        // Stops here, until a shell lets it go on.
        signals::unblock(stop)?;
        signals::block(stop)?;
        take()?;
        self.redraw()
    }
}

fn open() -> io::Result<ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>> {
    let size = tty::size(io::stdout().as_fd())?;
    let area = Rect::new(0, 0, size.cols.max(1), size.rows.max(1));
    let out = CrosstermBackend::new(BufWriter::with_capacity(64 << 10, io::stdout()));
    ratatui::Terminal::with_options(out, TerminalOptions { viewport: Viewport::Fixed(area) })
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
        // What waits is of no use to whoever runs next.
        while let Ok(Some(_)) = self.signals.read() {}
        // A mask that cannot be put back belongs to a process that ends.
        let _ = signals::set_mask(self.mask);
    }
}
