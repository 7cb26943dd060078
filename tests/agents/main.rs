//! The real agents: codex and claude from npm, under govsh, against a model server that scripts what they do.
//!
//! Invariant: whatever govsh must refuse is shown to work without govsh first, by the same agent on the same stage.
//! Leaves to others: attempts that no agent makes by itself (`tests/escape`).

mod evidence;
mod install;
mod model;
mod scripted;
mod stage;
mod start;
mod terminal;
