//! `govsh doctor`, run as a person would, where everything is there and where something is missing.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Output};

use serde_json::Value;

const GOVSH: &str = env!("CARGO_BIN_EXE_govsh");

fn report(out: &Output) -> Value {
    serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {out:?}"))
}

fn probe<'a>(report: &'a Value, name: &str) -> &'a Value {
    let probes = report["probes"].as_array().unwrap();
    probes.iter().find(|probe| probe["name"] == name).unwrap_or_else(|| panic!("no probe {name}: {report:#}"))
}

#[test]
fn this_machine_is_ready() {
    let out = Command::new(GOVSH).args(["doctor", "--json"]).output().unwrap();
    let report = report(&out);
    assert_eq!(report["ready"], true, "{report:#}");
    assert!(out.status.success() && out.stderr.is_empty(), "{out:?}");
    assert!(probe(&report, "landlock")["found"].as_str().unwrap().starts_with("ABI "));

    let drawn = Command::new(GOVSH).arg("doctor").output().unwrap();
    let text = String::from_utf8(drawn.stdout).unwrap();
    assert!(drawn.status.success() && text.ends_with("is here.\n") && !text.contains('✘'), "{text}");
}

#[test]
fn an_ordinary_user_is_ready_too() {
    let home = tempfile::tempdir().unwrap();
    // where it was built, the program may be out of reach for others
    let govsh = home.path().join("govsh-copy");
    std::fs::copy(GOVSH, &govsh).unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = Command::new(if root { "setpriv".into() } else { govsh.clone() });
    if root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&govsh);
    }
    let out = command
        .args(["doctor", "--json"])
        .env("HOME", home.path())
        .env_remove("XDG_STATE_HOME")
        .env("XDG_RUNTIME_DIR", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    let report = report(&out);
    assert_eq!(report["ready"], true, "{report:#}");
    assert!(out.status.success(), "{out:?}");
}

#[test]
fn a_missing_place_is_named_with_what_to_do() {
    let out = Command::new(GOVSH).arg("doctor").env("XDG_STATE_HOME", "/proc/nowhere").output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(1), "{text}");
    let at = text.find("✘ recordings").unwrap_or_else(|| panic!("{text}"));
    let lines: Vec<_> = text[at..].lines().take(4).map(str::trim).collect();
    assert!(lines[1].starts_with("creating /proc/nowhere/govsh/recordings: "), "{text}");
    assert!(lines[2].starts_with("without: "), "{text}");
    assert!(lines[3].starts_with("hint: ") && lines[3].contains("--record"), "{text}");
    assert!(text.ends_with("Not ready: recordings missing.\n"), "{text}");
}

#[test]
fn inside_a_session_it_says_that_one_is_there() {
    let place = tempfile::tempdir().unwrap();
    let out = Command::new(GOVSH)
        .args(["run", "--quiet", "--no-record", "--policy", "observe", "--", GOVSH, "doctor", "--json"])
        .current_dir(place.path())
        .output()
        .unwrap();
    let report = report(&out);
    assert_eq!(out.status.code(), Some(1), "{report:#}");
    assert_eq!(probe(&report, "listener")["works"], false);
    assert!(report["inside"].as_str().is_some_and(|id| id.len() == 4), "{report:#}");
    let found = probe(&report, "session")["found"].as_str().unwrap();
    assert!(found.contains("inside govsh session"), "{report:#}");
}
