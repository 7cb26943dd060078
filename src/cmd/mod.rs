//! To be written.

pub mod completions;
pub mod doctor;
pub mod find;
pub mod ls;
pub mod paint;
pub mod replay;
pub mod show;
