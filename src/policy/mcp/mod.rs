//! `[mcp]`: servers that govsh starts or reaches, and what may be called of them with which arguments. Pure.
//!
//! ```text
//! params.arguments ─ value (strict JSON) ─▶ rule: server, name, arguments by matcher, time ─▶ McpDecision
//! ```
//! Invariant: as everywhere, deny > ask > allow > default deny, and an error is never an allow.
//! Leaves to others: messages and their order (`mcp`), starting servers (`session`).

#[cfg(feature = "cedar")]
mod cedar;
#[cfg(not(feature = "cedar"))]
#[path = "without_cedar.rs"]
mod cedar;
mod matcher;
mod rule;
mod server;
#[cfg(test)]
mod tests;
mod value;
mod wanted;

pub use cedar::{IS_BUILT as HAS_CEDAR, Refused, Statement, registration, statements};
pub use matcher::{Holds, Matcher, Segments};
pub use rule::{Argument, Call, McpDecision, McpRule, Moment, Names, Rate, Reach, Subject, When, decide, may_call};
pub use server::{Direct, Launch, Server};
pub use value::{Value, folded};
pub use wanted::{Said, Wanted, narrowest, said};
