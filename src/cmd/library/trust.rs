//! Which files of projects the user trusts: one small file for each, named after place and text of what is trusted.
//!
//! Invariant: trust holds for one text at one place; an entry counts only as the user's own 0600 file in the user's own
//! directory, among govsh's files, which no session can write. What is strange there is an error, never trust.
//! Leaves to others: asking the user (`cmd::trust`), what trust means (`policy`).

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::policy::Source;
use crate::sys::cred;

/// Longest entry, in bytes.
const LONGEST: u64 = 16 << 10;

#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("cannot {act} '{}'", path.display())]
    File { act: &'static str, path: PathBuf, source: io::Error },
    #[error("'{}' is not a private file or directory of this user", path.display())]
    Strange { path: PathBuf },
    #[error("the file's path is not text and cannot be written down")]
    NotText,
}

/// The entries.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

/// What is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: String,
    /// BLAKE3 of the text, in hexadecimal.
    pub digest: String,
    /// When, in RFC 3339.
    pub since: String,
    file: PathBuf,
}

impl Store {
    pub fn at(dir: PathBuf) -> Store {
        Store { dir }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether this text at this place is trusted.
    pub fn holds(&self, source: &Source) -> Result<bool, TrustError> {
        let Some(path) = source.path.as_deref() else { return Ok(false) };
        let file = self.dir.join(name(path, source.text.as_bytes()));
        if !self.dir_is_own()? {
            return Ok(false);
        }
        Ok(read(&file)?.is_some())
    }

    /// Trusts it from now on.
    pub fn add(&self, source: &Source) -> Result<(), TrustError> {
        let path = source.path.as_deref().unwrap_or_default();
        let shown = std::str::from_utf8(path).map_err(|_| TrustError::NotText)?;
        let failed = |act, path: &Path| {
            let path = path.to_owned();
            move |source| TrustError::File { act, path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(failed("make", &self.dir))?;
        self.dir_is_own()?;
        let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap_or_default();
        let digest = blake3::hash(source.text.as_bytes()).to_hex();
        let entry = json!({ "path": shown, "blake3": digest.as_str(), "since": now.to_string() });
        let file = self.dir.join(name(path, source.text.as_bytes()));
        let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        let mut open = match open {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return read(&file).map(drop),
            open => open.map_err(failed("write", &file))?,
        };
        let written = writeln!(open, "{entry}").and_then(|()| open.sync_all());
        written.map_err(|error| {
            // Half an entry would not be read anyway; the first error is the one to tell.
            let _ = fs::remove_file(&file);
            failed("write", &file)(error)
        })
    }

    /// Every entry, by path and then by age.
    pub fn entries(&self) -> Result<Vec<Entry>, TrustError> {
        if !self.dir_is_own()? {
            return Ok(Vec::new());
        }
        let failed = |source| TrustError::File { act: "read", path: self.dir.clone(), source };
        let mut entries = Vec::new();
        for found in fs::read_dir(&self.dir).map_err(failed)? {
            let file = found.map_err(failed)?.path();
            entries.extend(read(&file)?);
        }
        entries.sort_by(|a, b| (&a.path, &a.since).cmp(&(&b.path, &b.since)));
        Ok(entries)
    }

    /// Takes the trust back.
    pub fn remove(&self, entry: &Entry) -> Result<(), TrustError> {
        let failed = |source| TrustError::File { act: "remove", path: entry.file.clone(), source };
        fs::remove_file(&entry.file).map_err(failed)
    }

    /// False if it is not there.
    fn dir_is_own(&self) -> Result<bool, TrustError> {
        match fs::symlink_metadata(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(TrustError::File { act: "look at", path: self.dir.clone(), source }),
            Ok(found) if found.is_dir() && is_private(&found) => Ok(true),
            Ok(_) => Err(TrustError::Strange { path: self.dir.clone() }),
        }
    }
}

fn is_private(found: &fs::Metadata) -> bool {
    found.uid() == cred::euid() && found.mode() & 0o022 == 0
}

/// The entry's name: place and text together, so that neither can be exchanged alone.
fn name(path: &[u8], text: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("govsh: trust in the policy file of a project, 1");
    hasher.update(&(path.len() as u64).to_le_bytes()).update(path).update(text);
    hasher.finalize().to_hex().to_string()
}

/// None if there is no such entry.
fn read(file: &Path) -> Result<Option<Entry>, TrustError> {
    let failed = |source| TrustError::File { act: "read", path: file.to_owned(), source };
    let strange = || TrustError::Strange { path: file.to_owned() };
    let open = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(file);
    let open = match open {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err(strange()),
        open => open.map_err(failed)?,
    };
    let found = open.metadata().map_err(failed)?;
    if !found.is_file() || !is_private(&found) {
        return Err(strange());
    }
    let mut text = String::new();
    open.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    let entry: Value = serde_json::from_str(&text).map_err(|_| strange())?;
    let word = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(strange);
    Ok(Some(Entry { path: word("path")?, digest: word("blake3")?, since: word("since")?, file: file.to_owned() }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::policy::Layer;

    fn source(path: &str, text: &str) -> Source {
        Source { name: path.into(), text: text.into(), layer: Layer::Project, path: Some(path.into()) }
    }

    #[test]
    fn holds_for_one_text_at_one_place() {
        let base = tempfile::tempdir().unwrap();
        let store = Store::at(base.path().join("state/trust"));
        let trusted = source("/w/.govsh/policy.toml", "version = 1");
        assert!(!store.holds(&trusted).unwrap());
        store.add(&trusted).unwrap();
        store.add(&trusted).unwrap();
        assert!(store.holds(&trusted).unwrap());
        assert!(!store.holds(&source("/w/.govsh/policy.toml", "version = 1 ")).unwrap());
        assert!(!store.holds(&source("/v/.govsh/policy.toml", "version = 1")).unwrap());
        let [entry] = &store.entries().unwrap()[..] else { panic!("one entry") };
        assert_eq!((entry.path.as_str(), entry.digest.len()), ("/w/.govsh/policy.toml", 64));
        assert_eq!(fs::metadata(&entry.file).unwrap().mode() & 0o7777, 0o600);
        store.remove(entry).unwrap();
        assert!(!store.holds(&trusted).unwrap());
    }

    #[test]
    fn what_others_could_have_written_is_an_error() {
        let base = tempfile::tempdir().unwrap();
        let store = Store::at(base.path().join("trust"));
        let trusted = source("/w/.govsh/policy.toml", "version = 1");
        store.add(&trusted).unwrap();
        let file = store.entries().unwrap()[0].file.clone();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(store.holds(&trusted), Err(TrustError::Strange { .. })));
        fs::rename(&file, base.path().join("moved")).unwrap();
        std::os::unix::fs::symlink(base.path().join("moved"), &file).unwrap();
        assert!(matches!(store.holds(&trusted), Err(TrustError::Strange { .. })));
        fs::remove_file(&file).unwrap();
        fs::write(&file, "{}").unwrap();
        assert!(matches!(store.holds(&trusted), Err(TrustError::Strange { .. })));
        fs::remove_file(&file).unwrap();
        fs::set_permissions(base.path().join("trust"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(store.holds(&trusted), Err(TrustError::Strange { .. })));
    }
}
