//! The real agents, installed once: exactly what the lock files pin, into a cache outside the repository.
//!
//! Invariant: a directory under its final name is complete; two test binaries that start together install once.
//! Leaves to others: where an agent sees them (`stage`).

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Agents of one lock file.
struct Pinned {
    name: &'static str,
    package: &'static str,
    lock: &'static str,
    /// Their own steps after an install: puts the program for this machine in its place. Package, script.
    steps: &'static [(&'static str, &'static str)],
}

const USUAL: Pinned = Pinned {
    name: "agents",
    package: include_str!("package.json"),
    lock: include_str!("package-lock.json"),
    steps: &[("@anthropic-ai/claude-code", "install.cjs"), ("opencode-ai", "postinstall.mjs")],
};
const MORE: Pinned = Pinned {
    name: "more",
    package: include_str!("more/package.json"),
    lock: include_str!("more/package-lock.json"),
    steps: &[("@ampcode/cli", "install.cjs")],
};
const SERVERS: Pinned = Pinned {
    name: "servers",
    package: include_str!("servers/package.json"),
    lock: include_str!("servers/package-lock.json"),
    steps: &[],
};
const CONFORMANCE: Pinned = Pinned {
    name: "conformance",
    package: include_str!("conformance/package.json"),
    lock: include_str!("conformance/package-lock.json"),
    // the suite wants a newer node than the machine may have
    steps: &[("node", "installArchSpecificPackage.js")],
};
const AIDER: &str = "aider-chat==0.86.2";
#[allow(dead_code, reason = "of tests/it/mcp alone")]
const PYTHON_SDK: &str = "mcp==1.30.0";

/// The `node_modules` directory with codex, claude, gemini and opencode in it.
pub fn node_modules() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| install(&USUAL))
}

/// The one with those that take long to install: copilot and amp.
pub fn more_node_modules() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| install(&MORE))
}

/// The one with servers of the Model Context Protocol.
pub fn servers_node_modules() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| install(&SERVERS))
}

/// The one with the conformance suite of the Model Context Protocol, and servers to run it against.
pub fn conformance() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| install(&CONFORMANCE))
}

/// Aider and all that it imports, as a directory for `sys.path`.
pub fn aider() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| pip("aider", AIDER))
}

/// The Python SDK of the Model Context Protocol, likewise.
#[allow(dead_code, reason = "of tests/it/mcp alone")]
pub fn python_sdk() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| pip("python-sdk", PYTHON_SDK))
}

fn pip(name: &str, package: &str) -> PathBuf {
    once(name, package, |fresh| {
        let quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
        let install = ["-m", "pip", "install"];
        must(Command::new("python3").args(install).args(quiet).arg("--target").arg(fresh).arg(package));
    })
}

fn install(pinned: &Pinned) -> PathBuf {
    let done = once(pinned.name, pinned.lock, |fresh| {
        fs::write(fresh.join("package.json"), pinned.package).unwrap();
        fs::write(fresh.join("package-lock.json"), pinned.lock).unwrap();
        // Not `npm ci`: it refuses a lock file from a registry that lacks the programs of other machines.
        must(
            Command::new("npm")
                .args([
                    "install",
                    "--ignore-scripts",
                    "--include=optional",
                    "--no-audit",
                    "--no-fund",
                    "--loglevel=error",
                ])
                .current_dir(fresh),
        );
        for (package, script) in pinned.steps {
            must(Command::new("node").arg(script).current_dir(fresh.join("node_modules").join(package)));
        }
    });
    done.join("node_modules")
}

/// The directory `name` of what `pin` says, filled if it is not there yet.
fn once(name: &str, pin: &str, fill: impl FnOnce(&Path)) -> PathBuf {
    let cache = cache();
    fs::create_dir_all(&cache).unwrap();
    let lock = File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    let mut hash = DefaultHasher::new();
    pin.hash(&mut hash);
    let done = cache.join(format!("{name}-{:016x}", hash.finish()));
    if !done.exists() {
        let fresh = done.with_extension("new");
        let _ = fs::remove_dir_all(&fresh); // what an interrupted install left, if anything
        fs::create_dir_all(&fresh).unwrap();
        fill(&fresh);
        fs::rename(&fresh, &done).unwrap();
    }
    done
}

fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.expect("HOME or XDG_CACHE_HOME says where to keep the agents").join("govsh-tests")
}

/// Runs an installer; it has to be there and to succeed.
fn must(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
}
