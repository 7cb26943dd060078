//! Real tools must not notice: each script of `tools/` does natively and under the shipped `agent` profile the same.
//!
//! Invariant: what is compared is output, exit status and the tree that is left; and nothing was refused on the way.
//! Leaves to others: speed (`tests/bench`).

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use crate::evidence::Evidence;
use crate::stage::{Stage, User};

/// Left out of the comparison of trees: what differs from run to run natively, too.
const VARYING: [&str; 5] = ["/.git/", "__pycache__", ".tgz", ".db", "/env/"];

/// Outcome of a script: its output, and the project as it left it.
#[derive(Debug, PartialEq)]
struct Outcome {
    status: Option<i32>,
    stdout: String,
    tree: Vec<String>,
}

fn unnoticed(script: &str, user: User) {
    unnoticed_under("agent", script, user);
}

fn unnoticed_under(profile: &str, script: &str, user: User) {
    let natively = staged(user);
    let outcome = outcome(&natively, run(&natively, &["bash", "-eu", "-o", "pipefail", "-c", script]));
    assert_eq!(outcome.status, Some(0), "natively: {outcome:#?}");

    let stage = staged(user);
    let govsh = stage.text("govsh");
    let output =
        run(&stage, &[&govsh, "--quiet", "--policy", profile, "--", "bash", "-eu", "-o", "pipefail", "-c", script]);
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let evidence = Evidence::of_last(&stage);
    let denials = evidence.denials();
    let governed = self::outcome(&stage, output);
    assert_eq!(governed, outcome, "{complaints}\nrefused: {denials:#?}");
    assert_eq!(denials, Vec::<String>::new(), "refused what a native run may do");
}

fn run(stage: &Stage, argv: &[&str]) -> Output {
    stage.command(argv).output().unwrap()
}

/// A stage with the machine's Rust toolchain where rustup puts it.
fn staged(user: User) -> Stage {
    let mut stage = Stage::new(user);
    let asked = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let sysroot = String::from_utf8(asked.stdout).unwrap().trim().to_owned();
    let toolchains = Path::new(&sysroot).parent().unwrap();
    if toolchains.ends_with("toolchains") {
        symlink(toolchains.parent().unwrap(), stage.path("home/.rustup")).unwrap();
    }
    stage.path_before = format!("{sysroot}/bin");
    stage
}

fn outcome(stage: &Stage, output: Output) -> Outcome {
    let mut tree = Vec::new();
    leaves(&stage.path("project"), "", &mut tree);
    tree.sort();
    Outcome { status: output.status.code(), stdout: String::from_utf8_lossy(&output.stdout).into_owned(), tree }
}

/// One line for each file beneath: path, type and mode, size, links.
fn leaves(dir: &Path, inside: &str, lines: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{inside}/{}", entry.file_name().to_str().unwrap());
        let metadata = fs::symlink_metadata(entry.path()).unwrap();
        if metadata.is_dir() {
            leaves(&entry.path(), &name, lines);
        }
        let size = if metadata.is_dir() { 0 } else { metadata.size() };
        if !VARYING.iter().any(|varying| name.contains(varying)) {
            lines.push(format!("{name} {:o} {size} {}", metadata.mode(), metadata.nlink()));
        }
    }
}

/// One test for each script and user.
macro_rules! tools {
    ($user:ident: $($name:ident)*) => { $(
        #[test]
        fn $name() {
            super::unnoticed(include_str!(concat!("tools/", stringify!($name), ".sh")), super::User::$user);
        }
    )* };
}

mod own {
    tools![Own: cargo files git make node npm pip pipes python rsync sqlite vim watch];
}

/// The profiles of a job and of a person's shell let the same happen.
#[test]
fn a_job_builds_and_packs() {
    unnoticed_under("ci", include_str!("tools/make.sh"), User::Own);
    unnoticed_under("ci", include_str!("tools/npm.sh"), User::Ordinary);
}

#[test]
fn a_person_works_in_a_shell() {
    unnoticed_under("shell", include_str!("tools/git.sh"), User::Own);
    unnoticed_under("shell", include_str!("tools/pipes.sh"), User::Ordinary);
}

/// Without cargo: root's toolchain is not an ordinary user's to read.
mod ordinary {
    tools![Ordinary: files git make node npm pip pipes python rsync sqlite vim watch];
}
