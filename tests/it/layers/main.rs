//! Layers in real runs: what a project, a machine and a command line can change of what a session may do, and what they
//! cannot.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene may fail loudly")]

mod machine;
mod project;
mod scene;
