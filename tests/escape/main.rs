//! What a sandboxed program must not manage, tried for real: `tests/attempt` outside, allowed, and refused.
//!
//! Root is needed to show the privileged attempts to work outside. `GOVSH_TEST_USER=NAME` (as root) runs govsh and all
//! unprivileged attempts as that user. The full numbers of tries and of counted openings take about an hour:
//! `GOVSH_ESCAPE_TRIES=100000 GOVSH_ESCAPE_OPENS=100000 cargo test --release --test escape -- races:: count::`
//! (4,000 and 1,000 without them; 1,000 tries as another user; half as many and fewer where each is slow).
//! `GOVSH_ESCAPE_OUTSIDE=1` stops each table after showing that its attempts work outside: for a new kernel.
//! Invariant: no case is skipped because something is missing.
//! Leaves to others: terminals and streams (`tests/it`), real agents (`tests/agents`).
//!
//! # The attempts
//!
//! Each with the errno that it gets inside and the event that it leaves there, as operation and object. *Nothing* stands
//! where a call is not offered, as on a kernel without it, or ends at a descriptor that is not there.
#![doc = include_str!("attempts.md")]
#![doc = ""]
#![doc = include_str!("elsewhere.md")]
#![doc = ""]
#![doc = include_str!("others.md")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "pre_exec closures that duplicate a descriptor")]

mod carve;
mod case;
mod control;
mod count;
mod doors;
mod egress;
mod files;
mod floor;
mod gitdirs;
mod govsh;
mod lab;
mod metadata;
mod mounts;
mod names;
mod parity;
mod procs;
mod races;
mod rules;
mod siege;
mod sockets;
mod table;
mod terminal;
mod tricks;
