//! A user with a home, a project and a place outside of it, none of which lie where policies allow everybody to write.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const GOVSH: &str = env!("CARGO_BIN_EXE_govsh");
/// `nobody` and `nogroup`.
const NOBODY: u32 = 65534;

/// A profile that grants the system, the project and nothing else.
pub const PLAIN: &str = "version = 1\n[files]\n\
    read = ['/', '/etc/**', '/dev/**', '/proc/**']\n\
    write = ['${workdir}/**', '/dev/null']\n\
    exec = ['/usr/**', '/bin/**', '/lib/**', '/lib64/**']\n";

pub struct Scene {
    base: tempfile::TempDir,
    ordinary: bool,
}

pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// As the one who runs the tests and, if that is root, as an ordinary user too.
pub fn each(test: impl Fn(&Scene)) {
    test(&Scene::new(false));
    if is_root() {
        test(&Scene::new(true));
    }
}

impl Scene {
    pub fn new(ordinary: bool) -> Scene {
        let base = tempfile::Builder::new().prefix("govsh-layers-").tempdir_in(root()).unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let scene = Scene { base, ordinary };
        for dir in ["home", "state", "config", "run", "work", "other"] {
            fs::create_dir(scene.path(dir)).unwrap();
        }
        fs::set_permissions(scene.path("run"), fs::Permissions::from_mode(0o700)).unwrap();
        scene.write("config/govsh/policies/plain.toml", PLAIN);
        scene.write("other/file", "found\n");
        scene
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Writes a file of the user's; `{}` in the text stands for the scene's directory.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("{}", &self.base.path().to_string_lossy())).unwrap();
        self.give();
    }

    /// Everything belongs to whoever runs govsh.
    fn give(&self) {
        let mut left = vec![self.base.path().to_owned()];
        while let Some(path) = left.pop().filter(|_| self.ordinary) {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
            let found = fs::symlink_metadata(&path).unwrap();
            if found.is_dir() {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }

    /// A command in this scene, in `dir`. Under `etc`, the machine's own files are those of that directory.
    pub fn command(&self, dir: &str, etc: Option<&Path>, words: &[&str]) -> Command {
        let mut line: Vec<String> = Vec::new();
        if let Some(etc) = etc {
            // Seen by this command alone: nothing of the real machine is touched.
            let script = format!("mount --make-rprivate / && mount --bind '{}' /etc && exec \"$@\"", etc.display());
            line.extend(["unshare", "-m", "sh", "-c", &script, "sh"].map(str::to_owned));
        }
        if self.ordinary {
            let words = [
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--inh-caps=-all",
                "--bounding-set=-all",
            ];
            line.extend(words.map(str::to_owned));
        }
        line.extend(words.iter().map(|word| (*word).to_owned()));
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).current_dir(self.path(dir)).env_clear();
        command
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.path("home"));
        command.env("XDG_STATE_HOME", self.path("state")).env("XDG_CONFIG_HOME", self.path("config"));
        command.env("XDG_RUNTIME_DIR", self.path("run")).env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        command.stdin(std::process::Stdio::null());
        command
    }

    pub fn output(&self, words: &[&str]) -> Output {
        self.command("work", None, words).output().unwrap()
    }

    /// govsh with these words: status, what it wrote, and what it complained of.
    pub fn govsh(&self, words: &[&str]) -> (Option<i32>, String, String) {
        told(&self.output(&[&[GOVSH], words].concat()))
    }

    /// A shell script under the plain profile.
    pub fn sh(&self, script: &str) -> (Option<i32>, String, String) {
        self.govsh(&["--policy", "plain", "--", "sh", "-c", script])
    }

    /// Whether the plain profile, with all that is laid over it, lets a program read the file outside.
    pub fn reads_other(&self) -> bool {
        self.sh(&format!("cat {}", self.text("other/file"))).1 == "found\n"
    }

    /// The denials of the last session, as JSON lines.
    pub fn denials(&self) -> String {
        self.govsh(&["show", "last", "--events", "--denied", "--json"]).1
    }
}

pub fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A directory in which nothing is granted by the profiles that tests use.
fn root() -> &'static Path {
    if is_root() { Path::new("/srv") } else { Path::new(env!("CARGO_TARGET_TMPDIR")) }
}
