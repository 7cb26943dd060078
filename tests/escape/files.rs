//! Files that are not granted, or carved out of what is: no call opens, changes or runs them.
//!
//! Invariant: each way is shown to work under a policy that grants the file.
//! Leaves to others: names (`names`), several steps in a row (`carve`).

use crate::case::{Case, Table, Works, case};
use crate::lab::Lab;
use crate::rules::Rules;

const READ: &[Case] = &[
    case("open open {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open openat {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open openat_short {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open openat_high {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open openat2 {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open dirfd {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open dirfd2 {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open chdir {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open rdwr {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open opath {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open root {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open thread_root {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open dots {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("open symlink {out}/secret {work}/link", Works, "EACCES", "open {out}/secret"),
    case("pass_descriptor {out}/secret", Works, "EACCES", "open {out}/secret"),
];

/// Nothing of the policy mentions the file.
#[test]
fn reading_what_is_not_granted() {
    let table = Table { set_up: |_| (), tested: Rules::new(), allowing: Some(Rules::new().write("{out}/**")) };
    table.check(READ);
}

/// A deny inside a tree that may be written: by path, by tree, by glob.
#[test]
fn reading_what_is_carved_out() {
    for deny in ["{out}/secret", "{out}/**", "**/secret"] {
        let tested = Rules::new().write("{out}/**").deny(deny);
        Table { set_up: |_| (), tested, allowing: None }.check(READ);
    }
}

/// O_PATH by openat2 is not offered, since its flags cannot be seen safely; programs fall back.
#[test]
fn opath_by_openat2() {
    let tested = Rules::new();
    let table = Table { set_up: |_| (), tested, allowing: None };
    table.check(&[case(
        "open opath2 {out}/secret",
        Works,
        "ENOSYS|EACCES",
        "- yields no content: what opens it again is judged",
    )]);
}

/// With `--audit writes` reads are Landlock's alone: still refused, not recorded.
#[test]
fn reading_with_writes_audited_only() {
    let tested = Rules::new().option("--audit").option("writes");
    let table = Table { set_up: |_| (), tested, allowing: None };
    table.check(&[
        case(
            "open openat {out}/secret",
            Works,
            "EACCES",
            "- asked for: --audit writes leaves reads to Landlock, and the recording says so",
        ),
        case(
            "open openat2 {out}/secret",
            Works,
            "EACCES",
            "- asked for: --audit writes leaves reads to Landlock, and the recording says so",
        ),
        case(
            "open root {out}/secret",
            Works,
            "EACCES",
            "- asked for: --audit writes leaves reads to Landlock, and the recording says so",
        ),
        case(
            "open symlink {out}/secret {work}/link",
            Works,
            "EACCES",
            "- asked for: --audit writes leaves reads to Landlock, and the recording says so",
        ),
        case("open rdwr {out}/secret", Works, "EACCES", "open {out}/secret"),
        case("write openat {out}/new", Works, "EACCES", "open {out}/new"),
    ]);
}

const WRITE: &[Case] = &[
    case("write creat {out}/new", Works, "EACCES", "open {out}/new"),
    case("write open {out}/new", Works, "EACCES", "open {out}/new"),
    case("write openat {out}/new", Works, "EACCES", "open {out}/new"),
    case("write openat2 {out}/new", Works, "EACCES", "open {out}/new"),
    case("write openat {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("write append {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("write trunc {out}/secret", Works, "EACCES", "open {out}/secret"),
    case("write truncate {out}/secret", Works, "EACCES", "truncate {out}/secret"),
    case("write fd {out}/secret", Works, "EACCES", "open {out}/secret"),
];

/// Readable is not writable; and `readonly` inside a writable tree.
#[test]
fn writing_what_may_be_read() {
    let allowing = Some(Rules::new().write("{out}/**"));
    Table { set_up: |_| (), tested: Rules::new().read("{out}/**"), allowing }.check(WRITE);
    let readonly = Rules::new().write("{out}/**").readonly("{out}/**");
    Table { set_up: |_| (), tested: readonly, allowing: None }.check(WRITE);
}

#[test]
fn listing_a_directory() {
    let allowing = Some(Rules::new().read("{out}/**"));
    let table = Table { set_up: |_| (), tested: Rules::new(), allowing };
    table.check(&[case("list {out}", Works, "EACCES", "open {out}")]);
}

fn with_programs(lab: &mut Lab) {
    for place in ["out", "work"] {
        std::fs::copy("/bin/true", lab.path(&format!("{place}/tool"))).expect("copy");
        lab.mode(&format!("{place}/tool"), 0o755);
    }
}

/// Programs outside what may be run, by path, by descriptor, out of memory.
#[test]
fn running_what_is_not_granted() {
    let allowing = Some(Rules::new().exec("{out}/**"));
    let table = Table { set_up: with_programs, tested: Rules::new().read("{out}/**"), allowing };
    table.check(&[
        case("exec execve {out}/tool", Works, "EACCES", "exec {out}/tool"),
        case("exec execveat {out}/tool", Works, "EACCES", "exec {out}/tool"),
    ]);
    let table = Table { set_up: with_programs, tested: Rules::new().read("{out}/**"), allowing: None };
    table.check(&[
        case("exec empty_path {out}/tool", Works, "EACCES|EPERM", "exec *"),
        case("exec read_fd {out}/tool", Works, "EACCES|EPERM", "exec *"),
        case("exec memfd {out}/tool", Works, "EACCES|EPERM", "exec *"),
        case("exec memfd_proc {out}/tool", Works, "EACCES|EPERM", "exec *"),
    ]);
}

/// Programs denied by name or path although their tree may be run; through links as well.
#[test]
fn running_what_exec_denies() {
    let set_up = |lab: &mut Lab| {
        with_programs(lab);
        std::os::unix::fs::symlink(lab.path("work/tool"), lab.path("work/other")).expect("symlink");
    };
    for deny in ["tool", "{work}/tool"] {
        let tested = Rules::new().exec("{work}/**").exec_deny(deny);
        let table = Table { set_up, tested, allowing: Some(Rules::new().exec("{work}/**")) };
        table.check(&[
            case("exec execve {work}/tool", Works, "EACCES|EPERM", "exec {work}/tool"),
            case("exec execve {work}/other", Works, "EACCES|EPERM", "exec {work}/tool"),
            case("exec execveat {work}/./tool", Works, "EACCES|EPERM", "exec {work}/tool"),
        ]);
    }
}
