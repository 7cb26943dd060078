//! Files denied inside a tree that may be written: no sequence of moves, links and exchanges reaches or makes one.
//!
//! Invariant: each sequence works outside and under the policy without the carve-out.
//! Leaves to others: single calls (`files`, `names`), races (`races`).

use crate::case::{Case, Never, Table, Works, case};
use crate::lab::Lab;
use crate::rules::Rules;

fn vault(lab: &mut Lab) {
    for dir in ["work/vault", "work/vault/inner", "work/d"] {
        lab.dir(dir);
    }
    lab.file("work/vault/inner/.env", "secret\n");
}

const STEAL: &[Case] = &[
    case("steal rename {work}/vault/inner/.env {work}/d", Works, "EACCES", "rename {work}/vault/inner/.env"),
    case("steal rename_parent {work}/vault/inner/.env {work}/d", Works, "EACCES", "rename {work}/vault/inner"),
    case("steal rename_above {work}/vault/inner/.env {work}/d", Works, "EACCES", "rename {work}/vault"),
    case("steal exchange {work}/vault/inner/.env {work}/d", Works, "EACCES", "rename {work}/vault/inner/.env"),
    case("steal exchange_back {work}/vault/inner/.env {work}/d", Works, "EACCES", "rename {work}/vault/inner/.env"),
    case("steal exchange_parent {work}/vault/inner/.env {work}/d", Works, "EACCES", "rename {work}/vault/inner"),
    case("steal link {work}/vault/inner/.env {work}/d", Works, "EACCES", "link {work}/vault/inner/.env"),
    case("steal symlink {work}/vault/inner/.env {work}/d", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("steal symlink_parent {work}/vault/inner/.env {work}/d", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("steal symlink_chain {work}/vault/inner/.env {work}/d", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("steal symlink_relative {work}/vault/inner/.env {work}/d", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("steal cwd_link {work}/vault/inner/.env {work}/d", Works, "EACCES", "open {work}/vault/inner/.env"),
];

#[test]
fn stealing_a_denied_file() {
    for deny in ["{work}/vault/inner/.env", "{work}/vault/inner/**", "**/.env", "{work}/**/.env", "{work}/vault/*/.env"]
    {
        let allowing = (deny == "**/.env").then(Rules::new);
        let mut cases = STEAL.to_vec();
        if deny.ends_with("**/.env") {
            // wherever its directory goes, the same rule meets the file there
            let moved = |case: &&mut Case| case.words.contains("_parent ") || case.words.contains("_above ");
            cases.iter_mut().filter(moved).for_each(|case| case.event = "rename|open *");
        }
        Table { set_up: vault, tested: Rules::new().deny(deny), allowing }.check(&cases);
    }
}

/// A second name that existed before: known by device and inode.
#[test]
fn hard_links_made_before() {
    let set_up = |lab: &mut Lab| {
        vault(lab);
        std::fs::hard_link(lab.path("work/vault/inner/.env"), lab.path("work/alias")).expect("link");
    };
    let tested = Rules::new().deny("{work}/vault/inner/.env");
    Table { set_up, tested, allowing: Some(Rules::new()) }.check(&[
        case("open openat {work}/alias", Works, "EACCES", "open *"),
        case("open rdwr {work}/alias", Works, "EACCES", "open *"),
        case("steal rename {work}/alias {work}/d", Works, "EACCES", "open *"),
        case("steal link {work}/alias {work}/d", Works, "EACCES", "open *"),
    ]);
}

/// A refused truncation has truncated nothing, whichever name the file was given by.
#[test]
fn refused_truncations_leave_the_content() {
    for words in [
        "write trunc {work}/alias",
        "write creat {work}/alias",
        "write truncate {work}/alias",
        "write trunc {work}/vault/inner/.env",
    ] {
        let mut lab = Lab::new();
        vault(&mut lab);
        std::fs::hard_link(lab.path("work/vault/inner/.env"), lab.path("work/alias")).expect("link");
        let (said, _) = lab.inside(&Rules::new().deny("{work}/vault/inner/.env"), words);
        assert_eq!(said.short(), "EACCES", "{words}: {said:?}");
        assert_eq!(std::fs::read_to_string(lab.path("work/alias")).expect("read"), "secret\n", "{words}");
    }
}

fn kept(lab: &mut Lab) {
    for dir in ["work/keep", "work/keep/inner", "work/d"] {
        lab.dir(dir);
    }
}

const PLANT: &[Case] = &[
    case("plant create {work}/keep/inner/new {work}/d", Works, "EACCES", "open {work}/keep/inner/new"),
    case("plant mkdir {work}/keep/inner/new {work}/d", Works, "EACCES", "mkdir {work}/keep/inner/new"),
    case("plant mknod {work}/keep/inner/new {work}/d", Works, "EACCES", "mknod {work}/keep/inner/new"),
    case("plant rename {work}/keep/inner/new {work}/d", Works, "EACCES", "rename {work}/keep/inner/new"),
    case("plant link {work}/keep/inner/new {work}/d", Works, "EACCES", "link {work}/keep/inner/new"),
    case("plant symlink {work}/keep/inner/new {work}/d", Works, "EACCES", "symlink {work}/keep/inner/new"),
    case("plant tmpfile {work}/keep/inner/new {work}/d", Works, "EACCES", "link {work}/keep/inner/new"),
    case("plant through_link {work}/keep/inner/new {work}/d", Works, "EACCES", "open {work}/keep/inner/new"),
    case("plant rename_parent {work}/keep/inner/new {work}/d", Works, "EACCES", "rename {work}/keep/inner"),
];

/// For a rule that meets the name wherever it is made: the first step is refused already.
fn anywhere(cases: &[Case]) -> Vec<Case> {
    let refused = |case: &Case| Case {
        event: if case.event.starts_with("rename") { "rename|open *" } else { case.event },
        ..*case
    };
    cases.iter().map(refused).collect()
}

#[test]
fn planting_in_a_readonly_tree() {
    let tested = Rules::new().readonly("{work}/keep/inner/**");
    Table { set_up: kept, tested, allowing: Some(Rules::new()) }.check(PLANT);
    // a deny holds for names that do not exist yet
    let tested = Rules::new().deny("{work}/keep/inner/**");
    Table { set_up: kept, tested, allowing: None }.check(PLANT);
    // the glob names the file, not its directory: replacing an empty directory by one that holds it is a write to it
    let tested = Rules::new().deny("**/new");
    Table { set_up: kept, tested, allowing: None }.check(&anywhere(PLANT));
}

/// The protected directory does not exist yet: neither it nor an ancestor may come with content or lead elsewhere.
#[test]
fn planting_where_nothing_is_yet() {
    let set_up = |lab: &mut Lab| lab.dir("work/d");
    let cases = [
        case("plant rename_above {work}/keep/inner/new {work}/d", Works, "EACCES", "rename {work}/keep"),
        case(
            "plant mkdir {work}/keep/inner {work}/d",
            Never("ENOENT"),
            "EACCES|ENOENT",
            "- there is nothing to make it in",
        ),
    ];
    for tested in [Rules::new().readonly("{work}/keep/inner/**"), Rules::new().readonly("{work}/keep/inner/new")] {
        Table { set_up, tested, allowing: Some(Rules::new()) }.check(&cases);
    }
    Table { set_up, tested: Rules::new().deny("**/new"), allowing: None }.check(&anywhere(&cases));
    let set_up = |lab: &mut Lab| {
        lab.dir("work/d");
        lab.dir("work/keep");
    };
    let cases = [
        case("plant symlink_parent {work}/keep/inner/new {work}/d", Works, "EACCES", "symlink {work}/keep/inner"),
        case("plant rename_parent {work}/keep/inner/new {work}/d", Works, "EACCES", "rename {work}/keep/inner"),
    ];
    let tested = Rules::new().readonly("{work}/keep/inner/**");
    Table { set_up, tested, allowing: Some(Rules::new()) }.check(&cases);
}

/// What runs outside later is protected under every policy that does not name it.
#[test]
fn built_in_protections() {
    let set_up = |lab: &mut Lab| {
        for dir in ["work/.git", "work/.git/hooks", "work/.vscode", "work/d", "home/.config", "home/.config/fish"] {
            lab.dir(dir);
        }
        for file in ["work/.git/config", "work/.mcp.json", "home/.bashrc", "home/.profile", "home/.zshrc"] {
            lab.file(file, "kept\n");
        }
    };
    let tested = Rules::new().write("{home}/**");
    let allowing = None;
    Table { set_up, tested, allowing }.check(&[
        case(
            "plant create {work}/.git/hooks/pre-commit {work}/d",
            Works,
            "EACCES",
            "open {work}/.git/hooks/pre-commit",
        ),
        case("plant rename_parent {work}/.git/hooks/pre-commit {work}/d", Works, "EACCES", "rename {work}/.git/hooks"),
        case(
            "steal rename_parent {work}/.git/hooks/pre-commit {work}/d",
            Never("ENOENT"),
            "EACCES",
            "rename {work}/.git/hooks",
        ),
        case("write append {work}/.git/config", Works, "EACCES", "open {work}/.git/config"),
        case("name exchange {work}/plain {work}/.git/config", Works, "EACCES", "rename {work}/.git/config"),
        case("write append {work}/.mcp.json", Works, "EACCES", "open {work}/.mcp.json"),
        case("write openat {work}/.vscode/tasks.json", Works, "EACCES", "open {work}/.vscode/tasks.json"),
        case("write append {home}/.bashrc", Works, "EACCES", "open {home}/.bashrc"),
        case("name unlink {home}/.profile", Works, "EACCES", "unlink {home}/.profile"),
        case("meta chmod {home}/.zshrc", Works, "EACCES|EPERM", "chmod {home}/.zshrc"),
        case("name rename {home}/.config {home}/moved", Works, "EACCES", "rename {home}/.config"),
    ]);
}

/// A directory that may be made where programs keep their own: never a link that leads elsewhere, nor a ready one.
#[test]
fn directories_that_may_only_be_made() {
    let set_up = |lab: &mut Lab| {
        lab.dir("work/ready");
        lab.file("work/ready/file", "planted\n");
    };
    let tested = Rules::new().create("{home}/.cache");
    let allowing = Some(Rules::new().write("{home}/**"));
    Table { set_up, tested: tested.clone(), allowing }.check(&[
        case("name symlink {home}/.cache {home}/.ssh", Works, "EACCES", "symlink {home}/.cache"),
        case("name symlinkat {home}/.cache /etc", Works, "EACCES", "symlink {home}/.cache"),
        case("name rename {work}/ready {home}/.cache", Works, "EACCES", "rename {home}/.cache"),
        case("name link {work}/plain {home}/.cache", Works, "EACCES", "link {home}/.cache"),
        case("write openat {home}/.cache", Works, "EACCES", "open {home}/.cache"),
        case("name mkdir {home}/.other", Works, "EACCES", "mkdir {home}/.other"),
    ]);
    let lab = Lab::new();
    let (said, _) = lab.inside(&tested, "name mkdir {home}/.cache");
    assert!(said.worked() && lab.path("home/.cache").is_dir(), "{said:?}");
}

/// What came to be after the start lies where the broker's own domain ends: the warden looks through it when it moves, and
/// it moves.
#[test]
fn directories_that_came_later_move() {
    let rules = Rules::new().write("{home}/new/**").deny("**/.env").readonly("**/.git/hooks/**");
    let lab = Lab::new();
    let (said, events) = lab.inside(&rules, &["late", "{home}/new"].join(" "));
    assert!(said.worked(), "{said:?}: {events:?}");
    assert!(lab.path("home/new/b/in/file").is_file());
    let lab = Lab::new();
    let (said, events) = lab.inside(&rules, "late {home}/new .env");
    assert!(said.status == 1 && said.short() == "EACCES", "{said:?}");
    assert!(events.iter().any(|event| crate::case::denied(event, "open", &lab.expand("{home}/new/a/in/.env"))));
}
