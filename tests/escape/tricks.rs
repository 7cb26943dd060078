//! Ways of writing a path, of holding a file without reading it, and of asking somebody else to: none reads what is denied.
//!
//! Invariant: each way works outside and where nothing is denied.
//! Leaves to others: plain calls (`files`), moving things about (`carve`), mounts (`mounts`).

use crate::case::{Case, Table, Works, case};
use crate::lab::Lab;
use crate::rules::Rules;

fn vault(lab: &mut Lab) {
    for dir in ["work/vault", "work/vault/inner", "work/d"] {
        lab.dir(dir);
    }
    lab.file("work/vault/inner/.env", "secret\n");
}

const READ: &[Case] = &[
    case("trick slashes {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick dots {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick up {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick long {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick fd_walk {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick fd_up {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick dev_fd_walk {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick task_cwd {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick thread_cwd {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick task_root {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick number_root {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick in_root {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick beneath {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick no_symlinks {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick no_xdev {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick dup {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick opath_dup {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick dev_fd {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick thread_fd {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick scm_opath {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick child_fd {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick child_cwd {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick link_depth_1 {work}/vault/inner/.env {work}/d", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick link_depth_2 {work}/vault/inner/.env {work}/d", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick link_depth_3 {work}/vault/inner/.env {work}/d", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick thread {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick child {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick orphan {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick cat {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
    case("trick cp {work}/vault/inner/.env", Works, "EACCES", "open {work}/vault/inner/.env"),
];

#[test]
fn reading_what_is_denied() {
    let allowing = Some(Rules::new());
    Table { set_up: vault, tested: Rules::new().deny("{work}/vault/**"), allowing }.check(READ);
    Table { set_up: vault, tested: Rules::new().deny("**/.env"), allowing: None }.check(READ);
}

/// Names that look the same are not: only what the rule writes is denied, and none of them leads to it.
#[test]
fn names_that_look_alike() {
    let set_up = |lab: &mut Lab| lab.file("work/caf\u{e9}", "secret\n");
    let tested = Rules::new().deny("{work}/caf\u{e9}");
    Table { set_up, tested, allowing: Some(Rules::new()) }.check(&[
        case("open openat {work}/caf\u{e9}", Works, "EACCES", "open {work}/caf\u{e9}"),
        case("open symlink {work}/caf\u{e9} {work}/cafe\u{301}", Works, "EACCES", "open {work}/caf\u{e9}"),
    ]);
}
