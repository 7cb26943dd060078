//! Where a command keeps its own: files and directories of its name in the home directory, what `${command}` stands for.
//!
//! Invariant: the name is one that the user typed, a plain word, and not one under which many programs keep theirs.
//! Leaves to others: what a policy grants there, and what it takes away all the same (`policies/secrets.toml`).

use std::ffi::OsStr;
use std::path::PathBuf;

use super::{config_dir, env_dir, home};

/// Longest name, in bytes.
const LONGEST: usize = 64;

/// Directories that belong to no program alone, or whose files are run by others.
const SHARED: &[&str] = &[
    "autostart",
    "bin",
    "cache",
    "config",
    "data",
    "fonts",
    "govsh",
    "gnupg",
    "icons",
    "keyrings",
    "local",
    "lib",
    "pki",
    "profile",
    "share",
    "ssh",
    "state",
    "systemd",
    "themes",
    "trash",
];

/// Agents whose directories have another name.
const OTHERWISE: &[(&str, &str)] =
    &[("auggie", "augment"), ("cn", "continue"), ("droid", "factory"), ("kilo", "kilocode"), ("kiro-cli", "kiro")];

/// `~/.NAME`, `~/.NAME.json`, and NAME among settings, data, state and caches; nothing for a name that could mean more.
pub(super) fn places(argv0: &OsStr) -> Vec<PathBuf> {
    let Some(name) = argv0.to_str().filter(|name| is_plain(name)) else { return Vec::new() };
    let home = home();
    let base = |variable: &str, otherwise: &str| env_dir(variable).unwrap_or_else(|| home.join(otherwise));
    let bases = [
        config_dir(),
        base("XDG_DATA_HOME", ".local/share"),
        base("XDG_STATE_HOME", ".local/state"),
        base("XDG_CACHE_HOME", ".cache"),
    ];
    let other = OTHERWISE.iter().filter(|(known, _)| *known == name).map(|(_, other)| *other);
    let mut all = Vec::new();
    for name in [name].into_iter().chain(other) {
        all.push(home.join(format!(".{name}")));
        all.push(home.join(format!(".{name}.json")));
        all.extend(bases.iter().map(|base| base.join(name)));
    }
    all
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(plain)
        && !SHARED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_name_of_its_own_has_places() {
        for name in ["", ".", "..", ".ssh", "ssh", "config", "a/b", "A", "a b", "*", "${home}", "x.y", "-x"] {
            assert_eq!(places(OsStr::new(name)), Vec::<PathBuf>::new(), "{name}");
        }
        assert_eq!(places(OsStr::new(&"x".repeat(65))), Vec::<PathBuf>::new());
    }

    #[test]
    fn its_places_carry_its_name() {
        let (all, home) = (places(OsStr::new("qwen")), home());
        assert!(all.contains(&home.join(".qwen")) && all.contains(&config_dir().join("qwen")), "{all:?}");
        assert!(all.iter().all(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("qwen"))));
        assert!(places(OsStr::new("droid")).contains(&home.join(".factory")));
    }
}
