//! Too much of everything: the session ends in order, its recording is whole, and whoever looks at it sees no harm.
//!
//! Invariant: each siege works outside, where it is bounded by itself.
//! Leaves to others: many openings, each counted (`count`); hostile recordings (`tests/prop`).

use crate::lab::{Lab, Said, finish, govsh};
use crate::rules::Rules;
use serde_json::Value;

/// Outside it works; inside the session ends with its exit.
fn besiege(lab: &Lab, rules: &Rules, words: &str) -> (Said, Vec<Value>) {
    let (said, events) = lab.inside(rules, words);
    assert!(events.last().is_some_and(|last| last["kind"] == "exit"), "{words}: no exit is recorded: {said:?}");
    (said, events)
}

/// More processes than the policy has.
#[test]
fn forking_without_end() {
    let lab = Lab::new();
    assert!(lab.outside("siege fork 500", false).worked());
    let rules = Rules::new().toml("[limits]\nprocesses = 200\n");
    let (said, events) = besiege(&lab, &rules, "siege fork 500");
    assert!(!said.worked(), "{said:?}");
    assert!(events.iter().any(|event| event["kind"] == "limit"), "the limit is on record: {said:?}");
}

/// More bytes in a file than the policy has.
#[test]
fn filling_the_disk() {
    let lab = Lab::new();
    assert!(lab.outside("siege fill 24 {work}/full", false).worked());
    let rules = Rules::new().toml("[limits]\nfile_size = \"8M\"\n");
    let (said, _) = besiege(&lab, &rules, "siege fill 24 {work}/fuller");
    assert_eq!(said.short(), "EFBIG", "{said:?}");
    let size = std::fs::metadata(lab.path("work/fuller")).expect("the file").len();
    assert!(size <= 8 << 20, "{size} bytes");
}

/// Two thousand questions, and nobody to ask: each is denied, and each is on record.
#[test]
fn flooding_with_questions() {
    let lab = Lab::new();
    lab.dir("work/q");
    assert!(lab.outside("siege questions 400 {work}/q", false).worked());
    let lab = Lab::new();
    lab.dir("work/q");
    let rules = Rules::new().ask_write("{work}/q/**");
    let (said, events) = besiege(&lab, &rules, "siege questions 2000 {work}/q");
    assert_eq!(said.short(), "EACCES", "{said:?}");
    let denied = events.iter().filter(|event| event["verdict"] == "deny" && event["kind"] == "file").count();
    assert_eq!(denied, 2000, "each is on record");
    assert_eq!(std::fs::read_dir(lab.path("work/q")).expect("the directory").count(), 0);
}

/// Names that drive a terminal: nothing that shows them to people passes one on.
#[test]
fn driving_the_watchers_terminal() {
    let lab = Lab::new();
    lab.dir("out/names");
    let (_, recording) = lab.recorded(&Rules::new(), "siege names {out}/names");
    for words in [vec!["show"], vec!["show", "--events"], vec!["show", "--events", "--json"], vec!["search", "owned"]] {
        let mut command = std::process::Command::new(govsh());
        command.args(&words).arg(&recording).env("XDG_STATE_HOME", lab.path("state")).env("TERM", "xterm-256color");
        crate::lab::as_user(&mut command);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let (_, stdout, stderr) = finish(command, "govsh show");
        for text in [&stdout, &stderr] {
            let control = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(control, None, "{words:?} passes a control character on: {text:?}");
        }
        assert!(words[0] == "search" || stdout.contains("owned"), "{words:?} shows the name: {stdout}");
    }
}
