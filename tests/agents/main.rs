//! The real agents, from npm and PyPI, under govsh, against a model server that scripts what they do;
//! and the real tools that agents use all day.
//!
//! Invariant: whatever govsh must refuse is shown to work without govsh first, by the same agent on the same stage.
//! Leaves to others: attempts that no agent makes by itself (`tests/escape`).

#![allow(clippy::unwrap_used, reason = "a stage that cannot be set up fails its test")]

mod calls;
mod conformance;
mod credentials;
mod evidence;
mod install;
mod learned;
mod model;
mod others;
mod overlay;
#[path = "../it/overlay/picture.rs"]
mod picture;
mod roles;
mod scripted;
mod stage;
mod start;
mod terminal;
mod tools;
