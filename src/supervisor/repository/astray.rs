//! Work trees of submodules, to which a configuration leads by name: nothing comes to stand on the way that leads elsewhere.
//!
//! ```text
//! .git/modules/a/b is there     no link is put at a, or at a/b, and no directory that could hold one at a
//! a link is there               no configuration that leads through it is put into .git/modules/a/b
//! .git, .git/modules/…          stay where they are, while a submodule is there: what they hold leads on relatively
//! ```
//! Invariant: all of it lies within the session's lock on changes, from the look to the act. So whatever the user's own git,
//! outside, is led to by such a configuration lies beneath the repository's top by its real path.
//! Leaves to others: which values lead to a submodule's own place (`policy::repository::modules`).

use std::ffi::CString;
use std::os::fd::AsFd;

use super::super::act::{At, join};
use super::super::worker::{Ruling, Worker};
use super::open;
use crate::policy::Verdict;
use crate::policy::repository::modules;
use crate::sys::{Errno, Sys, file};

/// Names that are looked at for one change: nobody nests submodules as deep.
const MOST: usize = 4096;

/// Whether a configuration of `dir` that becomes `new` leads to no work tree through a link; if it does, the entry.
pub fn leads_home(dir: &[u8], old: &[u8], new: &[u8]) -> Result<(), String> {
    let before = modules::trees(dir, old);
    let led = modules::trees(dir, new).into_iter().filter(|tree| !before.contains(tree));
    for tree in led {
        let path = CString::new(tree).map_err(|_| "core.worktree".to_owned())?;
        match file::open_how(None, &path, libc::O_PATH | libc::O_DIRECTORY, 0, file::NO_SYMLINKS) {
            // What is not there yet comes to be by calls of the agent that are looked at here, since the module is there.
            Ok(_) | Err(Errno(libc::ENOENT)) => {}
            Err(_) => return Err("core.worktree".to_owned()),
        }
    }
    Ok(())
}

impl Worker {
    /// A denial of a link at `path`, if it would lead a submodule's work tree elsewhere.
    pub fn unless_link_astray(&self, path: &[u8]) -> Option<Ruling> {
        denial(modules_of(path).map(|found| found.iter().any(|module| self.guards(module))))
    }

    /// A denial of moving what is at `at` from `source` to `target`, if that would lead a submodule's work tree elsewhere.
    pub fn unless_moved_astray(&self, at: &At, source: &[u8], target: &[u8]) -> Option<Ruling> {
        denial(leads_astray(at, source, target, &|module| self.guards(module)))
    }

    /// Whether nobody named the configuration there as one that the agent may write: it can then lead anywhere.
    fn guards(&self, module: &[u8]) -> bool {
        self.rules.policy.keeps_shape(&join(module, b"config"))
    }
}

fn denial(looked: Sys<bool>) -> Option<Ruling> {
    const WHY: &str = "built-in: a submodule's work tree would lead elsewhere";
    match looked {
        Ok(false) => None,
        Ok(true) => Some(Ruling::built_in(Verdict::Deny, WHY)),
        // Where nothing can be seen nothing is allowed.
        Err(errno) => Some(Ruling::built_in(Verdict::Deny, &format!("{WHY}: cannot look there: {errno}"))),
    }
}

fn leads_astray(at: &At, source: &[u8], target: &[u8], guards: &dyn Fn(&[u8]) -> bool) -> Sys<bool> {
    let stat = match file::stat_at(at.dir.as_fd(), &at.name) {
        Ok(stat) => stat,
        // The kernel says so itself.
        Err(Errno(libc::ENOENT)) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    if !stat.is_dir() {
        return Ok(stat.is_symlink() && modules_of(target)?.iter().any(|module| guards(module)));
    }
    // A directory is no link, but may hold some: what leads deeper leads through them.
    for module in modules_of(target)?.into_iter().filter(|module| guards(module)) {
        if !is_there(&join(&module, b"HEAD"))? || is_there(&join(&module, b"modules"))? {
            return Ok(true);
        }
    }
    if !guards(source) || !lies_in_git(source) && !lies_in_git(target) {
        return Ok(false);
    }
    Ok(is_there(&join(source, b"modules"))? || lies_in_modules(source, target) && !leads_nowhere(source)?)
}

/// Whether the directory is a git directory whose configuration leads to no work tree.
fn leads_nowhere(dir: &[u8]) -> Sys<bool> {
    let held = CString::new(dir).map_err(|_| Errno(libc::EINVAL))?;
    let held = file::open_how(None, &held, libc::O_PATH | libc::O_DIRECTORY, 0, file::NO_SYMLINKS)?;
    let at = At::new(held.into(), dir.to_vec(), c"config".to_owned());
    match open(&at, &at.name) {
        Ok(config) => Ok(!modules::leads(&super::contents(config)?)),
        Err(Errno(libc::ENOENT)) => is_there(&join(dir, b"HEAD")),
        Err(errno) => Err(errno),
    }
}

fn names(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect()
}

fn is_git(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b".git")
}

fn lies_in_git(path: &[u8]) -> bool {
    names(path).into_iter().any(is_git)
}

fn lies_in_modules(source: &[u8], target: &[u8]) -> bool {
    let lies = |path: &[u8]| {
        names(path).windows(2).any(|pair| matches!(pair, [git, modules] if is_git(git) && *modules == b"modules"))
    };
    lies(source) || lies(target)
}

