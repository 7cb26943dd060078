//! One small world to attack and to protect: directories, an outside process, and ways to run `attempt` in it.
//!
//! ```text
//! base/home   HOME: .ssh/id_rsa and the like      base/work     the project, the working directory
//! base/out    readable to the user, not granted   base/state, run, config   govsh's own
//! ```
//!
//! Invariant: nothing of a lab is shared with another; it disappears with its test. With `GOVSH_TEST_USER` (and root)
//! everything in it belongs to that user, and govsh and the attempts run as that user.
//! Leaves to others: what is to be refused (the tables beside this file).

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rules::Rules;

/// Longest that one run may take: more where more is asked for than usual.
fn limit() -> Duration {
    Duration::from_secs(60 + tries() / 50 + opens() as u64 / 20)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Tries per race under the tested policy; fewer in the pass as an ordinary user, which takes the same paths.
pub fn tries() -> u64 {
    number("GOVSH_ESCAPE_TRIES").unwrap_or(if test_user().is_some() { 1_000 } else { 4_000 })
}

/// Openings of each of the sixteen threads whose events are counted.
pub fn opens() -> usize {
    number("GOVSH_ESCAPE_OPENS").unwrap_or(1_000) as usize
}

/// A user and their group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

/// The user that the whole suite runs as instead of root, where one is named.
pub fn test_user() -> Option<User> {
    let name = std::env::var("GOVSH_TEST_USER").ok()?;
    let passwd = fs::read_to_string("/etc/passwd").expect("passwd");
    let line = passwd.lines().find(|line| line.split(':').next() == Some(&name)).expect("GOVSH_TEST_USER is no user");
    let field = |i: usize| line.split(':').nth(i).and_then(|text| text.parse().ok()).expect("a number in passwd");
    Some(User { uid: field(2), gid: field(3) })
}

/// Whether this process is root, which some attempts need to be shown to work.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// What an attempt said.
#[derive(Debug, Clone)]
pub struct Said {
    /// 0 worked, 1 refused; anything else is a fault of the test or of govsh.
    pub status: i32,
    pub result: String,
    pub detail: String,
    pub stderr: String,
}

impl Said {
    pub fn worked(&self) -> bool {
        self.status == 0 && self.result == "ok"
    }

    /// `ok`, or the errno's name.
    pub fn short(&self) -> &str {
        self.result.strip_prefix("errno ").unwrap_or(&self.result)
    }
}

pub struct Lab {
    base: tempfile::TempDir,
    victim: Option<Child>,
    runs: std::cell::Cell<u32>,
    /// Where recordings go, beneath the base.
    record: String,
}

impl Lab {
    pub fn new() -> Lab {
        let base = tempfile::Builder::new().prefix("govsh-escape-").tempdir_in("/tmp").expect("a directory");
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        let lab = Lab { base, victim: None, runs: std::cell::Cell::new(0), record: String::new() };
        for dir in ["home", "home/.ssh", "work", "out", "state", "run", "config"] {
            lab.dir(dir);
        }
        fs::set_permissions(lab.path("run"), fs::Permissions::from_mode(0o700)).expect("mode");
        lab.file("home/.ssh/id_rsa", "secret\n");
        lab.file("out/secret", "secret\n");
        lab.file("work/plain", "plain\n");
        lab.own(lab.base.path());
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    fn own(&self, path: &Path) {
        if let Some(user) = test_user() {
            chown(path, Some(user.uid), Some(user.gid)).expect("chown");
        }
    }

    pub fn dir(&self, name: &str) {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("mkdir");
        self.own(&path);
    }

    /// A file of the lab's owner, mode 0644, in a directory that exists.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).expect("write");
        self.own(&path);
    }

    pub fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).expect("mode");
    }

    /// `{work}`, `{pid}` and the like become what they stand for.
    pub fn expand(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for name in ["home", "work", "out", "state", "run", "config"] {
            text = text.replace(&format!("{{{name}}}"), &self.path(name).to_string_lossy());
        }
        text = text.replace("{base}", &self.base.path().to_string_lossy());
        text = text.replace("{attempt}", &attempt().to_string_lossy());
        match &self.victim {
            Some(victim) => text.replace("{pid}", &victim.id().to_string()),
            None => text,
        }
    }

    /// Starts a process outside, of the same user, with a secret in its environment and its memory.
    pub fn victim(&mut self) -> u32 {
        let mut command = Command::new("/bin/sleep");
        command
            .arg("600")
            .env_clear()
            .env("GOVSH_VICTIM", "secret")
            .current_dir(self.path("out"))
            .stdin(Stdio::null())
            .process_group(0);
        as_user(&mut command);
        let child = command.spawn().expect("sleep");
        let pid = child.id();
        self.victim = Some(child);
        pid
    }

    /// Recordings go there instead of the base.
    pub fn record_in(&mut self, name: &str) {
        name.clone_into(&mut self.record);
    }

    /// Whether the outside process still runs.
    pub fn victim_lives(&mut self) -> bool {
        self.victim.as_mut().is_some_and(|victim| victim.try_wait().is_ok_and(|status| status.is_none()))
    }

    fn environment(&self, command: &mut Command) {
        command.env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("GOVSH_ESCAPE", "1").env("HOME", self.path("home"));
        command.env("XDG_STATE_HOME", self.path("state")).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("XDG_CONFIG_HOME", self.path("config")).env("LC_ALL", "C.UTF-8").env("TMPDIR", self.path("work"));
        command.current_dir(self.path("work")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    /// `attempt` with these words, outside govsh. `privileged`: as root even where the suite runs as another user.
    pub fn outside(&self, words: &str, privileged: bool) -> Said {
        let mut command = Command::new(attempt());
        command.args(self.expand(words).split(' '));
        self.environment(&mut command);
        if !privileged {
            as_user(&mut command);
        }
        said(finish(command, words))
    }

    /// A script outside govsh, as the suite's user, in the project: its status and what it printed.
    pub fn shell(&self, script: &str) -> (i32, String) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        self.environment(&mut command);
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        as_user(&mut command);
        let (status, out, err) = finish(command, script);
        (status, out + &err)
    }

    /// The command line that runs `program` under a policy, and where its recording will be.
    pub fn command(&self, rules: &Rules, program: &str) -> (Command, PathBuf) {
        let run = self.runs.get();
        self.runs.set(run + 1);
        let policy = self.path(&format!("policy{run}.toml"));
        fs::write(&policy, self.expand(&rules.text())).expect("policy");
        let recording = self.path(&self.record).join(format!("recording{run}.cast.zst"));
        let mut command = Command::new(govsh());
        command
            .args(["run", "--quiet", "--policy"])
            .arg(&policy)
            .arg("--record")
            .arg(&recording)
            .args(rules.options())
            .arg("--")
            .arg(program);
        self.environment(&mut command);
        command.envs(rules.environment().iter().copied());
        as_user(&mut command);
        (command, recording)
    }

    /// `attempt` with these words under a policy: what it said and every event of the recording.
    pub fn inside(&self, rules: &Rules, words: &str) -> (Said, Vec<Value>) {
        let (said, recording) = self.recorded(rules, words);
        (said, self.events(&recording))
    }

    /// As `inside`, with the recording unread.
    pub fn recorded(&self, rules: &Rules, words: &str) -> (Said, PathBuf) {
        let (mut command, recording) = self.command(rules, &attempt().to_string_lossy());
        command.args(self.expand(words).split(' '));
        (said(finish(command, words)), recording)
    }

    /// Every event of a recording as `show --events --json` has it.
    pub fn events(&self, recording: &Path) -> Vec<Value> {
        let mut events = Vec::new();
        self.each_event(recording, |event| events.push(event));
        events
    }

    /// One event after the other, for recordings that do not fit in memory.
    pub fn each_event(&self, recording: &Path, mut told: impl FnMut(Value)) {
        let mut command = Command::new(govsh());
        command.args(["show", "--events", "--json"]).arg(recording);
        self.environment(&mut command);
        as_user(&mut command);
        let mut child = command.stderr(Stdio::inherit()).spawn().expect("govsh show");
        let lines = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        for line in std::io::BufRead::lines(lines) {
            told(serde_json::from_str(&line.expect("UTF-8")).expect("an event is one line of JSON"));
        }
        assert!(child.wait().expect("wait").success(), "govsh show failed");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(victim) = &mut self.victim {
            let _ = victim.kill();
            let _ = victim.wait();
        }
    }
}

