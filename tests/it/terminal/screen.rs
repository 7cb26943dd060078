//! Full-screen programs start, are left, and leave the screen as it was; in a terminal emulator that draws it (tmux).

use std::path::PathBuf;
use std::process::Command;

use crate::scene::{Scene, govsh, text, until};

/// A pane of a tmux server of its own, with a shell in it.
struct Pane<'a> {
    scene: &'a Scene,
    socket: PathBuf,
}

impl<'a> Pane<'a> {
    fn new(scene: &'a Scene) -> Self {
        let pane = Pane { scene, socket: scene.root().join("tmux") };
        let size = ["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "bash", "--norc", "-i"];
        let output = pane.tmux().args(size).output().expect("tmux is installed");
        assert!(output.status.success(), "{output:?}");
        pane.shows("outer$");
        pane
    }

    fn tmux(&self) -> Command {
        let mut command = self.scene.command(&["tmux", "-S"]);
        command.arg(&self.socket);
        command
    }

    fn types(&self, keys: &[&str]) {
        assert!(self.tmux().arg("send-keys").args(keys).status().unwrap().success());
    }

    fn screen(&self) -> String {
        text(&self.tmux().args(["capture-pane", "-p"]).output().unwrap().stdout)
    }

    #[track_caller]
    fn shows(&self, wanted: &str) -> String {
        until(wanted, || self.screen().contains(wanted));
        self.screen()
    }

    /// Starts it, waits for a text of its screen, leaves it with these keys; the screen before and after are the same.
    #[track_caller]
    fn visit(&self, command: &[&str], wanted: &str, keys: &[&str]) {
        self.types(&["clear; echo before", "Enter"]);
        until("a clear screen", || self.screen().starts_with("before\nouter$\n"));
        let words = govsh(&["--no-record"], command).join(" ");
        let line = format!(" {words}; echo left $?");
        self.types(&[&line, "Enter"]);
        self.shows(wanted);
        self.types(keys);
        let after = self.shows("left 0\nouter$");
        // Where a line wraps at a space, the space at its end is not told from an empty cell.
        let solid = |text: &str| text.replace(' ', "");
        let typed: String = after.lines().take_while(|line| !line.starts_with("left 0")).collect();
        assert_eq!(solid(&typed), solid(&format!("beforeouter$ {line}")), "{after}");
    }
}

impl Drop for Pane<'_> {
    fn drop(&mut self) {
        // A server that has ended already needs none.
        let _ = self.tmux().arg("kill-server").output();
    }
}

#[test]
fn vim_less_and_top_come_and_go() {
    let scene = Scene::new();
    let lines: String = (1..200).map(|n| format!("line {n}\n")).collect();
    std::fs::write(scene.path("text"), lines).unwrap();
    let pane = Pane::new(&scene);
    pane.visit(&["vim", "-u", "NONE", "text"], "line 29", &[":q", "Enter"]);
    pane.visit(&["less", "text"], "line 29", &["q"]);
    pane.visit(&["htop"], "Load average", &["q"]);
}

#[test]
fn vim_is_suspended_and_comes_back() {
    let scene = Scene::new();
    std::fs::write(scene.path("text"), "some text\n").unwrap();
    let pane = Pane::new(&scene);
    let words = govsh(&["--no-record"], &["vim", "-u", "NONE", "text"]).join(" ");
    pane.types(&[&words, "Enter"]);
    pane.shows("some text");
    pane.types(&["C-z"]);
    let stopped = pane.shows("Stopped");
    assert!(!stopped.contains("some text"), "{stopped}");
    pane.types(&["fg", "Enter"]);
    pane.shows("some text");
    pane.types(&["Gosecond line", "Escape", ":wq", "Enter"]);
    pane.shows("outer$");
    until("it is written", || scene.read("text") == "some text\nsecond line\n");
}

#[test]
fn a_terminal_multiplexer_inside() {
    let scene = Scene::new();
    let pane = Pane::new(&scene);
    let inner = format!("env -u TMUX tmux -S {} -f /dev/null", scene.path("inner").display());
    let words = govsh(&["--no-record"], &[]).join(" ");
    pane.types(&[&format!("{words} {inner} new-session 'sh -c \"echo inside; read x\"'"), "Enter"]);
    pane.shows("inside");
    pane.types(&["Enter"]);
    pane.shows("[exited]");
}
