//! Git at work under the profile `agent`: everyday commands work, and nothing comes to run outside.

use crate::lab::Lab;

const AGENT: &str = "extends = [\"agent\"]\n[files]\nread = [\"@/lib/**\", \"@/work/**\"]\n";
/// A repository with a submodule and a linked work tree, made outside.
const MADE: &str = "git init -q lib && cd lib && echo l > l && git add l && git commit -qm l && cd .. && mv lib ../lib && \
                    git init -q . && echo a > a && git add a && git commit -qm a && git branch other && \
                    git submodule --quiet add ../lib sub && git commit -qm sub && \
                    printf '#!/bin/sh\\n' > .git/hooks/pre-push";

fn lab() -> Lab {
    let lab = Lab::new(AGENT);
    lab.outside(MADE);
    lab
}

#[test]
fn everyday_commands_work() {
    let lab = lab();
    let done = lab.run(
        "set -e; echo b > b; git add b; git commit -qm b; git checkout -q other; echo c > c; git add c; git commit -qm c; \
         git rebase -q main; echo d >> c; git stash -q; git stash pop -q; git commit -qam d; git checkout -q main; git merge -q other; \
         git tag v1; git branch -D other; git gc -q; git log --oneline | wc -l; git status --short; git worktree add -q side; \
         cd side; echo e > e; git add e; git commit -qm e; cd ..; git worktree list | wc -l; git worktree remove side; git fsck; echo done",
    );
    assert!(done.out.ends_with("done\n") && done.status == 0, "{}", done.out);
    assert_eq!(lab.outside("git log --oneline | wc -l"), "5\n");
}

#[test]
fn new_repositories_are_made_and_their_hooks_are_examples() {
    let lab = lab();
    let done = lab.run(
        "set -e; git clone -q ../lib clone; cd clone; git config user.email x@y; echo x > x; git add x; git commit -qm x; git status; \
         cd ..; mkdir fresh; cd fresh; git init -q; echo y > y; git add y; git commit -qm y; git remote add origin ../clone; \
         git fetch -q; git checkout -q -b topic origin/main; git config branch.topic.remote; cd ..; rm -rf clone fresh; \
         git clone -q --bare ../lib bare.git; rm -rf bare.git; echo done",
    );
    assert!(done.out.ends_with("origin\ndone\n") && done.status == 0, "{}", done.out);
    // And in a directory that is no repository yet.
    let lab = Lab::new(AGENT);
    let done = lab.run("set -e; git init -q; git init -q; echo x > x; git add x; git commit -qm x; git config user.name Z; git log --oneline | wc -l");
    assert!(done.out.ends_with("1\n") && done.status == 0, "{}", done.out);
    let tried = lab.run("git config core.fsmonitor ./x; git config core.hooksPath h; echo x > .git/hooks/post-commit; mv .git/hooks/pre-push.sample .git/hooks/pre-push; \
                         echo ../evil > .git/commondir; chmod +x .git/hooks/update.sample; ls .git/hooks | grep -v sample; true");
    let config = lab.read("work/.git/config");
    assert!(
        !config.contains("fsmonitor") && !config.contains("hooks") && config.contains("name = Z"),
        "{config} {}",
        tried.out
    );
    assert!(!lab.path("work/.git/hooks/post-commit").exists() && !lab.path("work/.git/hooks/pre-push").exists());
    assert!(!lab.path("work/.git/commondir").exists());
}

#[test]
fn submodules_and_work_trees_are_used_and_protected() {
    let lab = lab();
    lab.outside("git clone -q ../work ../copy; cd ../copy; git worktree add -q ../tree -b tree");
    let copy = lab.path("copy");
    let done = lab.run_in(&copy, "set -e; git submodule --quiet update --init; cat sub/l; cd sub; git checkout -q -b topic; echo m >> l; git commit -qam m; cd ..; \
                                  git submodule status | wc -l; git submodule --quiet add ../lib second; git commit -qam second; echo done");
    assert!(done.out.ends_with("l\n1\ndone\n") && done.status == 0, "{}", done.out);
    assert_eq!(lab.run_in(&copy, "git -C sub config core.fsmonitor x; echo x > .git/modules/sub/hooks/post-checkout; git -C sub config core.worktree /etc; \
                                  cp .git/modules/sub/config c; echo '[alias] x = !id' >> c; mv c .git/modules/sub/config; echo").out.lines().last(), Some(""));
    let config = lab.read("copy/.git/modules/sub/config");
    assert!(!config.contains("fsmonitor") && !config.contains("alias") && !config.contains("/etc"), "{config}");
    assert!(!lab.path("copy/.git/modules/sub/hooks/post-checkout").exists());
    assert!(!lab.denials(".git/modules/sub/config").is_empty());
    // In the linked work tree, `.git` is a file; hooks and configuration lie in the main repository.
    let tree = lab.path("tree");
    let done = lab.run_in(&tree, "set -e; echo t > t; git add t; git commit -qm t; git stash list; git rebase -q HEAD~0; git status --short; echo done");
    assert!(done.out.ends_with("done\n") && done.status == 0, "{}", done.out);
    let common = lab.path("copy/.git").to_string_lossy().into_owned();
    let tried = lab.run_in(&tree, &format!("git config core.fsmonitor x; echo x > {common}/hooks/post-commit; echo x > {common}/worktrees/tree/config.worktree; \
                                            echo 'gitdir: /x' > .git; rm .git; mv .git g; echo tried"));
    assert!(tried.out.ends_with("tried\n"), "{}", tried.out);
    assert!(!lab.read("copy/.git/config").contains("fsmonitor") && !lab.path("copy/.git/hooks/post-commit").exists());
    assert!(!lab.path("copy/.git/worktrees/tree/config.worktree").exists());
    assert!(lab.read("tree/.git").contains("worktrees/tree"));
}

