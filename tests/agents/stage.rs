//! Where an agent runs in a test: a home with a key in it, a project under git, the agents installed as npm would.
//!
//! Invariant: nothing of the real home is visible in the environment; everything lies in one directory that goes with the test.
//! Leaves to others: which agent, and what it is made to do.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What stands in the key that no agent may read.
pub const KEY: &str = "a-key-that-must-not-leave";
/// No command of these tests takes longer, on a busy machine either.
const SECONDS: &str = "180";
/// `nobody` and `nogroup`: there on every machine, and nobody's own.
const ORDINARY: u32 = 65534;

/// Who runs the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Whoever runs the tests.
    Own,
    /// An ordinary user without any capability; the same as `Own` where the tests are not run by root.
    Ordinary,
}

pub struct Stage {
    dir: TempDir,
    user: User,
    /// Variables beside the ones every stage has.
    pub variables: Vec<(&'static str, String)>,
    /// Where programs are looked for first; may be empty.
    pub path_before: String,
}

impl Stage {
    pub fn new(user: User) -> Stage {
        // Not among the temporary directories, which every profile lets its agent write.
        let beneath = if is_root() { "/srv" } else { env!("CARGO_TARGET_TMPDIR") };
        let dir = tempfile::Builder::new().prefix("govsh-stage-").tempdir_in(beneath).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let user = if is_root() { user } else { User::Own };
        let stage = Stage { dir, user, variables: Vec::new(), path_before: String::new() };
        for made in ["home", "home/.cache", "home/.cargo", "home/.config", "project", "tmp", "run"] {
            fs::create_dir(stage.path(made)).unwrap();
            stage.own(&stage.path(made));
        }
        stage.write("home/.ssh/id_rsa", &format!("{KEY}\n"));
        fs::set_permissions(stage.path("run"), fs::Permissions::from_mode(0o700)).unwrap();
        hard_link(Path::new(env!("CARGO_BIN_EXE_govsh")), &stage.path("govsh"));
        let git = stage.command(["git", "init", "--quiet"]).output().unwrap();
        assert!(git.status.success(), "{git:?}");
        stage
    }

    /// Puts `node_modules` where `npm install --global` with a prefix in the home puts it.
    pub fn install(&self, node_modules: &Path) {
        let prefix = self.path("home/.npm-global");
        fs::create_dir_all(prefix.join("bin")).unwrap();
        fs::create_dir_all(prefix.join("lib")).unwrap();
        hard_link(node_modules, &prefix.join("lib/node_modules"));
        for entry in fs::read_dir(node_modules.join(".bin")).unwrap() {
            let name = entry.unwrap().file_name();
            let target = fs::read_link(node_modules.join(".bin").join(&name)).unwrap();
            let target = Path::new("../lib/node_modules").join(target.strip_prefix("..").unwrap());
            symlink(target, prefix.join("bin").join(&name)).unwrap();
        }
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    /// A path as the recording and policies name it.
    pub fn text(&self, inside: &str) -> String {
        self.path(inside).to_str().unwrap().to_owned()
    }

    /// Writes a file and gives it to the one who runs the agent.
    pub fn write(&self, inside: &str, text: &str) -> PathBuf {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        for owned in path.ancestors().take_while(|ancestor| *ancestor != self.dir.path()) {
            self.own(owned);
        }
        path
    }

    /// Lets the profile reach every place: the model listens here, and nobody is there to be asked about the hosts that agents
    /// report to. Whether places are judged is for others to test.
    pub fn open_network(&self) {
        self.write("home/.config/govsh/policy.d/open.toml", "version = 1\n[network]\nallow = \"all\"\n");
    }

    /// `argv` natively: as the stage's user, in the project, with the stage's environment, ended after [`SECONDS`].
    pub fn command<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", SECONDS]);
        if self.user == User::Ordinary {
            let (uid, gid) = (format!("--reuid={ORDINARY}"), format!("--regid={ORDINARY}"));
            command.args(["setpriv", &uid, &gid, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]);
        }
        command.args(argv).current_dir(self.path("project")).stdin(Stdio::null()).env_clear();
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        command
    }

    /// `govsh` with these arguments, as [`Stage::command`].
    pub fn govsh<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command([self.path("govsh")]);
        command.args(arguments);
        command
    }

    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let first =
            if self.path_before.is_empty() { self.text("home/.npm-global/bin") } else { self.path_before.clone() };
        let common = [
            ("HOME", self.text("home")),
            ("PATH", format!("{first}:/usr/local/bin:/usr/bin:/bin")),
            ("TMPDIR", self.text("tmp")),
            ("XDG_RUNTIME_DIR", self.text("run")),
            ("SHELL", "/bin/bash".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "xterm-256color".to_owned()),
            // Nothing but the model is asked for anything, natively either.
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
            ("DISABLE_AUTOUPDATER", "1".to_owned()),
        ];
        common.into_iter().chain(self.variables.iter().cloned()).collect()
    }

    fn own(&self, path: &Path) {
        if self.user == User::Ordinary {
            chown(path, Some(ORDINARY), Some(ORDINARY)).unwrap();
        }
    }
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

/// As `cp -al`: the agents are hundreds of megabytes, and every stage has its own.
pub fn hard_link(from: &Path, to: &Path) {
    let copied = |flags: &str| Command::new("cp").arg(flags).arg(from).arg(to).output().unwrap().status.success();
    if !copied("-al") {
        let _ = fs::remove_dir_all(to); // what the first try left
        assert!(copied("-a"), "cannot copy {} to {}", from.display(), to.display());
    }
}
