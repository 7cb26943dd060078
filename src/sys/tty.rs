//! Terminals: attributes, size, foreground group.
//!
//! Invariant: attributes are only ever those read from a terminal, changed by name; nothing waits for output to drain.
//! Leaves to others: when to be raw, and putting things back (`session::terminal`).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::process::check;

/// termios(3) of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes(libc::termios);

impl Attributes {
    /// tcgetattr(3). On the leader of a PTY these are the follower's.
    pub fn of(terminal: BorrowedFd<'_>) -> io::Result<Self> {
        let mut attributes = MaybeUninit::<libc::termios>::zeroed();
        // SAFETY: the call fills in the structure, which is plain integers and zeroed before.
        unsafe {
            check(libc::tcgetattr(terminal.as_raw_fd(), attributes.as_mut_ptr()))?;
            Ok(Attributes(attributes.assume_init()))
        }
    }

    /// tcsetattr(3) at once: waiting for output would wait for ever on a terminal that has stopped reading.
    pub fn set(&self, terminal: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: the structure outlives the call, which only reads it.
        check(unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, &self.0) }).map(drop)
    }

    /// The same terminal passing every byte both ways untouched (cfmakeraw(3)).
    pub fn raw(&self) -> Self {
        let mut raw = self.0;
        // SAFETY: the structure was filled in by the kernel; the call only changes flag words in it.
        unsafe { libc::cfmakeraw(&mut raw) };
        raw.c_cc[libc::VMIN] = 1;
        raw.c_cc[libc::VTIME] = 0;
        Attributes(raw)
    }

    /// These, with the other's treatment of output.
    pub fn with_output_of(&self, other: &Attributes) -> Self {
        let mut mixed = self.0;
        mixed.c_oflag = other.0.c_oflag;
        Attributes(mixed)
    }

    /// These, with keys that make signals as the other has them.
    pub fn with_signals_of(&self, other: &Attributes) -> Self {
        let mut mixed = self.0;
        mixed.c_lflag |= other.0.c_lflag & libc::ISIG;
        mixed.c_cc = other.0.c_cc;
        Attributes(mixed)
    }

    /// Whether output is treated as the other does.
    pub fn has_output_of(&self, other: &Attributes) -> bool {
        self.0.c_oflag == other.0.c_oflag
    }

    /// Lines are edited but not shown: what a password prompt looks like.
    pub fn hides_lines(&self) -> bool {
        self.0.c_lflag & libc::ICANON != 0 && self.0.c_lflag & libc::ECHO == 0
    }

    /// The signal that this byte makes when it is typed.
    pub fn signal_of(&self, byte: u8) -> Option<i32> {
        if self.0.c_lflag & libc::ISIG == 0 || byte == 0 {
            return None;
        }
        let keys = [(libc::VINTR, libc::SIGINT), (libc::VQUIT, libc::SIGQUIT)];
        keys.iter().find(|(key, _)| self.0.c_cc[*key] == byte).map(|(_, signal)| *signal)
    }
}

/// Size of a terminal in cells and pixels; 0 where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    pub rows: u16,
    pub cols: u16,
    pub width: u16,
    pub height: u16,
}

/// TIOCGWINSZ, see ioctl_tty(2).
pub fn size(terminal: BorrowedFd<'_>) -> io::Result<Size> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the call fills in the structure, which outlives it.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &mut size) })?;
    Ok(Size { rows: size.ws_row, cols: size.ws_col, width: size.ws_xpixel, height: size.ws_ypixel })
}

/// TIOCSWINSZ; the foreground group gets SIGWINCH when it changes.
pub fn set_size(terminal: BorrowedFd<'_>, size: Size) -> io::Result<()> {
    let size = libc::winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: size.width, ws_ypixel: size.height };
    // SAFETY: the structure outlives the call, which only reads it.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &size) }).map(drop)
}

/// The foreground group; ENOTTY where the terminal is not the caller's controlling one.
pub fn foreground(terminal: BorrowedFd<'_>) -> io::Result<i32> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::tcgetpgrp(terminal.as_raw_fd()) })
}

/// Makes a group the foreground one. SIGTTOU must be blocked when the caller's own is not.
pub fn set_foreground(terminal: BorrowedFd<'_>, group: i32) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::tcsetpgrp(terminal.as_raw_fd(), group) }).map(drop)
}
