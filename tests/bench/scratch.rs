//! The scratch directory: where inputs are made and recordings land, gone when the benchmark ends.
//!
//! Invariant: nothing outside it and its twin is written. What a killed run left behind is removed by the next.
//! Leaves to others: what is in it (`inputs`).
//!
//! ```text
//! $TMPDIR/govsh-bench-PID/
//!   work/     the agent's working directory: bin/bench tree/ c/ crate/ deep/ tmp/
//!   state/    XDG_STATE_HOME: recordings        config/  XDG_CONFIG_HOME: empty
//!   policy/   policies given to govsh           out/     what script and asciinema write, stderr of the last run
//! ~/.cache/govsh-bench-PID/                     a tree that no policy lets the agent change
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const PREFIX: &str = "govsh-bench-";

pub struct Scratch {
    root: PathBuf,
    read_only: PathBuf,
}

impl Scratch {
    pub fn new() -> Result<Scratch> {
        let parent = fs::canonicalize(std::env::temp_dir()).context("cannot find the temporary directory")?;
        let cache = PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache");
        for parent in [&parent, &cache] {
            remove_left_over(parent);
        }
        let name = format!("{PREFIX}{}", std::process::id());
        let scratch = Scratch { root: parent.join(&name), read_only: cache.join(&name) };
        fs::create_dir_all(&scratch.read_only).context("cannot create a directory in ~/.cache")?;
        for dir in ["work/bin", "work/tmp", "state", "config", "policy", "out"] {
            fs::create_dir_all(scratch.root.join(dir)).with_context(|| format!("cannot create {dir}"))?;
        }
        fs::copy(std::env::current_exe()?, scratch.bench()).context("cannot copy the benchmark's own binary")?;
        Ok(scratch)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn read_only(&self) -> &Path {
        &self.read_only
    }

    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub fn out(&self, name: &str) -> PathBuf {
        self.root.join("out").join(name)
    }

    pub fn policy(&self, name: &str) -> PathBuf {
        self.root.join("policy").join(name)
    }

    /// The copy of this binary that the agent may execute.
    pub fn bench(&self) -> PathBuf {
        self.root.join("work/bin/bench")
    }

    /// The recordings that are there.
    pub fn recordings(&self) -> Result<Vec<PathBuf>> {
        let dir = self.root.join("state/govsh/recordings");
        let entries = fs::read_dir(&dir).with_context(|| format!("no recordings in {}", dir.display()))?;
        Ok(entries.collect::<Result<Vec<_>, _>>()?.iter().map(fs::DirEntry::path).collect())
    }

    /// Removes recordings of runs that are over.
    pub fn forget_recordings(&self) -> Result<()> {
        let state = self.root.join("state");
        fs::remove_dir_all(&state).and_then(|()| fs::create_dir(&state)).context("cannot empty the state directory")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for dir in [&self.root, &self.read_only] {
            if let Err(error) = fs::remove_dir_all(dir) {
                eprintln!("bench: cannot remove {}: {error}", dir.display());
            }
        }
    }
}

/// Removes directories of benchmarks whose process is gone.
fn remove_left_over(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|pid| pid.parse::<u32>().ok())
        else {
            continue;
        };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = fs::remove_dir_all(entry.path()); // somebody else's directory stays theirs
        }
    }
}
