//! What a sandboxed program must not manage, tried for real: `tests/attempt` outside, allowed, and refused.
//!
//! Root is needed to show the privileged attempts to work outside. `GOVSH_TEST_USER=NAME` (as root) runs govsh and all
//! unprivileged attempts as that user. The full numbers of tries and of counted openings take about an hour:
//! `GOVSH_ESCAPE_TRIES=100000 GOVSH_ESCAPE_OPENS=100000 cargo test --release --test escape -- races:: count::`
//! (20,000 and 1,000 without them; 5,000 tries as another user).
//! `GOVSH_ESCAPE_OUTSIDE=1` stops each table after showing that its attempts work outside: for a new kernel.
//! Invariant: no case is skipped because something is missing.
//! Leaves to others: terminals and streams (`tests/it`), real agents (`tests/agents`).
#![allow(clippy::undocumented_unsafe_blocks, reason = "pre_exec closures that duplicate a descriptor")]

mod carve;
mod case;
mod control;
mod count;
mod files;
mod floor;
mod govsh;
mod lab;
mod metadata;
mod names;
mod parity;
mod procs;
mod races;
mod rules;
mod sockets;
mod terminal;
