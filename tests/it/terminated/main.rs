//! Connections whose TLS ends in the front: real clients against real TLS on loopback, through the way out of a session.

#![allow(clippy::unwrap_used, reason = "a broken premise ends the test")]

mod clients;
mod credentials;
mod far;
mod git;
mod requests;
mod rig;
mod servers;
mod websocket;
