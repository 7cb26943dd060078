//! The panel over a program's screen, in a terminal emulator that draws it (tmux): what it leaves is what was there, cell by
//! cell, and what the program draws afterwards is what it would have drawn without it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod keys;
mod live;
mod pane;
mod picture;
mod questions;
mod same;
#[path = "../terminal/scene.rs"]
#[allow(dead_code, reason = "shared with the tests of the terminal")]
mod scene;
