//! The policy as text, loaded here, and in force around `attempt calls`.
//!
//! Invariant: both read the same text, with the same working directory and home.
//! Leaves to others: what is compared (`main`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use govsh::policy::{Layer, Library, Policy, PolicyError, Source, Vars};

use crate::perform::Line;
use crate::world::Rule;

/// Longest that one session may take on a slow machine.
const LIMIT: Duration = Duration::from_secs(180);

/// What every session needs beside its own rules: programs of the system, this suite's own, its list of calls.
fn text(rules: &[Rule], lab: &Path) -> String {
    let of = |key: &str| -> Vec<String> {
        rules.iter().filter(|(of, _)| *of == key).map(|(_, pattern)| pattern.clone()).collect()
    };
    let mut read = of("read");
    read.extend(["/etc/ld.so.cache", "/proc/**", "/dev/**"].map(str::to_owned));
    read.push(lab.join("calls").to_string_lossy().into_owned());
    let mut exec = of("exec");
    exec.extend(["/usr/**".to_owned(), "/bin/**".to_owned(), attempt().to_string_lossy().into_owned()]);
    let mut write = of("write");
    write.push("/dev/null".into());
    format!(
        "version = 1\n[files]\nread = {read:?}\nwrite = {write:?}\nexec = {exec:?}\ndeny = {:?}\nreadonly = {:?}\n",
        of("deny"),
        of("readonly")
    )
}

struct Disk;

impl Library for Disk {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        Err(PolicyError::whole(name, "no such profile", None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        use std::os::unix::ffi::{OsStrExt, OsStringExt};
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        Some(fs::canonicalize(path).ok()?.into_os_string().into_vec())
    }
}

/// The compiled policy.
pub fn load(rules: &[Rule], lab: &Path) -> Policy {
    let bytes = |name: &str| lab.join(name).to_string_lossy().into_owned().into_bytes();
    let vars = Vars {
        home: bytes("home"),
        workdir: bytes("work"),
        tmp: bytes("tmp"),
        session: bytes("run"),
        ..Vars::default()
    };
    let source = Source { name: "diff.toml".into(), text: text(rules, lab), layer: Layer::User, path: None };
    Policy::load(source, &Disk, &vars).unwrap_or_else(|error| panic!("{error}\n{}", text(rules, lab)))
}

/// A call as `attempt calls` reads it.
pub fn written(line: &Line) -> String {
    format!("{}\t{}\t{}\t{}", line.op, line.path, line.path2, line.number)
}

/// Makes the calls under govsh: 0 or an errno for each.
pub fn run(lab: &Path, rules: &[Rule], lines: &[&Line]) -> Vec<i32> {
    for dir in ["home", "state", "run", "settings"] {
        fs::create_dir_all(lab.join(dir)).expect("mkdir");
    }
    fs::set_permissions(lab.join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("mode");
    let list: Vec<String> = lines.iter().map(|line| written(line)).collect();
    fs::write(lab.join("calls"), list.join("\n")).expect("the list");
    fs::write(lab.join("policy.toml"), text(rules, lab)).expect("the policy");
    let (out, told) = (lab.join("out"), lab.join("told"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_govsh"));
    command.args(["run", "--quiet", "--policy"]).arg(lab.join("policy.toml"));
    command.arg("--record").arg(lab.join("recording.cast.zst")).arg("--").arg(attempt());
    command.arg("calls").arg(lab.join("calls")).arg(lab.join("work"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", lab.join("home")).env("LC_ALL", "C.UTF-8");
    command.env("XDG_STATE_HOME", lab.join("state")).env("XDG_RUNTIME_DIR", lab.join("run"));
    command.env("XDG_CONFIG_HOME", lab.join("settings")).current_dir(lab.join("work")).stdin(Stdio::null());
    command.stdout(fs::File::create(&out).expect("out")).stderr(fs::File::create(&told).expect("told"));
    let mut child = command.spawn().expect("govsh");
    let end = Instant::now() + LIMIT;
    let status = loop {
        match child.try_wait().expect("wait") {
            Some(status) => break status,
            None if Instant::now() > end => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the session took longer than {} s", LIMIT.as_secs());
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let said = fs::read_to_string(&out).expect("out");
    let told = || fs::read_to_string(&told).unwrap_or_default();
    assert!(status.success(), "{status}: {}\n{said}", told());
    said.split_whitespace().map(|word| word.parse().unwrap_or_else(|_| panic!("'{word}' is no answer"))).collect()
}

/// The attempting program, freshly built: `cargo test --test diff` alone does not build examples.
fn attempt() -> PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE
        .get_or_init(|| {
            let mut build = Command::new(env!("CARGO"));
            let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
            build.args(["build", "--quiet", "--example", "attempt", "--manifest-path", manifest]);
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
            beside.canonicalize().expect("the program is built")
        })
        .clone()
}
