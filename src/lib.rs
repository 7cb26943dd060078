//! govsh runs an unmodified command-line agent under Landlock and seccomp, decides and records every mediated call.

pub mod bus;
pub mod cli;
pub mod cmd;
pub mod event;
pub mod policy;
pub mod recording;
pub mod sandbox;
pub mod session;
pub mod supervisor;
#[allow(unsafe_code, reason = "the one place for it")]
pub mod sys;
