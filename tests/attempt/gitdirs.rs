//! Directories that git takes for a repository's, whatever their name: made so that the git of somebody else, run outside,
//! runs what they say.
//!
//! Invariant: every step is taken, whatever became of the one before; worked only when all were.
//! Leaves to others: running git, and what it then ran (`tests/escape`).

use libc::*;

use crate::call::{CWD, at, c, call, to};
use crate::names::EXCHANGE;
use crate::report::{Misuse, Outcome, Refused, Try, Worked};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("gitdir", gitdir)];

/// Steps, and the first errno that one of them got.
struct Steps {
    dir: String,
    config: String,
    hook: String,
    first: Option<i32>,
}

impl Steps {
    fn path(&self, name: &str) -> std::ffi::CString {
        c(&format!("{}/{name}", self.dir))
    }

    fn note(&mut self, done: Try) -> Option<i64> {
        if let Err(errno) = done {
            self.first.get_or_insert(errno);
        }
        done.ok()
    }

    fn mkdir(&mut self, name: &str) {
        let path = self.path(name);
        self.note(call(SYS_mkdirat, &[CWD, at(&path), 0o755]));
    }

    /// A file with this content; the descriptor stays open.
    fn file(&mut self, name: &str, text: &str, mode: usize) -> Option<i64> {
        let path = self.path(name);
        let fd = self.note(call(SYS_openat, &[CWD, at(&path), (O_WRONLY | O_CREAT | O_TRUNC) as usize, mode]))?;
        self.note(call(SYS_write, &[fd as usize, to(text.as_bytes()), text.len()]));
        Some(fd)
    }

    fn rename(&mut self, from: &str, to: &str, flags: usize) {
        let (from, to) = (self.path(from), self.path(to));
        self.note(call(SYS_renameat2, &[CWD, at(&from), CWD, at(&to), flags]));
    }

    fn link(&mut self, from: &str, to: &str) {
        let (from, to) = (self.path(from), self.path(to));
        self.note(call(SYS_linkat, &[CWD, at(&from), CWD, at(&to), 0]));
    }

    fn symlink(&mut self, name: &str, text: &str) {
        let path = self.path(name);
        self.note(call(SYS_symlinkat, &[at(&c(text)), CWD, at(&path)]));
    }

    /// `HEAD`, `objects`, `refs` in `dir`.
    fn shape(&mut self, dir: &str) {
        self.head(dir);
        self.mkdir(&format!("{dir}/objects"));
        self.mkdir(&format!("{dir}/refs"));
    }

    fn head(&mut self, dir: &str) {
        self.file(&format!("{dir}/HEAD"), "ref: refs/heads/main\n", 0o644);
    }

    fn evil(&mut self, name: &str) -> Option<i64> {
        let text = self.config.clone();
        self.file(name, &text, 0o644)
    }

    fn run(&mut self, name: &str) {
        let text = self.hook.clone();
        self.file(name, &text, 0o755);
    }

    /// A configuration with a work tree, as git writes one.
    fn configure(&mut self, path: &str, tree: &str) {
        let new = format!("{path}.lock");
        let is_users = path == ".git/config";
        // What is in the user's stays.
        let old = std::fs::read_to_string(format!("{}/{path}", self.dir)).unwrap_or_default();
        let text = if is_users { old } else { "[core]\n\trepositoryformatversion = 0\n".to_owned() };
        self.file(&new, &format!("{text}[core]\n\tworktree = {tree}\n"), 0o644);
        self.rename(&new, path, 0);
    }

    /// `sub/.git` leads there: what is at `sub` is a part of the repository around it.
    fn lead(&mut self, to: &str) {
        self.file("sub/.git", &format!("gitdir: {to}\n"), 0o644);
    }
}

/// `gitdir WAY DIRECTORY MARKER`: the directory is a repository with a submodule `sub`; whatever runs makes the marker.
fn gitdir(args: &Args) -> Outcome {
    let marker = args.text(2);
    let mut steps = Steps {
        dir: args.text(1).to_owned(),
        config: format!(
            "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch {marker}; false\n\tworktree = {}/sub\n",
            args.text(1)
        ),
        hook: format!("#!/bin/sh\ntouch {marker}\n"),
        first: None,
    };
    if !config_first(&mut steps, args.text(0))
        && !shape_first(&mut steps, args.text(0))
        && !led(&mut steps, args.text(0))
        && !astray(&mut steps, args.text(0), marker)
    {
        return Misuse(format!("no way '{}'", args.text(0)));
    }
    match steps.first {
        None => Worked("made".into()),
        Some(errno) => Refused(errno, String::new()),
    }
}

