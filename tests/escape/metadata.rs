//! What files say about themselves: Landlock lets everyone change it, so the broker must not.
//!
//! Invariant: each way is shown to work outside and under a policy that lets the file be written.
//! Leaves to others: content and names (`files`, `names`).

use std::os::unix::ffi::OsStrExt;

use crate::case::{Case, Table, Unless, Works, case};
use crate::lab::Lab;
use crate::rules::Rules;

fn set_up(lab: &mut Lab) {
    let path = std::ffi::CString::new(lab.path("out/secret").as_os_str().as_bytes()).expect("a path");
    let done = unsafe { libc::setxattr(path.as_ptr(), c"user.there".as_ptr(), b"x".as_ptr().cast(), 1, 0) };
    assert_eq!(done, 0, "extended attributes are needed: {}", std::io::Error::last_os_error());
}

const CASES: &[Case] = &[
    case("meta chmod {out}/secret", Works, "EACCES|EPERM", "chmod {out}/secret"),
    case("meta fchmodat {out}/secret", Works, "EACCES|EPERM", "chmod {out}/secret"),
    case("meta fchmodat2 {out}/secret", Works, "EACCES|EPERM", "chmod {out}/secret"),
    case("meta chown {out}/secret", Works, "EACCES|EPERM", "chown {out}/secret"),
    case("meta lchown {out}/secret", Works, "EACCES|EPERM", "chown {out}/secret"),
    case("meta fchownat {out}/secret", Works, "EACCES|EPERM", "chown {out}/secret"),
    case("meta utime {out}/secret", Works, "EACCES|EPERM", "utimes {out}/secret"),
    case("meta utimes {out}/secret", Works, "EACCES|EPERM", "utimes {out}/secret"),
    case("meta futimesat {out}/secret", Works, "EACCES|EPERM", "utimes {out}/secret"),
    case("meta utimensat {out}/secret", Works, "EACCES|EPERM", "utimes {out}/secret"),
    case("meta setxattr {out}/secret", Works, "EACCES|EPERM", "setxattr {out}/secret"),
    case("meta lsetxattr {out}/secret", Works, "EACCES|EPERM", "setxattr {out}/secret"),
    case("meta removexattr {out}/secret", Works, "EACCES|EPERM", "removexattr {out}/secret"),
    case("meta lremovexattr {out}/secret", Works, "EACCES|EPERM", "removexattr {out}/secret"),
    case("meta fd_chmod {out}/secret", Works, "EACCES|EPERM", "chmod {out}/secret"),
    case("meta fd_chmod_high {out}/secret", Works, "EACCES|EPERM", "chmod {out}/secret"),
    case("meta fd_chown {out}/secret", Works, "EACCES|EPERM", "chown {out}/secret"),
    case("meta fd_utimens {out}/secret", Works, "EACCES|EPERM", "utimes {out}/secret"),
    case("meta fd_futimesat {out}/secret", Works, "EACCES|EPERM", "utimes {out}/secret"),
    case("meta fd_setxattr {out}/secret", Works, "EACCES|EPERM", "setxattr {out}/secret"),
    case("meta fd_removexattr {out}/secret", Works, "EACCES|EPERM", "removexattr {out}/secret"),
    case("meta proc_chmod {out}/secret", Works, "EACCES|EPERM", "chmod {out}/secret"),
    case("meta proc_chown {out}/secret", Works, "EACCES|EPERM", "chown {out}/secret"),
    case("meta proc_utimes {out}/secret", Works, "EACCES|EPERM", "utimes {out}/secret"),
    case("meta proc_setxattr {out}/secret", Works, "EACCES|EPERM", "setxattr {out}/secret"),
    case("meta empty_fchownat {out}/secret", Works, "EACCES|EPERM", "chown {out}/secret"),
    case("meta empty_fchownat_high {out}/secret", Works, "EACCES|EPERM", "chown {out}/secret"),
    case("meta empty_utimensat {out}/secret", Works, "EACCES|EPERM", "utimes {out}/secret"),
];

/// Calls that are newer than some kernels; they may be refused as unknown.
const NEWER: &[Case] = &[
    case("meta empty_fchmodat2 {out}/secret", Unless("ENOSYS"), "EACCES|EPERM|ENOSYS", "chmod *"),
    case("meta setxattrat {out}/secret", Unless("ENOSYS"), "EACCES|EPERM|ENOSYS", "setxattrat *"),
    case("meta removexattrat {out}/secret", Unless("ENOSYS"), "EACCES|EPERM|ENOSYS", "removexattrat *"),
    case("meta file_setattr {out}/secret", Unless("ENOSYS|EOPNOTSUPP"), "EACCES|EPERM|ENOSYS", "file_setattr *"),
    case("meta empty_setxattrat {out}/secret", Unless("ENOSYS|EBADF"), "EACCES|EPERM|ENOSYS|EBADF", "setxattrat *"),
    case(
        "meta empty_removexattrat {out}/secret",
        Unless("ENOSYS|EBADF"),
        "EACCES|EPERM|ENOSYS|EBADF",
        "removexattrat *",
    ),
    case(
        "meta empty_file_setattr {out}/secret",
        Unless("ENOSYS|EOPNOTSUPP|EBADF"),
        "EACCES|EPERM|ENOSYS|EBADF",
        "file_setattr *",
    ),
    // chattr on a reading descriptor: an ioctl, refused by number
    case("meta fd_setflags {out}/secret", Unless("ENOTTY|EOPNOTSUPP"), "EACCES|EPERM", "ioctl *"),
];

#[test]
fn of_a_file_that_may_be_read() {
    let allowing = Some(Rules::new().write("{out}/**"));
    Table { set_up, tested: Rules::new().read("{out}/**"), allowing }.check(CASES);
    Table { set_up, tested: Rules::new().read("{out}/**"), allowing: None }.check(NEWER);
}

#[test]
fn of_a_readonly_file() {
    let tested = Rules::new().write("{out}/**").readonly("{out}/secret");
    Table { set_up, tested: tested.clone(), allowing: None }.check(CASES);
    Table { set_up, tested, allowing: None }.check(NEWER);
}

/// Files that are not mentioned at all: by path, since no descriptor can be had but an `O_PATH` one.
#[test]
fn of_a_file_that_is_not_granted() {
    let mut cases = CASES.to_vec();
    cases.retain(|case| !case.words.starts_with("meta fd_"));
    cases.push(case("meta opath_chmod {out}/secret", crate::case::Never("EBADF"), "EBADF|EACCES|EPERM", "chmod *"));
    Table { set_up, tested: Rules::new(), allowing: None }.check(&cases);
}
