//! Where it is kept what MCP servers were when they were first used: a file for each in the user's configuration.
//!
//! Invariant: files have mode 0600 in a directory of 0700 that no session can write (`~/.config/govsh` is closed to every agent);
//! each is replaced as a whole or stays what it was. What cannot be read is an error, never taken for a server without pins.
//! Leaves to others: comparing (`mcp::pins`), what follows from a change (`mcp::relay`, `servers`).
//!
//! ```text
//! pins/NAME.json         what is pinned
//! pins/seen/NAME.json    what was seen instead, for 'govsh mcp diff' and 'govsh mcp pin --accept'
//! ```

pub mod held;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::mcp::pins::{Change, Identity, Pinned, PinsError, sha256};
use crate::policy::mcp::Launch;

/// Longest file of pins, and longest program whose digest is taken, in bytes.
const LONGEST: u64 = 64 << 20;
const LONGEST_PROGRAM: u64 = 1 << 30;
/// Digests that are remembered.
const MOST_DIGESTS: usize = 256;
/// Seconds after a change from which on another one shows.
const SETTLED: i64 = 2;

/// Why pins cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot use the pins in '{path}'")]
    Io { path: String, source: io::Error },
    #[error("cannot understand the pins in '{path}'")]
    Pins { path: String, source: PinsError },
    #[error("the pins in '{path}' are another user's, or others may write them")]
    Foreign { path: String },
}

/// The directory.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
    /// Of files that were read before: an interpreter is large, and every connection wants its digest.
    digests: Arc<Mutex<HashMap<PathBuf, (Stamp, String)>>>,
}

/// Which bytes a file has, as far as the kernel tells without reading them: any write and any change of its times sets its
/// time of change, which nobody can set back. Whoever can race that (a mapping that is written to later) can also exchange
/// the file between any look at it and its start: digests tell of servers that were replaced, and are no defence against an
/// agent that may write a server's program.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &fs::Metadata) -> Stamp {
        Stamp {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Whether a further write would show: times are no finer than the kernel's clock ticks.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        i64::try_from(now).is_ok_and(|now| self.changed.0 + SETTLED < now)
    }
}

impl Store {
    /// `~/.config/govsh/pins`, as it is called here; it need not exist.
    pub fn at(dir: PathBuf) -> Store {
        Store { dir, digests: Arc::default() }
    }

    /// What a server is: its words with the digests of its program and of every file among the words (the script of an
    /// interpreter), or its URL. `program` is what its first word was found to be; `cwd` is where it is started.
    pub fn identity(&self, launch: &Launch, program: Option<&Path>, cwd: &Path) -> io::Result<Identity> {
        let argv = match launch {
            Launch::Url(url) => return Ok(Identity::Url { url: url.clone(), certificate: None }),
            Launch::Command(argv) => argv,
        };
        let mut files = BTreeMap::new();
        let named = argv.iter().skip(1).filter(|word| !word.starts_with('-')).map(|word| cwd.join(word));
        for path in program.map(Path::to_owned).into_iter().chain(named) {
            // A word that is no file is no matter; a file that cannot be read is.
            let Ok(real) = path.canonicalize() else { continue };
            if let Some(digest) = self.digest(&real)? {
                files.insert(real.to_string_lossy().into_owned(), digest);
            }
        }
        Ok(Identity::Command { argv: argv.clone(), files })
    }

