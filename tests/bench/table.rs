//! What is printed: the table, or the same as JSON.
//!
//! Invariant: every figure that a target speaks of is on the line of that target, met or not.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use crate::measure::{Bound, Item, Measured};

/// The machine, as far as figures depend on it.
pub struct Machine {
    kernel: String,
    cpus: usize,
    load: String,
    seed: u64,
}

impl Machine {
    pub fn look(seed: u64) -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Machine {
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            load: read("/proc/loadavg").split(' ').take(2).collect::<Vec<_>>().join(" "),
            seed,
        }
    }
}

/// One bound, checked.
struct Checked {
    text: String,
    met: bool,
}

fn check(item: &Item, case: &Measured, bound: &Bound) -> Option<Checked> {
    let value = case.median()?;
    let ratio = |name: &str| Some(value / item.median(name)?);
    let (text, met) = match bound {
        Bound::AtMost(limit) => (format!("≤ {limit} {}", item.unit), value <= *limit),
        Bound::AtMostTimes(limit, name) => {
            let ratio = ratio(name)?;
            (format!("{ratio:.2} ≤ {limit} × {name}"), ratio <= *limit)
        }
        Bound::Adds(limit, name) => {
            let added = value - item.median(name)?;
            (format!("{} ≤ {limit} {} more than {name}", figure(added), item.unit), added <= *limit)
        }
        Bound::AtLeastTimes(limit, name) => {
            let ratio = ratio(name)?;
            (format!("{ratio:.2} ≥ {limit} × {name}"), ratio >= *limit)
        }
    };
    Some(Checked { text, met })
}

fn checks(item: &Item, case: &Measured) -> Vec<Checked> {
    case.bounds.iter().filter_map(|bound| check(item, case, bound)).collect()
}

/// Three significant digits.
fn figure(value: f64) -> String {
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else if value >= 1.0 {
        2
    } else {
        3
    };
    format!("{value:.digits$}")
}

pub fn text(machine: &Machine, items: &[Item]) -> String {
    let mut rows =
        vec![["", "median", "", "lowest–highest", "runs", "× native", "whole", "targets"].map(str::to_owned)];
    for item in items {
        rows.push([item.name.as_str(), "", "", "", "", "", "", ""].map(str::to_owned));
        rows.extend(item.cases.iter().map(|case| row(item, case)));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut out =
        format!("kernel {}, {} CPUs, load {}, seed {}\n", machine.kernel, machine.cpus, machine.load, machine.seed);
    for row in &rows {
        let mut line = pad(&row[0], widths[0], false);
        for column in 1..8 {
            line.push_str("  ");
            line.push_str(&pad(&row[column], widths[column], column != 2 && column < 7));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    let all: Vec<Checked> =
        items.iter().flat_map(|item| item.cases.iter().flat_map(|case| checks(item, case))).collect();
    let met = all.iter().filter(|check| check.met).count();
    let _ = write!(
        out,
        "\n{met} of {} targets met. Ratios are of medians; × native and targets leave launch out of workloads, whole has it in.\n",
        all.len()
    );
    out
}

fn row(item: &Item, case: &Measured) -> [String; 8] {
    let name = format!("  {}", case.name);
    let Some((median, (low, high))) = case.median().zip(case.spread()) else {
        let why = case.failure.as_deref().unwrap_or("not run");
        return [
            name,
            "n/a".into(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            why.into(),
        ];
    };
    let times = |value: Option<f64>, of: Option<f64>| {
        value.zip(of).map(|(value, of)| format!("{:.2}", value / of)).unwrap_or_default()
    };
    let native = item.cases.iter().find(|case| case.name == crate::ways::NATIVE);
    let targets: Vec<String> = checks(item, case)
        .iter()
        .map(|check| format!("{} {}", check.text, if check.met { "met" } else { "MISSED" }))
        .collect();
    [
        name,
        figure(median),
        item.unit.into(),
        format!("{}–{}", figure(low), figure(high)),
        case.samples.len().to_string(),
        times(Some(median), native.and_then(Measured::median)),
        times(case.whole(), native.and_then(Measured::whole)),
        targets.join(", "),
    ]
}

fn pad(text: &str, width: usize, right: bool) -> String {
    let space = " ".repeat(width.saturating_sub(text.chars().count()));
    if right { space + text } else { text.to_owned() + &space }
}

pub fn json(machine: &Machine, items: &[Item]) -> Result<String> {
    let case = |item: &Item, case: &Measured| -> Value {
        let targets: Vec<Value> =
            checks(item, case).iter().map(|check| json!({ "target": check.text, "met": check.met })).collect();
        json!({
            "item": item.name, "unit": item.unit, "case": case.name, "median": case.median(), "whole": case.whole(), "failure": case.failure,
            "values": case.samples.iter().map(|sample| sample.value).collect::<Vec<_>>(), "targets": targets,
        })
    };
    let cases: Vec<Value> =
        items.iter().flat_map(|item| item.cases.iter().map(move |measured| case(item, measured))).collect();
    let machine = json!({ "kernel": machine.kernel, "cpus": machine.cpus, "load": machine.load, "seed": machine.seed });
    Ok(serde_json::to_string_pretty(&json!({ "machine": machine, "cases": cases }))?)
}
