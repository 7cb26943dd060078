//! The repository that a working directory lies in, where that reaches outside of it: a parent directory's, a
//! linked worktree's, a submodule's.
//!
//! Invariant: a `.git` file is believed only if what it points to points back, as git writes it: an agent that once
//! wrote a `.git` file somewhere cannot have any directory of its choice granted to the next session.
//! Leaves to others: what is granted there (`policies/agent.toml`) and what is protected (`policy::builtin`).

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// See gitrepository-layout(5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repository {
    /// The git directory, if it lies outside of the working directory.
    pub git: Option<PathBuf>,
    /// The top of the work tree, if it lies above the working directory.
    pub top: Option<PathBuf>,
}

/// Looks upwards from `workdir`, which is real, but neither at `home` nor above it.
pub fn find(workdir: &Path, home: &Path) -> Repository {
    for dir in workdir.ancestors().take(64) {
        let inside = dir == workdir;
        if !inside && (dir == home || home.starts_with(dir)) {
            break;
        }
        let dot_git = dir.join(".git");
        let Ok(kind) = fs::symlink_metadata(&dot_git) else { continue };
        let git = match kind.is_dir() {
            true if inside => return Repository::default(),
            true => Some(dot_git).filter(|git| is_git_dir(git)),
            false if kind.is_file() => pointed_to(dir, &dot_git),
            false => None,
        };
        let top = git.is_some() && !inside;
        return Repository { git: git.filter(|git| !git.starts_with(workdir)), top: top.then(|| dir.to_owned()) };
    }
    Repository::default()
}

fn is_git_dir(dir: &Path) -> bool {
    dir.join("HEAD").is_file() && dir.join("objects").is_dir()
}

/// What the `.git` file of `dir` leads to: the common directory of a linked worktree, or a submodule's own.
fn pointed_to(dir: &Path, dot_git: &Path) -> Option<PathBuf> {
    let named = first_line(dot_git)?;
    let git = fs::canonicalize(dir.join(named.strip_prefix("gitdir:")?.trim())).ok()?;
    if let Some(common) = first_line(&git.join("commondir")) {
        let common = fs::canonicalize(git.join(common)).ok()?;
        let back = fs::canonicalize(git.join(first_line(&git.join("gitdir"))?)).ok()?;
        let own = git.parent() == Some(&common.join("worktrees")) && back == dot_git && is_git_dir(&common);
        return own.then_some(common);
    }
    let config = text(&git.join("config"))?;
    let back = config.lines().find_map(|line| line.trim().strip_prefix("worktree")?.trim().strip_prefix('='))?;
    let back = fs::canonicalize(git.join(back.trim().trim_matches('"'))).ok()?;
    (back == dir && is_git_dir(&git)).then_some(git)
}

fn first_line(path: &Path) -> Option<String> {
    text(path)?.lines().next().map(str::to_owned)
}

/// At most 64 KiB of a regular file.
fn text(path: &Path) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(1 << 16).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(at: &Path) -> PathBuf {
        let git = at.join(".git");
        fs::create_dir_all(git.join("objects")).unwrap();
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        git
    }

    #[test]
    fn finds_parents_worktrees_and_submodules() {
        let base = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(base.path()).unwrap();
        let home = Path::new("/nonexistent");
        let top = base.join("shop");
        let git = repository(&top);
        assert_eq!(find(&top, home), Repository::default());
        fs::create_dir_all(top.join("a/b")).unwrap();
        let above = Repository { git: Some(git.clone()), top: Some(top.clone()) };
        assert_eq!(find(&top.join("a/b"), home), above);
        assert_eq!(find(&top.join("a/b"), &top), Repository::default());

        let tree = base.join("tree");
        let own = git.join("worktrees/tree");
        fs::create_dir_all(&tree).unwrap();
        fs::create_dir_all(&own).unwrap();
        fs::write(tree.join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
        fs::write(own.join("commondir"), "../..\n").unwrap();
        assert_eq!(find(&tree, home), Repository::default(), "nothing points back");
        fs::write(own.join("gitdir"), format!("{}\n", tree.join(".git").display())).unwrap();
        assert_eq!(find(&tree, home), Repository { git: Some(git.clone()), top: None });

        let module = git.join("modules/sub");
        fs::create_dir_all(module.join("objects")).unwrap();
        fs::write(module.join("HEAD"), "x").unwrap();
        fs::create_dir_all(top.join("sub")).unwrap();
        fs::write(top.join("sub/.git"), "gitdir: ../.git/modules/sub\n").unwrap();
        assert_eq!(find(&top.join("sub"), home), Repository::default(), "nothing points back");
        fs::write(module.join("config"), "[core]\n\tworktree = ../../../sub\n").unwrap();
        assert_eq!(find(&top.join("sub"), home), Repository { git: Some(module), top: None });
    }
}
