//! Directories that git would take for a repository's, whatever they are called, and the user's own git run outside
//! afterwards: it runs nothing that came with them.
//!
//! Invariant: in each of the three runs it is a real git of the user that runs, or does not run, what the agent wrote: a
//! file is there afterwards, or is not.
//! Leaves to others: git at work inside (`tests/it`), single names (`files`, `names`).

use crate::case::{Case, Works, case, denied};
use crate::lab::{Lab, finish};
use crate::rules::Rules;

const WAYS: &[Case] = &[
    case("gitdir config_before {work} {out}/marker", Works, "EACCES", "mkdir {work}/evil/refs"),
    case("gitdir refs_by_rename {work} {out}/marker", Works, "EACCES", "rename {work}/evil/refs"),
    case("gitdir objects_by_link {work} {out}/marker", Works, "EACCES", "symlink {work}/evil/objects"),
    case("gitdir refs_as_file {work} {out}/marker", Works, "EACCES", "open {work}/evil/refs"),
    case("gitdir objects_by_hard_link {work} {out}/marker", Works, "EACCES", "link {work}/evil/objects"),
    case("gitdir refs_by_exchange {work} {out}/marker", Works, "EACCES", "rename {work}/evil/refs"),
    case("gitdir held_open {work} {out}/marker", Works, "ok", "- the file that is written to is no longer the one"),
    case("gitdir second_name {work} {out}/marker", Works, "EACCES", "mkdir {work}/evil/refs"),
    case("gitdir config_by_link {work} {out}/marker", Works, "EACCES", "mkdir {work}/evil/refs"),
    case("gitdir hook_before {work} {out}/marker", Works, "EACCES", "mkdir {work}/evil/refs"),
    case("gitdir hooks_by_link {work} {out}/marker", Works, "EACCES", "mkdir {work}/evil/refs"),
    case("gitdir config_after {work} {out}/marker", Works, "EACCES", "open {work}/evil/config"),
    case("gitdir config_by_rename {work} {out}/marker", Works, "EACCES", "rename {work}/evil/config"),
    case("gitdir config_by_hard_link {work} {out}/marker", Works, "EACCES", "link {work}/evil/config"),
    case("gitdir config_by_exchange {work} {out}/marker", Works, "EACCES", "rename {work}/evil/config"),
    case("gitdir config_as_link {work} {out}/marker", Works, "EACCES", "symlink {work}/evil/config"),
    case("gitdir taken_apart {work} {out}/marker", Works, "EACCES", "rename {work}/evil/refs"),
    case("gitdir config_worktree {work} {out}/marker", Works, "EACCES", "open {work}/evil/config.worktree"),
    case("gitdir include {work} {out}/marker", Works, "EACCES", "rename {work}/evil/config"),
    case("gitdir hook_after {work} {out}/marker", Works, "EACCES", "open {work}/evil/hooks/pre-commit"),
    case("gitdir hooks_by_rename {work} {out}/marker", Works, "EACCES", "rename {work}/evil/hooks"),
    case("gitdir hook_by_rename {work} {out}/marker", Works, "EACCES", "rename {work}/evil/hooks/pre-commit"),
    case("gitdir hooks_as_link {work} {out}/marker", Works, "EACCES", "symlink {work}/evil/hooks"),
    case("gitdir moved {work} {out}/marker", Works, "EACCES", "open {work}/other/config"),
    case("gitdir commondir {work} {out}/marker", Works, "EACCES", "open {work}/common/config"),
    case("gitdir commondir_first {work} {out}/marker", Works, "EACCES", "mkdir {work}/common/refs"),
    case("gitdir worktrees {work} {out}/marker", Works, "EACCES", "mkdir {work}/common/refs"),
    case("gitdir dot_git_link {work} {out}/marker", Works, "EACCES", "open {work}/evil/config"),
    case("gitdir modules {work} {out}/marker", Works, "EACCES", "open {work}/.git/modules/deep/er/config"),
    case("gitdir worktree_by_link {work} {out}/marker", Works, "EACCES", "rename {work}/.git/config"),
    case("gitdir link_then_module {work} {out}/marker", Works, "EACCES", "rename {work}/.git/modules/tree/config"),
    case("gitdir module_then_link {work} {out}/marker", Works, "EACCES", "symlink {work}/tree"),
    case("gitdir module_link_by_rename {work} {out}/marker", Works, "EACCES", "rename {work}/tree"),
    case("gitdir module_link_by_hard_link {work} {out}/marker", Works, "EACCES", "link {work}/tree"),
    case("gitdir module_link_by_exchange {work} {out}/marker", Works, "EACCES", "rename {work}/tree"),
    case("gitdir module_above {work} {out}/marker", Works, "EACCES", "rename {work}/deps"),
    case("gitdir module_moved {work} {out}/marker", Works, "EACCES", "rename {work}/.git/modules/tree"),
];

