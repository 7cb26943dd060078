//! The command's first word → the file that will be executed, or why it will not.
//!
//! Invariant: found as a shell finds it: PATH for a bare name, else as it stands, from the working directory.
//! Leaves to others: whether the policy allows it.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::place::Place;
use crate::session;
use crate::sys::{cred, process};

/// Where execvp(3) looks without PATH.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("'{0}' was not found in PATH")]
    NotInPath(String),
    #[error("'{0}' does not exist")]
    Missing(String),
    #[error("'{0}' is a directory")]
    Directory(String),
    #[error("'{0}' is not executable")]
    NotExecutable(String),
    #[error("'{0}' cannot be read, only executed, so what it does could not be supervised")]
    ExecuteOnly(String),
    #[error("cannot look at '{path}'")]
    Look { path: String, source: io::Error },
}

impl ProgramError {
    pub fn status(&self) -> i32 {
        match self {
            Self::NotInPath(_) | Self::Missing(_) => session::NOT_FOUND,
            _ => session::REFUSED,
        }
    }

    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::ExecuteOnly(_) => Some("a copy that you may read can be run"),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub struct Program {
    /// Absolute, symbolic links not resolved: what the program sees as its own name.
    pub path: PathBuf,
    /// The same without symbolic links.
    pub real: PathBuf,
    mode: u32,
    owner: (u32, u32),
}

impl Program {
    pub fn find(command: &[OsString], place: &Place) -> Result<Self, ProgramError> {
        let word = Path::new(command.first().map_or("".as_ref(), OsString::as_os_str));
        if word.as_os_str().as_bytes().contains(&b'/') {
            return Self::at(&place.cwd.join(word), &word.to_string_lossy());
        }
        let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        // The first that can be executed; if none can, what is wrong with the first that is there.
        let mut wrong = None;
        for dir in std::env::split_paths(&path).filter(|_| !word.as_os_str().is_empty()) {
            match Self::at(&place.cwd.join(dir).join(word), &word.to_string_lossy()) {
                Ok(program) => return Ok(program),
                Err(ProgramError::Missing(_) | ProgramError::Directory(_) | ProgramError::Look { .. }) => {}
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        Err(wrong.unwrap_or_else(|| ProgramError::NotInPath(word.to_string_lossy().into_owned())))
    }

    fn at(path: &Path, shown: &str) -> Result<Self, ProgramError> {
        let shown = shown.to_owned();
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(ProgramError::Missing(shown));
            }
            Err(source) => return Err(ProgramError::Look { path: shown, source }),
        };
        if found.is_dir() {
            return Err(ProgramError::Directory(shown));
        }
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| ProgramError::Missing(shown.clone()))?;
        if !found.is_file() || process::may_access(&name, libc::X_OK).is_err() {
            return Err(ProgramError::NotExecutable(shown));
        }
        if process::may_access(&name, libc::R_OK).is_err() {
            return Err(ProgramError::ExecuteOnly(shown));
        }
        let real = std::fs::canonicalize(path).map_err(|source| ProgramError::Look { path: shown, source })?;
        Ok(Program { path: path.to_owned(), real, mode: found.mode(), owner: (found.uid(), found.gid()) })
    }

    /// What the user should know about it: a program that would have gained rights does not gain them here.
    pub fn notice(&self) -> Option<String> {
        let user = self.mode & libc::S_ISUID != 0 && self.owner.0 != cred::euid();
        let group = self.mode & (libc::S_ISGID | libc::S_IXGRP) == libc::S_ISGID | libc::S_IXGRP
            && self.owner.1 != cred::egid();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        (user || group).then(|| format!("{name} is setuid or setgid: here it runs with your own rights only"))
    }
}
