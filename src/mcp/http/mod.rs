//! MCP over HTTP: servers that are reached by URL, for clients that speak lines and for clients that speak HTTP.
//!
//! ```text
//! client's lines ─ connection ─ Relay ─ bridge ─┐            ┌─ GET, POST, DELETE
//!                                               ├─ call ─ wire ─▶ server
//! client's HTTP ──── serve ──── Relay ──────────┘            └─ JSON, or events (sse)
//! ```
//! Invariant: what a message is, is judged by its body; headers are made from it or compared with it. A credential goes to
//! the server's own origin, over verified TLS or within this machine, and no redirect takes it elsewhere. All that is kept
//! is bounded. Specification: MCP, §Streamable HTTP, 2025-03-26 to 2026-07-28; §HTTP with SSE of 2024-11-05 (`bridge`).
//! Leaves to others: judging (`relay`), dialling and roots (`wire::Dial`, `session`), where tokens are kept (`oauth`, `session`).

mod body;
mod bridge;
mod call;
mod certificate;
pub mod headers;
pub mod oauth;
pub mod serve;
pub mod sse;
mod wire;

pub use bridge::bridge;
pub use call::{Authorizes, CallError, Credential, Nobody, Remote};
pub use wire::{Address, AddressFault, Anybody, Certifies, Dial, Later, Origin, Ways, Wire, WireError};
