//! MCP servers: the relay between an agent and each of them, and what it lets pass.
//!
//! ```text
//! bytes ─ frame ─▶ Line ─ message ─▶ Message ─ relay ─▶ Step: pass on, answer, ask, drop
//!         └ scan: a result that is too long to be held, checked while it goes by
//! ```
//! `connection` carries both ways of one client and one server past it. Invariant: see `relay`. Leaves to others: pipes, processes and people (`session`).

mod breaks;
pub mod connection;
mod edit;
pub mod evidence;
pub mod frame;
pub mod http;
mod message;
pub mod pins;
pub mod relay;
mod reply;
mod scan;

pub use message::{Fault, Id, Message};
