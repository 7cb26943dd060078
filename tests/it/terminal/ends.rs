//! However a session ends, the terminal is as it was, and the status says how.

use std::io::Write;

use govsh::session::terminal::{Terminal, end_on_panic};

use crate::outer::Outer;
use crate::scene::{GOVSH, Scene, children, kill, lives, pids, text, until};

/// A session whose agent has made its terminal raw and waits; its pid.
fn waiting(scene: &Scene, trap: &str) -> (Outer, i32) {
    let script = format!("{trap} stty raw -echo; echo $$ > pid; printf up; while :; do read -r -t 1 _; done");
    let mut outer = Outer::run(scene, &["--no-record"], &["bash", "-c", &script]);
    outer.sees("up");
    assert_ne!(outer.attributes(), outer.before);
    let agent = pids(&scene.path("pid"), 1)[0];
    (outer, agent)
}

#[track_caller]
fn ends_with(outer: &mut Outer, status: i32) {
    assert_eq!(outer.ends(), status);
    assert_eq!(outer.attributes(), outer.before);
}

#[test]
fn the_agent_is_killed() {
    let scene = Scene::new();
    let (mut outer, agent) = waiting(&scene, "");
    kill(agent, libc::SIGKILL);
    ends_with(&mut outer, 137);
}

#[test]
fn the_front_is_told_to_end() {
    for (signal, status) in [(libc::SIGTERM, 143), (libc::SIGHUP, 129), (libc::SIGINT, 130)] {
        let scene = Scene::new();
        let (mut outer, agent) = waiting(&scene, "");
        kill(outer.pid(), signal);
        // portable-pty has only "1" for a process that a signal ended.
        let ended = outer.ends();
        assert!(ended == status || (signal == libc::SIGINT && ended == 1), "{signal}: {ended}");
        assert_eq!(outer.attributes(), outer.before, "{signal}");
        assert!(!lives(agent), "{signal}");
    }
}

#[test]
fn an_agent_that_ignores_sigterm_is_hung_up() {
    let scene = Scene::new();
    let (mut outer, _) = waiting(&scene, "trap '' TERM;");
    kill(outer.pid(), libc::SIGTERM);
    ends_with(&mut outer, 129);
}

#[test]
fn the_monitor_is_killed() {
    let scene = Scene::new();
    let (mut outer, agent) = waiting(&scene, "trap '' HUP TERM;");
    kill(children(outer.pid())[0], libc::SIGKILL);
    outer.sees("govsh: the monitor was killed");
    ends_with(&mut outer, 125);
    assert!(!lives(agent));
}

#[test]
fn the_window_is_closed() {
    let scene = Scene::new();
    let (mut outer, agent) = waiting(&scene, "trap 'echo hup > hup; exit' HUP;");
    outer.hang_up();
    until("the agent is hung up", || scene.read("hup") == "hup\n");
    until("the agent ends", || !lives(agent));
    outer.ends();
}

#[test]
fn a_panic_anywhere_in_the_front() {
    let scene = Scene::new();
    let own = std::env::current_exe().unwrap();
    let words = [own.to_str().unwrap(), "--exact", "ends::panics_with_a_raw_terminal", "--ignored", "--nocapture"];
    let mut outer = Outer::start(&scene, &words, true);
    outer.sees("the terminal is raw");
    outer.sees("on purpose");
    ends_with(&mut outer, 125);
}

#[test]
#[ignore = "run by a_panic_anywhere_in_the_front in a terminal of its own"]
fn panics_with_a_raw_terminal() {
    end_on_panic();
    let mut terminal = Terminal::of_stdio().unwrap().unwrap();
    terminal.engage().unwrap();
    println!("the terminal is raw");
    std::thread::spawn(|| panic!("on purpose")).join().unwrap_err();
}

#[test]
fn what_cannot_run_leaves_the_terminal_alone() {
    let scene = Scene::new();
    std::fs::write(scene.path("plain"), "x").unwrap();
    for (command, status) in [("no-such-command", 127), ("./plain", 126), ("/usr", 126)] {
        let mut outer = Outer::run(&scene, &["--no-record"], &[command]);
        outer.sees("govsh: ");
        ends_with(&mut outer, status);
    }
}

#[test]
fn lines_before_and_after_are_all_that_is_added() {
    let scene = Scene::new();
    let words = [GOVSH, "--policy", "observe", "--", "sh", "-c", "printf 'agent\\n'"];
    let mut outer = Outer::start(&scene, &words, true);
    let before = outer.sees("agent\r\n");
    assert!(before.contains("govsh: sh under policy observe (deny "), "{before}");
    let id = text(scene.recording().file_name().unwrap().as_encoded_bytes());
    let id = id.strip_suffix(".cast.zst").unwrap();
    assert!(before.contains(&format!("recording {id}")), "{before}");
    outer.sees("nothing denied");
    outer.sees("govsh show ");
    ends_with(&mut outer, 0);
    std::io::stdout().flush().unwrap();
}
