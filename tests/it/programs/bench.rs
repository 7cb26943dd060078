//! A home, a project and govsh's own directories for one test, and sessions in them.
//!
//! Invariant: nothing is shared between tests; it disappears with its test. With `GOVSH_TEST_USER` (and root) everything
//! belongs to that user and runs as that user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

pub struct Bench {
    base: tempfile::TempDir,
    policy: String,
    runs: std::cell::Cell<u32>,
}

/// How a session ended, and its recording.
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub events: Vec<Value>,
    pub recording: PathBuf,
}

fn test_user() -> Option<(u32, u32)> {
    let name = std::env::var("GOVSH_TEST_USER").ok()?;
    let passwd = fs::read_to_string("/etc/passwd").expect("passwd");
    let line = passwd.lines().find(|line| line.split(':').next() == Some(&name)).expect("GOVSH_TEST_USER is no user");
    let field = |i: usize| line.split(':').nth(i).and_then(|text| text.parse().ok()).expect("a number in passwd");
    Some((field(2), field(3)))
}

impl Bench {
    /// `rules` follow a floor of system programs that may run and a project that may be written and run.
    pub fn new(rules: &str) -> Bench {
        let base = tempfile::Builder::new().prefix("govsh-programs-").tempdir_in("/tmp").expect("a directory");
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        let bench = Bench { base, policy: String::new(), runs: std::cell::Cell::new(0) };
        bench.own(bench.base.path());
        for dir in ["home", "work", "out", "state", "run", "config"] {
            fs::create_dir(bench.path(dir)).expect("mkdir");
            bench.own(&bench.path(dir));
        }
        fs::set_permissions(bench.path("run"), fs::Permissions::from_mode(0o700)).expect("mode");
        let floor = format!(
            "version = 1\n[files]\nread = ['/etc/**', '/proc/**', '/dev/**', '{out}/**']\nwrite = ['/dev/null', '{work}/**']\n\
             exec = ['/usr/**', '{work}/**']\n",
            out = bench.path("out").display(),
            work = bench.path("work").display(),
        );
        let policy = floor + &rules.replace("{work}", &bench.path("work").to_string_lossy());
        Bench { policy, ..bench }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    fn own(&self, path: &Path) {
        if let Some((uid, gid)) = test_user() {
            chown(path, Some(uid), Some(gid)).expect("chown");
        }
    }

    /// An executable file.
    pub fn program(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
        self.own(&path);
        path
    }

    fn command(&self) -> Command {
        let mut command = Command::new(govsh());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.path("home")).env("LC_ALL", "C.UTF-8");
        command.env("XDG_STATE_HOME", self.path("state")).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("XDG_CONFIG_HOME", self.path("config")).env("TMPDIR", self.path("work"));
        command.current_dir(self.path("work")).stdin(Stdio::null());
        if let Some((uid, gid)) = test_user() {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Runs a command under the policy, to its end.
    pub fn run(&self, argv: &[&str]) -> Ran {
        let policy = self.path("policy.toml");
        fs::write(&policy, &self.policy).expect("policy");
        let run = self.runs.get();
        self.runs.set(run + 1);
        let recording = self.path(&format!("out/{run}.cast.zst"));
        let mut command = self.command();
        command.args(["run", "--policy"]).arg(&policy).arg("--record").arg(&recording).arg("--").args(argv);
        let output = output(command);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let events = if recording.exists() { self.events(&recording) } else { Vec::new() };
        Ran { status: output.status.code(), stdout, stderr, events, recording }
    }

    /// A shell's command line.
    pub fn sh(&self, line: &str) -> Ran {
        self.run(&["/bin/sh", "-c", line])
    }

    /// What `govsh show` says of a recording.
    pub fn show(&self, options: &[&str], recording: &Path) -> String {
        let mut command = self.command();
        let output = output({
            command.arg("show").args(options).arg(recording);
            command
        });
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn events(&self, recording: &Path) -> Vec<Value> {
        let lines = self.show(&["--events", "--json"], recording);
        lines.lines().map(|line| serde_json::from_str(line).expect("one event")).collect()
    }
}

fn output(mut command: Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("govsh")
}

impl Ran {
    /// Events of a kind, such as `exec` or `limit`.
    pub fn kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["kind"] == kind)
    }

    /// Whether a program was denied by a rule of this text.
    pub fn denied(&self, rule: &str) -> bool {
        self.kind("exec")
            .any(|event| event["verdict"] == "deny" && event["rule"].as_str().is_some_and(|name| name.contains(rule)))
    }
}

/// The program under test, where its user can reach it.
fn govsh() -> PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE
        .get_or_init(|| {
            let built = Path::new(env!("CARGO_BIN_EXE_govsh"));
            if test_user().is_none() {
                return built.to_owned();
            }
            let dir = PathBuf::from(format!("/tmp/govsh-programs-bin-{}", std::process::id()));
            fs::create_dir_all(&dir).expect("a directory");
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("mode");
            let copy = dir.join("govsh");
            fs::copy(built, &copy).expect("copy");
            copy
        })
        .clone()
}
