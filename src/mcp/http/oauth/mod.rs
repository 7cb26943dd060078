//! Authorization of remote servers: OAuth 2.1 with PKCE, in the user's browser, once; refreshed from then on.
//!
//! ```text
//! 401, or well-known addresses ─ discover ─▶ authorization server ─ register ─▶ client
//!           login: browser ─▶ code, on loopback ─ token ─▶ Tokens ─ refresh ─▶ Tokens
//! ```
//! Invariant: every token is asked for with the resource it is for (RFC 8707) and sent to that server's origin alone; every
//! address that a secret goes to is HTTPS or this machine's; a code is taken only with the state we made, and only with
//! PKCE by S256. What a server sends is bounded.
//! Specification: MCP, §Authorization; RFC 6749, 7591, 7636, 8252, 8414, 8707, 9207, 9728.
//! Leaves to others: where tokens are kept and how a browser is opened (`session`, `cmd`).

mod discover;
mod fetch;
mod login;
#[cfg(test)]
pub mod rig;
#[cfg(test)]
mod tests;
mod tokens;

pub use discover::{Place, discover};
pub use fetch::OauthError;
pub use login::{Login, begin, unguessable};
pub use tokens::{Client, Tokens};
