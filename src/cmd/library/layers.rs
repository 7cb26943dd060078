//! The layers that lie over every profile: of the organisation, the machine, the user and the project.
//!
//! Invariant: nothing that lies there is passed over: what cannot be read or believed is an error. A project's file is
//! the project's wherever a link leads from it, and no link leads out of the project.
//! Leaves to others: what they may say (`policy`), trust (`trust`), owners and modes (`read`).
//!
//! ```text
//! org       /etc/govsh/org/*.toml        and  ~/.config/govsh/org/*.toml
//! machine   /etc/govsh/policy.d/*.toml
//! user      ~/.config/govsh/policy.d/*.toml
//! project   .govsh/policy.toml of the working directory and of each above it, up to the top of the repository
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::read::{self, Writer, error_text};
use crate::policy::{Layer, PolicyError, Source};

/// How far up a repository's top is looked for, in directories.
const HIGHEST: usize = 64;

/// The layers of the organisation, the machine and the user, in this order. `config` is the user's directory of govsh.
pub fn standing(machine: &Path, config: &Path) -> Result<Vec<Source>, PolicyError> {
    let mut layers = read::directory(&machine.join("org"), Layer::Org, Writer::Root)?;
    layers.extend(read::directory(&config.join("org"), Layer::Org, Writer::User)?);
    layers.extend(read::directory(&machine.join("policy.d"), Layer::Machine, Writer::Root)?);
    layers.extend(read::directory(&config.join("policy.d"), Layer::User, Writer::User)?);
    Ok(layers)
}

/// The project's files, the outermost first. All of them hold: one that lies further in hides none further out.
pub fn project(workdir: &Path, home: &Path) -> Result<Vec<Source>, PolicyError> {
    let dirs = within(workdir, home);
    let Some(top) = dirs.last() else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for dir in dirs.iter().rev() {
        if let Some(path) = policy_of(dir, top)? {
            files.push(read::policy(&path, Layer::Project, Writer::Anyone)?);
        }
    }
    Ok(files)
}

/// The working directory and those above it, up to the outermost one with a `.git`: an agent that makes a repository
/// further in cuts nothing off. Neither the home directory nor one that everybody may write to is looked at.
pub fn within(workdir: &Path, home: &Path) -> Vec<PathBuf> {
    let shared = |dir: &Path| fs::metadata(dir).is_ok_and(|found| found.mode() & 0o002 != 0);
    let above = workdir.ancestors().skip(1).take(HIGHEST);
    let inside = above.take_while(|dir| dir.parent().is_some() && !home.starts_with(dir) && !shared(dir));
    let dirs: Vec<PathBuf> = std::iter::once(workdir).chain(inside).map(Path::to_owned).collect();
    let is_top = |dir: &PathBuf| fs::symlink_metadata(dir.join(".git")).is_ok();
    let count = dirs.iter().rposition(is_top).map_or(1, |top| top + 1);
    dirs.into_iter().take(count).collect()
}

/// The policy of one directory, which lies within `top`.
fn policy_of(dir: &Path, top: &Path) -> Result<Option<PathBuf>, PolicyError> {
    let path = dir.join(".govsh/policy.toml");
    let refuse = |reason: String| {
        let hint = "put the file itself there, or remove the link";
        PolicyError::whole(&path.to_string_lossy(), reason, Some(hint))
    };
    let absent = |error: &io::Error| matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR));
    let real = match fs::canonicalize(&path) {
        Ok(real) => real,
        Err(error) if absent(&error) => {
            let dangling = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
            let leads_nowhere = dangling(&path) || dangling(&dir.join(".govsh")) && !dir.join(".govsh").exists();
            return if leads_nowhere { Err(refuse("it is a link that leads nowhere".into())) } else { Ok(None) };
        }
        Err(error) => return Err(PolicyError::whole(&path.to_string_lossy(), error_text(&error), None)),
    };
    let root = fs::canonicalize(top).unwrap_or_else(|_| top.to_owned());
    if !real.starts_with(&root) {
        return Err(refuse(format!("it leads out of the project, to '{}'", real.display())));
    }
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn file(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "version = 1\n").unwrap();
    }

    fn names(workdir: &Path, base: &Path) -> Vec<String> {
        let found = project(workdir, Path::new("/nonexistent")).unwrap();
        let short = |source: Source| source.name.strip_prefix(&base.to_string_lossy().into_owned()).unwrap().to_owned();
        found.into_iter().map(short).collect()
    }

    #[test]
    fn every_file_up_to_the_outermost_repository_holds() {
        let base = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(base.path()).unwrap();
        let (top, sub) = (base.join("shop"), base.join("shop/a/b"));
        fs::create_dir_all(&sub).unwrap();
        file(&base.join(".govsh/policy.toml"));
        file(&top.join(".govsh/policy.toml"));
        file(&sub.join(".govsh/policy.toml"));
        assert_eq!(names(&sub, &base), ["/shop/a/b/.govsh/policy.toml"]);
        fs::create_dir(top.join(".git")).unwrap();
        assert_eq!(names(&sub, &base), ["/shop/.govsh/policy.toml", "/shop/a/b/.govsh/policy.toml"]);
        // A repository that somebody makes further in hides nothing.
        fs::write(sub.join(".git"), "").unwrap();
        assert_eq!(names(&sub, &base).len(), 2);
        let found = project(&sub, &top).unwrap();
        assert_eq!(found.len(), 1, "the home directory is no project");
    }

    #[test]
    fn links_stay_in_the_project_or_are_refused() {
        let base = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(base.path()).unwrap();
        let work = base.join("w");
        fs::create_dir_all(work.join("conf")).unwrap();
        symlink("conf", work.join(".govsh")).unwrap();
        assert_eq!(names(&work, &base), [""; 0]);
        file(&work.join("conf/policy.toml"));
        let found = project(&work, Path::new("/nonexistent")).unwrap();
        let real = work.join("conf/policy.toml").into_os_string().into_encoded_bytes();
        assert_eq!((found[0].layer, found[0].path.as_deref()), (Layer::Project, Some(real.as_slice())));
        let refused = |to: &str| {
            fs::remove_file(work.join(".govsh")).unwrap();
            symlink(to, work.join(".govsh")).unwrap();
            project(&work, Path::new("/nonexistent")).unwrap_err().to_string()
        };
        file(&base.join("other/policy.toml"));
        assert!(refused("../other").contains("it leads out of the project, to '"));
        assert!(refused("nothing").contains("a link that leads nowhere"));
        fs::remove_file(work.join(".govsh")).unwrap();
        fs::write(work.join(".govsh"), "a file of that name").unwrap();
        assert_eq!(names(&work, &base), [""; 0]);
    }
}
