//! Clients that misbehave: they get an answer or are let go, and nobody else notices.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::json;

use crate::line::{Line, Running};
use crate::scene::{DEADLINE, Scene, text, until};

/// What comes back until the connection is closed.
fn said(socket: &mut UnixStream) -> String {
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut all = Vec::new();
    let _ = socket.read_to_end(&mut all);
    text(&all)
}

#[test]
fn what_is_no_request_gets_an_answer() {
    let scene = Scene::new();
    let session = Running::start(&scene, &["--no-record"], &["sleep", "100"]);
    for first in [
        "\n",
        "hello\n",
        "{\"op\":\"status\"}\n",
        "\0\0\n",
        "{\"op\":\"hello\",\"version\":2}\n",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut socket = UnixStream::connect(&session.socket).unwrap();
        socket.write_all(first.as_bytes()).unwrap();
        let said = said(&mut socket);
        assert!(said.starts_with("{\"error\":") && said.lines().count() == 1, "{first:?}: {said}");
    }
    let mut line = session.line();
    for request in [
        json!({}),
        json!({ "op": "reboot" }),
        json!({ "op": "status", "more": 1 }),
        json!({ "op": "hello", "version": 1 }),
    ] {
        line.no(request);
    }
    line.send(b"no json\n{\"op\":\"status\",\"n\":5}\n{\"op\":\"sta");
    assert_eq!(line.next().unwrap()["ok"], false);
    assert_eq!(line.next().unwrap()["n"], 5);
    line.send(b"tus\",\"n\":6}\n");
    assert_eq!(line.next().unwrap()["n"], 6);
    assert_eq!(line.yes(json!({ "op": "status", "n": u64::MAX }))["n"], u64::MAX);
}

#[test]
fn lines_without_end_are_cut_off() {
    let scene = Scene::new();
    let session = Running::start(&scene, &["--no-record"], &["sleep", "100"]);
    let mut line = session.line();
    line.no(json!({ "op": "marker", "label": "x".repeat(60 << 10) }));
    for end in ["", "\n"] {
        let mut line = session.line();
        // It closes before it has taken all of it.
        let _ = line.socket.write_all(format!("{}{end}", "x".repeat(1 << 20)).as_bytes());
        let answer = line.next();
        assert!(answer.is_none_or(|answer| answer["error"].as_str().unwrap().contains("64 KiB")));
    }
    assert_eq!(session.line().status()["state"], "working");
}

#[test]
fn a_thousand_connections() {
    let scene = Scene::new();
    let mut session = Running::start(&scene, &["--no-record"], &["sleep", "100"]);
    let mut first = session.line();
    let visitors = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", session.pid())).unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.trim() == "visitor").count()
    };
    let mut held = Vec::new();
    let mut turned_away = 0;
    for _ in 0..1_000 {
        let mut socket = UnixStream::connect(&session.socket).unwrap();
        if held.len() < 40 {
            held.push(socket);
            continue;
        }
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut bytes = [0; 100];
        let count = socket.read(&mut bytes).unwrap();
        turned_away += usize::from(text(&bytes[..count]).contains("too many"));
    }
    assert!(visitors() <= 32, "{}", visitors());
    assert!(turned_away > 900, "{turned_away}");
    assert_eq!(first.status()["watchers"], 32);
    drop(held);
    until("there is room again", || first.status()["watchers"] == 1);
    session.line().yes(json!({ "op": "end" }));
    assert_eq!(session.ends(), 143);
}

/// Ten seconds are what a client may owe the rest of a line, or its first one.
#[test]
fn half_a_line_is_not_waited_for_long() {
    let scene = Scene::new();
    let session = Running::start(&scene, &["--no-record"], &["sleep", "100"]);
    let mut silent = UnixStream::connect(&session.socket).unwrap();
    let mut half = session.line();
    half.send(b"{\"op\":");
    half.patience(Duration::from_secs(30));
    assert_eq!(half.next(), None);
    assert_eq!(said(&mut silent), "");
    // One that owes nothing stays.
    let mut idle = session.line();
    until("the others are gone", || idle.status()["watchers"] == 1);
}

#[test]
fn the_socket_is_its_users_alone() {
    let scene = Scene::new();
    let session = Running::start(&scene, &["--no-record"], &["sleep", "100"]);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let dir = session.socket.parent().unwrap();
    assert_eq!((mode(&session.socket), mode(dir), mode(dir.parent().unwrap())), (0o600, 0o700, 0o700));
    if !std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        // Only root can become somebody else.
        return;
    }
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                  try: s.sendall(b'{\"op\":\"hello\",\"version\":1}\\n')\nexcept BrokenPipeError: pass\n\
                  print(s.recv(1000).decode())";
    let stranger = || {
        let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", script];
        let all: Vec<&str> = words.into_iter().chain([session.socket.to_str().unwrap()]).collect();
        scene.command(&all).output().unwrap()
    };
    assert!(text(&stranger().stderr).contains("PermissionError"));
    // Were all doors open, the kernel still says who it is.
    for (path, open) in [
        (scene.root(), 0o755),
        (dir.parent().unwrap().parent().unwrap(), 0o755),
        (dir.parent().unwrap(), 0o755),
        (dir, 0o755),
        (&session.socket, 0o777),
    ] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(open)).unwrap();
    }
    let out = stranger();
    assert!(text(&out.stdout).contains("belongs to another user"), "{out:?}");
    assert_eq!(text(&out.stdout).matches("\"ok\":true").count(), 0);
    let mut own = Line::connect(&session.socket);
    assert_eq!(own.status()["watchers"], 1);
}
