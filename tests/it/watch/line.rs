//! A session in the background, and a connection to it, line by line.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::scene::{DEADLINE, Scene, until};

/// A session without a terminal.
pub struct Running {
    pub child: Child,
    pub socket: PathBuf,
    pub id: String,
}

impl Running {
    /// Once its socket is there.
    pub fn start(scene: &Scene, options: &[&str], command: &[&str]) -> Running {
        Self::of(scene, scene.govsh(options, command))
    }

    /// As [`Running::start`], with the whole command line given.
    pub fn of(scene: &Scene, mut command: std::process::Command) -> Running {
        let before = sockets(scene);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let fresh = || sockets(scene).into_iter().find(|socket| !before.contains(socket));
        until("the socket is there", || fresh().is_some_and(|socket| UnixStream::connect(socket).is_ok()));
        let socket = fresh().unwrap();
        let id = socket.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        Running { child, socket, id }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn line(&self) -> Line {
        Line::connect(&self.socket)
    }

    /// Exit status as a shell has it.
    #[track_caller]
    pub fn ends(&mut self) -> i32 {
        let mut status = None;
        until("the session ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only what is still there needs it; the monitor ends the rest.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn sockets(scene: &Scene) -> Vec<PathBuf> {
    let sessions = std::fs::read_dir(scene.root().join("run/govsh")).into_iter().flatten().flatten();
    sessions.map(|entry| entry.path().join("control")).filter(|path| path.exists()).collect()
}

/// A greeted connection.
pub struct Line {
    pub socket: UnixStream,
    reader: BufReader<UnixStream>,
    pub hello: Value,
    pub pushed: Vec<Value>,
}

impl Line {
    pub fn connect(socket: &std::path::Path) -> Line {
        let socket = UnixStream::connect(socket).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let reader = BufReader::new(socket.try_clone().unwrap());
        let mut line = Line { socket, reader, hello: Value::Null, pushed: Vec::new() };
        line.hello = line.yes(json!({ "op": "hello", "version": 1 }));
        line
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// The next line; None at the end.
    pub fn next(&mut self) -> Option<Value> {
        let mut text = String::new();
        match self.reader.read_line(&mut text) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no line came: {error}"),
        }
    }

    /// One request and its answer; what is pushed meanwhile is kept.
    pub fn ask(&mut self, request: Value) -> Value {
        self.send(format!("{request}\n").as_bytes());
        loop {
            let line = self.next().expect("an answer");
            if line.get("push").is_none() {
                return line;
            }
            self.pushed.push(line);
        }
    }

    #[track_caller]
    pub fn yes(&mut self, request: Value) -> Value {
        let answer = self.ask(request.clone());
        assert_eq!(answer["ok"], true, "{request}: {answer}");
        answer
    }

    /// What it says when it refuses.
    #[track_caller]
    pub fn no(&mut self, request: Value) -> String {
        let answer = self.ask(request.clone());
        assert_eq!(answer["ok"], false, "{request}: {answer}");
        answer["error"].as_str().unwrap().to_owned()
    }

    pub fn status(&mut self) -> Value {
        self.yes(json!({ "op": "status" }))
    }

    /// Waits for a push of this name that is as wanted.
    #[track_caller]
    pub fn hears(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = std::time::Instant::now() + DEADLINE;
        loop {
            assert!(std::time::Instant::now() < end, "no such {name} came");
            let line = if self.pushed.is_empty() { self.next() } else { Some(self.pushed.remove(0)) };
            let line = line.unwrap_or_else(|| panic!("it ended without {name}"));
            if line["push"] == name && wanted(&line) {
                return line;
            }
        }
    }

    pub fn patience(&self, patience: Duration) {
        self.socket.set_read_timeout(Some(patience)).unwrap();
    }
}

/// Events of a recording of this kind, as `show --events --json` has them.
pub fn events(scene: &Scene, kind: &str) -> Vec<Value> {
    let words = [crate::scene::GOVSH, "show", "last", "--events", "--json", "--kind", kind];
    let out = scene.command(&words).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
