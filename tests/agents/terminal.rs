//! A terminal to start an agent in: one pane of a tmux server of the test's own.
//!
//! Invariant: the server's socket lies in the stage, and the server ends with the test.
//! Leaves to others: what is to be seen.

use std::fs;
use std::process::Command;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use crate::picture::Picture;
use crate::stage::Stage;

const DEADLINE: Duration = Duration::from_secs(120);
const PACE: Duration = Duration::from_millis(100);
/// So often in a row a picture that does not move is the same.
const STILL: usize = 10;
/// Where the pane's shell writes how the program ended.
const STATUS: &str = "status";

/// A pane of 100 columns and 30 rows that stays when its program has ended.
pub struct Terminal<'a> {
    stage: &'a Stage,
}

impl<'a> Terminal<'a> {
    /// Starts a command of the stage in a new pane.
    pub fn start(stage: &'a Stage, command: &Command) -> Terminal<'a> {
        let terminal = Terminal { stage };
        let conf = stage.write("tmux.conf", "set -g remain-on-exit on\n");
        let mut start = terminal.tmux(&["-f", conf.to_str().unwrap(), "new-session", "-d", "-x", "100", "-y", "30"]);
        start.args(["sh", "-c", "\"$@\"; echo $? > \"$0\"", &stage.text(STATUS)]);
        // The pane's program does not learn of the tmux around it: it meets the terminal as a user's.
        start.args(["env", "-u", "TMUX", "-u", "TMUX_PANE", "-u", "TMUX_TMPDIR"]);
        // The command's own `timeout` would put it into the background of the terminal.
        start.args(["timeout", "--foreground", "120"]).args(command.get_args().skip(2));
        start.current_dir(stage.path("project"));
        let output = start.output().expect("tmux is installed");
        assert!(output.status.success(), "{output:?}");
        terminal
    }

    /// Waits until the screen shows `text`, and returns the screen.
    pub fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Types `keys`, each a tmux key name or plain text.
    pub fn types(&self, keys: &[&str]) {
        let output = self.tmux(&["send-keys"]).args(keys).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Waits for the program's end and returns its exit status.
    pub fn ended(&self) -> i32 {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.status() {
                return status;
            }
            assert!(Instant::now() < end, "the program did not end:\n{}", self.screen());
            park_timeout(PACE);
        }
    }

    pub fn until(&self, what: &str, seen: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let ended = self.status();
            let screen = self.screen();
            if seen(&screen) {
                return screen;
            }
            assert!(ended.is_none(), "ended with {ended:?} before it showed {what}:\n{screen}");
            assert!(Instant::now() < end, "waited in vain for {what}:\n{screen}");
            park_timeout(PACE);
        }
    }

    /// What is to be seen once nothing moves any more.
    pub fn still(&self) -> Picture {
        let end = Instant::now() + DEADLINE;
        let (mut last, mut same) = (self.picture(), 0);
        while same < STILL {
            assert!(Instant::now() < end, "it never stands still:\n{last:?}");
            park_timeout(PACE);
            let now = self.picture();
            same = if now.difference(&last).is_none() { same + 1 } else { 0 };
            last = now;
        }
        last
    }

    /// Waits until it looks like this.
    pub fn becomes(&self, picture: &Picture) {
        let end = Instant::now() + DEADLINE;
        while let Some(difference) = picture.difference(&self.picture()) {
            assert!(Instant::now() < end, "{difference}\n{picture:?}\n{:?}", self.picture());
            park_timeout(PACE);
        }
    }

    fn picture(&self) -> Picture {
        Picture::of(|| self.tmux(&[]))
    }

    fn screen(&self) -> String {
        self.asked(&["capture-pane", "-p"])
    }

    /// The program's exit status as a shell sees it, `None` while it runs.
    fn status(&self) -> Option<i32> {
        let written = fs::read_to_string(self.stage.path(STATUS)).ok()?;
        written.strip_suffix('\n')?.parse().ok()
    }

    fn asked(&self, arguments: &[&str]) -> String {
        let output = self.tmux(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.env_clear().envs(self.stage.environment()).env("TMUX_TMPDIR", self.stage.path("run"));
        command.args(["-L", "stage"]).args(arguments);
        command
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]).output(); // it may have ended by itself
    }
}
