//! BLAKE3 of programs: computed once for each version of a file, by a thread of its own.
//!
//! Invariant: a digest is kept only for a file that had not changed for a second when it was read and did not while it was
//! read, and found again only by device, inode, size, mtime and ctime together. Nobody who answers calls waits for the
//! thread; only a rule about digests makes a worker read the file itself.
//! Leaves to others: when an event that waits for its digest goes on (`bus`).

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::target::lock;
use crate::bus::Later;
use crate::policy::Digest;
use crate::sys::{Errno, Sys};

/// Files that wait to be read; what comes on top of them has no digest.
const WAITING: usize = 256;
/// Digests that are kept.
const KEPT: usize = 16_384;
/// How long reading one file may take.
const BUDGET: Duration = Duration::from_secs(10);
/// A file that was changed later than this before it was read may be changed again within the same tick of its times.
const SETTLED: Duration = Duration::from_secs(1);
/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// A version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    file: (u64, u64),
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Key {
    fn of(file: &File) -> std::io::Result<Key> {
        let meta = file.metadata()?;
        Ok(Key {
            file: (meta.dev(), meta.ino()),
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    /// Neither time lies within the last second, or in the future.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let Some(before) = now.checked_sub(SETTLED) else { return false };
        let old = |(seconds, _): (i64, i64)| seconds < i64::try_from(before.as_secs()).unwrap_or(0);
        old(self.mtime) && old(self.ctime)
    }
}

type Known = Arc<Mutex<HashMap<Key, Digest, foldhash::fast::RandomState>>>;

struct Order {
    file: File,
    later: Later,
}

/// All digests of a session.
pub struct Digests {
    known: Known,
    orders: SyncSender<Order>,
}

impl Digests {
    /// Starts the thread, which ends with this.
    pub fn start() -> std::io::Result<Digests> {
        let known = Known::default();
        let (orders, inbox) = sync_channel(WAITING);
        let shared = known.clone();
        std::thread::Builder::new().name("digests".into()).spawn(move || serve(&shared, &inbox))?;
        Ok(Digests { known, orders })
    }

    /// The digest, if it is known already.
    pub fn known(&self, file: &OwnedFd) -> Option<Digest> {
        let key = Key::of(&File::from(file.try_clone().ok()?)).ok()?;
        lock(&self.known).get(&key).copied()
    }

    /// Has the file read, by the thread.
    pub fn order(&self, file: &OwnedFd) -> Later {
        let later = Later::default();
        let sent = file.try_clone().ok().map(|file| Order { file: File::from(file), later: later.clone() });
        if sent.and_then(|order| self.orders.try_send(order).ok()).is_none() {
            later.settle(None);
        }
        later
    }

    /// Reads the file now, unless its digest is known. The caller waits, so only where a rule needs it.
    pub fn now(&self, file: &OwnedFd) -> Sys<Digest> {
        let file = file.try_clone().map_err(|e| Errno(e.raw_os_error().unwrap_or(libc::EMFILE)))?;
        digest(&self.known, &File::from(file)).ok_or(Errno(libc::EACCES))
    }
}

fn serve(known: &Known, inbox: &Receiver<Order>) {
    while let Ok(order) = inbox.recv() {
        order.later.settle(digest(known, &order.file));
    }
}

/// None: it cannot be read, or not in time.
fn digest(known: &Known, file: &File) -> Option<Digest> {
    let before = Key::of(file).ok()?;
    if let Some(digest) = lock(known).get(&before) {
        return Some(*digest);
    }
    let digest = read(file)?;
    if before.is_settled() && Key::of(file).ok()? == before {
        let mut known = lock(known);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(before, digest);
    }
    Some(digest)
}

fn read(file: &File) -> Option<Digest> {
    let started = Instant::now();
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    loop {
        // The offset is the descriptor's own, and nobody else's business.
        let count = match file.read_at(&mut buffer, at) {
            Ok(0) => return Some(*hasher.finalize().as_bytes()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return None,
        };
        hasher.update(buffer.get(..count)?);
        at += count as u64;
        if started.elapsed() > BUDGET {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> (tempfile::NamedTempFile, OwnedFd) {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("written");
        let fd = std::fs::File::open(file.path()).expect("opened").into();
        (file, fd)
    }

    #[test]
    fn the_thread_reads_what_is_ordered() {
        let digests = Digests::start().expect("a thread");
        let bytes = vec![7; 3 * CHUNK + 5];
        let (_file, fd) = file(&bytes);
        let wanted = *blake3::hash(&bytes).as_bytes();
        assert_eq!(digests.now(&fd), Ok(wanted));
        // Fresh files are read anew each time.
        assert_eq!(digests.known(&fd), None);
        let later = digests.order(&fd);
        assert_eq!(later.settled(Duration::from_secs(30)), Some(Some(wanted)));
    }

    #[test]
    fn what_was_changed_is_read_again() {
        let digests = Digests::start().expect("a thread");
        let (mut file, fd) = file(b"one");
        let old = std::fs::FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(100));
        file.as_file().set_times(old).expect("times");
        assert_eq!(digests.now(&fd), Ok(*blake3::hash(b"one").as_bytes()));
        file.write_all(b"two").expect("written");
        assert_eq!(digests.now(&fd), Ok(*blake3::hash(b"onetwo").as_bytes()));
        // mtime can be set back by anybody, ctime by nobody: not kept.
        assert!(lock(&digests.known).is_empty());
    }
}
