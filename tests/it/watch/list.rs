//! `govsh watch`: the list on a terminal, and as text.

use govsh::screen::Screen;
use serde_json::Value;

use crate::line::{Running, events};
use crate::outer::Outer;
use crate::scene::{DEADLINE, GOVSH, Scene, kill, lives, text, until};

fn listed(scene: &Scene) -> Vec<(String, String)> {
    let out = scene.command(&[GOVSH, "watch", "--json"]).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    let all: Vec<Value> = serde_json::from_slice(&out.stdout).unwrap();
    let word = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    all.iter().map(|one| (word(one, "id"), word(one, "state"))).collect()
}

/// Waits until the terminal shows this text.
#[track_caller]
fn shows(outer: &mut Outer, screen: &mut Screen, wanted: &str) {
    let end = std::time::Instant::now() + DEADLINE;
    loop {
        let bytes = outer.takes("anything", |bytes| Some(bytes.len()));
        screen.feed(&bytes);
        if screen.text().iter().any(|line| line.contains(wanted)) {
            return;
        }
        assert!(std::time::Instant::now() < end, "'{wanted}' is not shown:\n{}", screen.text().join("\n"));
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
}

#[test]
fn sessions_come_and_go() {
    let scene = Scene::new();
    let nobody = scene.command(&[GOVSH, "watch"]).output().unwrap();
    assert_eq!(text(&nobody.stdout), "no session runs\n");
    assert_eq!(listed(&scene), []);
    let first = Running::start(&scene, &["--no-record"], &["sleep", "100"]);
    let second = Running::start(&scene, &["--no-record"], &["sleep", "100"]);
    let ids: Vec<String> = listed(&scene).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [first.id.clone(), second.id.clone()]);
    let lines = text(&scene.command(&[GOVSH, "watch"]).output().unwrap().stdout);
    assert!(lines.starts_with("ID    AGENT") && lines.lines().count() == 3, "{lines}");
    assert!(lines.contains(&format!("{}  sleep ", first.id)), "{lines}");
    // Stopped, it cannot answer, but it is known why.
    kill(first.pid(), libc::SIGSTOP);
    until("it is seen to be stopped", || listed(&scene).contains(&(first.id.clone(), "stopped".to_owned())));
    kill(first.pid(), libc::SIGCONT);
    // Killed, it leaves its directory behind and is listed no more.
    kill(second.pid(), libc::SIGKILL);
    until("it is gone", || listed(&scene).iter().all(|(id, _)| *id == first.id));
    assert_eq!(listed(&scene), [(first.id.clone(), "working".to_owned())]);
}

#[test]
fn the_list_on_a_terminal() {
    let scene = Scene::new();
    let mut session = Running::start(&scene, &[], &["sleep", "100"]);
    let mut outer = Outer::start(&scene, &[GOVSH, "watch"], true);
    let mut screen = Screen::new(100, 30);
    shows(&mut outer, &mut screen, &session.id);
    outer.types("mseen by ann\r");
    shows(&mut outer, &mut screen, "marked");
    outer.types("f");
    shows(&mut outer, &mut screen, "held still");
    until("it is", || session.line().status()["state"] == "frozen");
    outer.types("f");
    until("it goes on", || session.line().status()["state"] != "frozen");
    outer.types("Kx");
    outer.types("K");
    shows(&mut outer, &mut screen, "SIGTERM");
    outer.types("y");
    assert_eq!(session.ends(), 143);
    shows(&mut outer, &mut screen, "exit 143");
    outer.types("q");
    assert_eq!(outer.ends(), 0);
    assert_eq!(outer.attributes(), outer.before);
    let markers = events(&scene, "marker");
    assert_eq!(markers[0]["label"], "seen by ann");
    assert!(markers[0]["by"].as_str().unwrap().contains("@pts/"), "{}", markers[0]);
}

