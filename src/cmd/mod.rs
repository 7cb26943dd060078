//! To be written.

pub mod completions;
pub mod doctor;
pub mod find;
pub mod library;
pub mod ls;
pub mod paint;
pub mod policy;
pub mod replay;
pub mod show;