/// The configuration or the hook is there before the directory is a repository's.
fn config_first(steps: &mut Steps, way: &str) -> bool {
    steps.mkdir("evil");
    steps.lead("../evil");
    match way {
        "config_before" => {
            steps.evil("evil/config");
            steps.shape("evil");
        }
        "refs_by_rename" => {
            steps.evil("evil/config");
            steps.head("evil");
            steps.mkdir("evil/objects");
            steps.mkdir("r");
            steps.rename("r", "evil/refs", 0);
        }
        "objects_by_link" => {
            steps.evil("evil/config");
            steps.head("evil");
            steps.mkdir("evil/refs");
            steps.symlink("evil/objects", "../later");
            steps.mkdir("later");
        }
        "refs_as_file" => {
            steps.evil("evil/config");
            steps.head("evil");
            steps.mkdir("evil/objects");
            steps.file("evil/refs", "", 0o755);
        }
        "objects_by_hard_link" => {
            steps.evil("evil/config");
            steps.head("evil");
            steps.mkdir("evil/refs");
            steps.file("o", "", 0o755);
            steps.link("o", "evil/objects");
        }
        "refs_by_exchange" => {
            steps.evil("evil/config");
            steps.head("evil");
            steps.mkdir("evil/objects");
            steps.mkdir("r");
            steps.file("evil/x", "", 0o644);
            steps.rename("r", "evil/x", EXCHANGE);
            steps.rename("evil/x", "evil/refs", 0);
        }
        "held_open" => {
            let fd = steps.file("evil/config", "[core]\n\tbare = false\n", 0o644);
            steps.shape("evil");
            let text = steps.config.clone();
            let fd = fd.map_or(usize::MAX, |fd| fd as usize);
            steps.note(call(SYS_pwrite64, &[fd, to(text.as_bytes()), text.len(), 0]));
        }
        "second_name" => {
            steps.file("evil/config", "", 0o644);
            steps.link("evil/config", "evil/other");
            steps.shape("evil");
            steps.evil("evil/other");
        }
        "config_by_link" => {
            steps.evil("c");
            steps.symlink("evil/config", "../c");
            steps.shape("evil");
        }
        "hook_before" => {
            steps.mkdir("evil/hooks");
            steps.run("evil/hooks/pre-commit");
            steps.shape("evil");
        }
        "hooks_by_link" => {
            steps.mkdir("h");
            steps.run("h/pre-commit");
            steps.symlink("evil/hooks", "../h");
            steps.shape("evil");
        }
        _ => return false,
    }
    true
}

/// The directory is a repository's before the configuration or the hook is there.
fn shape_first(steps: &mut Steps, way: &str) -> bool {
    steps.shape("evil");
    match way {
        "config_after" => drop(steps.evil("evil/config")),
        "config_by_rename" => {
            steps.evil("c");
            steps.rename("c", "evil/config", 0);
        }
        "config_by_hard_link" => {
            steps.evil("c");
            steps.link("c", "evil/config");
        }
        "config_by_exchange" => {
            steps.evil("c");
            steps.file("evil/x", "", 0o644);
            steps.rename("evil/x", "evil/config", 0);
            steps.rename("c", "evil/config", EXCHANGE);
        }
        "config_as_link" => {
            steps.evil("c");
            steps.symlink("evil/config", "../c");
        }
        "taken_apart" => {
            steps.rename("evil/refs", "evil/r", 0);
            steps.evil("evil/config");
            steps.rename("evil/r", "evil/refs", 0);
        }
        "config_worktree" => {
            steps.file("c", "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tworktreeConfig = true\n", 0o644);
            steps.rename("c", "evil/config", 0);
            steps.evil("evil/config.worktree");
        }
        "include" => {
            steps.evil("c");
            steps.file("d", "[include]\n\tpath = ../c\n", 0o644);
            steps.rename("d", "evil/config", 0);
        }
        "hook_after" => {
            steps.mkdir("evil/hooks");
            steps.run("evil/hooks/pre-commit");
        }
        "hooks_by_rename" => {
            steps.mkdir("h");
            steps.run("h/pre-commit");
            steps.rename("h", "evil/hooks", 0);
        }
        "hook_by_rename" => {
            steps.mkdir("evil/hooks");
            steps.run("evil/hooks/pre-commit.sample");
            steps.rename("evil/hooks/pre-commit.sample", "evil/hooks/pre-commit", 0);
        }
        "hooks_as_link" => {
            steps.mkdir("h");
            steps.run("h/pre-commit");
            steps.symlink("evil/hooks", "../h");
        }
        "moved" => {
            steps.rename("evil", "other", 0);
            steps.evil("other/config");
            steps.rename("other", "evil", 0);
        }
        _ => return false,
    }
    true
}

