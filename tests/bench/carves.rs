//! Carve-outs: what `**/.env` and `.git/hooks` taken out of a project cost the tools that work in it.
//!
//! Invariant: the two policies differ in the carve-outs alone, and the inputs are made without a network.
//! Leaves to others: making the repository and the crate (`inputs`), timing (`workloads`).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::inputs;
use crate::measure::{self, Bound, Case, Item, Pace};
use crate::ways::{NATIVE, Profile, Way, Ways, words};
use crate::workloads::{Workload, seconds};

/// Crates of the workspace, and modules of each.
const CRATES: usize = 6;
const MODULES: usize = 12;
/// Packages that `npm ci` installs, and files of each.
const PACKAGES: usize = 40;
const FILES: usize = 20;

const WITHOUT: &str = "govsh, no carve-outs";

fn workloads() -> Vec<Workload> {
    let npm = "cd packages/app && npm ci --offline --ignore-scripts --install-links --no-audit --no-fund --silent";
    vec![
        Workload {
            leaves: &["workspace/target"],
            ..Workload::new("carve-outs, cargo build", "cd workspace && cargo build --offline --quiet")
        },
        Workload { leaves: &["packages/app/node_modules"], ..Workload::new("carve-outs, npm ci", npm) },
        Workload::new("carve-outs, git status", "cd tree && git status && git status && git status"),
    ]
}

pub fn run(ways: &Ways<'_>, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    let wanted: Vec<Workload> = workloads().into_iter().filter(|workload| wants(workload.name)).collect();
    if wanted.is_empty() || ways.govsh.is_none() {
        return Ok(Vec::new());
    }
    measure::progress("making inputs", true);
    inputs::make(ways)?;
    workspace(&ways.scratch.work().join("workspace")).context("cannot make the workspace")?;
    packages(ways, &ways.scratch.work().join("packages")).context("cannot make the packages")?;
    Ok(wanted.iter().map(|workload| item(ways, pace, workload)).collect())
}

fn item(ways: &Ways<'_>, pace: &mut Pace, workload: &Workload) -> Item {
    let case = |name: &str, way: Way| Case::new(name, move || seconds(ways, way, workload));
    let govsh = |policy| Way::Govsh { policy, audit: "full", record: true };
    let cases = vec![
        case(NATIVE, Way::Native),
        case(WITHOUT, govsh(Profile::NoCarveOuts)),
        case("govsh, carve-outs", govsh(Profile::CarveOuts)).bounds([Bound::AtMostTimes(1.05, WITHOUT)]),
    ];
    let item = pace.interleave(workload.name, "s", 15, true, cases);
    let _ = ways.scratch.forget_recordings(); // they only take room
    item
}

/// A workspace of crates that build on each other.
fn workspace(root: &Path) -> Result<()> {
    let names: Vec<String> = (0..CRATES).map(|number| format!("part{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let source = root.join(name).join("src");
        fs::create_dir_all(&source)?;
        let mut manifest =
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\n");
        if let Some(before) = number.checked_sub(1).and_then(|before| names.get(before)) {
            manifest.push_str(&format!("{before} = {{ path = \"../{before}\" }}\n"));
        }
        fs::write(root.join(name).join("Cargo.toml"), manifest)?;
        let modules: String = (0..MODULES).map(|module| format!("pub mod m{module};\n")).collect();
        fs::write(source.join("lib.rs"), modules)?;
        for module in 0..MODULES {
            let text = format!("pub fn sum(of: &[u64]) -> u64 {{\n    of.iter().map(|n| n * {module}).sum()\n}}\n");
            fs::write(source.join(format!("m{module}.rs")), text)?;
        }
    }
    fs::write(root.join("Cargo.toml"), format!("[workspace]\nmembers = {names:?}\nresolver = \"2\"\n"))?;
    Ok(())
}

/// A package that depends on others in directories beside it, with its lock file.
fn packages(ways: &Ways<'_>, root: &Path) -> Result<()> {
    let mut dependencies = Vec::new();
    for package in 0..PACKAGES {
        let name = format!("package-{package}");
        let directory = root.join(&name).join("lib");
        fs::create_dir_all(&directory)?;
        fs::write(
            root.join(&name).join("package.json"),
            format!("{{ \"name\": \"{name}\", \"version\": \"1.0.0\", \"main\": \"lib/file-0.js\" }}\n"),
        )?;
        for file in 0..FILES {
            fs::write(directory.join(format!("file-{file}.js")), format!("exports.value = {file};\n").repeat(40))?;
        }
        dependencies.push(format!("\"{name}\": \"file:../{name}\""));
    }
    let app = root.join("app");
    fs::create_dir_all(&app)?;
    let manifest = format!(
        "{{ \"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {{ {} }} }}\n",
        dependencies.join(", ")
    );
    fs::write(app.join("package.json"), manifest)?;
    let lock = "cd \"$0\" && npm install --package-lock-only --offline --install-links --no-audit --no-fund --silent";
    ways.run(&words(&[&"sh", &"-c", &lock, &app])).context("npm cannot make the lock file")?;
    Ok(())
}
