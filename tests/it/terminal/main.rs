//! What a person at a terminal, a pipeline and a process tree see of a session: the same as without govsh.
//!
//! Each test has a directory of its own for home, recordings and runtime files, and waits on conditions with a deadline.

#![allow(clippy::unwrap_used, reason = "tests")]

mod bytes;
mod ends;
mod jobs;
mod outer;
mod pipeline;
mod process;
mod scene;
mod screen;
mod start;
mod streams;