#[test]
fn however_it_ends_the_terminal_is_as_it_was() {
    let scene = Scene::new();
    for (signal, status) in [(libc::SIGTERM, 143), (libc::SIGHUP, 129), (libc::SIGINT, 130)] {
        let mut outer = Outer::start(&scene, &[GOVSH, "watch"], true);
        outer.sees("no session");
        kill(outer.pid(), signal);
        assert_eq!(outer.ends(), status);
        assert_eq!(outer.attributes(), outer.before);
        outer.sees("\x1b[?1049l");
    }
    let mut outer = Outer::start(&scene, &[GOVSH, "watch"], true);
    outer.sees("no session");
    outer.types("\x03");
    assert_eq!(outer.ends(), 0);
    assert_eq!(outer.attributes(), outer.before);
}

#[test]
fn ctrl_z_goes_to_the_shell_and_back() {
    let scene = Scene::new();
    let mut outer = Outer::shell(&scene);
    let cooked = outer.asks("stty -g");
    outer.types(format!("{GOVSH} watch\r"));
    outer.sees("no session");
    outer.types("\x1a");
    assert!(outer.sees("outer$ ").contains("Stopped"));
    assert_eq!(outer.asks("stty -g"), cooked);
    outer.types("fg\r");
    outer.sees("no session");
    outer.types("q");
    outer.sees("outer$ ");
    assert_eq!(outer.asks("stty -g"), cooked);
}

/// One session: its screen is there at once, it is marked, frozen, and left running.
#[test]
fn the_view_of_one_session() {
    let scene = Scene::new();
    let script = "for i in $(seq 500); do echo line $i; done; while :; do read -r -t 1 _ < /dev/zero; done";
    let session = Running::start(&scene, &[], &["bash", "-c", script]);
    until("it has written", || session.line().status()["output"].as_u64().unwrap() > 3_000);
    let mut outer = Outer::start(&scene, &[GOVSH, "watch", "last"], true);
    let mut screen = Screen::new(100, 30);
    shows(&mut outer, &mut screen, "line 500");
    shows(&mut outer, &mut screen, &format!("{} bash", session.id));
    outer.types("mseen by ann\r");
    shows(&mut outer, &mut screen, "marker set");
    shows(&mut outer, &mut screen, "seen by ann");
    let mut line = session.line();
    outer.types("f");
    shows(&mut outer, &mut screen, "freeze");
    outer.types("y");
    until("it is frozen", || line.status()["state"] == "frozen");
    shows(&mut outer, &mut screen, "frozen");
    outer.types("f");
    until("it goes on", || line.status()["frozen"].is_null());
    outer.types("q");
    assert_eq!(outer.ends(), 0);
    assert_eq!(outer.attributes(), outer.before);
    until("nobody watches", || line.status()["watchers"] == 1);
    assert!(lives(session.pid()));
}

/// One that keeps no recording shows its terminal as it is now, from the list and by name.
#[test]
fn a_session_that_is_not_recorded() {
    let scene = Scene::new();
    let mut agent =
        Outer::run(&scene, &["--no-record"], &["bash", "-c", "echo first; read -r word; echo got $word; cat"]);
    agent.sees("first");
    let socket = crate::line::sockets(&scene).remove(0);
    let mut line = crate::line::Line::connect(&socket);
    assert!(line.hello.get("recording").is_none());
    let dump = || {
        let answer = crate::line::Line::connect(&socket).yes(serde_json::json!({ "op": "screen" }));
        Screen::restore(&govsh::recording::from_base64(answer["dump"].as_str().unwrap()).unwrap()).unwrap()
    };
    until("the screen is told", || dump().row_text(0).contains("first"));
    assert_eq!(dump().size(), (100, 30));
    for words in [vec![GOVSH, "watch"], vec![GOVSH, "watch", "last"]] {
        let mut outer = Outer::start(&scene, &words, true);
        let mut screen = Screen::new(100, 30);
        if words.len() == 2 {
            shows(&mut outer, &mut screen, "bash");
            outer.types("\r");
        }
        shows(&mut outer, &mut screen, "not recorded");
        shows(&mut outer, &mut screen, "first");
        outer.types("x");
        outer.types("q");
        assert_eq!(outer.ends(), 0);
    }
    agent.types("\x04\x04");
    line.yes(serde_json::json!({ "op": "end", "now": true }));
    agent.ends();
}
