//! The benchmark: one table of what govsh costs beside running the command bare, under bwrap, strace, script and asciinema.
//!
//! Invariant: cases of one item run interleaved, in random order, against the same inputs, so that load of the machine falls on all of them alike.
//! Leaves to others: nothing is asserted here. A missed target is printed, never an exit status.
//!
//! ```text
//! main ─► launch opens policies workloads carves terminal recordings size     each an Item: named cases, each a closure that measures once
//!           │ commands wrapped by ways (native, bwrap, strace, floor, govsh)
//!           ▼
//!         measure: interleave ─► Item of samples ─► table (text or JSON)
//!
//! inside the sandbox the same binary runs again:  __opens __timed __flood (inner)   __floor (floor)   outside: __record (recordings) __hours (hours) __result (relays) __speak __answer (stdio)
//! ```
//!
//! Opens and launches of microseconds and milliseconds want a quiet machine. Where there is none,
//! `chrt --fifo 10 cargo run --release --example bench -- launch opens` keeps others from running in between.

mod backtest;
mod carves;
mod dials;
mod floor;
mod hosts;
mod hours;
mod inner;
mod inputs;
mod launch;
mod measure;
mod opens;
mod policies;
mod recordings;
mod relays;
mod scratch;
mod search;
mod size;
mod stdio;
mod table;
mod terminal;
mod tunnels;
mod ways;
mod workloads;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use measure::Pace;
use ways::Ways;

/// Measure govsh beside its alternatives and print one table.
#[derive(Parser)]
#[command(name = "bench")]
pub struct Options {
    /// Fewer runs and smaller floods
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Runs of each case, instead of what each item asks for
    #[arg(long, value_name = "N")]
    runs: Option<usize>,
    /// Seed of the order of runs
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Measure this binary instead of building one; `none` leaves the govsh cases out
    #[arg(long, value_name = "PATH")]
    govsh: Option<PathBuf>,
    /// Items whose name contains one of these words (launch, opens, policy, make, git, carve, flood, memory, recording, search, mcp, size …)
    filter: Vec<String>,
}

impl Options {
    fn wants(&self, item: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|word| item.contains(word.as_str()))
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let first = args.next().unwrap_or_default();
    let rest: Vec<OsString> = args.collect();
    let outcome = match first.to_str() {
        Some("__floor") => floor::run(&rest),
        Some("__opens") => inner::opens(&rest),
        Some("__timed") => inner::timed(&rest),
        Some("__flood") => inner::flood(&rest),
        Some("__hours") => hours::record(&rest),
        Some("__connect") => dials::connect(&rest),
        Some("__secure") => dials::secure(&rest),
        Some("__pour") => dials::pour(&rest),
        Some("__idle") => dials::idle(&rest),
        Some("__record") => recordings::record(&rest),
        Some("__result") => relays::result(&rest),
        Some("__speak") => stdio::speak(&rest),
        Some("__answer") => stdio::answer(&rest),
        _ => bench(&Options::parse()),
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(125)
        }
    }
}

fn bench(options: &Options) -> Result<u8> {
    let scratch = scratch::Scratch::new().context("cannot make the scratch directory")?;
    let ways = Ways::new(options.govsh.as_deref(), &scratch)?;
    let mut pace = Pace::new(options.quick, options.runs, options.seed);
    let mut items = Vec::new();
    let wants = |name: &str| options.wants(name);
    items.extend(launch::run(&ways, &mut pace, &wants)?);
    items.extend(opens::run(&ways, &mut pace, &wants)?);
    items.extend(policies::run(&ways, &mut pace, &wants)?);
    items.extend(workloads::run(&ways, &mut pace, &wants)?);
    items.extend(carves::run(&ways, &mut pace, &wants)?);
    items.extend(terminal::run(&ways, &mut pace, &wants)?);
    items.extend(recordings::run(&ways, &mut pace, &wants)?);
    items.extend(hosts::run(&ways, &mut pace, &wants)?);
    items.extend(tunnels::run(&ways, &mut pace, &wants)?);
    items.extend(relays::run(&scratch, &mut pace, &wants)?);
    items.extend(stdio::run(&ways, &mut pace, &wants)?);
    items.extend(backtest::run(&ways, &mut pace, &wants)?);
    items.extend(size::run(&ways, &wants)?);
    let machine = table::Machine::look(options.seed);
    if options.json {
        println!("{}", table::json(&machine, &items)?);
    } else {
        print!("{}", table::text(&machine, &items));
    }
    Ok(0)
}
