//! A state directory with recordings in it, and govsh run on them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use govsh::event::*;
use govsh::policy::{Access, Layer, Verdict};
use govsh::recording::Writer;

pub struct Desk {
    pub dir: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Self {
        let desk = Self { dir: tempfile::tempdir().expect("a directory") };
        fs::create_dir_all(desk.recordings()).expect("a directory");
        fs::create_dir(desk.dir.path().join("run")).expect("a directory");
        desk
    }

    pub fn recordings(&self) -> PathBuf {
        self.dir.path().join("govsh/recordings")
    }

    pub fn path(&self, id: &str) -> PathBuf {
        self.recordings().join(format!("20261121T174904Z-codex-{id}.cast.zst"))
    }

    /// Puts `bytes` where the recording of session `id` would be, last changed so many days ago.
    pub fn keep(&self, id: &str, bytes: &[u8], days: u64) -> PathBuf {
        let path = self.path(id);
        fs::write(&path, bytes).expect("written");
        let then = SystemTime::now() - Duration::from_secs(days * 86_400 + 60);
        File::options().write(true).open(&path).and_then(|file| file.set_modified(then)).expect("dated");
        path
    }

    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_govsh"));
        command.args(arguments).env_clear();
        command.env("XDG_STATE_HOME", self.dir.path()).env("XDG_RUNTIME_DIR", self.dir.path().join("run"));
        command.env("HOME", self.dir.path()).env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("TZ", "UTC");
        command
    }

    pub fn govsh(&self, arguments: &[impl AsRef<OsStr>]) -> Output {
        self.command(arguments).output().expect("govsh runs")
    }

    /// Standard output of a run that ends with `status`.
    pub fn says(&self, arguments: &[impl AsRef<OsStr>], status: i32) -> String {
        let output = self.govsh(arguments);
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub fn json(&self, arguments: &[impl AsRef<OsStr>], status: i32) -> serde_json::Value {
        serde_json::from_str(&self.says(arguments, status)).expect("JSON")
    }
}

pub fn start(id: &str) -> Start {
    Start {
        id: id.to_owned(),
        timestamp: 1_795_283_344,
        argv: vec![b"/usr/bin/codex".to_vec(), b"fix it".to_vec()],
        cwd: b"/home/u/shop".to_vec(),
        user: "u".to_owned(),
        uid: 1000,
        host: "laptop".to_owned(),
        version: "0.1.0".to_owned(),
        cols: 80,
        rows: 24,
        term: "xterm".to_owned(),
        stdin_tty: true,
        stdout_tty: true,
        stderr_tty: true,
    }
}

pub fn file(verdict: Verdict, path: &str) -> Event {
    Event::Judged(Judged {
        kind: Kind::File,
        op: "openat",
        pid: 4183,
        access: Access::READ,
        path: path.as_bytes().to_vec(),
        path2: Vec::new(),
        addr: None,
        host: None,
        port: 0,
        argv: Vec::new(),
        verdict,
        rule: Arc::from("\"~/.ssh/**\" agent.toml:18"),
        layer: Layer::Shipped,
        via: Via::Brokered,
        errno: if verdict == Verdict::Deny { libc::EACCES } else { 0 },
        duration: 6_000,
    })
}

/// The events a quarter of a second apart, after a start.
pub fn recorded(id: &str, events: Vec<Event>) -> Vec<u8> {
    closed(id, events, true)
}

/// As [`recorded`], but as a killed front leaves it.
pub fn killed(id: &str, events: Vec<Event>) -> Vec<u8> {
    closed(id, events, false)
}

fn closed(id: &str, events: Vec<Event>, finish: bool) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &start(id)).expect("a vector takes everything");
    let all = std::iter::once(Event::Start(Box::new(start(id)))).chain(events);
    for (n, event) in (0u64..).zip(all) {
        writer.write(&Stamped { seq: n, t: n * 250_000_000, event }).expect("a vector takes everything");
    }
    if finish {
        writer.finish().expect("a vector takes everything");
    } else {
        writer.flush().expect("a vector takes everything");
    }
    writer.into_inner()
}

pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names
}
