//! The scripted model server beside a test: a node process on a loopback port, ended when the test ends.
//!
//! Invariant: it runs outside the sandbox and outlives every agent that talks to it.
//! Leaves to others: what it answers (`model.mjs`).

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;

/// What the server says when its call's result has come back.
pub const CLOSING: &str = "The scripted work is done.";

/// A running server; dropping it ends the process.
pub struct Model {
    process: Child,
    _alive: ChildStdin,
    log: PathBuf,
    pub port: u16,
}

impl Model {
    /// Starts one that makes the agent run `command` once. Its log goes to `dir`.
    pub fn start(dir: &Path, command: &str) -> Model {
        Model::speaking(dir, command, &[])
    }

    /// As [`Model::start`], with TLS: the files of a certificate and its key.
    pub fn secure(dir: &Path, command: &str, [cert, key]: [&Path; 2]) -> Model {
        Model::speaking(dir, command, &[cert, key])
    }

    fn speaking(dir: &Path, command: &str, tls: &[&Path]) -> Model {
        let log = dir.join("requests.jsonl");
        fs::write(&log, "").unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/agents/model.mjs");
        let mut process = Command::new("node")
            .arg(script)
            .arg(&log)
            .arg(command)
            .args(tls)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let alive = process.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the server names its port");
        Model { process, _alive: alive, log, port }
    }

    /// What the agent's one tool call printed, as it was sent back.
    pub fn tool_result(&self) -> String {
        let requests = self.requests();
        let last = requests.iter().rev().find_map(|request| request["results"].as_array()?.first()?.as_str());
        last.unwrap_or_else(|| panic!("the call's result never came back: {requests:#?}")).to_owned()
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.process.kill(); // gone already is as good
        let _ = self.process.wait();
    }
}