    /// None for what is no file, or a very long one. Several that want the same wait for the first.
    fn digest(&self, path: &Path) -> io::Result<Option<String>> {
        let Ok(found) = fs::metadata(path) else { return Ok(None) };
        if !found.is_file() || found.len() > LONGEST_PROGRAM {
            return Ok(None);
        }
        let stamp = Stamp::of(&found);
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, digest)) = digests.get(path).filter(|(known, _)| *known == stamp) {
            return Ok(Some(digest.clone()));
        }
        let settled = stamp.is_settled();
        let digest = sha256(&fs::read(path)?);
        if settled && digests.len() < MOST_DIGESTS {
            digests.insert(path.to_owned(), (stamp, digest.clone()));
        }
        Ok(Some(digest))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }

    fn path_seen(&self, name: &str) -> PathBuf {
        self.dir.join("seen").join(format!("{name}.json"))
    }

    /// Whether there is something pinned of this server.
    pub fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok()
    }

    /// What is pinned of the server; None before its first use.
    pub fn known(&self, name: &str) -> Result<Option<Pinned>, StoreError> {
        read(&self.path(name))
    }

    /// What was seen of it last that was not as pinned.
    pub fn seen(&self, name: &str) -> Result<Option<Pinned>, StoreError> {
        read(&self.path_seen(name))
    }

    /// Pins this from now on; what was seen instead is settled.
    pub fn keep(&self, name: &str, pinned: &Pinned) -> Result<(), StoreError> {
        write(&self.path(name), pinned)?;
        remove(&self.path_seen(name))
    }

    /// Notes how the server differs, on top of what was noted before.
    pub fn note(&self, name: &str, known: &Pinned, changes: &[Change]) -> Result<(), StoreError> {
        let mut seen = self.seen(name)?.unwrap_or_else(|| known.clone());
        changes.iter().for_each(|change| change.accept(&mut seen));
        write(&self.path_seen(name), &seen)
    }

    /// The next use is its first one again; whether anything was pinned.
    pub fn forget(&self, name: &str) -> Result<bool, StoreError> {
        let had = self.has(name);
        remove(&self.path_seen(name))?;
        remove(&self.path(name))?;
        Ok(had)
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError {
    let path = path.display().to_string();
    move |source| StoreError::Io { path: path.clone(), source }
}

fn read(path: &Path) -> Result<Option<Pinned>, StoreError> {
    // A link could lead to what somebody else writes.
    let file = match File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path)(error)),
    };
    let found = file.metadata().map_err(failed(path))?;
    if !found.is_file() || found.uid() != crate::sys::cred::euid() || found.mode() & 0o022 != 0 {
        return Err(StoreError::Foreign { path: path.display().to_string() });
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(failed(path))?;
    Pinned::parse(&text).map(Some).map_err(|source| StoreError::Pins { path: path.display().to_string(), source })
}

fn write(path: &Path, pinned: &Pinned) -> Result<(), StoreError> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed(dir))?;
    // Two sessions may write at once: each has its own file, and the last one holds.
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let made = || -> io::Result<()> {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(pinned.to_json().as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    made().map_err(failed(path))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::mcp::pins::{Tool, compare};
    use crate::policy::mcp::Value;

    fn pinned(description: &str) -> Pinned {
        let mut pinned = Pinned::new(Identity::Url { url: "https://x.test/mcp".into(), certificate: None });
        let object = Value::parse(format!("{{\"name\":\"a\",\"description\":\"{description}\"}}").as_bytes()).unwrap();
        pinned.tools.insert("a".into(), Tool::of(&object));
        pinned
    }

    #[test]
    fn what_is_pinned_reads_back_and_changes_are_noted_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("govsh/pins"));
        assert!(!store.has("x") && store.known("x").unwrap().is_none());
        let (was, is) = (pinned("reads"), pinned("sends"));
        store.keep("x", &was).unwrap();
        assert_eq!(store.known("x").unwrap(), Some(was.clone()));
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(store.path("x")), mode(store.dir.clone())), (0o600, 0o700));
        store.note("x", &was, &compare(&was, &is)).unwrap();
        assert_eq!((store.known("x").unwrap(), store.seen("x").unwrap()), (Some(was), Some(is.clone())));
        store.keep("x", &is).unwrap();
        assert_eq!((store.known("x").unwrap(), store.seen("x").unwrap()), (Some(is), None));
        assert!(store.forget("x").unwrap() && !store.has("x") && !store.forget("x").unwrap());
    }

    #[test]
    fn what_others_may_write_or_a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().to_owned());
        store.keep("x", &pinned("reads")).unwrap();
        fs::set_permissions(store.path("x"), fs::Permissions::from_mode(0o622)).unwrap();
        assert!(matches!(store.known("x"), Err(StoreError::Foreign { .. })));
        std::os::unix::fs::symlink(store.path("x"), store.path("y")).unwrap();
        assert!(matches!(store.known("y"), Err(StoreError::Io { .. })));
        fs::write(store.path("z"), "{}").unwrap();
        assert!(matches!(store.known("z"), Err(StoreError::Pins { .. })));
    }

    #[test]
    fn a_script_is_part_of_what_a_server_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("s.js"), "1").unwrap();
        let launch = Launch::Command(vec!["node".into(), "--x".into(), "s.js".into(), "absent".into()]);
        let of = || Store::at(dir.path().join("pins")).identity(&launch, None, dir.path()).unwrap();
        let before = of();
        assert!(matches!(&before, Identity::Command { files, .. } if files.len() == 1));
        fs::write(dir.path().join("s.js"), "2").unwrap();
        assert_ne!(before, of());
    }
}
