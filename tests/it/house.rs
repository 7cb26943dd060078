//! The rules of this repository as tests, that the manual says what the program does, and what `doctor` says.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its own repository may fail loudly")]

mod doctor;
mod imports;
mod manual;
mod source;
