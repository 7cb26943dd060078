//! A pane of a tmux server of its own, with a shell in it.

use std::path::PathBuf;
use std::process::Command;

use crate::picture::Picture;
use crate::scene::{Scene, govsh, text, until};

pub struct Pane<'a> {
    scene: &'a Scene,
    socket: PathBuf,
}

impl<'a> Pane<'a> {
    pub fn new(scene: &'a Scene, cols: u16, rows: u16) -> Self {
        let pane = Pane { scene, socket: scene.root().join("tmux") };
        let (cols, rows) = (cols.to_string(), rows.to_string());
        let config = scene.path("tmux.conf");
        std::fs::write(&config, "set -g history-limit 100000\nset -g escape-time 0\n").unwrap();
        let mut command = pane.tmux();
        command.args([
            "-f",
            config.to_str().unwrap(),
            "new-session",
            "-d",
            "-x",
            &cols,
            "-y",
            &rows,
            "bash",
            "--norc",
            "-i",
        ]);
        let output = command.output().expect("tmux is installed");
        assert!(output.status.success(), "{output:?}");
        pane.shows("outer$");
        pane
    }

    fn tmux(&self) -> Command {
        let mut command = self.scene.command(&["tmux", "-S"]);
        command.arg(&self.socket);
        command
    }

    pub fn types(&self, keys: &[&str]) {
        assert!(self.tmux().arg("send-keys").args(keys).status().unwrap().success());
    }

    pub fn resize(&self, cols: u16, rows: u16) {
        let (cols, rows) = (cols.to_string(), rows.to_string());
        assert!(self.tmux().args(["resize-window", "-x", &cols, "-y", &rows]).status().unwrap().success());
    }

    /// Types a command line that runs this in govsh.
    pub fn govsh(&self, options: &[&str], command: &[&str]) {
        let quoted: Vec<String> = govsh(options, command).iter().map(|word| format!("'{word}'")).collect();
        self.types(&["-l", &quoted.join(" ")]);
        self.types(&["Enter"]);
    }

    pub fn screen(&self) -> String {
        text(&self.tmux().args(["capture-pane", "-p"]).output().unwrap().stdout)
    }

    #[track_caller]
    pub fn shows(&self, wanted: &str) -> String {
        self.until(wanted, |screen| screen.contains(wanted))
    }

    /// The screen, once it is so.
    #[track_caller]
    pub fn until(&self, what: &str, so: impl Fn(&str) -> bool) -> String {
        let end = std::time::Instant::now() + crate::scene::DEADLINE / 2;
        loop {
            let screen = self.screen();
            if so(&screen) {
                return screen;
            }
            assert!(std::time::Instant::now() < end, "'{what}' is not shown:\n{screen}");
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
    }

    /// All lines, those that scrolled away included.
    pub fn history(&self) -> String {
        text(&self.tmux().args(["capture-pane", "-p", "-S", "-"]).output().unwrap().stdout)
    }

    pub fn picture(&self) -> Picture {
        Picture::of(|| self.tmux())
    }

    /// Until the pane looks like this.
    #[track_caller]
    pub fn becomes(&self, picture: &Picture) {
        let end = std::time::Instant::now() + crate::scene::DEADLINE / 4;
        while let Some(difference) = picture.difference(&self.picture()) {
            let now = || self.picture();
            assert!(std::time::Instant::now() < end, "{difference}\n{picture:?}\n{:?}", now());
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
    }

    /// Opens the panel with the hot key, and closes it again.
    #[track_caller]
    pub fn visit_panel(&self, during: impl FnOnce()) {
        self.types(&["C-\\", "g"]);
        self.shows("q close");
        during();
        self.types(&["q"]);
        until("the panel is gone", || !self.screen().contains("q close"));
    }
}

impl Drop for Pane<'_> {
    fn drop(&mut self) {
        // A server that has ended already needs none.
        let _ = self.tmux().arg("kill-server").output();
    }
}
