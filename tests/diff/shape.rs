//! Directories that git would take for a repository's: what the oracle says of changes in them.
//!
//! Invariant: uses nothing of the product; looks at each name on disk, as things stand.
//! Leaves to others: the rules of the policy (`oracle`).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

fn there(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn cut(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Both of what makes it one are there.
fn is_whole(dir: &str) -> bool {
    there(&format!("{dir}/objects")) && there(&format!("{dir}/refs"))
}

/// The name is that of a configuration in such a directory.
pub fn is_config(path: &str) -> bool {
    let (dir, name) = cut(path);
    name == "config" && is_whole(dir)
}

/// The name is that of something which git would run there.
pub fn is_hook(path: &str) -> bool {
    let (dir, name) = cut(path);
    let (above, parent) = cut(dir);
    parent == "hooks" && !name.contains('.') && is_whole(above)
}

/// What is written, made or linked there could be run by git.
pub fn guards(path: &str) -> bool {
    let (dir, name) = cut(path);
    is_config(path) || is_hook(path) || (name == "hooks" && is_whole(dir))
}

/// Making this name would make its directory one, and what lies there could be run. `writable` says what the agent may write.
pub fn completes_badly(path: &str, writable: &dyn Fn(&str) -> bool) -> bool {
    let (dir, name) = cut(path);
    let other = match name {
        "objects" => "refs",
        "refs" => "objects",
        _ => return false,
    };
    if there(path) || !there(&format!("{dir}/{other}")) {
        return false;
    }
    let (hooks, config) = (format!("{dir}/hooks"), format!("{dir}/config"));
    (writable(&format!("{hooks}/x")) && has_hook(&hooks)) || (writable(&config) && is_bad_config(&config))
}

fn has_hook(hooks: &str) -> bool {
    let Ok(stat) = fs::symlink_metadata(hooks) else { return false };
    let could_run = |entry: fs::DirEntry| {
        !entry.file_name().to_string_lossy().contains('.') && !entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    stat.is_symlink() || (stat.is_dir() && fs::read_dir(hooks).is_ok_and(|all| all.flatten().any(could_run)))
}

/// No file of these trees is a configuration that git could read, but for an empty one.
fn is_bad_config(config: &str) -> bool {
    match fs::symlink_metadata(config) {
        Ok(stat) if stat.is_dir() => false,
        Ok(stat) => !stat.is_file() || stat.nlink() > 1 || stat.len() > 0,
        Err(_) => false,
    }
}

/// Whether a configuration may be put there by renaming: an empty one, in the place of an empty one or of none; in the place of
/// any in a directory that was made since.
pub fn may_become(from: &str, to: &str, since: SystemTime) -> bool {
    let (dir, _) = cut(to);
    let is_new = fs::metadata(Path::new(dir)).and_then(|stat| stat.created()).is_ok_and(|made| made >= since);
    let empty = |path: &str| fs::symlink_metadata(path).map(|stat| stat.is_file() && stat.len() == 0);
    let plain = fs::symlink_metadata(to).is_ok_and(|stat| stat.is_file());
    let single = fs::symlink_metadata(from).is_ok_and(|stat| stat.nlink() == 1);
    let replaces = match empty(to) {
        Ok(is_empty) => is_empty || (is_new && plain),
        Err(_) => true,
    };
    single && empty(from).is_ok_and(|is_empty| is_empty) && replaces
}
