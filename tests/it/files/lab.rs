//! A project, a policy over it, and shells that work in it under govsh.
//!
//! Invariant: nothing of the user's own is read or written: home, state and configuration are the test's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub struct Lab {
    dir: tempfile::TempDir,
}

/// What a shell wrote to both streams, and how it ended.
#[derive(Debug)]
pub struct Done {
    pub out: String,
    pub status: i32,
}

impl Lab {
    /// `rules` is the whole policy but for its version; `@` stands for the lab.
    pub fn new(rules: &str) -> Lab {
        // Outside of what the profiles grant, such as /tmp.
        let beneath = if is_root() { "/srv" } else { env!("CARGO_TARGET_TMPDIR") };
        let dir = tempfile::Builder::new().prefix("govsh-files-").tempdir_in(beneath).expect("a directory");
        let lab = Lab { dir };
        for name in ["home", "work", "state", "run", "config"] {
            std::fs::create_dir_all(lab.path(name)).expect("a directory");
        }
        let rules = rules.replace('@', &lab.path(".").canonicalize().expect("it is there").to_string_lossy());
        lab.write("policy.toml", &format!("version = 1\n{rules}"));
        lab.write("home/.gitconfig", "[user]\n\tname = U\n\temail = u@example.org\n[init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n");
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        // As the kernel names it.
        self.dir.path().canonicalize().expect("it is there").join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("written");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn settle(&self, command: &mut Command, dir: &Path) {
        command.current_dir(dir).env("HOME", self.path("home")).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.path("state")).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("XDG_CONFIG_HOME", self.path("config")).env_remove("CI").env("GIT_CONFIG_NOSYSTEM", "1");
    }

    /// Runs a shell outside of govsh, which must succeed.
    pub fn outside(&self, script: &str) -> String {
        let mut shell = Command::new("sh");
        shell.args(["-ec", script]);
        self.settle(&mut shell, &self.path("work"));
        let done = done(shell.output().expect("a shell"));
        assert_eq!(done.status, 0, "{script}: {}", done.out);
        done.out
    }

    /// Runs a shell in `work` under the policy.
    pub fn run(&self, script: &str) -> Done {
        self.run_in(&self.path("work"), script)
    }

    /// The same in another directory.
    pub fn run_in(&self, dir: &Path, script: &str) -> Done {
        let mut govsh = Command::new(env!("CARGO_BIN_EXE_govsh"));
        govsh.args(["run", "--policy"]).arg(self.path("policy.toml")).args(["--", "sh", "-c", script]);
        self.settle(&mut govsh, dir);
        done(govsh.output().expect("govsh runs"))
    }

    /// The last session's file events.
    pub fn events(&self) -> Vec<Value> {
        let mut govsh = Command::new(env!("CARGO_BIN_EXE_govsh"));
        govsh.args(["show", "last", "--events", "--json", "--kind", "file"]);
        self.settle(&mut govsh, &self.path("work"));
        let output = govsh.output().expect("govsh runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Those of a denial whose path ends like this.
    pub fn denials(&self, end: &str) -> Vec<Value> {
        let of = |event: &Value| {
            let ends = |key: &str| event[key].as_str().is_some_and(|path| path.ends_with(end));
            event["verdict"] == "deny" && (ends("path") || ends("path2"))
        };
        self.events().into_iter().filter(of).collect()
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn done(output: Output) -> Done {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Done { out: text(output.stderr) + &text(output.stdout), status: output.status.code().unwrap_or(-1) }
}
