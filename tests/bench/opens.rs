//! One open and close for reading of a path of 12 components, in a loop: all processes on one CPU, and wherever the scheduler puts them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::measure::{Bound, Case, Item, Pace, Sample};
use crate::ways::{FLOOR, NATIVE, Profile, STRACE, Way, Ways, words};

const COMPONENTS: usize = 12;

pub fn run(ways: &Ways<'_>, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let writable = deep_file(&ways.scratch.work())?;
    let read_only = deep_file(ways.scratch.read_only())?;
    let last_cpu = last_cpu()?;
    for (name, cpu) in [("opens, one CPU", Some(last_cpu.as_str())), ("opens, any CPU", None)] {
        if !wants(name) {
            continue;
        }
        let goal = |limit: f64| cpu.map(|_| Bound::AtMost(limit)).into_iter().chain([Bound::AtMostTimes(1.0, STRACE)]);
        let case = |name: &str, way: Way, path: &Path| {
            let path = path.to_path_buf();
            Case::new(name, move || nanoseconds(ways, way, &path, cpu))
        };
        let mut cases = vec![case(NATIVE, Way::Native, &writable), case(FLOOR, Way::Floor, &writable)];
        if ways.govsh.is_some() {
            let govsh = |policy, audit| Way::Govsh { policy, audit, record: true };
            cases.push(case("govsh writes", govsh(Profile::NoCarveOuts, "writes"), &writable).bounds(goal(5.5)));
            cases
                .push(case("govsh full, continued", govsh(Profile::NoCarveOuts, "full"), &read_only).bounds(goal(5.5)));
            cases.push(
                case("govsh full, writable tree", govsh(Profile::NoCarveOuts, "full"), &writable).bounds(goal(6.5)),
            );
            cases.push(case("govsh full, agent, brokered", govsh(Profile::Agent, "full"), &writable).bounds(goal(6.5)));
            cases.push(
                case("govsh full, agent, read-only tree", govsh(Profile::Agent, "full"), &read_only).bounds(goal(6.5)),
            );
        }
        cases.push(case(STRACE, Way::StraceOpenat, &writable));
        items.push(pace.interleave(name, "µs", 15, true, cases));
    }
    Ok(items)
}

fn nanoseconds(ways: &Ways<'_>, way: Way, path: &Path, cpu: Option<&str>) -> Result<Sample> {
    let inner = words(&[&ways.scratch.bench(), &"__opens", &path]);
    let mut argv: Vec<OsString> = cpu.map(|cpu| words(&[&"taskset", &"-c", &cpu])).unwrap_or_default();
    argv.extend(ways.argv(way, &inner)?);
    let (printed, _) = ways.run(&argv)?;
    let nanoseconds: f64 = printed.trim().parse().with_context(|| format!("not a number: {printed:?}"))?;
    Ok(Sample::from(nanoseconds / 1e3))
}

/// The number of the last CPU this process may use.
fn last_cpu() -> Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .context("no list of CPUs in /proc/self/status")?;
    let last = allowed.trim().rsplit([',', '-']).next().unwrap_or("0");
    Ok(last.to_owned())
}

/// Makes a file beneath `root` whose absolute path has 12 components.
fn deep_file(root: &Path) -> Result<PathBuf> {
    let depth = root.components().count() - 1; // without the root directory
    let mut path = root.to_path_buf();
    path.extend((depth + 1..COMPONENTS).map(|level| format!("level-{level}")));
    fs::create_dir_all(&path)?;
    path.push("file");
    fs::write(&path, "twelve components deep\n")?;
    Ok(path)
}
