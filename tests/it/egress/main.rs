//! Sessions with a way out, against servers on loopback and a resolver of the test's own.
//!
//! `world` has both: addresses of 127.66.0.0/16 stand for the outside, under names that the test's resolver knows. Nothing here
//! reaches beyond this machine.

mod connect;
mod datagrams;
mod names;
mod programs;
mod proxies;
mod questions;
mod resolver;
mod secure;
mod server;
mod storm;
mod udp;
mod upstream;
mod world;
