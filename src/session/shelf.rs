//! The recordings in a directory, and whether one of them is still being made.
//!
//! Invariant: listed are regular files with a recording's name; nothing is opened but by [`under_way`].
//! Leaves to others: what is in them (`recording`), which one a word means (`cmd::find`).

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::recorder::{EXTENSION, id_of};
use super::runtime;

/// A file that is named like a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    /// File name without the extension; begins with the session's time.
    pub name: String,
    pub id: String,
    /// Last change, to order sessions of the same second.
    pub changed: SystemTime,
    /// Bytes.
    pub size: u64,
}

impl Found {
    /// The part of the name that orders sessions.
    fn began(&self) -> &str {
        self.name.split_once('-').map_or(&self.name, |(time, _)| time)
    }
}

/// The recordings in `dir`, oldest first; none when it does not exist.
pub fn recordings(dir: &Path) -> io::Result<Vec<Found>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let file_name = entry.file_name();
        let (Some(id), Some(name)) =
            (id_of(&file_name), file_name.to_str().and_then(|name| name.strip_suffix(EXTENSION)))
        else {
            continue;
        };
        // A file that has just been removed is none.
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() {
            continue;
        }
        found.push(Found {
            path: entry.path(),
            name: name.to_owned(),
            id: id.to_owned(),
            changed: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            size: metadata.len(),
        });
    }
    found.sort_by(|a, b| (a.began(), a.changed, &a.name).cmp(&(b.began(), b.changed, &b.name)));
    Ok(found)
}

/// Opens a listed recording: never a link, never waiting for what may have taken its place.
pub fn open(found: &Found) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&found.path)
}

/// Whether a session is writing `file`: its recorder holds the file locked, or its runtime directory is.
pub fn under_way(found: &Found, file: &File) -> bool {
    let locked = |file: &File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    locked(file) || File::open(runtime::root().join(&found.id).join("lock")).is_ok_and(|lock| locked(&lock))
}
