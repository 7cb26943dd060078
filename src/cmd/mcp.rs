//! `govsh mcp`: one file for each of its subcommands.

mod connect;
mod import;
mod list;
mod pins;
mod remote;

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Result, anyhow};

use super::library::{self, Disk, told};
use crate::cli::Mcp;
use crate::policy::Policy;
use crate::policy::shipped::DEFAULT;
use crate::session::pins::Store;

pub fn run(options: &Mcp) -> Result<i32> {
    match options {
        Mcp::Connect(options) => connect::connect(options),
        Mcp::List(options) => list::list(options),
        Mcp::Pin(options) => pins::pin(options),
        Mcp::Diff(options) => pins::diff(options),
        Mcp::Import(options) => import::import(options),
        Mcp::Login(options) => remote::login(options),
        Mcp::Logout(options) => remote::logout(options),
        Mcp::Serve(options) => remote::serve(options),
    }
}

/// A policy as it holds here, and what is pinned of its servers.
struct Loaded {
    policy: Policy,
    pins: Store,
}

fn loaded(name: Option<&str>) -> Result<Loaded> {
    let disk = Disk::new();
    let source = disk.find(name.unwrap_or(DEFAULT)).map_err(|error| anyhow!(told(&error)))?;
    let vars = library::vars(Path::new("/run/govsh/session"), &[]);
    let policy = Policy::load(source, &disk, &vars).map_err(|error| anyhow!(told(&error)))?;
    Ok(Loaded { policy, pins: library::pins() })
}

/// To stdout; a reader that went away is no fault.
fn print(text: &str) -> Result<i32> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}
