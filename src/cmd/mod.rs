//! To be written.

pub mod find;
pub mod ls;
pub mod replay;
pub mod show;
