//! `govsh replay` at a person's terminal: what stands on it, cell by cell, and how it is left.
//!
//! Each test has a directory of its own, plays on a PTY whose cells are modelled, and waits on conditions with a deadline.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../terminal/outer.rs"]
#[allow(dead_code, reason = "shared with the tests of the terminal")]
mod outer;
#[path = "../terminal/scene.rs"]
#[allow(dead_code, reason = "shared with the tests of the terminal")]
mod scene;

mod ends;
mod glass;
mod moments;
mod shows;
