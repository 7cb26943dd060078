//! To be written.
pub mod recorder;
