//! Questions end to end: a program that is asked about under a real session, and somebody at its control socket.

mod files;
mod lab;
mod limits;
mod programs;
mod races;
