//! The session's private directory `<runtime>/govsh/<id>/`, 0700, and what dead sessions left there.
//!
//! Invariant: a directory under its id has a `lock` file that its living session holds locked (flock(2)); whoever gets
//! that lock may remove it. Until the lock is held the directory has a name that begins with a dot.
//! Leaves to others: what is put into it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::sys::cred;

/// A directory that got no further than its dotted name belongs to nobody after this.
const UNFINISHED: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("cannot create session directory '{}'", .path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("directory '{}' must belong to this user and nobody else may enter it", .0.display())]
    NotOurs(PathBuf),
}

/// Removed when dropped.
#[derive(Debug)]
pub struct Runtime {
    path: PathBuf,
    /// Held for as long as the session lives.
    _lock: File,
}

/// `$XDG_RUNTIME_DIR/govsh`, or `/tmp/govsh-UID` where that is not set or not there.
pub fn root() -> PathBuf {
    let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match named.filter(|dir| dir.is_absolute() && dir.is_dir()) {
        Some(dir) => dir.join("govsh"),
        None => PathBuf::from(format!("/tmp/govsh-{}", cred::euid())),
    }
}

impl Runtime {
    /// Makes the directory of session `id` and clears away what dead sessions left beside it.
    pub fn create(id: &str) -> Result<Self, RuntimeError> {
        let root = root();
        private_dir(&root)?;
        clear_stale(&root);
        let unfinished = root.join(format!(".{id}"));
        let path = root.join(id);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| RuntimeError::Create { path, source }
        };
        DirBuilder::new().mode(0o700).create(&unfinished).map_err(failed(&unfinished))?;
        let lock = File::create_new(unfinished.join("lock"))
            .and_then(|lock| lock.lock().map(|()| lock))
            .and_then(|lock| fs::rename(&unfinished, &path).map(|()| lock))
            .map_err(failed(&path))?;
        Ok(Runtime { path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A short name for a socket, whatever its directory's: an address has room for 107 bytes. Good while the file lives.
pub fn short(socket: &Path) -> io::Result<(File, PathBuf)> {
    let (dir, name) = match (socket.parent(), socket.file_name()) {
        (Some(dir), Some(name)) => (dir, name),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let dir = File::options().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(dir)?;
    let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
    Ok((dir, path))
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Whatever stays is cleared away by the next session.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Creates it, or checks that what is there is ours alone: `/tmp` is everybody's.
fn private_dir(path: &Path) -> Result<(), RuntimeError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(RuntimeError::Create { path: path.to_owned(), source: error })
        }
        _ => {
            let found =
                fs::symlink_metadata(path).map_err(|source| RuntimeError::Create { path: path.to_owned(), source })?;
            let ours = found.is_dir() && found.uid() == cred::euid() && found.mode() & 0o077 == 0;
            if ours { Ok(()) } else { Err(RuntimeError::NotOurs(path.to_owned())) }
        }
    }
}

/// Errors are nobody's business here: what cannot be removed now stays.
fn clear_stale(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        let dotted = entry.file_name().as_encoded_bytes().starts_with(b".");
        let stale = if dotted {
            let modified = entry.metadata().and_then(|found| found.modified());
            modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > UNFINISHED))
        } else {
            File::open(path.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok())
        };
        if stale {
            let _ = fs::remove_dir_all(&path);
        }
    }
}
