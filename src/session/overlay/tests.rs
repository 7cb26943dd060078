//! The panel without a terminal.
