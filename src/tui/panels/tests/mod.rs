//! Every panel over every size and over hostile text, and pictures of every view.

mod app;
mod hostile;
mod list;
mod mcp;
mod picture;
pub mod story;
mod views;
