//! The key with which this machine signs recordings: one file in govsh's state directory, which the agent can neither read nor write.
//!
//! Invariant: made once, complete and 0600 from its first moment under its name, and never replaced; one that others could
//! read or have written is not used.
//! Leaves to others: what is signed (`recording`).

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{RecorderError, place};
use crate::recording::SecretKey;
use crate::sys;

/// What the file is called: the built-in protections name it, too.
const NAME: &str = "signing.key";
/// First line of the file; then come the name of the machine and the secret, 64 hexadecimal digits.
const TITLE: &str = "govsh signing key 1, secret";
/// More than any such file has.
const LONGEST: u64 = 1 << 10;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Place(#[from] RecorderError),
    #[error("cannot make the signing key '{}'", .path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("cannot read the signing key '{}'", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("'{}' could be read or written by others: it is not used\nhint: move it away, and a new one is made", .path.display())]
    Exposed { path: PathBuf },
    #[error("'{}' is no signing key\nhint: move it away, and a new one is made", .path.display())]
    Broken { path: PathBuf },
}

/// Where it lies: beside the recordings' default place.
pub fn key_path() -> Result<PathBuf, RecorderError> {
    let recordings = place::default_dir()?;
    Ok(recordings.with_file_name(NAME))
}

/// This machine's key; None when none was made yet.
pub fn known_key() -> Result<Option<SecretKey>, KeyError> {
    let path = key_path()?;
    match read(&path) {
        Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// This machine's key, made if there was none.
pub fn own_key() -> Result<SecretKey, KeyError> {
    if let Some(key) = known_key()? {
        return Ok(key);
    }
    let path = key_path()?;
    make(&path).map_err(|source| KeyError::Make { path: path.clone(), source })?;
    read(&path)
}

fn read(path: &Path) -> Result<SecretKey, KeyError> {
    let failed = |source| KeyError::Read { path: path.to_owned(), source };
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & 0o077 != 0 || metadata.uid() != sys::cred::euid() {
        return Err(KeyError::Exposed { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    parse(&text).ok_or_else(|| KeyError::Broken { path: path.to_owned() })
}

fn parse(text: &str) -> Option<SecretKey> {
    let mut lines = text.lines();
    let (title, name, secret) = (lines.next()?, lines.next()?, lines.next()?);
    let mut seed = [0; 32];
    if title != TITLE || secret.len() != 2 * seed.len() || !secret.is_ascii() {
        return None;
    }
    for (place, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(secret.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(SecretKey::new(&seed, name.to_owned()))
}

/// Writes it under another name first, so that two first sessions agree on one.
fn make(path: &Path) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut seed = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let secret: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let name: String = sys::process::host_name().chars().filter(|letter| !letter.is_control()).take(64).collect();
    let draft = dir.join(format!(".key-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(format!("{TITLE}\n{name}\n{secret}\n").as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| std::fs::hard_link(&draft, path));
    std::fs::remove_file(&draft)?;
    match linked {
        // Another session was faster: its key is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("govsh/key");
        make(&path).expect("made");
        let first = read(&path).expect("readable").public();
        make(&path).expect("there already");
        assert_eq!(read(&path).expect("readable").public(), first);
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path().join("govsh")).expect("a directory").count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        make(&path).expect("made");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(matches!(read(&path), Err(KeyError::Exposed { .. })));
    }

    #[test]
    fn what_is_no_key_is_said_to_be_none() {
        for text in ["", "x\ny\nz\n", &format!("{TITLE}\nname\n{}\n", "g".repeat(64)), &format!("{TITLE}\nname\n00\n")]
        {
            assert!(parse(text).is_none(), "{text}");
        }
        assert!(parse(&format!("{TITLE}\nname\n{}\n", "0a".repeat(32))).is_some());
    }
}
