//! No process outlives its session, whoever dies first; and what a process inherits is the user's.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::scene::{GOVSH, Scene, children, kill, lives, pids, text, until};

/// Starts one of each kind of process that is hard to find, each with its pid in `pids`, and waits.
const HARD_TO_FIND: &str = r#"
    sh -c 'echo $$ >> pids; exec sleep 1000' &
    setsid sh -c 'echo $$ >> pids; exec sleep 1000' &
    (setsid sh -c '(echo $$ >> pids; exec setsid sleep 1000) & wait' &)
    /usr/bin/python3 -c '
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3): os.close(fd)
        open("pids", "a").write(f"{os.getpid()}\n")
        time.sleep(1000)
    os._exit(0)
os.wait()' &
    echo $$ >> pids
"#;

fn daemons(scene: &Scene, after: &str) -> (std::process::Child, Vec<i32>) {
    let script = format!("{HARD_TO_FIND}\n{after}");
    let child = scene.govsh(&["--no-record"], &["sh", "-c", &script]).stderr(Stdio::piped()).spawn().unwrap();
    let pids = pids(&scene.path("pids"), 5);
    (child, pids)
}

#[test]
fn the_front_is_killed() {
    let scene = Scene::new();
    let (mut child, pids) = daemons(&scene, "trap '' HUP TERM; sleep 1000");
    let monitor = children(child.id() as i32)[0];
    let start = Instant::now();
    kill(child.id() as i32, libc::SIGKILL);
    until("everything ends", || !pids.iter().any(|pid| lives(*pid)) && !lives(monitor));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    child.wait().unwrap();
}

#[test]
fn the_front_is_killed_under_a_storm_of_forks() {
    let scene = Scene::new();
    let storm = "echo $$ > pids; f() { while :; do (:) & (setsid sh -c 'sleep 0.05; :' &); done; }; f & f & f & wait";
    let mut child = scene.govsh(&["--no-record"], &["bash", "-c", storm]).spawn().unwrap();
    let agent = pids(&scene.path("pids"), 1)[0];
    let monitor = children(child.id() as i32)[0];
    until("it rages", || children(agent).len() >= 3);
    let start = Instant::now();
    kill(child.id() as i32, libc::SIGKILL);
    // The monitor is the last: it ends when it has no child left, and nothing can leave it but by ending.
    until("everything ends", || !lives(monitor));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(!lives(agent));
    child.wait().unwrap();
}

#[test]
fn the_monitor_is_killed() {
    let scene = Scene::new();
    let (child, pids) = daemons(&scene, "trap '' HUP TERM; sleep 1000");
    kill(children(child.id() as i32)[0], libc::SIGKILL);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).starts_with("govsh: the monitor was killed"), "{}", text(&output.stderr));
    assert!(!pids.iter().any(|pid| lives(*pid)));
}

#[test]
fn orphans_end_with_the_agent() {
    let scene = Scene::new();
    let (child, pids) = daemons(&scene, "until [ $(wc -l < pids) -ge 5 ]; do sleep 0.01; done; exit 3");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(!pids.iter().any(|pid| lives(*pid)));
    assert_eq!(fs::read_dir(scene.root().join("run/govsh")).unwrap().count(), 0);
}

#[test]
fn kept_orphans_go_on_under_the_session() {
    let scene = Scene::new();
    // It waits for `go`, then does one thing that is allowed and one that is not.
    let orphan =
        "echo $$ > pid; until [ -e go ]; do sleep 0.02; done; ls ../state/govsh/recordings 2> denied; echo done > did";
    let script = format!(
        "(setsid sh -c '{orphan}' >/dev/null 2>&1 </dev/null &); until [ -s pid ]; do sleep 0.01; done; exit 6"
    );
    let output = scene.run(&["--keep-background"], &["sh", "-c", &script]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    let orphan = pids(&scene.path("pid"), 1)[0];
    assert!(lives(orphan));
    fs::write(scene.path("go"), "").unwrap();
    until("it has done its work", || scene.read("did") == "done\n");
    assert!(scene.read("denied").contains("denied"), "{}", scene.read("denied"));
    until("the session ends after it", || fs::read_dir(scene.root().join("run/govsh")).unwrap().count() == 0);
}

#[test]
fn kept_orphans_do_not_outlive_a_killed_session() {
    let scene = Scene::new();
    let script = "echo $$ > pid; (setsid sh -c 'echo $$ >> pid; exec sleep 1000' &); sleep 1000";
    let mut child = scene.govsh(&["--keep-background", "--no-record"], &["sh", "-c", script]).spawn().unwrap();
    let pids = pids(&scene.path("pid"), 2);
    kill(child.id() as i32, libc::SIGKILL);
    until("everything ends", || !pids.iter().any(|pid| lives(*pid)));
    child.wait().unwrap();
}

#[test]
fn time_runs_out() {
    let scene = Scene::new();
    fs::write(scene.path("short.toml"), "version = 1\nextends = [\"observe\"]\n[limits]\nwall_seconds = 1\n").unwrap();
    let mut command = scene.command(&[GOVSH, "--policy", "./short.toml", "--", "sh", "-c"]);
    let output = command.arg("trap '' TERM HUP; sleep 1000").output().unwrap();
    assert_eq!(output.status.code(), Some(137), "{}", text(&output.stderr));
    assert_eq!(crate::streams::recorded(&scene).limits, 1);
}

#[test]
fn what_is_inherited_is_the_users() {
    let scene = Scene::new();
    let look = "cat /proc/self/status | grep -E 'Sig(Blk|Ign)|Umask'; ulimit -Sn; pwd; grep -c . /proc/self/limits";
    let around = |inner: &str| format!("trap '' USR1 HUP; umask 027; ulimit -Sn 333; exec {inner}");
    let native = scene.command(&["bash", "-c", &around(&format!("sh -c \"{look}\""))]).output().unwrap();
    let words = crate::scene::govsh(&["--no-record"], &[]).join(" ");
    let inside = scene.command(&["bash", "-c", &around(&format!("{words} sh -c \"{look}\""))]).output().unwrap();
    assert_eq!(text(&inside.stdout), text(&native.stdout), "{}", text(&inside.stderr));
}

#[test]
fn what_dead_sessions_left_is_cleared_away() {
    let scene = Scene::new();
    let mut child = scene.govsh(&["--no-record"], &["sh", "-c", "echo $$ > pid; exec sleep 1000"]).spawn().unwrap();
    let agent = pids(&scene.path("pid"), 1)[0];
    kill(child.id() as i32, libc::SIGKILL);
    child.wait().unwrap();
    until("it ends", || !lives(agent));
    let left = || fs::read_dir(scene.root().join("run/govsh")).unwrap().count();
    assert_eq!(left(), 1);
    assert!(scene.run(&["--no-record"], &["true"]).status.success());
    assert_eq!(left(), 0);
}