pub fn as_user(command: &mut Command) {
    if let Some(user) = test_user() {
        command.uid(user.uid).gid(user.gid);
    }
}

/// Runs to the end: exit status (−1 on a signal, −2 when it took too long), standard output and error.
pub fn finish(command: Command, what: &str) -> (i32, String, String) {
    finish_after(command, what, |_| ())
}

/// As `finish`, telling the process's number once it runs.
pub fn finish_after(mut command: Command, what: &str, told: impl FnOnce(u32)) -> (i32, String, String) {
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
    told(child.id());
    let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.map(|mut stream| stream.read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = read(child.stdout.take().map(|stream| Box::new(stream) as _));
    let stderr = read(child.stderr.take().map(|stream| Box::new(stream) as _));
    let end = Instant::now() + limit();
    let status = loop {
        match child.try_wait().expect("wait") {
            Some(status) => break status.code().unwrap_or(-1),
            None if Instant::now() > end => {
                let _ = child.kill();
                let _ = child.wait();
                break -2;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    (status, stdout.join().expect("stdout"), stderr.join().expect("stderr"))
}

pub fn said((status, stdout, stderr): (i32, String, String)) -> Said {
    let line = stdout.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok()).unwrap_or_default();
    let field = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Said { status, result: field("result"), detail: field("detail"), stderr }
}

/// The program under test, where its user can reach it.
pub fn govsh() -> PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| reachable(Path::new(env!("CARGO_BIN_EXE_govsh")))).clone()
}

/// The attempting program, freshly built: `cargo test --test escape` alone does not build examples.
pub fn attempt() -> PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE
        .get_or_init(|| {
            let mut build = Command::new(env!("CARGO"));
            build.args([
                "build",
                "--quiet",
                "--example",
                "attempt",
                "--manifest-path",
                concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            ]);
            // What the outer cargo says of this package would have build scripts run again, and all that needs them be built anew.
            let own = |name: &std::ffi::OsString| {
                let name = name.to_string_lossy();
                name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
            };
            std::env::vars_os().map(|(name, _)| name).filter(own).for_each(|name| {
                build.env_remove(name);
            });
            if !cfg!(debug_assertions) {
                build.arg("--release");
            }
            assert!(build.status().expect("cargo").success(), "the example 'attempt' does not build");
            let beside = Path::new(env!("CARGO_BIN_EXE_govsh")).with_file_name("examples").join("attempt");
            reachable(&beside)
        })
        .clone()
}

/// The same file, or for another user a copy that the user can reach.
fn reachable(program: &Path) -> PathBuf {
    let Some(user) = test_user() else {
        return program.canonicalize().expect("the program is built");
    };
    let dir = PathBuf::from(format!("/tmp/govsh-escape-bin-{}-{}", user.uid, std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("mode");
    let copy = dir.join(program.file_name().expect("a name"));
    fs::copy(program, &copy).expect("copy");
    copy
}
