//! Where recordings lie and what they are called.
//!
//! Invariant: directories that are made here are 0700, files 0600 and new (O_EXCL): nothing existing is ever written to.
//! Leaves to others: finding a recording again (`cmd::find`).

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{RecorderError, Target};
use crate::event::Start;

/// What the names of recordings end in.
pub const EXTENSION: &str = ".cast.zst";

/// `$XDG_STATE_HOME/govsh/recordings`, by default `~/.local/state/govsh/recordings`.
pub fn default_dir() -> Result<PathBuf, RecorderError> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("govsh/recordings"))
        .ok_or(RecorderError::NoHome)
}

/// A fresh session id: four characters of `a-z0-9`, none of an existing recording in the default place.
pub fn new_id() -> String {
    let dir = default_dir();
    let taken = |id: &str| {
        let entries = dir.as_ref().ok().and_then(|dir| std::fs::read_dir(dir).ok());
        entries.into_iter().flatten().flatten().any(|entry| id_of(&entry.file_name()).is_some_and(|old| old == id))
    };
    // 1.7 million ids: a second try is rare, and a directory in which ten fail has its unique names by time.
    let mut id = random_id();
    for _ in 0..10 {
        if !taken(&id) {
            break;
        }
        id = random_id();
    }
    id
}

fn random_id() -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut seed = [0; 8];
    if File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut seed)).is_err() {
        // Ids only tell sessions apart: the clock and the process id do that as well.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        seed = (now.as_nanos() as u64 ^ u64::from(std::process::id()) << 32).to_ne_bytes();
    }
    let mut number = u64::from_ne_bytes(seed);
    let mut letter = || {
        let letter = LETTERS[(number % 36) as usize];
        number /= 36;
        char::from(letter)
    };
    (0..4).map(|_| letter()).collect()
}

/// The session id in the name of a recording: what stands between the last `-` and the extension.
pub fn id_of(name: &OsStr) -> Option<&str> {
    let (_, id) = name.to_str()?.strip_suffix(EXTENSION)?.rsplit_once('-')?;
    (!id.is_empty()).then_some(id)
}

/// `20261121T174904Z-codex-k3f9`: sorts by time, and says whose and which.
pub(super) fn name(start: &Start) -> String {
    let when = jiff::Timestamp::from_second(start.timestamp).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let program = start.argv.first().map(|path| Path::new(OsStr::from_bytes(path)).file_name().unwrap_or_default());
    let program = program.unwrap_or_default().to_string_lossy();
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || "._".contains(letter) { letter } else { '_' }
    };
    let program: String = program.chars().take(32).map(plain).collect();
    format!("{}-{}-{}", when.strftime("%Y%m%dT%H%M%SZ"), program, start.id)
}

/// The file of a session that begins with `start`; None when it is to have none. Makes the directory.
pub(super) fn path(target: &Target, start: &Start) -> Result<Option<PathBuf>, RecorderError> {
    let dir = match target {
        Target::Nowhere => return Ok(None),
        Target::Default => default_dir()?,
        Target::At(path) if path.is_dir() || path.as_os_str().as_bytes().ends_with(b"/") => path.clone(),
        Target::At(path) => return Ok(Some(path.clone())),
    };
    Ok(Some(dir.join(name(start) + EXTENSION)))
}

/// Creates the file, which must not exist, and the directory it lies in.
pub(super) fn create(path: &Path, target: &Target) -> io::Result<File> {
    if let Some(dir) = path.parent()
        && !matches!(target, Target::At(file) if file == path)
    {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Says that it is being written (see `shelf`); where there are no locks the session's directory says so, too.
    let _ = file.try_lock();
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_four_letters_and_come_back_from_names() {
        let id = random_id();
        assert!(id.len() == 4 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        assert_eq!(id_of(OsStr::new("20261121T174904Z-my-agent-k3f9.cast.zst")), Some("k3f9"));
        assert_eq!(id_of(OsStr::new("notes.txt")), None);
    }
}
