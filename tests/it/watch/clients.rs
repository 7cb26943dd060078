//! Clients that behave, and what the recording says of them.

use std::time::Instant;

use govsh::recording::Archive;
use serde_json::json;

use crate::line::{Running, events};
use crate::scene::{Scene, pids, text, until};

#[test]
fn a_session_says_what_it_is_and_how_it_stands() {
    let scene = Scene::new();
    let session =
        Running::start(&scene, &[], &["bash", "-c", "/bin/true; cat nothing; echo up; read -r _ < /dev/zero"]);
    let mut line = session.line();
    assert_eq!(line.hello["id"], session.id.as_str());
    assert_eq!((&line.hello["agent"], &line.hello["policy"]), (&json!("bash"), &json!("observe")));
    assert_eq!(line.hello["pid"], session.child.id());
    assert!(line.hello["recording"].as_str().unwrap().ends_with(&format!("-{}.cast.zst", session.id)));
    until("events are counted", || line.status()["events"].as_u64().unwrap() > 10);
    let status = line.status();
    assert_eq!((&status["cols"], &status["rows"]), (&json!(80), &json!(24)));
    assert!(status["elapsed"].as_u64().unwrap() > 0 && status["seq"].as_u64().unwrap() > 0, "{status}");
    assert_eq!(status["watchers"], 1);
}

#[test]
fn markers_are_recorded_with_who_set_them() {
    let scene = Scene::new();
    let mut session = Running::start(&scene, &[], &["sleep", "100"]);
    let mut line = session.line();
    line.yes(json!({ "op": "marker", "label": "here \u{1b}[2J it\nwent \"wrong\"" }));
    line.no(json!({ "op": "marker", "label": "  " }));
    assert!(line.no(json!({ "op": "marker", "label": "x".repeat(5_000) })).contains("4096"));
    line.yes(json!({ "op": "end" }));
    assert_eq!(session.ends(), 143);
    let markers = events(&scene, "marker");
    let labels: Vec<_> = markers.iter().map(|marker| marker["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["here \u{1b}[2J it\nwent \"wrong\"", "session ended"]);
    for marker in &markers {
        let by = marker["by"].as_str().unwrap();
        assert!(by.starts_with("watch:") && by.contains('@'), "{by}");
    }
}

#[test]
fn a_stalled_watcher_slows_nobody() {
    let scene = Scene::new();
    let half = "head -c 3000000 /dev/zero | tr '\\0' x | fold -w 79";
    let flood = format!("mkfifo go more; read -r _ < go; {half}; read -r _ < more; rm go more; {half}");
    let took = |watched: bool| {
        let mut session = Running::start(&scene, &[], &["bash", "-c", &flood]);
        // It reads nothing, ever, though it asked for all of it.
        let mut stalled = session.line();
        let mut awake = session.line();
        if watched {
            stalled.yes(json!({ "op": "subscribe", "answers": true }));
            stalled.send("{\"op\":\"status\"}\n".repeat(3_000).as_bytes());
            awake.yes(json!({ "op": "subscribe" }));
        }
        let mut out = session.child.stdout.take().unwrap();
        until("it waits", || scene.path("more").exists());
        let begun = Instant::now();
        // The recorder may be far behind: what counts is how soon the agent's bytes are out.
        let drain =
            std::thread::spawn(move || (std::io::copy(&mut out, &mut std::io::sink()).unwrap(), begun.elapsed()));
        std::fs::write(scene.path("go"), "\n").unwrap();
        let since = Instant::now();
        if watched {
            awake.hears("status", |status| status["output"].as_u64().unwrap() > 2_000_000);
        }
        let heard = since.elapsed();
        std::fs::write(scene.path("more"), "\n").unwrap();
        let (bytes, took) = drain.join().unwrap();
        assert_eq!(bytes / 1_000_000, 6);
        if watched {
            awake.hears("over", |status| status["exit"] == 0);
        }
        assert_eq!(session.ends(), 0);
        took - heard
    };
    let alone = took(false);
    let watched = took(true);
    assert!(watched < alone * 2 + std::time::Duration::from_secs(2), "alone {alone:?}, watched {watched:?}");
}

#[test]
fn a_killed_watcher_leaves_no_trace() {
    let scene = Scene::new();
    let session = Running::start(&scene, &[], &["bash", "-c", "echo $$ > pid; exec sleep 100"]);
    pids(&scene.path("pid"), 1);
    let proc = std::path::PathBuf::from(format!("/proc/{}", session.pid()));
    let entries = |what: &str| std::fs::read_dir(proc.join(what)).unwrap().flatten().map(|entry| entry.path());
    let is_socket = |fd: &std::path::PathBuf| {
        std::fs::read_link(fd).is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
    };
    let is_visitor = |task: &std::path::PathBuf| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "visitor")
    };
    let left = || (entries("fd").filter(is_socket).count(), entries("task").filter(is_visitor).count());
    let mut line = session.line();
    until("only this one is there", || line.status()["watchers"] == 1);
    let before = left();
    assert_eq!(before.1, 1);
    let script = "import socket,sys,time\ns=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n\
                  s.sendall(b'{\"op\":\"hello\",\"version\":1}\\n{\"op\":\"subscribe\",\"answers\":true}\\n')\ntime.sleep(1000)";
    let mut watchers: Vec<_> = (0..5)
        .map(|_| scene.command(&["python3", "-c", script, session.socket.to_str().unwrap()]).spawn().unwrap())
        .collect();
    until("five watch", || line.status()["watchers"] == 6);
    until("all five are subscribed", || left() >= (before.0 + 10, 6));
    for watcher in &mut watchers {
        watcher.kill().unwrap();
        watcher.wait().unwrap();
    }
    until("they are gone", || line.status()["watchers"] == 1);
    until("nothing of them is left", || left() == before);
}