/// The directories of submodules, or above them, that belong to a work tree at `path` or beneath it: whatever repository above
/// has them.
fn modules_of(path: &[u8]) -> Sys<Vec<Vec<u8>>> {
    let names = names(path);
    let (mut found, mut looks, mut top) = (Vec::new(), 0, Vec::new());
    for (at, name) in names.iter().enumerate() {
        let home = join(&top, b".git/modules");
        let mut dirs = if is_there(&home)? { vec![home] } else { Vec::new() };
        for (deep, name) in names.iter().skip(at).enumerate() {
            let mut next = Vec::new();
            for dir in &dirs {
                let nested = (deep > 0).then(|| join(&join(dir, b"modules"), name));
                for way in nested.into_iter().chain([join(dir, name)]) {
                    looks += 1;
                    if looks > MOST {
                        return Err(Errno(libc::E2BIG));
                    }
                    if is_there(&way)? {
                        next.push(way);
                    }
                }
            }
            dirs = next;
        }
        found.append(&mut dirs);
        top = join(&top, &[b"/".as_slice(), name].concat().split_off(usize::from(!top.is_empty())));
    }
    Ok(found)
}

/// Links are followed: git follows them.
fn is_there(path: &[u8]) -> Sys<bool> {
    let path = CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
    match file::stat_path(&path) {
        Ok(_) => Ok(true),
        Err(Errno(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::sync::Arc;

    fn bytes(path: &Path) -> &[u8] {
        path.as_os_str().as_bytes()
    }

    fn at(path: &Path) -> At {
        let dir = fs::File::open(path.parent().expect("a parent")).expect("open");
        let name = CString::new(bytes(Path::new(path.file_name().expect("a name")))).expect("no NUL");
        At::new(Arc::new(dir.into()), bytes(path.parent().expect("a parent")).to_vec(), name)
    }

    fn world() -> tempfile::TempDir {
        let base = tempfile::tempdir().expect("a directory");
        for module in ["deps/a", "deps/a/modules/in", "b"] {
            let dir = base.path().join("x/.git/modules").join(module);
            fs::create_dir_all(&dir).expect("mkdir");
            fs::write(dir.join("HEAD"), "").expect("write");
        }
        fs::create_dir_all(base.path().join("x/dir/.git")).expect("mkdir");
        std::os::unix::fs::symlink("/etc", base.path().join("x/link")).expect("symlink");
        base
    }

    #[test]
    fn modules_are_found_from_their_work_trees() {
        let base = world();
        let found = |path: &str| modules_of(bytes(&base.path().join(path))).expect("looked").len();
        assert_eq!([found("x/deps"), found("x/deps/a"), found("x/deps/a/in"), found("x/b")], [1; 4]);
        assert_eq!([found("x"), found("deps"), found("x/a"), found("x/deps/in"), found("x/b/c")], [0; 5]);
        assert_eq!(modules_of(b"/").expect("looked"), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn links_and_what_may_hold_some_lead_astray() {
        let base = world();
        let path = |name: &str| base.path().join(name);
        let moved =
            |from: &str, to: &str| leads_astray(&at(&path(from)), bytes(&path(from)), bytes(&path(to)), &|_| true);
        for to in ["x/deps", "x/deps/a", "x/deps/a/in", "x/b"] {
            assert_eq!(moved("x/link", to), Ok(true), "{to}");
        }
        // A directory at the very place is what git would make there; `deps/a` has one more beneath it.
        assert_eq!([moved("x/dir", "x/b"), moved("x/link", "x/other"), moved("x/none", "x/b")], [Ok(false); 3]);
        assert_eq!([moved("x/dir", "x/deps"), moved("x/dir", "x/deps/a")], [Ok(true); 2]);
        // Git directories stay with their work trees, unless nothing leads out of them.
        assert_eq!([moved("x/.git", "x/g"), moved("x/.git/modules", "x/dir/.git/modules")], [Ok(true); 2]);
        assert_eq!(moved("x/.git/modules/deps", "x/.git/modules/c"), Ok(true));
        assert_eq!([moved("x", "y"), moved("x/dir/.git", "x/.git/modules/new")], [Ok(false), Ok(true)]);
        fs::write(path("x/dir/.git/HEAD"), "").expect("write");
        assert_eq!(moved("x/dir/.git", "x/.git/modules/new"), Ok(false));
        fs::write(path("x/dir/.git/config"), "[core]\n\tworktree = /w\n").expect("write");
        assert_eq!(moved("x/dir/.git", "x/.git/modules/new"), Ok(true));
    }

    #[test]
    fn a_configuration_leads_through_no_link() {
        let base = world();
        let lead = |name: &str| {
            let dir = base.path().join("x/.git/modules").join(name);
            let text = format!("[core]\n\tworktree = {}{name}\n", "../".repeat(2 + name.split('/').count()));
            leads_home(bytes(&dir), b"", text.as_bytes())
        };
        assert_eq!([lead("b"), lead("dir"), lead("deps/a")], [const { Ok(()) }; 3]);
        assert_eq!([lead("link"), lead("link/a")], [(); 2].map(|()| Err("core.worktree".to_owned())));
    }
}