/// The configuration leads to a work tree that is a link to where the marker would be: what somebody checks out lands there.
fn astray(steps: &mut Steps, way: &str, marker: &str) -> bool {
    let out = marker.rsplit_once('/').map_or("/", |(out, _)| out).to_owned();
    if way == "worktree_by_link" {
        steps.symlink("tree", &out);
        steps.configure(".git/config", "../tree");
        return true;
    }
    let name = if way == "module_above" { "deps/tree" } else { "tree" };
    let module = format!(".git/modules/{name}");
    if way == "link_then_module" {
        steps.symlink("tree", &out);
    }
    steps.mkdir(".git/modules");
    if way == "module_above" {
        steps.mkdir(".git/modules/deps");
    }
    steps.mkdir(&module);
    steps.shape(&module);
    steps.mkdir(&format!("{module}/objects/info"));
    let up = "../".repeat(name.split('/').count() + 2);
    steps.file(&format!("{module}/objects/info/alternates"), &format!("{up}objects\n"), 0o644);
    steps.rename(".git/index", &format!("{module}/index"), 0);
    steps.lead(&format!("../{module}"));
    steps.configure(&format!("{module}/config"), &format!("{up}{name}"));
    match way {
        "link_then_module" => {}
        "module_then_link" => steps.symlink("tree", &out),
        "module_link_by_rename" => {
            steps.symlink("l", &out);
            steps.rename("l", "tree", 0);
        }
        "module_link_by_hard_link" => {
            steps.symlink("l", &out);
            steps.link("l", "tree");
        }
        "module_link_by_exchange" => {
            steps.symlink("l", &out);
            steps.mkdir("tree");
            steps.rename("tree", "l", EXCHANGE);
        }
        "module_above" => {
            steps.mkdir("d");
            steps.symlink("d/tree", &out);
            steps.rename("d", "deps", 0);
        }
        "module_moved" => {
            steps.rename(&module, ".git/modules/other", 0);
            steps.lead("../.git/modules/other");
            steps.symlink("tree", &out);
        }
        _ => return false,
    }
    true
}

/// The way to the configuration is longer than a `.git` file.
fn led(steps: &mut Steps, way: &str) -> bool {
    match way {
        "commondir" | "commondir_first" => {
            steps.mkdir("common");
            steps.mkdir("tree");
            steps.head("tree");
            steps.file("tree/commondir", "../common\n", 0o644);
            steps.lead("../tree");
            if way == "commondir" {
                steps.mkdir("common/objects");
                steps.mkdir("common/refs");
                steps.evil("common/config");
            } else {
                steps.evil("common/config");
                steps.mkdir("common/objects");
                steps.mkdir("common/refs");
            }
        }
        "worktrees" => {
            steps.mkdir("common");
            steps.evil("common/config");
            steps.mkdir("common/objects");
            steps.mkdir("common/refs");
            steps.mkdir(".git/worktrees");
            steps.mkdir(".git/worktrees/x");
            steps.head(".git/worktrees/x");
            steps.file(".git/worktrees/x/gitdir", "../../../sub/.git\n", 0o644);
            steps.file(".git/worktrees/x/commondir", "../../../common\n", 0o644);
            steps.lead("../.git/worktrees/x");
        }
        "dot_git_link" => {
            let path = steps.path("sub/.git");
            steps.note(call(SYS_unlinkat, &[CWD, at(&path), 0]));
            steps.symlink("sub/.git", "../evil");
            steps.evil("evil/config");
        }
        "modules" => {
            steps.mkdir(".git/modules");
            steps.mkdir(".git/modules/deep");
            steps.mkdir(".git/modules/deep/er");
            steps.evil(".git/modules/deep/er/config");
            steps.shape(".git/modules/deep/er");
            steps.lead("../.git/modules/deep/er");
        }
        _ => return false,
    }
    true
}