/// The recording is as fresh as its reader needs it, and has the screen without what came before.
#[test]
fn who_joins_late_sees_the_screen_at_once() {
    let scene = Scene::new();
    let script = "for i in $(seq 3000); do echo line $i; done; printf '\\e[2J\\e[Hhello there'; cat";
    let mut outer = crate::outer::Outer::run(&scene, &[], &["bash", "-c", script]);
    outer.sees("hello there");
    let socket = crate::line::sockets(&scene).remove(0);
    let mut line = crate::line::Line::connect(&socket);
    line.yes(json!({ "op": "subscribe" }));
    let recording = line.hello["recording"].as_str().unwrap().to_owned();
    let shown = |wanted: &str| {
        let mut archive = Archive::open(std::fs::File::open(&recording).unwrap()).unwrap();
        let end = archive.duration();
        archive.screen_at(end).unwrap().row_text(0).contains(wanted)
    };
    until("the screen is there", || shown("hello there"));
    outer.types("again\r");
    outer.sees("again");
    let typed = Instant::now();
    until("what was typed is in the file", || shown("hello thereagain"));
    assert!(typed.elapsed().as_millis() < 1_000, "{:?}", typed.elapsed());
    outer.types("\x04\x04");
    assert_eq!(outer.ends(), 0);
    line.hears("over", |status| status["exit"] == 0);
}

#[test]
fn answer_lists_what_waits_and_refuses_what_does_not() {
    let scene = Scene::new();
    let session = Running::start(&scene, &[], &["sleep", "100"]);
    let run = |words: &[&str]| {
        let all: Vec<&str> = [crate::scene::GOVSH, "answer"].into_iter().chain(words.iter().copied()).collect();
        scene.command(&all).output().unwrap()
    };
    let listed = run(&[&session.id]);
    assert!(listed.status.success() && text(&listed.stdout).contains("no question"), "{listed:?}");
    assert_eq!(text(&run(&["last", "--json"]).stdout), "[]\n");
    let refused = run(&[&session.id[..3], "7", "allow"]);
    assert_eq!((refused.status.code(), text(&refused.stderr)), (Some(1), "govsh: there is no question 7\n".to_owned()));
    assert_eq!(run(&["zzzz", "7", "allow"]).status.code(), Some(125));
    let unsound = run(&[&session.id, "7", "allow", "--for", "never"]);
    assert_eq!(unsound.status.code(), Some(1), "{unsound:?}");
}
