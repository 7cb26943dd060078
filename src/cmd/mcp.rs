//! `govsh mcp`: one file for each of its subcommands.

mod connect;

use anyhow::Result;

use crate::cli::Mcp;

pub fn run(options: &Mcp) -> Result<i32> {
    match options {
        Mcp::Connect(options) => connect::connect(options),
    }
}
