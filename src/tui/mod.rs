//! Sessions on the terminal: one view for those that are over and those that run.
//!
//! Invariant: everything drawn comes from plain view structures; nothing here decides about an agent, and no recorded byte
//! reaches the terminal except as a cell.
//! Leaves to others: reading recordings (`recording`), the terminal model (`screen`), talking to a session (`session`).
//!
//! ```text
//! Source ─frames, events, screens─▶ player ─▶ app ─views─▶ panels ─cells─▶ terminal
//! keys, mouse ─input─▶ keys ─action─▶ app
//! ```

pub mod app;
pub mod copy;
pub mod filter;
pub mod history;
pub mod input;
pub mod keys;
pub mod list;
pub mod panels;
pub mod player;
pub mod prompt;
#[cfg(test)]
pub mod sample;
pub mod screen_pane;
pub mod seal;
pub mod search;
pub mod source;
pub mod survey;
pub mod terminal;
pub mod theme;
pub mod view;
pub mod watch;

pub use keys::{Action, Chord, KEYS, Key, Press};
pub use theme::{Depth, Theme};
