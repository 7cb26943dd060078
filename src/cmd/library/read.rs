//! One policy file: opened without waiting, and believed only if nobody wrote it who must not.
//!
//! Invariant: owner and mode are those of the very file that is read; a file of the machine belongs to root and can be
//! written by root alone, and so can the directory it lies in.
//! Leaves to others: which files there are (`layers`), what is in them (`policy`).

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::policy::{Layer, PolicyError, Source};
use crate::sys::{cred, file};

/// Longest policy file, in bytes.
const LONGEST: u64 = 1 << 20;

/// Who may have written a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// Root, and nobody else.
    Root,
    /// This user or root; the user's group may be allowed to, since it often is the user's alone.
    User,
    /// Anybody: what the file says is judged by its layer.
    Anyone,
}

impl Writer {
    /// Why the file or directory may say what somebody else wants, with what to do about it.
    fn fault(self, found: &Metadata, user: u32) -> Option<(String, &'static str)> {
        let (owners, mask): (&[u32], u32) = match self {
            Writer::Root => (&[0], 0o022),
            Writer::User => (&[0, user], 0o002),
            Writer::Anyone => return None,
        };
        if !owners.contains(&found.uid()) {
            let owner = if self == Writer::Root { "root" } else { "you" };
            return Some((format!("belongs to user {}, not to {owner}", found.uid()), "chown it, or remove it"));
        }
        let others = found.mode() & mask != 0;
        others.then(|| (format!("can be written by others (mode {:o})", found.mode() & 0o7777), "chmod go-w it"))
    }
}

/// Reads a policy, which `writer` must have written.
pub fn policy(path: &Path, layer: Layer, writer: Writer) -> Result<Source, PolicyError> {
    let name = path.to_string_lossy().into_owned();
    let whole = |reason: &str| PolicyError::whole(&name, reason, None);
    let open = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let opened = open.map_err(|error| whole(&error_text(&error)))?;
    // The name the kernel has for it: no other can have been put under the name that was opened.
    let real = file::path_of(opened.as_fd()).map_err(|error| whole(&error_text(&error.into())))?;
    let found = opened.metadata().map_err(|error| whole(&error_text(&error)))?;
    if let Some((fault, hint)) = writer.fault(&found, cred::euid()) {
        return Err(PolicyError::whole(&name, format!("it {fault}"), Some(hint)));
    }
    let raw = contents(opened, &found).map_err(|reason| whole(&reason))?;
    let text =
        String::from_utf8(raw).map_err(|error| not_utf8(&name, error.as_bytes(), error.utf8_error().valid_up_to()))?;
    Ok(Source { name, text, layer, path: Some(real) })
}

/// The policies of a directory by name, none if it is not there. `writer` holds for it, for what it lies in, and for the
/// directories that its files are linked from.
pub fn directory(dir: &Path, layer: Layer, writer: Writer) -> Result<Vec<Source>, PolicyError> {
    let name = dir.to_string_lossy().into_owned();
    let whole = |error: &std::io::Error| PolicyError::whole(&name, error_text(error), None);
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => return Ok(Vec::new()),
        Err(error) => return Err(whole(&error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| whole(&error))?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    if !files.is_empty() {
        for dir in std::iter::once(dir).chain(dir.parent()) {
            guarded(dir, writer)?;
        }
    }
    let mut sources = Vec::new();
    for path in files {
        let source = policy(&path, layer, writer)?;
        let real = source.path.clone().map(|path| PathBuf::from(std::ffi::OsString::from_vec(path)));
        if let Some(home) = real.as_deref().and_then(Path::parent).filter(|home| *home != dir) {
            guarded(home, writer)?;
        }
        sources.push(source);
    }
    Ok(sources)
}

/// Nobody but `writer` puts files into the directory.
fn guarded(dir: &Path, writer: Writer) -> Result<(), PolicyError> {
    let name = dir.to_string_lossy();
    let found = fs::metadata(dir).map_err(|error| PolicyError::whole(&name, error_text(&error), None))?;
    match writer.fault(&found, cred::euid()) {
        Some((fault, hint)) => Err(PolicyError::whole(&name, format!("the directory {fault}"), Some(hint))),
        None => Ok(()),
    }
}

/// The bytes of a regular file that is not too large.
fn contents(file: File, found: &Metadata) -> Result<Vec<u8>, String> {
    if found.is_dir() {
        return Err("it is a directory".into());
    }
    if !found.is_file() {
        return Err("it is no regular file".into());
    }
    let mut raw = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut raw).map_err(|error| error_text(&error))?;
    if raw.len() as u64 > LONGEST {
        return Err("it is larger than 1 MiB".into());
    }
    Ok(raw)
}

/// An error's text without its number: `no such file or directory`.
pub fn error_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn not_utf8(name: &str, raw: &[u8], valid: usize) -> PolicyError {
    let before = String::from_utf8_lossy(raw.get(..valid).unwrap_or_default()).into_owned();
    let byte = raw.get(valid).copied().unwrap_or_default();
    PolicyError::At {
        policy: name.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
        reason: format!("byte 0x{byte:02x} is not UTF-8"),
        hint: Some("policies are UTF-8 text".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn files_that_others_can_write_are_refused() {
        let base = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(base.path()).unwrap();
        let (dir, path) = (base.join("policy.d"), base.join("policy.d/x.toml"));
        assert_eq!(directory(&dir, Layer::User, Writer::User).unwrap(), []);
        fs::create_dir(&dir).unwrap();
        mode(&dir, 0o755);
        fs::write(&path, "version = 1").unwrap();
        fs::write(dir.join(".x.toml"), "hidden").unwrap();
        fs::write(dir.join("x.toml~"), "no policy").unwrap();
        for (bits, ok) in [(0o644, true), (0o664, true), (0o666, false), (0o602, false)] {
            mode(&path, bits);
            assert_eq!(directory(&dir, Layer::User, Writer::User).is_ok(), ok, "{bits:o}");
        }
        mode(&path, 0o600);
        mode(&dir, 0o777);
        let error = directory(&dir, Layer::User, Writer::User).unwrap_err();
        assert!(error.to_string().ends_with("the directory can be written by others (mode 777)"), "{error}");
        mode(&dir, 0o755);
        // A link is judged by where it leads.
        fs::remove_file(&path).unwrap();
        fs::create_dir(base.join("open")).unwrap();
        mode(&base.join("open"), 0o777);
        fs::write(base.join("open/x"), "version = 1").unwrap();
        mode(&base.join("open/x"), 0o600);
        symlink(base.join("open/x"), &path).unwrap();
        assert!(directory(&dir, Layer::User, Writer::User).unwrap_err().to_string().contains("the directory can be"));
        mode(&base.join("open"), 0o755);
        assert_eq!(directory(&dir, Layer::User, Writer::User).unwrap().len(), 1);
    }

    #[test]
    fn the_machine_is_root_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let found = |bits: u32| {
            mode(file.path(), bits);
            fs::metadata(file.path()).unwrap()
        };
        let own = found(0o644).uid();
        assert_eq!(Writer::Root.fault(&found(0o644), own).is_none(), own == 0);
        assert!([0o664, 0o646].iter().all(|bits| Writer::Root.fault(&found(*bits), own).is_some()));
        assert!(Writer::User.fault(&found(0o644), own).is_none());
        assert_eq!(Writer::User.fault(&found(0o644), own + 1).is_none(), own == 0);
    }
}
