//! Making, moving and removing names by every call that can: `name HOW PATH [PATH2]`.
//!
//! Invariant: exactly one name-changing call is made; everything it needs exists already.
//! Leaves to others: several steps in a row (`carve`).

use libc::*;

use crate::call::{CWD, at, c, call};
use crate::files::{old, parent};
use crate::report::{Misuse, Outcome};
use crate::{Args, Attempt};

pub const ATTEMPTS: &[Attempt] = &[("name", name)];

/// renameat2(2) flags.
pub const NOREPLACE: usize = 1;
pub const EXCHANGE: usize = 2;

fn name(args: &Args) -> Outcome {
    let (one, two) = (args.path(1), args.path(2));
    let (one_at, two_at) = (at(&one), at(&two));
    match args.text(0) {
        "unlink" => call(old::UNLINK, &[one_at]),
        "unlinkat" => call(SYS_unlinkat, &[CWD, one_at, 0]),
        "unlink_dirfd" => parent(args.text(1)).and_then(|(dir, name)| call(SYS_unlinkat, &[dir, at(&name), 0])),
        "rmdir" => call(old::RMDIR, &[one_at]),
        "rmdirat" => call(SYS_unlinkat, &[CWD, one_at, AT_REMOVEDIR as usize]),
        "rename" => call(old::RENAME, &[one_at, two_at]),
        "renameat" => call(SYS_renameat, &[CWD, one_at, CWD, two_at]),
        "renameat2" => call(SYS_renameat2, &[CWD, one_at, CWD, two_at, NOREPLACE]),
        "exchange" => call(SYS_renameat2, &[CWD, one_at, CWD, two_at, EXCHANGE]),
        "rename_dirfd" => parent(args.text(1)).and_then(|(from, old)| {
            let (to, new) = parent(args.text(2))?;
            call(SYS_renameat, &[from, at(&old), to, at(&new)])
        }),
        "link" => call(old::LINK, &[one_at, two_at]),
        "linkat" => call(SYS_linkat, &[CWD, one_at, CWD, two_at, 0]),
        "link_opath" => call(SYS_openat, &[CWD, one_at, O_PATH as usize, 0]).and_then(|fd| {
            let link = c(&format!("/proc/self/fd/{fd}"));
            call(SYS_linkat, &[CWD, at(&link), CWD, two_at, AT_SYMLINK_FOLLOW as usize])
        }),
        "link_empty" => call(SYS_openat, &[CWD, one_at, O_PATH as usize, 0])
            .and_then(|fd| call(SYS_linkat, &[fd as usize, at(&c("")), CWD, two_at, AT_EMPTY_PATH as usize])),
        "symlink" => call(old::SYMLINK, &[two_at, one_at]),
        "symlinkat" => call(SYS_symlinkat, &[two_at, CWD, one_at]),
        "mkdir" => call(old::MKDIR, &[one_at, 0o755]),
        "mkdirat" => call(SYS_mkdirat, &[CWD, one_at, 0o755]),
        "mknod" => call(old::MKNOD, &[one_at, (S_IFIFO | 0o644) as usize, 0]),
        "mknodat" => call(SYS_mknodat, &[CWD, one_at, (S_IFREG | 0o644) as usize, 0]),
        // the kernel's memory: major 1, minor 1
        "mknod_device" => call(SYS_mknodat, &[CWD, one_at, (S_IFCHR | 0o644) as usize, 0x101]),
        "bind" => {
            let (name, bytes) = crate::unix::sockaddr(args.text(1));
            crate::network::socket(AF_UNIX, SOCK_STREAM, 0)
                .and_then(|socket| call(SYS_bind, &[socket as usize, crate::call::to(&name), bytes]))
        }
        other => return Misuse(format!("no way '{other}'")),
    }
    .into()
}
