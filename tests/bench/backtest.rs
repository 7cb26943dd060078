//! Back-testing: recorded decisions through another policy, in the program as people run it.
//!
//! Invariant: time counts from the start of the program to its end, loading the policy included.
//! Leaves to others: making recordings (`recordings`).

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::measure::{Bound, Case, Item, Pace, Sample};
use crate::recordings::decided;
use crate::ways::Ways;

/// Decisions in the recording.
const DECISIONS: u64 = 2_000_000;

pub fn run(ways: &Ways<'_>, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let Some(govsh) = ways.govsh.as_deref().filter(|_| wants("backtest")) else { return Ok(items) };
    let decisions = if pace.quick { DECISIONS / 4 } else { DECISIONS };
    // What builds ask for: each file some forty times. And the worst: no two requests alike.
    let files = [("as in builds", decisions / 40), ("all different", decisions)];
    let mut cases = Vec::new();
    for (name, different) in files {
        let file = ways.scratch.out(&format!("{}.cast.zst", name.replace(' ', "-")));
        decided(&file, decisions, different)?;
        let case = Case::new(name, move || judged(govsh, &file, decisions)).bounds([Bound::AtMost(1.0)]);
        cases.push(case);
    }
    items.push(pace.interleave("backtest", "µs each", 5, true, cases));
    for (name, _) in files {
        fs::remove_file(ways.scratch.out(&format!("{}.cast.zst", name.replace(' ', "-"))))?;
    }
    Ok(items)
}

/// Microseconds for one decision.
fn judged(govsh: &Path, file: &Path, decisions: u64) -> Result<Sample> {
    let begun = Instant::now();
    let output = Command::new(govsh).args(["policy", "backtest", "agent"]).arg(file).arg("--json").output()?;
    let time = begun.elapsed();
    let outcome: Value = serde_json::from_slice(&output.stdout).context("no JSON")?;
    if outcome["requests"].as_u64() != Some(decisions) {
        bail!("{} requests instead of {decisions}", outcome["requests"]);
    }
    Ok(Sample::from(time.as_secs_f64() * 1e6 / decisions as f64))
}
