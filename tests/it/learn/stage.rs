//! A home with secrets in it and a project under git, in one directory that goes with the test.
//!
//! Invariant: nothing of the real home is visible, but for the machine's Rust toolchain.
//! Leaves to others: what is run there.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What stands in the secrets.
pub const SECRET: &str = "a-secret-that-must-not-leave";
/// No command of these tests takes longer, on a busy machine either.
const SECONDS: &str = "240";

pub struct Stage {
    dir: TempDir,
    /// Where programs are looked for first.
    pub path_before: String,
}

impl Stage {
    pub fn new() -> Stage {
        // Not among the temporary directories, which learned policies grant as a whole.
        let beneath =
            if fs::metadata("/srv").is_ok_and(|dir| writable(&dir)) { "/srv" } else { env!("CARGO_TARGET_TMPDIR") };
        let dir = tempfile::Builder::new().prefix("govsh-learn-").tempdir_in(beneath).unwrap();
        let stage = Stage { dir, path_before: String::new() };
        for made in ["home", "project", "tmp", "run"] {
            fs::create_dir(stage.path(made)).unwrap();
        }
        stage.write("home/.ssh/id_rsa", SECRET);
        stage.write("project/.env", SECRET);
        let git = stage.command(["git", "init", "--quiet"]).output().unwrap();
        assert!(git.status.success(), "{git:?}");
        stage
    }

    /// With the machine's Rust toolchain where rustup puts it.
    pub fn with_rust() -> Stage {
        let mut stage = Stage::new();
        let asked = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
        let sysroot = String::from_utf8(asked.stdout).unwrap().trim().to_owned();
        stage.path_before = format!("{sysroot}/bin");
        stage
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    pub fn text(&self, inside: &str) -> String {
        self.path(inside).to_str().unwrap().to_owned()
    }

    pub fn write(&self, inside: &str, text: &str) -> PathBuf {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// `argv` in the project, with the stage's environment only.
    pub fn command<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", SECONDS]).args(argv);
        command.current_dir(self.path("project")).stdin(Stdio::null()).env_clear();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.path_before);
        let path = path.trim_start_matches(':').to_owned();
        for (name, value) in [
            ("HOME", self.text("home")),
            ("TMPDIR", self.text("tmp")),
            ("XDG_RUNTIME_DIR", self.text("run")),
            ("PATH", path),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "xterm".to_owned()),
        ] {
            command.env(name, value);
        }
        command
    }

    /// `govsh` with these arguments.
    pub fn govsh<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        let mut command = self.command([Path::new(env!("CARGO_BIN_EXE_govsh"))]);
        command.args(arguments).output().unwrap()
    }

    /// As [`Stage::govsh`], which has to succeed; standard output and error.
    #[track_caller]
    pub fn told<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> (String, String) {
        let output = self.govsh(arguments);
        assert!(output.status.success(), "{output:?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Refusals in the last session, one line each; a file that is not there would not have opened anyway.
    pub fn denials(&self) -> Vec<String> {
        let (events, _) = self.told(["show", "last", "--events", "--json"]);
        let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let denied = events.filter(|event| event["verdict"] == "deny" && event["errno"] != "ENOENT");
        denied.map(|event| event.to_string()).collect()
    }

    /// The policy that a script in the project is learned to need, after it has run under it again without a refusal.
    #[track_caller]
    pub fn learned(&self, script: &str, again: &str) -> String {
        let argv = |script| ["--", "bash", "-eu", "-o", "pipefail", "-c", script].map(str::to_owned);
        let learn = ["learn", "--save", "task"].map(str::to_owned);
        self.told(learn.into_iter().chain(argv(script)));
        let text = fs::read_to_string(self.path("home/.config/govsh/policies/task.toml")).unwrap();
        let run = ["--policy", "task"].map(str::to_owned);
        let output = self.govsh(run.into_iter().chain(argv(again)));
        assert!(output.status.success(), "{output:?}\n{:#?}\n{text}", self.denials());
        assert_eq!(self.denials(), Vec::<String>::new(), "{text}");
        text
    }
}

fn writable(dir: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    own && dir.is_dir()
}

/// The entries of a list, without comments.
pub fn entries(text: &str, key: &str) -> Vec<String> {
    let value: toml::Table = text.parse().unwrap();
    let (section, name) = key.split_once('.').unwrap();
    let list = value.get(section).and_then(|section| section.get(name)).and_then(|list| list.as_array());
    list.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
