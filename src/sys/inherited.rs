//! What the process was started with and Rust's runtime changes before `main`: closed standard descriptors, which it
//! fills with `/dev/null`, and SIGPIPE, which it ignores.
//!
//! Invariant: noted once, before anything else of ours runs; never changed afterwards.
//! Leaves to others: handing it on to the agent.

use std::sync::atomic::{AtomicU8, Ordering};

/// Bits 0 to 2: that descriptor was closed. Bit 3: SIGPIPE was ignored.
static NOTED: AtomicU8 = AtomicU8::new(0);
const SIGPIPE_IGNORED: u8 = 1 << 3;

extern "C" fn note() {
    let mut noted = 0;
    for fd in 0..3 {
        // SAFETY: no pointers are passed; F_GETFD only asks whether the descriptor is open.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            noted |= 1 << fd;
        }
    }
    if super::signals::is_ignored(libc::SIGPIPE) {
        noted |= SIGPIPE_IGNORED;
    }
    NOTED.store(noted, Ordering::Relaxed);
}

// SAFETY: the loader calls every pointer of this section once, before main and with the C calling convention, which
// `note` has. It uses two system calls and an atomic store, none of which needs Rust's runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = note;

/// Whether standard descriptor 0, 1 or 2 was closed.
pub fn was_closed(stdio: i32) -> bool {
    (0..3).contains(&stdio) && NOTED.load(Ordering::Relaxed) & (1 << stdio) != 0
}

/// Whether SIGPIPE was ignored, so that what we start ignores it too.
pub fn ignored_sigpipe() -> bool {
    // Named here so that the linker keeps the section of this file.
    let _ = &raw const AT_START;
    NOTED.load(Ordering::Relaxed) & SIGPIPE_IGNORED != 0
}
