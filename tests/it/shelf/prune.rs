//! `govsh prune`, and what a policy says of it: what goes, what stays whatever is asked.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::process::Stdio;

use govsh::event::*;
use govsh::policy::Verdict;
use serde_json::Value;

use crate::desk::{Desk, file, killed, names, recorded};

fn exit() -> Event {
    Event::Exit { status: 0, signal: None }
}

fn denied() -> Event {
    file(Verdict::Deny, "/home/u/.ssh/id_rsa")
}

fn ids(list: &Value) -> Vec<(String, String)> {
    let words = |value: &Value| value.as_str().expect("text").to_owned();
    list.as_array().expect("a list").iter().map(|entry| (words(&entry["id"]), words(&entry["why"]))).collect()
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted.iter().map(|(id, why)| ((*id).to_owned(), (*why).to_owned())).collect()
}

#[test]
fn says_what_would_go_and_removes_it_only_when_told() {
    let desk = Desk::new();
    for (id, days) in [("old1", 40), ("old2", 31), ("new1", 2), ("new2", 0)] {
        desk.keep(id, &recorded(id, vec![exit()]), days);
    }
    let before = names(&desk.recordings());
    let said = desk.says(&["prune", "--older-than", "30d"], 0);
    assert!(said.contains("2 of 4 would go") && said.contains("2 stay") && said.contains("--yes does it"), "{said}");
    assert!(said.contains("old1  ") && said.contains("  age "), "{said}");
    assert_eq!(names(&desk.recordings()), before);

    let done = desk.json(&["prune", "--older-than", "30d", "--yes", "--json"], 0);
    assert_eq!(ids(&done["going"]), pairs(&[("old1", "age"), ("old2", "age")]));
    assert_eq!((&done["dry_run"], &done["left"]["recordings"]), (&false.into(), &2.into()));
    assert!(done["going"][0]["removed"] == true && done["freed"].as_u64().is_some_and(|freed| freed > 0));
    assert_eq!(names(&desk.recordings()).len(), 2);
    assert!(desk.says(&["prune", "--keep", "1", "--yes"], 0).contains("1 of 2 removed"));
    assert!(!desk.path("new1").exists() && desk.path("new2").exists());
    assert!(desk.says(&["prune", "--max-size", "1", "--yes"], 0).contains("1 of 1 removed"));
    assert!(desk.says(&["prune", "--keep", "1"], 0).contains("no recordings in"));
}

#[test]
fn nothing_goes_without_a_bound() {
    let desk = Desk::new();
    let output = desk.govsh(&["prune", "--yes"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing says what may go"));
}

#[test]
fn denials_strangers_links_and_unsettled_ones_stay() {
    let desk = Desk::new();
    desk.keep("gone", &recorded("gone", vec![exit()]), 50);
    desk.keep("deny", &recorded("deny", vec![denied(), exit()]), 50);
    desk.keep("rand", b"precious bytes that are no recording", 50);
    desk.keep("none", b"", 50);
    desk.keep("kill", &killed("kill", vec![denied()]), 50);
    // Killed or running a moment ago: nobody can tell.
    let fresh = desk.keep("warm", &killed("warm", vec![]), 0);
    let elsewhere = desk.dir.path().join("elsewhere");
    fs::write(&elsewhere, recorded("link", vec![exit()])).expect("written");
    symlink(&elsewhere, desk.path("link")).expect("linked");
    fs::write(desk.recordings().join("notes.txt"), "mine").expect("written");
    fs::create_dir(desk.path("dir1")).expect("made");

    let arguments = ["prune", "--older-than", "0d", "--keep-denied", "--yes", "--json"];
    let done = desk.json(&arguments, 0);
    assert_eq!(ids(&done["going"]), pairs(&[("gone", "age")]));
    let mut staying = ids(&done["staying"]);
    staying.sort();
    let why = [
        ("deny", "1 denial"),
        ("kill", "1 denial"),
        ("none", "it holds no events"),
        ("rand", "not a govsh recording"),
        ("warm", "not closed, and changed within the hour"),
    ];
    assert_eq!(staying, pairs(&why));
    let done = desk.json(&["prune", "--keep", "0", "--yes", "--json"], 0);
    assert_eq!(ids(&done["going"]).len(), 2, "{done}");
    assert!(fresh.exists() && elsewhere.exists() && desk.path("link").exists() && desk.path("rand").exists());
    assert!(desk.path("dir1").is_dir() && desk.recordings().join("notes.txt").exists());
}

#[test]
fn a_file_that_somebody_holds_locked_is_being_written() {
    let desk = Desk::new();
    let path = desk.keep("lock", &recorded("lock", vec![exit()]), 50);
    let held = File::open(&path).expect("there");
    held.lock().expect("locked");
    let done = desk.json(&["prune", "--keep", "0", "--yes", "--json"], 0);
    assert_eq!(ids(&done["staying"]), pairs(&[("lock", "running")]));
    drop(held);
    assert!(desk.says(&["prune", "--keep", "0", "--yes"], 0).contains("1 of 1 removed"));
}

#[test]
fn a_running_session_stays_and_removes_the_old_ones_at_its_end() {
    let desk = Desk::new();
    desk.keep("old1", &recorded("old1", vec![exit()]), 40);
    desk.keep("old2", &recorded("old2", vec![denied(), exit()]), 40);
    desk.keep("rand", b"precious", 40);
    let policy = desk.dir.path().join("keep.toml");
    let retention = "retention = { days = 30, size = \"1T\", keep_denied = true }";
    fs::write(&policy, format!("version = 1\nextends = [\"observe\"]\n[record]\n{retention}\n")).expect("written");
    let arguments = ["run", "--policy", policy.to_str().expect("UTF-8"), "--", "cat"];
    let mut run = desk.command(&arguments);
    let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("govsh runs");
    let mut stdin = run.stdin.take().expect("a pipe");
    writeln!(stdin, "here").expect("read");
    let mut line = String::new();
    let mut stdout = BufReader::new(run.stdout.take().expect("a pipe"));
    stdout.read_line(&mut line).expect("a line");
    assert_eq!(line, "here\n");

    let now = desk.json(&["prune", "--keep", "0", "--json"], 0);
    let running = ids(&now["staying"]).into_iter().filter(|(_, why)| why == "running").count();
    assert_eq!((running, ids(&now["going"]).len()), (1, 2), "{now}");
    // Another runtime directory hides the session, but not that its file is locked.
    let mut apart = desk.command(&["prune", "--keep", "0", "--json"]);
    let apart = apart.env("XDG_RUNTIME_DIR", "/nonexistent").output().expect("govsh runs");
    let apart: Value = serde_json::from_slice(&apart.stdout).expect("JSON");
    assert_eq!(ids(&apart["staying"]).iter().filter(|(_, why)| why == "running").count(), 1, "{apart}");

    drop(stdin);
    drop(stdout);
    assert!(run.wait().expect("ended").success());
    let left = names(&desk.recordings());
    assert!(!desk.path("old1").exists() && desk.path("old2").exists() && desk.path("rand").exists(), "{left:?}");
    assert_eq!(left.len(), 3, "{left:?}");
}
