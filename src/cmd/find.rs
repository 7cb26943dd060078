//! What people type for a session, into the file that holds it.
//!
//! Invariant: a name means exactly one recording or is refused with what it could have meant.
//! Leaves to others: reading the file (`recording`).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::recording::visible;
use crate::session::recorder::{EXTENSION, default_dir};
use crate::session::shelf;
pub use crate::session::shelf::Found;

/// The recordings in `dir`, oldest first; none when it does not exist.
pub fn recordings(dir: &Path) -> anyhow::Result<Vec<Found>> {
    shelf::recordings(dir).with_context(|| format!("cannot list '{}'", dir.display()))
}

/// The recording that `session` names: `last`, an id, a unique prefix of one, a name, or a path.
pub fn find(session: &OsStr) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(session);
    if session.to_str().is_none_or(|name| name.contains('/')) || path.is_file() {
        return Ok(path);
    }
    let session = session.to_string_lossy();
    let dir = default_dir()?;
    let all = recordings(&dir)?;
    choose(&session, all, &dir)
}

fn choose(session: &str, all: Vec<Found>, dir: &Path) -> anyhow::Result<PathBuf> {
    if session == "last" {
        let last = all.into_iter().next_back();
        return last.map(|found| found.path).with_context(|| format!("no recordings in '{}'", dir.display()));
    }
    let bare = session.strip_suffix(EXTENSION).unwrap_or(session);
    let exact: Vec<_> = all.iter().filter(|found| found.id == bare || found.name == bare).collect();
    let begun: Vec<_> = all.iter().filter(|found| !bare.is_empty() && found.id.starts_with(bare)).collect();
    let candidates = if exact.is_empty() { begun } else { exact };
    match candidates.as_slice() {
        [one] => Ok(one.path.clone()),
        [] => {
            bail!("no recording '{}' in '{}'\nhint: 'govsh ls' lists them", visible(session.as_bytes()), dir.display())
        }
        several => {
            let names: Vec<_> = several.iter().rev().take(5).map(|found| visible(found.name.as_bytes())).collect();
            bail!("'{}' could be any of {}\nhint: name one in full", visible(session.as_bytes()), names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn some() -> Vec<Found> {
        let found = |name: &str| Found {
            path: PathBuf::from(name),
            name: name.to_owned(),
            id: name.rsplit_once('-').expect("an id").1.to_owned(),
            changed: SystemTime::UNIX_EPOCH,
            size: 1,
        };
        vec![
            found("20261121T174904Z-codex-k3f9"),
            found("20261121T174905Z-bash-k3m0"),
            found("20261121T174906Z-bash-a1b2"),
        ]
    }

    fn chosen(session: &str) -> Result<String, String> {
        let path = choose(session, some(), Path::new("/r"));
        path.map(|path| path.display().to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_means_one_recording_or_is_refused() {
        assert_eq!(chosen("last"), Ok("20261121T174906Z-bash-a1b2".to_owned()));
        assert_eq!(chosen("k3f"), Ok("20261121T174904Z-codex-k3f9".to_owned()));
        assert_eq!(chosen("20261121T174905Z-bash-k3m0.cast.zst"), Ok("20261121T174905Z-bash-k3m0".to_owned()));
        assert!(chosen("k3").is_err_and(|error| error.contains("could be any of")));
        assert!(chosen("zz\x1b").is_err_and(|error| error.starts_with("no recording 'zz\\x1b'")));
        assert!(chosen("").is_err());
    }
}
