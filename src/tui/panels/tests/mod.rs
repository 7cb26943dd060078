//! Every panel over every size and over hostile text, and pictures of every view.

mod hostile;
mod list;
mod picture;
pub mod story;
mod views;
