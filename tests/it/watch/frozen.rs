//! Holding a whole session still, and letting it go on; ending it.

use serde_json::json;

use crate::line::{Line, Running, events, sockets};
use crate::outer::Outer;
use crate::scene::{Scene, children, lives, pids, until};

/// State letter of proc_pid_stat(5), and the clock ticks that it has used.
fn stat(pid: i32) -> Option<(char, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    // Own ones and those of children that were waited for.
    Some((fields[0].chars().next()?, ticks(11) + ticks(12) + ticks(13) + ticks(14)))
}

/// All descendants of the monitor, with the monitor left out.
fn tree(front: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut left: Vec<i32> = children(front).into_iter().flat_map(children).collect();
    while let Some(pid) = left.pop() {
        found.push(pid);
        left.extend(children(pid));
    }
    found.sort_unstable();
    found
}

/// Who is there and what they have used, unchanged for a while.
fn stands_still(front: i32) -> bool {
    let look = || tree(front).into_iter().map(|pid| (pid, stat(pid))).collect::<Vec<_>>();
    let before = look();
    let end = std::time::Instant::now() + std::time::Duration::from_millis(300);
    while std::time::Instant::now() < end {
        if look() != before {
            return false;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    before.iter().all(|(_, stat)| stat.is_none_or(|(state, _)| matches!(state, 'T' | 't' | 'Z' | 'D')))
}

const FORKS: &str = "for i in 1 2 3 4; do (while :; do /bin/true; (exec /bin/true) & done) & done; \
                     (setsid bash -c 'while :; do :; done') & echo up; wait";

#[test]
fn a_forking_tree_stands_still_and_goes_on() {
    let scene = Scene::new();
    let mut session = Running::start(&scene, &["--no-record"], &["bash", "-c", FORKS]);
    let mut line = session.line();
    let mut other = session.line();
    until("it forks", || tree(session.pid()).len() > 6);
    for _ in 0..3 {
        let frozen = line.yes(json!({ "op": "freeze" }));
        assert_eq!(frozen["whole"], true, "{frozen}");
        // A call that the kernel was in the middle of may end, and then its process stops.
        until("all of it stands still", || stands_still(session.pid()));
        let status = other.status();
        assert_eq!(status["state"], "frozen");
        assert!(status["frozen"].as_str().unwrap().starts_with("watch:"), "{status}");
        line.yes(json!({ "op": "freeze" }));
        line.yes(json!({ "op": "thaw" }));
        assert_eq!(other.status()["frozen"], json!(null));
        let used = || tree(session.pid()).into_iter().filter_map(stat).map(|(_, ticks)| ticks).sum::<u64>();
        let (before, there) = (used(), tree(session.pid()));
        until("it goes on", || used() > before + 5 && tree(session.pid()) != there);
    }
    line.yes(json!({ "op": "freeze" }));
    let there = tree(session.pid());
    line.yes(json!({ "op": "end" }));
    assert_eq!(session.ends(), 137);
    assert!(there.iter().all(|pid| !lives(*pid)));
}

#[test]
fn who_was_stopped_before_stays_so() {
    let scene = Scene::new();
    let script =
        "sleep 100 & echo $! > stopped; kill -STOP $!; echo $$ > running; while :; do read -r -t 1 _ < /dev/zero; done";
    let session = Running::start(&scene, &["--no-record"], &["bash", "-c", script]);
    let (running, stopped) = (pids(&scene.path("running"), 1)[0], pids(&scene.path("stopped"), 1)[0]);
    let state = |pid| stat(pid).unwrap().0;
    until("it is stopped", || state(stopped) == 'T');
    let mut line = session.line();
    assert_eq!(line.yes(json!({ "op": "freeze" }))["processes"], 1);
    assert_eq!((state(running), state(stopped)), ('T', 'T'));
    line.yes(json!({ "op": "thaw" }));
    until("the other goes on", || state(running) != 'T');
    assert_eq!(state(stopped), 'T');
}

/// On a terminal: held still is not Ctrl-Z, so govsh itself goes on and the shell around it sees nothing.
#[test]
fn at_a_terminal_it_is_no_job_control() {
    let scene = Scene::new();
    let mut outer = Outer::run(&scene, &[], &["bash", "--norc", "-i"]);
    outer.sees("outer$ ");
    let mut line = Line::connect(&sockets(&scene)[0]);
    line.yes(json!({ "op": "freeze" }));
    // Keys wait for it, and the terminal is still the agent's.
    outer.types("echo typed while still\r");
    let front = outer.pid();
    until("all of it stands still", || stands_still(front));
    assert_ne!(stat(front).unwrap().0, 'T');
    line.yes(json!({ "op": "thaw" }));
    outer.sees("typed while still\r\n");
    outer.sees("typed while still\r\n");
    outer.sees("outer$ ");
    // Job control works afterwards as before.
    outer.types("sleep 100\r");
    until("it runs", || tree(front).len() > 1);
    outer.types("\x1a");
    assert!(outer.sees("outer$ ").contains("Stopped"));
    outer.types("exit\rexit\r");
    outer.ends();
    assert_eq!(outer.attributes(), outer.before);
    let labels: Vec<_> = events(&scene, "marker").iter().map(|one| one["label"].as_str().unwrap().to_owned()).collect();
    assert_eq!(labels, ["session frozen (1 processes)", "session goes on"]);
}

#[test]
fn a_frozen_session_can_be_told_to_end_as_ever() {
    let scene = Scene::new();
    let mut session = Running::start(
        &scene,
        &["--no-record"],
        &["bash", "-c", "trap 'exit 9' TERM; echo $$ > pid; while :; do read -r -t 1 _ < /dev/null; done"],
    );
    pids(&scene.path("pid"), 1);
    let mut line = session.line();
    line.yes(json!({ "op": "freeze" }));
    crate::scene::kill(session.pid(), libc::SIGTERM);
    assert_eq!(session.ends(), 9);
}

#[test]
fn the_polite_end_and_the_other_one() {
    let scene = Scene::new();
    let stubborn = ["bash", "-c", "trap '' TERM HUP; echo $$ > pid; while :; do read -r -t 1 _ < /dev/zero; done"];
    let mut session = Running::start(&scene, &["--no-record"], &stubborn);
    pids(&scene.path("pid"), 1);
    let mut line = session.line();
    line.yes(json!({ "op": "subscribe" }));
    line.yes(json!({ "op": "end" }));
    // A second time means it.
    line.yes(json!({ "op": "end" }));
    assert_eq!(session.ends(), 137);
    line.hears("over", |status| status["exit"] == 137);
    let mut session = Running::start(&scene, &["--no-record"], &stubborn);
    session.line().yes(json!({ "op": "end", "now": true }));
    assert_eq!(session.ends(), 137);
}
