//! A place for one test: directories, the command line of govsh, waiting.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// For anything that happens at all.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub const GOVSH: &str = env!("CARGO_BIN_EXE_govsh");

/// Removed with everything in it.
pub struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("govsh-test-").tempdir().unwrap();
        for name in ["work", "home", "state", "run"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::set_permissions(dir.path().join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        Scene { dir }
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// A path in the working directory of what is run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("work").join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The variables every run needs.
    pub fn env(&self) -> Vec<(String, String)> {
        let dir = |name: &str| self.dir.path().join(name).to_str().unwrap().to_owned();
        [
            ("HOME", dir("home")),
            ("XDG_STATE_HOME", dir("state")),
            ("XDG_RUNTIME_DIR", dir("run")),
            ("TERM", "xterm-256color".to_owned()),
            ("PS1", "outer$ ".to_owned()),
            ("PATH", std::env::var("PATH").unwrap()),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("HISTFILE", String::new()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// A command in the scene, without anything of the tests' own environment.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().envs(self.env()).current_dir(self.path(""));
        command.stdin(Stdio::null());
        command
    }

    /// `govsh --quiet --policy observe OPTIONS -- COMMAND`.
    pub fn govsh(&self, options: &[&str], command: &[&str]) -> Command {
        self.command(&govsh(options, command))
    }

    /// Runs it to the end.
    pub fn run(&self, options: &[&str], command: &[&str]) -> Output {
        self.govsh(options, command).output().unwrap()
    }

    /// The recording of the only session.
    pub fn recording(&self) -> PathBuf {
        let dir = self.dir.path().join("state/govsh/recordings");
        let files: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }
}

/// The words of a run under the policy that allows everything.
pub fn govsh<'a>(options: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    [&[GOVSH, "--quiet", "--policy", "observe"], options, &["--"], command].concat()
}

/// Waits until it is so.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "did not happen: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Whether a process is there and has not ended.
pub fn lives(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Pids in a file, one a line, once there are so many.
pub fn pids(path: &Path, wanted: usize) -> Vec<i32> {
    let read = || -> Vec<i32> {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().filter_map(|line| line.trim().parse().ok()).collect()
    };
    until("pids are written", || read().len() >= wanted);
    read()
}

/// Direct children of a process.
pub fn children(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<i32>>()).collect()
}

pub fn kill(pid: i32, signal: i32) {
    govsh::sys::process::kill(pid, signal).unwrap();
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
