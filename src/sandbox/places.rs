//! What stands at the paths of a plan: each looked at once, and nothing beneath what is not there.
//!
//! Invariant: for one plan a path is the same thing throughout, whoever changes it meanwhile; what comes into being later is
//! served as late. Links are followed.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::FileType;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use foldhash::fast::RandomState;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Absent,
    Directory,
    File,
    /// A character or block device.
    Device,
    /// A pipe, a socket, a link that leads nowhere, or what may not be looked at.
    Other,
}

#[derive(Debug, Default)]
pub(super) struct Places {
    known: HashMap<Vec<u8>, Kind, RandomState>,
}

impl Places {
    /// What stands at the absolute `path`.
    pub fn at(&mut self, path: &[u8]) -> Kind {
        if let Some(known) = self.known.get(path) {
            return *known;
        }
        let above = path.iter().rposition(|byte| *byte == b'/').and_then(|slash| path.get(..slash));
        if above.is_some_and(|above| !above.is_empty() && self.at(above) == Kind::Absent) {
            return Kind::Absent;
        }
        let found = look(Path::new(OsStr::from_bytes(path)));
        self.known.insert(path.to_vec(), found);
        found
    }
}

/// One look for most: of hundreds of paths few are there, and fewer are links.
fn look(path: &Path) -> Kind {
    let absent = |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    match path.symlink_metadata() {
        Ok(found) if !found.is_symlink() => kind(found.file_type()),
        Ok(_) => match path.metadata() {
            Ok(found) => kind(found.file_type()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Kind::Absent,
            Err(_) => Kind::Other,
        },
        Err(error) if absent(&error) => Kind::Absent,
        Err(_) => Kind::Other,
    }
}

fn kind(found: FileType) -> Kind {
    match found {
        found if found.is_dir() => Kind::Directory,
        found if found.is_file() => Kind::File,
        found if found.is_char_device() || found.is_block_device() => Kind::Device,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_beneath_what_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).into_os_string().into_encoded_bytes();
        std::fs::write(dir.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("gone", dir.path().join("dangling")).unwrap();
        let mut places = Places::default();
        let kinds = ["file", "dangling", "absent/x/y", "file/x", "."].map(|name| places.at(&at(name)));
        assert_eq!(kinds, [Kind::File, Kind::Other, Kind::Absent, Kind::Absent, Kind::Directory]);
        assert_eq!(places.at(b"/dev/null"), Kind::Device);
        std::fs::create_dir_all(dir.path().join("absent/x")).unwrap();
        assert_eq!(places.at(&at("absent/x/y")), Kind::Absent, "one plan, one answer");
    }
}
