//! A pane of a tmux server of its own, with a shell in it.

use std::path::PathBuf;
use std::process::Command;

use govsh::screen::{Cell, Screen};

use crate::scene::{Scene, govsh, text, until};

/// What of a pane's state can be asked for, beside its cells.
const STATE: &str = "#{cursor_x},#{cursor_y} history #{history_size} alternate #{alternate_on} cursor #{cursor_flag} \
                     insert #{insert_flag} wrap #{wrap_flag} origin #{origin_flag} \
                     region #{scroll_region_upper}-#{scroll_region_lower} mouse #{mouse_any_flag} keypad #{keypad_flag}";

/// Everything that can be seen of a pane.
#[derive(PartialEq)]
pub struct Picture {
    cells: Vec<Vec<Cell>>,
    pub state: String,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.state)?;
        for row in &self.cells {
            let row: String = row.iter().map(|cell| cell.text).collect();
            writeln!(f, "|{}", row.trim_end())?;
        }
        Ok(())
    }
}

impl Picture {
    /// The first cell that is not the same.
    pub fn difference(&self, other: &Picture) -> Option<String> {
        if self.state != other.state {
            return Some(format!("{}\n{}", self.state, other.state));
        }
        let rows = self.cells.iter().zip(&other.cells).enumerate();
        let mut cells =
            rows.flat_map(|(at, (one, two))| one.iter().zip(two).enumerate().map(move |(col, pair)| (at, col, pair)));
        let found = cells.find(|(_, _, (one, two))| one != two);
        let found = found.map(|(row, col, (one, two))| format!("row {row}, column {col}: {one:?} and {two:?}"));
        found.or_else(|| (self.cells.len() != other.cells.len()).then(|| "numbers of rows".to_owned()))
    }
}

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
        let state = text(&self.tmux().args(["display-message", "-p", STATE]).output().unwrap().stdout);
        let size = text(&self.tmux().args(["display-message", "-p", "#{pane_width}"]).output().unwrap().stdout);
        let cols: u16 = size.trim().parse().unwrap();
        let shown = text(&self.tmux().args(["capture-pane", "-e", "-N", "-p", "-S", "-"]).output().unwrap().stdout);
        let lines = shown.lines().count();
        let mut screen = Screen::new(cols + 1, lines as u16);
        screen.feed(shown.trim_end_matches('\n').replace('\n', "\r\n").as_bytes());
        let cells = (0..screen.size().1).map(|row| screen.row(row).collect()).collect();
        Picture { cells, state: state.trim().to_owned() }
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
