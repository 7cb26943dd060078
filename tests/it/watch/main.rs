//! Watching a session from outside: the control socket, the list, freezing and ending, and what a bad client can do (nothing).
//!
//! Each test has a directory of its own for home, recordings and runtime files, and waits on conditions with a deadline.

#![allow(clippy::unwrap_used, reason = "tests")]

mod asked;
mod clients;
mod frozen;
mod line;
mod list;
#[allow(dead_code, reason = "shared with the tests of terminals")]
#[path = "../terminal/outer.rs"]
mod outer;
#[allow(dead_code, reason = "shared with the tests of terminals")]
#[path = "../terminal/scene.rs"]
mod scene;
mod strangers;