#[test]
fn configuration_gains_what_runs_nothing_and_keeps_what_it_has() {
    let lab = lab();
    lab.outside("git config alias.mine '!echo mine'; git remote add origin ../lib");
    let before = lab.read("work/.git/config");
    let done = lab.run(
        "git remote add second ../lib && git fetch -q second && git branch -q --track t second/main && echo added; \
         for c in 'core.fsmonitor x' 'core.sshCommand x' 'core.hooksPath x' 'core.pager x' 'alias.x !x' 'alias.mine !x' 'include.path x' 'filter.f.clean x' \
           'remote.origin.url ../evil' 'remote.third.uploadpack x' 'credential.helper !x' 'diff.external x' 'gpg.program x' 'submodule.sub.update !x'; do \
           git config $c && echo \"MADE $c\"; done; git config --unset alias.mine && echo MADE; git config --unset remote.origin.url && echo MADE; \
         python3 - <<'P'\nimport os\nfor name in ['.git/config', '.git/hooks/pre-push']:\n    for flags in [os.O_WRONLY, os.O_RDWR | os.O_TRUNC]:\n        \
         try: os.open(name, flags); print('MADE', name)\n        except OSError: pass\nP\n\
         ln .git/config c; ln -s /etc/passwd s; mv s .git/config; mkfifo f; mv f .git/config; echo ended",
    );
    assert!(
        done.out.contains("added\n") && !done.out.contains("MADE") && done.out.ends_with("ended\n"),
        "{}",
        done.out
    );
    let after = lab.read("work/.git/config");
    assert!(
        after.starts_with(&before) && after.contains("[remote \"second\"]") && after.contains("[branch \"t\"]"),
        "{after}"
    );
    let why = lab.denials("/.git/config");
    assert!(
        why.iter().any(|event| event["rule"].as_str().is_some_and(|rule| rule.contains("core.fsmonitor"))),
        "{why:?}"
    );
}

#[test]
fn remotes_and_branches_are_taken_out_and_led_nowhere_else() {
    let lab = lab();
    lab.outside("git remote add origin ../lib; git fetch -q origin; git branch -q --track t origin/main");
    let done = lab.run(
        "set -e; git branch -q -D t; git remote remove origin; git remote | wc -l; git fsck; \
         if git remote add origin ../evil; then echo MADE; fi; git config --get remote.origin.url || echo none; \
         git remote add origin ../lib; git fetch -q; git branch -q --track t origin/main; git branch -q -D t; git remote remove origin; \
         git checkout -q -b topic; git remote add fork ../evil; git remote remove fork; git remote add fork ../evil; echo ended",
    );
    assert!(done.status == 0 && done.out.ends_with("ended\n"), "{}", done.out);
    assert!(!done.out.contains("MADE") && done.out.contains("none\n"), "{}", done.out);
    let config = lab.read("work/.git/config");
    assert!(!config.contains("[remote \"origin\"]\n\turl") && config.contains("[remote \"fork\"]"), "{config}");
    let why = lab.denials("/.git/config");
    let named =
        |event: &serde_json::Value| event["rule"].as_str().is_some_and(|rule| rule.contains("remote.origin.url"));
    assert!(why.iter().any(named), "{why:?}");
}

/// The file that was renamed stays open for writing: what is written to it afterwards must be nobody's configuration.
#[test]
fn a_configuration_is_not_written_to_after_it_was_judged() {
    let lab = lab();
    lab.write(
        "work/late.py",
        "import os, shutil, threading\nshutil.copy('.git/config', 'c')\nheld = os.open('c', os.O_WRONLY | os.O_APPEND)\nstop = False\n\
         def spoil():\n    while not stop:\n        try: os.write(os.open('.git/config.govsh', os.O_WRONLY | os.O_APPEND), b'[alias]\\n\\tx = !id\\n')\n        except OSError: pass\n\
         other = threading.Thread(target=spoil); other.start()\nos.rename('c', '.git/config')\nos.write(held, b'[core]\\n\\tfsmonitor = x\\n')\n\
         for n in range(200):\n    shutil.copy('.git/config', 'c'); os.rename('c', '.git/config')\nstop = True\nother.join()\nprint('late')\n",
    );
    let before = lab.read("work/.git/config");
    assert!(lab.run("python3 late.py").out.ends_with("late\n"));
    assert_eq!(lab.read("work/.git/config"), before);
}

#[test]
fn nested_repositories_that_were_there_keep_their_hooks() {
    let lab = lab();
    lab.outside("git clone -q ../lib deps/lib");
    let done = lab.run("cd deps/lib; echo x > .git/hooks/pre-commit; git config core.fsmonitor x; mkdir -p ../e/.git; mv ../e/.git/../x .git/hooks/x; mkdir ../p; echo x > ../p/pre-commit; \
                        mv ../p .git/hooks2; mv .git/hooks .git/h; mv .git/hooks2 .git/hooks; mkdir ../q; echo '[alias] x = !id' > ../q/config; mv ../q ../e/.git2; mv ../e/.git2 ../e/.git; \
                        cat ../e/.git/config; git pull -q; git status --short; cd ..; mv lib moved && git -C moved status --short && echo moved");
    assert!(done.out.contains("moved\n") && !done.out.contains("alias"), "{}", done.out);
    assert!(!lab.path("work/deps/moved/.git/hooks/pre-commit").exists());
    assert!(!lab.read("work/deps/moved/.git/config").contains("fsmonitor"));
}
