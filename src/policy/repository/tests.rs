//! What may be written into a configuration, and what may not.

use proptest::prelude::*;

use super::*;
use crate::policy::{Layer, Library, PolicyError, Source, Vars};

struct Plain;

impl Library for Plain {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        Err(PolicyError::whole(name, "no such profile", None))
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        Some(path.to_vec())
    }
}

pub fn policy(text: &str) -> Policy {
    let text = format!("version = 1\n[files]\nwrite = ['/w/**', '/g/**']\n{text}");
    let vars = Vars { workdir: b"/w".into(), git: vec![b"/g".into()], ..Vars::default() };
    let source = Source { name: "x.toml".into(), text, layer: Layer::User, path: None };
    Policy::load(source, &Plain, &vars).expect("a policy")
}

fn becomes(old: &str, new: &str) -> Result<(), String> {
    after(&mut Gone::default(), old, new)
}

fn after(gone: &mut Gone, old: &str, new: &str) -> Result<(), String> {
    let taken = policy("").may_configure(b"/w/.git/modules/a/b", old.as_bytes(), new.as_bytes(), gone)?;
    gone.note(taken);
    Ok(())
}

const PLAIN: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n[remote \"origin\"]\n\turl = /srv/x\n";

#[test]
fn new_entries_that_run_nothing_are_taken() {
    assert_eq!(becomes("", PLAIN), Ok(()));
    for more in [
        "[branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n",
        "[remote \"other\"]\n\turl = git@host:a/b.git\n\tfetch = +refs/heads/*:refs/remotes/other/*\n",
        "[submodule \"a b\"]\n\tactive = true\n\turl = ../x\n",
        "[user]\n\temail = a@b\n",
        "# a comment\n[Core]\n\tworktree = ../../../../a/b\n",
        "[extensions]\n\tworktreeConfig = true\n",
        "[core]\n\tworktree = /w\n",
    ] {
        assert_eq!(becomes(PLAIN, &format!("{PLAIN}{more}")), Ok(()), "{more}");
    }
}

#[test]
fn what_runs_or_leads_elsewhere_is_refused() {
    for (more, name) in [
        ("[core]\n\tfsmonitor = /w/x\n", "core.fsmonitor"),
        ("[core]\n\thooksPath = x\n", "core.hookspath"),
        ("[core]\n\tworktree = ../../../../../etc\n", "core.worktree"),
        ("[core]\n\tworktree = /w/x\n", "core.worktree"),
        ("[core]\n\tworktree = ../../../../a\n", "core.worktree"),
        ("[core]\n\tworktree = ..\n", "core.worktree"),
        ("[include]\n\tpath = x\n", "include.path"),
        ("[remote \"o\"]\n\turl = ext::sh -c x\n", "remote.o.url"),
        ("[remote \"o\"]\n\turl = a\n\tuploadpack = x\n", "remote.o.uploadpack"),
        ("[remote \"origin\"]\n\turl = /srv/y\n", "remote.origin.url"),
        ("[submodule \"s\"]\n\tupdate = !x\n", "submodule.s.update"),
        ("[branch \"m\"]\n\tremote = ../x\n", "branch.m.remote"),
        ("[filter \"x\"]\n\tclean = x\n", "filter.x.clean"),
        ("[core]\n\tfilemode = false\n", "core.filemode"),
        ("[user]\n\tname = a\\\n\temail = x\n", "a line that is not plain"),
        ("[user] name = a\n", "a line that is not plain"),
        ("[user]\n\tname = a\r[core]\n", "a line that is not plain"),
        ("[remote \"a\\\"]\n[core]\n\tx = \"]\n", "a line that is not plain"),
        ("[alias.x]\n\ty = z\n", "a line that is not plain"),
    ] {
        assert_eq!(becomes(PLAIN, &format!("{PLAIN}{more}")), Err(name.to_owned()), "{more}");
    }
    // What is there stays, also what is dangerous.
    let own = "[core]\n\tfsmonitor = true\n[alias]\n\tx = !sh -c \"a # b\"\n";
    assert_eq!(becomes(own, &format!("{own}[user]\n\tname = A B\n")), Ok(()));
    assert_eq!(becomes(own, "[core]\n\tfsmonitor = true\n"), Err("alias.x".to_owned()));
    assert_eq!(becomes(PLAIN, ""), Err("core.repositoryformatversion".to_owned()));
}

#[test]
fn what_is_taken_out_comes_back_as_it_was_or_not_at_all() {
    let branch = "[branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n";
    let (whole, gone) = (format!("{PLAIN}{branch}"), &mut Gone::default());
    let without = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n";
    // As git does it: key by key of the branch, the remote as a whole; what is left of a section may stay.
    let half = whole.replace("\tremote = origin\n", "");
    assert_eq!(after(gone, &whole, &half), Ok(()));
    assert_eq!(after(gone, &half, &format!("{without}[branch \"main\"]\n")), Ok(()));
    let elsewhere = [PLAIN.replace("/srv/x", "/srv/y"), format!("{without}{}", branch.replace("origin", "evil"))];
    assert_eq!(after(gone, without, &elsewhere[0]), Err("remote.origin.url".to_owned()));
    assert_eq!(after(gone, without, &elsewhere[1]), Err("branch.main.remote".to_owned()));
    assert_eq!(after(gone, without, &whole), Ok(()));
    // A second time it is still what was there before the session that counts.
    assert_eq!(after(gone, &whole, without), Ok(()));
    assert_eq!(after(gone, without, &elsewhere[0]), Err("remote.origin.url".to_owned()));
    // Keys of a remote mean each other: none goes alone; and nothing else goes at all.
    let remote = "[remote \"o\"]\n\turl = a\n\tpushurl = b\n";
    assert_eq!(becomes(remote, "[remote \"o\"]\n\turl = a\n"), Err("remote.o.pushurl".to_owned()));
    assert_eq!(becomes("[remote]\n\tpushDefault = a\n", ""), Err("remote.pushdefault".to_owned()));
    assert_eq!(becomes("[credential \"x\"]\n\thelper = a\n", ""), Err("credential.x.helper".to_owned()));
}

#[test]
fn a_work_trees_own_configuration_lays_files_out() {
    let lays = |old: &str, new: &str| policy("").may_lay_out(b"/w/.git", old.as_bytes(), new.as_bytes());
    let sparse = "[core]\n\tsparseCheckout = true\n\tsparseCheckoutCone = true\n[index]\n\tsparse = false\n";
    assert_eq!(
        [lays("", sparse), lays(sparse, ""), lays(sparse, &sparse.replace("true", "false"))],
        [const { Ok(()) }; 3]
    );
    for (more, name) in [
        ("[core]\n\tfsmonitor = x\n", "core.fsmonitor"),
        ("[core]\n\tworktree = /w\n", "core.worktree"),
        ("[remote \"origin\"]\n\turl = /srv/x\n", "remote.origin.url"),
        ("[core]\n\tsparseCheckout = x\n", "core.sparsecheckout"),
    ] {
        assert_eq!(lays("", more), Err(name.to_owned()), "{more}");
    }
    let own = "[core]\n\thooksPath = x\n";
    assert_eq!(lays(own, &format!("{own}{sparse}")), Ok(()));
}

#[test]
fn parts_are_told_by_name() {
    let policy = policy("readonly = ['/w/ro/**']");
    let at = |path: &str| policy.in_repository(path.as_bytes(), Access::CREATE).map(|at| (at.part, at.is_nested));
    assert_eq!([at("/w/.git"), at("/w/.git/config")], [Some((Part::Top, false)), Some((Part::Config, false))]);
    assert_eq!(at("/w/.git/hooks/pre-commit.sample"), Some((Part::Sample, false)));
    assert_eq!(
        [at("/w/a/b/.git/hooks"), at("/w/a/.git/config")],
        [Some((Part::Hooks, true)), Some((Part::Config, true))]
    );
    assert_eq!(at("/w/.git/modules/a/b/config"), Some((Part::Config, true)));
    assert_eq!(at("/g/modules/a/hooks/x"), Some((Part::Other, true)));
    assert_eq!(at("/w/a/.git/commondir"), Some((Part::Other, true)));
    assert_eq!(at("/w/.git/worktrees/x/config.worktree"), Some((Part::Worktree, true)));
    assert_eq!([at("/w/.git/HEAD"), at("/w/ro/.git/config"), at("/w/.vscode/config")], [None; 3]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is added to a configuration, what was in it stays, in its order, and nothing that runs comes in.
    #[test]
    fn nothing_that_runs_comes_in(lines in proptest::collection::vec(proptest::sample::select(vec![
        "[core]", "[remote \"o\"]", "[include]", "\turl = x", "\tfsmonitor = x", "\tpath = y", "\tfilemode = true", "\tbare", "\\",
        "\turl = x \\", "# c", "[core] fsmonitor = x", "\tsshCommand = z", "[remote \"o\"] ; [core]", "\"", "\r",
    ]), 0..8), cut in 0usize..8) {
        let old: String = lines.iter().take(cut).map(|line| format!("{line}\n")).collect();
        let new: String = lines.iter().map(|line| format!("{line}\n")).collect();
        if becomes(&old, &new).is_ok() {
            let (was, is) = (entries(old.as_bytes()).unwrap(), entries(new.as_bytes()).unwrap());
            let runs = |entry: &&Entry| ["fsmonitor", "sshcommand", "path"].contains(&entry.key.as_str());
            prop_assert_eq!(was.iter().filter(runs).collect::<Vec<_>>(), is.iter().filter(runs).collect::<Vec<_>>());
            prop_assert!(was.iter().all(|entry| is.contains(entry)));
        }
    }
}
