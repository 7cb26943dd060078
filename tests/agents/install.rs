//! The real agents, installed once: exactly what `package-lock.json` pins, into a cache outside the repository.
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

const PACKAGE: &str = include_str!("package.json");
const LOCK: &str = include_str!("package-lock.json");

/// The `node_modules` directory with both agents in it.
pub fn node_modules() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(install)
}

fn install() -> PathBuf {
    let cache = cache();
    fs::create_dir_all(&cache).unwrap();
    let lock = File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    let mut hash = DefaultHasher::new();
    LOCK.hash(&mut hash);
    let done = cache.join(format!("agents-{:016x}", hash.finish()));
    if !done.exists() {
        let fresh = done.with_extension("new");
        let _ = fs::remove_dir_all(&fresh); // what an interrupted install left, if anything
        fs::create_dir_all(&fresh).unwrap();
        fs::write(fresh.join("package.json"), PACKAGE).unwrap();
        fs::write(fresh.join("package-lock.json"), LOCK).unwrap();
        must(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"])
                .current_dir(&fresh),
        );
        // Claude Code's own step after an install: puts the program for this machine in its place.
        must(Command::new("node").arg("install.cjs").current_dir(fresh.join("node_modules/@anthropic-ai/claude-code")));
        fs::rename(&fresh, &done).unwrap();
    }
    done.join("node_modules")
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