/// A directory for each case with a repository of the user, and in it a submodule that was not fetched yet.
fn world() -> Lab {
    let lab = Lab::new();
    let script = "git init -q first && cd first && git config user.name u && git config user.email u@v && mkdir sub && \
                  git update-index --add --cacheinfo 160000,1111111111111111111111111111111111111111,sub && cd .. && \
                  for way in $WAYS; do cp -r first $way && touch $way/$way && git -C $way add $way && rm $way/$way || exit; done";
    let (status, said) = lab.shell(&format!("WAYS='{}'; {script}", names().join(" ")));
    assert_eq!(status, 0, "{said}");
    lab
}

fn names() -> Vec<&'static str> {
    WAYS.iter().filter_map(|case| case.words.split(' ').nth(1)).collect()
}

/// The words of a case, in its own directory, with its own marker.
fn words(lab: &Lab, case: &Case, name: &str) -> String {
    let own =
        case.words.replace("{work}", &format!("{{work}}/{name}")).replace("{out}/marker", &format!("{{out}}/{name}"));
    lab.expand(&own)
}

/// One line of the shell that makes every attempt.
fn script(lab: &Lab) -> String {
    let attempt = lab.expand("{attempt}");
    let lines = WAYS.iter().zip(names()).map(|(case, name)| format!("{attempt} {}; ", words(lab, case, name)));
    lines.collect()
}

/// What became of the attempts, and which of them the user's git then ran.
fn ran(lab: &Lab, told: &str) -> Vec<(String, bool)> {
    let results: Vec<String> = told
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .map(|line| line["result"].as_str().unwrap_or_default().trim_start_matches("errno ").to_owned())
        .collect();
    assert_eq!(results.len(), WAYS.len(), "every attempt says something: {told}");
    // Whatever git thinks of what it finds there.
    let (_, said) = lab.shell(&format!(
        "for way in {}; do cd {}/$way && git status --short; git checkout-index -q -f $way; (cd sub && git checkout-index -q -f $way); \
         (cd sub && git -c user.name=u -c user.email=u@v commit --allow-empty -qm x); \
         (cd evil && git status --short; git log); (cd common && git status); done; true",
        names().join(" "),
        lab.expand("{work}")
    ));
    assert!(!said.contains("git: not found"), "{said}");
    results.into_iter().zip(names()).map(|(result, name)| (result, lab.path(&format!("out/{name}")).exists())).collect()
}

/// Runs all attempts in one session, and tells with what git ran and every event.
fn inside(rules: &Rules) -> (Lab, Vec<(String, bool)>, Vec<serde_json::Value>) {
    let lab = world();
    let (mut command, recording) = lab.command(rules, "/bin/sh");
    command.args(["-c", &script(&lab)]);
    let (_, told, err) = finish(command, "all ways");
    let ran = ran(&lab, &told);
    assert!(!ran.is_empty(), "{err}");
    let events = lab.events(&recording);
    (lab, ran, events)
}

/// All attempts in one session of each kind, each in a repository of its own.
#[test]
fn the_users_git_runs_nothing_of_the_agents() {
    let mut wrong = Vec::new();
    let mut expect = |run: &str, outcomes: &[(String, bool)], expected: &dyn Fn(&Case) -> (String, bool)| {
        for (case, got) in WAYS.iter().zip(outcomes) {
            let expected = expected(case);
            if *got != expected {
                wrong.push(format!("{}: {run}: {got:?}, not {expected:?}", case.words));
            }
        }
    };
    let lab = world();
    let (_, told) = lab.shell(&script(&lab));
    expect("outside", &ran(&lab, &told), &|_| ("ok".to_owned(), true));
    let mut allowing =
        Rules::new().write("{work}/modules/.git/modules/deep/er/config").write("{work}/dot_git_link/sub/.git");
    for name in names() {
        for module in ["tree", "other", "deps/tree"] {
            allowing = allowing.write(&format!("{{work}}/{name}/.git/modules/{module}/config"));
        }
        allowing = allowing.write(&format!("{{work}}/{name}/.git/config"));
    }
    for named in ["config", "config.worktree", "hooks/**"] {
        allowing = allowing.write(&format!("{{work}}/**/{named}"));
    }
    expect("allowed", &inside(&allowing).1, &|_| ("ok".to_owned(), true));
    let (lab, outcomes, events) = inside(&Rules::new());
    expect("refused", &outcomes, &|case| (case.errno.to_owned(), false));
    for (case, name) in WAYS.iter().zip(names()) {
        let event = lab.expand(&case.event.replace("{work}", &format!("{{work}}/{name}")));
        let Some((op, object)) = event.split_once(' ') else { continue };
        if op != "-" && !events.iter().any(|event| denied(event, op, object)) {
            let of_it = |event: &&serde_json::Value| event["path"].as_str().is_some_and(|path| path.contains(name));
            let denials =
                events.iter().filter(|event| event["verdict"] == "deny").filter(of_it).map(ToString::to_string);
            wrong.push(format!(
                "{}: no event 'deny {op} {object}': {}",
                case.words,
                denials.collect::<Vec<_>>().join(" ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} went wrong:\n{}", wrong.len(), wrong.join("\n"));
}
