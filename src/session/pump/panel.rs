//! The panel's part of the loop: keys past it, its bytes to the terminal, the agent's output held while it is open.
//!
//! Invariant: it is closed before anybody else gets the terminal, and what it drew is written before more is read.
//! Leaves to others: what it shows and which keys count (`overlay`).

use std::os::fd::AsFd;
use std::time::Instant;

use super::Pump;
use crate::bus::Bus;
use crate::session::channel::{Channel, Closed};
use crate::session::overlay::Overlay;
use crate::session::terminal::Terminal;
use crate::sys::tty::{self, Attributes, Size};
use crate::sys::unix::{self, PollFd};

/// As `Channel::serve`, for keys, past the panel.
pub(super) fn serve_keys(
    keys: &mut Channel,
    overlay: &mut Overlay,
    ready: [PollFd; 2],
    buffer: &mut [u8],
    bus: &Bus,
    follower: Option<&Attributes>,
) -> Result<usize, Closed> {
    let bytes = keys.read(ready, buffer)?;
    let typed = buffer.get(..bytes).unwrap_or_default();
    if typed.is_empty() {
        return Ok(0);
    }
    if overlay.passes(typed) {
        keys.hand_on(typed, bus, follower)?;
    } else {
        keys.hand_on(&overlay.keys(typed.to_vec(), Instant::now()), bus, follower)?;
    }
    Ok(bytes)
}

impl Pump {
    pub(super) fn panel_entries(&self, entries: &mut [PollFd]) {
        let descriptors = self.overlay.iter().flat_map(Overlay::descriptors).flatten();
        for (entry, descriptor) in entries.iter_mut().zip(descriptors) {
            *entry = unix::poll_for(descriptor, libc::POLLIN);
        }
    }

    /// Whatever is due of the panel.
    pub(super) fn on_panel(&mut self, ready: bool) {
        let running = self.ended.is_none() && self.link.is_some();
        let free = running && self.terminal.as_ref().is_some_and(|t| t.is_engaged() && !t.is_shared());
        if free != self.attendance.is_some() {
            self.attendance = self.attend.as_ref().filter(|_| free).map(|questions| questions.attend());
        }
        let (Some(overlay), Some(screen)) = (&mut self.overlay, &mut self.screen) else { return };
        let (to_terminal, to_agent) = overlay.step(Instant::now(), ready, screen.is_delivered(), free);
        screen.insert(&to_terminal);
        screen.hold(overlay.holds());
        if let Some(keys) = self.keys.as_mut().filter(|_| !to_agent.is_empty()) {
            let follower = self.leader.as_ref().and_then(|leader| Attributes::of(leader.as_fd()).ok());
            // An agent's terminal that takes no more is noticed with the next key.
            let _ = keys.hand_on(&to_agent, &self.bus, follower.as_ref());
        }
        if overlay.take_nudge() {
            self.nudge();
        }
    }

    /// Before the terminal is somebody else's.
    pub(super) fn close_panel(&mut self) {
        let (Some(overlay), Some(screen)) = (&mut self.overlay, &mut self.screen) else { return };
        screen.insert(&overlay.close(Instant::now()));
        screen.hold(false);
    }

    /// The agent draws its screen anew when the size of its terminal changes, and changes back.
    fn nudge(&self) {
        let (Some(terminal), Some(leader)) = (&self.terminal, &self.leader) else { return };
        let size = Terminal::size(terminal);
        let other = Size { rows: size.rows.saturating_sub(1).max(1), ..size };
        // It is only a wish.
        let _ = tty::set_size(leader.as_fd(), other).and_then(|()| tty::set_size(leader.as_fd(), size));
    }
}
