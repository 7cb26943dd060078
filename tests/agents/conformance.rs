//! The protocol's own conformance suite, against servers of both eras: direct, and through `govsh mcp serve` with rules that
//! allow everything. What it finds has to be the same.
//!
//! Leaves to others: what is not allowed (the relay's own tests).

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::install::conformance;

const PATIENCE: Duration = Duration::from_secs(120);
const SERVER: &str = include_str!("conformance/server.mjs");

/// Ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server on a port of its own, up.
fn server(node: &Path, arguments: &[&Path], word: Option<&str>) -> (Running, u16) {
    let port = free_port();
    let mut command = Command::new(node);
    command.args(arguments).args(word).env("PORT", port.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running(command.spawn().unwrap());
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < PATIENCE, "{arguments:?} does not come up");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    (running, port)
}

/// What the suite finds: a line for each scenario.
fn found(node: &Path, modules: &Path, dir: &Path, url: &str, revision: &str) -> Vec<String> {
    let suite = modules.join("@modelcontextprotocol/conformance/dist/index.js");
    let mut command = Command::new(node);
    command.arg(suite).args(["server", "--url", url, "--requirements", revision]).current_dir(dir);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<String> =
        text.lines().filter(|line| line.contains(" passed, ") && !is_ours(line)).map(str::to_owned).collect();
    assert!(lines.len() > 10, "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    lines
}

/// Foreign hosts and origins the relay refuses itself, whatever the server does; and the sum of all.
fn is_ours(line: &str) -> bool {
    line.contains("dns-rebinding-protection") || line.starts_with("Total")
}

/// The relay in front of a server; its URL. It allows what the server does not list, too: the suite calls that.
fn relay(dir: &Path, port: u16) -> (Running, String) {
    let policy = dir.join("allow.toml");
    let text = format!(
        "version = 1\n[mcp]\non_change = \"log\"\n[mcp.servers.s]\nurl = \"http://127.0.0.1:{port}/mcp\"\n[[mcp.rules]]\nid = \"all\"\neffect = \"allow\"\n\
         server = \"s\"\ntools = [\"**\"]\nresources = [\"**\"]\nprompts = [\"**\"]\nmethods = [\"**\"]\n"
    );
    std::fs::write(&policy, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_govsh"));
    command.args(["mcp", "serve", "--path", "/mcp", "--policy"]).arg(&policy).arg("s").current_dir(dir);
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
        command.env(name, dir.join(name));
    }
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut url = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (running, url.trim().to_owned())
}

fn same(revision: &str, arguments: &[&Path], word: Option<&str>) {
    let (modules, dir) = (conformance(), tempfile::tempdir().unwrap());
    let node = modules.join("node/bin/node");
    let (_server, port) = server(&node, arguments, word);
    let direct = found(&node, modules, dir.path(), &format!("http://127.0.0.1:{port}/mcp"), revision);
    let (_relay, url) = relay(dir.path(), port);
    let relayed = found(&node, modules, dir.path(), &url, revision);
    assert_eq!(relayed, direct);
}

#[test]
#[ignore = "takes minutes: GOVSH_AGENTS=all tests/run agents"]
fn sessions_are_judged_alike_through_the_relay() {
    let everything = conformance().join("@modelcontextprotocol/server-everything/dist/index.js");
    same("2025-11-25", &[&everything], Some("streamableHttp"));
}

#[test]
#[ignore = "takes minutes: GOVSH_AGENTS=all tests/run agents"]
fn single_requests_are_judged_alike_through_the_relay() {
    // Beside its modules, or they are not found.
    let script = conformance().parent().unwrap().join("server.mjs");
    std::fs::write(&script, SERVER).unwrap();
    same("2026-07-28", &[&script], None);
}
