//! The rules of this repository, as tests: who may import whom, and that the manual says what the program does.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its own repository may fail loudly")]

mod imports;
mod manual;
mod source;
