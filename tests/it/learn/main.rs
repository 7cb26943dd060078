//! `govsh learn` and `govsh policy backtest` as users have them: a command is learned from once, and runs again under what came
//! of it without a refusal; recorded sessions are judged by another policy.

#![allow(clippy::unwrap_used, reason = "a stage that cannot be set up fails its test")]

mod backtest;
mod learned;
mod stage;
