//! The nine workloads: what agents spend their time on, timed inside the sandbox.
//!
//! Invariant: the time of launch and end is not in a workload's figure (it has its own item) but in the column `whole`.

use anyhow::{Context, Result};

use crate::inputs;
use crate::measure::{self, Bound, Case, Item, Pace, Sample};
use crate::ways::{FLOOR, NATIVE, Profile, STRACE, Way, Ways, words};

/// A shell command in the working directory.
pub struct Workload {
    pub name: &'static str,
    pub script: &'static str,
    /// What the command leaves and must not find: removed before each run, outside the figure.
    pub leaves: &'static [&'static str],
    /// Limits: `--audit writes` to native, `full` with the `agent` profile to the empty supervisor.
    pub writes: f64,
    pub agent: f64,
}

impl Workload {
    pub const fn new(name: &'static str, script: &'static str) -> Workload {
        Workload { name, script, leaves: &[], writes: 1.15, agent: 1.5 }
    }
}

const LOOP: &str = "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done";
const PYTHON: &str = "import asyncio, csv, ctypes, decimal, email.mime.text, http.client, json, logging.config, multiprocessing.pool, sqlite3, ssl, tarfile, unittest, urllib.request, xml.etree.ElementTree, zipfile";

fn workloads() -> Vec<Workload> {
    let twice = |command: &str| -> &'static str { format!("{command} && {command}").leak() };
    let python = if std::path::Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
    vec![
        Workload { leaves: &["c/build"], ..Workload::new("make -j2, 40 C files", "make -s -C c -j2") },
        Workload::new("git status ×3", "cd tree && git status && git status && git status"),
        Workload {
            agent: 2.0,
            ..Workload::new("git grep ×2", "cd tree && git grep -c needle && git grep -n haystack.*needle")
        },
        Workload::new("find /usr", "find /usr"),
        Workload {
            leaves: &["tmp/out.tar"],
            agent: 2.0,
            ..Workload::new("tar, 4,800 files", "tar cf tmp/out.tar --exclude=.git tree")
        },
        Workload::new("python imports ×2", twice(&format!("{python} -c '{PYTHON}'"))),
        Workload {
            leaves: &["crate/target"],
            ..Workload::new("cargo build, tiny crate", "cd crate && cargo build --offline --quiet")
        },
        Workload::new("node -e 0 ×2", "node -e 0 && node -e 0"),
        Workload { writes: 1.35, ..Workload::new("sh, 100 × /bin/true", LOOP) },
    ]
}

pub fn run(ways: &Ways<'_>, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    let wanted: Vec<Workload> =
        workloads().into_iter().filter(|workload| wants(workload.name) || wants("workloads")).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    measure::progress("making inputs", true);
    inputs::make(ways)?;
    Ok(wanted.iter().map(|workload| measure(ways, pace, workload)).collect())
}

fn measure(ways: &Ways<'_>, pace: &mut Pace, workload: &Workload) -> Item {
    let case = |name: &str, way: Way| Case::new(name, move || seconds(ways, way, workload));
    let mut cases = vec![case(NATIVE, Way::Native), case(FLOOR, Way::Floor)];
    if ways.govsh.is_some() {
        let govsh = |policy, audit| Way::Govsh { policy, audit, record: true };
        let tracing = Bound::AtMostTimes(1.0, STRACE);
        cases.push(
            case("govsh writes", govsh(Profile::NoCarveOuts, "writes"))
                .bounds([Bound::AtMostTimes(workload.writes, NATIVE), tracing.clone()]),
        );
        cases.push(
            case("govsh full", govsh(Profile::NoCarveOuts, "full"))
                .bounds([Bound::AtMostTimes(1.25, FLOOR), tracing.clone()]),
        );
        cases.push(
            case("govsh full, agent", govsh(Profile::Agent, "full"))
                .bounds([Bound::AtMostTimes(workload.agent, FLOOR), tracing]),
        );
    }
    cases.push(case(STRACE, Way::Strace));
    let item = pace.interleave(workload.name, "s", 11, true, cases);
    let _ = ways.scratch.forget_recordings(); // they only take room
    item
}

/// Seconds of one run, made ready before.
pub fn seconds(ways: &Ways<'_>, way: Way, workload: &Workload) -> Result<Sample> {
    for left in workload.leaves {
        let path = ways.scratch.work().join(left);
        if path.is_dir() {
            std::fs::remove_dir_all(&path)?;
        } else if path.exists() {
            std::fs::remove_file(&path)?;
        }
    }
    let inner = words(&[&ways.scratch.bench(), &"__timed", &"sh", &"-c", &workload.script]);
    let (printed, whole) = ways.run(&ways.argv(way, &inner)?)?;
    let value = printed.trim().parse().with_context(|| format!("not a number: {printed:?}"))?;
    Ok(Sample { value, whole: Some(whole) })
}
