//! Names that may not be made, moved or removed, by every call that can.
//!
//! Invariant: each way is shown to work outside and under a policy that lets the directory be written.
//! Leaves to others: several steps in a row (`carve`).

use crate::case::{Case, Table, Works, case};
use crate::lab::Lab;
use crate::rules::Rules;

fn set_up(lab: &mut Lab) {
    lab.dir("out/full");
    lab.file("out/full/file", "secret\n");
    lab.dir("out/empty");
    lab.file("out/other", "secret\n");
}

const CASES: &[Case] = &[
    case("name unlink {out}/secret", Works, "EACCES", "unlink {out}/secret"),
    case("name unlinkat {out}/secret", Works, "EACCES", "unlink {out}/secret"),
    case("name unlink_dirfd {out}/secret", Works, "EACCES", "unlink {out}/secret"),
    case("name rmdir {out}/empty", Works, "EACCES", "rmdir {out}/empty"),
    case("name rmdirat {out}/empty", Works, "EACCES", "rmdir {out}/empty"),
    case("name rename {out}/secret {work}/taken", Works, "EACCES", "rename {out}/secret"),
    case("name renameat {out}/secret {work}/taken", Works, "EACCES", "rename {out}/secret"),
    case("name renameat2 {out}/secret {work}/taken", Works, "EACCES", "rename {out}/secret"),
    case("name rename_dirfd {out}/secret {work}/taken", Works, "EACCES", "rename {out}/secret"),
    case("name rename {work}/plain {out}/given", Works, "EACCES", "rename {out}/given"),
    case("name renameat2 {work}/plain {out}/given", Works, "EACCES", "rename {out}/given"),
    case("name rename {work}/plain {out}/secret", Works, "EACCES", "rename {out}/secret"),
    case("name exchange {work}/plain {out}/secret", Works, "EACCES", "rename {out}/secret"),
    case("name exchange {out}/secret {work}/plain", Works, "EACCES", "rename {out}/secret"),
    case("name rename {out}/full {work}/taken", Works, "EACCES", "rename {out}/full"),
    case("name link {out}/secret {work}/taken", Works, "EACCES", "link {out}/secret"),
    case("name linkat {out}/secret {work}/taken", Works, "EACCES", "link {out}/secret"),
    case("name link_opath {out}/secret {work}/taken", Works, "EACCES", "link {out}/secret"),
    case("name link {work}/plain {out}/given", Works, "EACCES", "link {out}/given"),
    case("name symlink {out}/given /etc/passwd", Works, "EACCES", "symlink {out}/given"),
    case("name symlinkat {out}/given /etc/passwd", Works, "EACCES", "symlink {out}/given"),
    case("name mkdir {out}/given", Works, "EACCES", "mkdir {out}/given"),
    case("name mkdirat {out}/given", Works, "EACCES", "mkdir {out}/given"),
    case("name mknod {out}/given", Works, "EACCES", "mknod {out}/given"),
    case("name mknodat {out}/given", Works, "EACCES", "mknod {out}/given"),
    case("name bind {out}/given", Works, "EACCES", "bind {out}/given"),
];

/// The directory may be read only.
#[test]
fn in_a_readable_tree() {
    let allowing = Some(Rules::new().write("{out}/**"));
    Table { set_up, tested: Rules::new().read("{out}/**"), allowing }.check(CASES);
}

/// The directory may be written but for what these names are.
#[test]
fn in_a_readonly_carve_out() {
    let tested = Rules::new().write("{out}/**").readonly("{out}/**");
    Table { set_up, tested, allowing: None }.check(CASES);
}

/// A descriptor's own name cannot be linked elsewhere, nor a device made, whatever is writable.
#[test]
fn empty_paths_and_devices() {
    use crate::case::{Root, Unless};
    let table = Table { set_up, tested: Rules::new().read("{out}/**"), allowing: None };
    table.check(&[case(
        "name link_empty {out}/secret {work}/taken",
        Unless("ENOENT"),
        "EACCES|EPERM|ENOENT",
        "link *",
    )]);
    let table = Table { set_up, tested: Rules::everything(), allowing: None };
    table.check(&[case("name mknod_device {work}/memory", Root, "EPERM|EACCES", "mknod *")]);
}
