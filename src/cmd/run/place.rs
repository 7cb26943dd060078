//! Where and as whom a command is run.
//!
//! Invariant: the working directory is absolute and exists, and holds nothing that binds sessions.
//! Leaves to others: home and govsh's own directories (`library`, `session::runtime`, `session::recorder`).

use std::io;
use std::path::{Path, PathBuf};

use crate::cmd::library;
use crate::sys::cred;

#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("cannot tell the working directory")]
    Cwd(#[source] io::Error),
    #[error("'{place}' lies in '{dir}', which holds what binds sessions: none can work there")]
    Binding { place: String, dir: String },
}

impl PlaceError {
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Cwd(_) => None,
            Self::Binding { .. } => Some("start it from another directory (TMPDIR and HOME count, too)"),
        }
    }
}

#[derive(Debug)]
pub struct Place {
    pub user: String,
    pub cwd: PathBuf,
}

impl Place {
    pub fn find() -> Result<Self, PlaceError> {
        let cwd = std::env::current_dir().map_err(PlaceError::Cwd)?;
        not_in_binding(&cwd)?;
        let uid = cred::euid();
        let user = std::fs::read("/etc/passwd").ok().and_then(|passwd| name_of(&passwd, uid));
        Ok(Place { user: user.unwrap_or_else(|| uid.to_string()), cwd })
    }
}

/// What the agent works in is its own to write: nothing of that may be what binds it.
fn not_in_binding(cwd: &Path) -> Result<(), PlaceError> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let real = |path: PathBuf| std::fs::canonicalize(&path).unwrap_or(path);
    let binding: Vec<PathBuf> = library::binding().into_iter().map(real).collect();
    let used = [Some(cwd.to_owned()), set("TMPDIR"), set("HOME")];
    for place in used.into_iter().flatten().map(real) {
        if let Some(dir) = binding.iter().find(|dir| place.starts_with(dir)) {
            let (place, dir) = (place.to_string_lossy().into_owned(), dir.to_string_lossy().into_owned());
            return Err(PlaceError::Binding { place, dir });
        }
    }
    Ok(())
}

/// Name of a user, see passwd(5).
fn name_of(passwd: &[u8], uid: u32) -> Option<String> {
    passwd.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next()?;
        let number: u32 = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
        (number == uid).then(|| String::from_utf8_lossy(name).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_the_first_with_that_number() {
        let passwd =
            b"root:x:0:0:root:/root:/bin/bash\n\nbroken\nann:x:7:7::/home/ann:/bin/sh\nbob:x:7:7::/home/bob:\n";
        assert_eq!(name_of(passwd, 7), Some("ann".to_owned()));
        assert_eq!(name_of(passwd, 8), None);
    }
}
