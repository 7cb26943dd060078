//! Every session of this user in one list: what it does, and which one needs a person.
//!
//! ```text
//! runtime directory ─scout─▶ roster ─Client─▶ sessions ─rows─▶ view ─cells─▶ terminal
//! keys ─▶ app ─▶ answer, marker, freeze, end over the session's Client
//! ```
//! Invariant: a session that is stuck, stopped or gone never holds the list up for longer than one answer may take.
//! Leaves to others: what one session looks like (`tui::app`), what a question looks like (`tui::panels`).

mod app;
mod attached;
mod keys;
mod rates;
mod roster;
mod rows;
mod view;

pub use app::{Left, List};
pub use attached::Attached;
pub use keys::{KEYS, WatchAction};
pub use rates::Rates;
pub use roster::{Roster, Session, Tie};
pub use rows::{Row, Urgency, row, short, sort};
pub use view::{Foot, ListView, draw, text};
