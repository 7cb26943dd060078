//! Mounts that somebody made outside: inside of a protected tree, the same directory under a second path, another /proc.
//!
//! They are made in a mount namespace of the session's own (as root, or in a user namespace), so nothing outlives a test.
//! Invariant: the same mounts are there in all three runs. A directory that takes upper and lower case for one cannot be
//! had on every kernel (tmpfs and ext4 need one built with UNICODE), so none is tried here.
//! Leaves to others: mounting from inside (`floor`).

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::case::denied;
use crate::lab::{Lab, Said, attempt, finish, said, test_user};
use crate::rules::Rules;

/// What is mounted a second time, and where.
const BINDS: [(&str, &str); 4] =
    [("{out}", "{work}/vault/m"), ("{out}", "{work}/keep/m"), ("{work}/vault", "{work}/twin"), ("/proc", "{work}/p")];

fn lab() -> Lab {
    let lab = Lab::new();
    for dir in ["work/vault", "work/vault/m", "work/vault/inner", "work/keep", "work/keep/m", "work/twin", "work/p"] {
        lab.dir(dir);
    }
    lab.file("work/vault/inner/.env", "secret\n");
    lab
}

fn write(path: &std::ffi::CStr, text: &[u8]) -> std::io::Result<()> {
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let wrote = unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) };
    unsafe { libc::close(fd) };
    if wrote < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Has the command run with [`BINDS`] mounted, where nobody else sees them.
fn with_mounts(command: &mut Command, lab: &Lab) {
    let c = |text: &str| CString::new(lab.expand(text)).expect("a path");
    let binds: Vec<_> = BINDS.iter().map(|(from, to)| (c(from), c(to))).collect();
    let user = test_user();
    let (uids, gids) = user.map_or((String::new(), String::new()), |user| {
        (format!("{0} {0} 1", user.uid), format!("{0} {0} 1", user.gid))
    });
    let made = |got: i32| if got == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) };
    let enter = move || {
        let space = libc::CLONE_NEWNS | if user.is_some() { libc::CLONE_NEWUSER } else { 0 };
        made(unsafe { libc::unshare(space) })?;
        if user.is_some() {
            // A process that changed its user has a /proc of root's until it runs a program.
            made(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) })?;
            write(c"/proc/self/setgroups", b"deny")?;
            write(c"/proc/self/uid_map", uids.as_bytes())?;
            write(c"/proc/self/gid_map", gids.as_bytes())?;
        }
        let none = std::ptr::null();
        let mount = |from: *const libc::c_char, to: *const libc::c_char, flags| {
            made(unsafe { libc::mount(from, to, none, flags, none.cast()) })
        };
        mount(none, c"/".as_ptr(), libc::MS_REC | libc::MS_PRIVATE)?;
        binds.iter().try_for_each(|(from, to)| mount(from.as_ptr(), to.as_ptr(), libc::MS_BIND | libc::MS_REC))
    };
    unsafe { command.pre_exec(enter) };
}

fn outside(lab: &Lab, words: &str) -> Said {
    let mut command = Command::new(attempt());
    command.args(lab.expand(words).split(' ')).current_dir(lab.path("work"));
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    crate::lab::as_user(&mut command);
    with_mounts(&mut command, lab);
    said(finish(command, words))
}

fn inside(lab: &Lab, rules: &Rules, words: &str) -> (Said, Vec<serde_json::Value>) {
    let (mut command, recording) = lab.command(rules, &attempt().to_string_lossy());
    command.args(lab.expand(words).split(' '));
    with_mounts(&mut command, lab);
    let said = said(finish(command, words));
    let events = if recording.as_os_str().as_bytes().is_empty() { Vec::new() } else { lab.events(&recording) };
    (said, events)
}

fn refused(tested: &Rules, lines: &[(&str, &str)], allowed: bool) {
    let mut wrong = Vec::new();
    for (words, event) in lines {
        let mut free = lab();
        free.victim();
        let out = outside(&free, words);
        if !out.worked() {
            wrong.push(format!("{words}: outside: {out:?}"));
        }
        if allowed {
            let (said, _) = inside(&lab(), &Rules::new(), words);
            if !said.worked() {
                wrong.push(format!("{words}: allowed: {said:?}"));
            }
        }
        let mut lab = lab();
        lab.victim();
        let (said, events) = inside(&lab, tested, words);
        let (op, path) = event.strip_prefix("deny ").and_then(|event| event.split_once(' ')).expect("an event");
        if said.short() != "EACCES" || !events.iter().any(|event| denied(event, op, &lab.expand(path))) {
            wrong.push(format!("{words}: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is mounted inside of a tree is in it; the tree mounted elsewhere is the tree.
#[test]
fn inside_of_a_denied_tree() {
    let lines = [
        ("open openat {work}/vault/m/secret", "deny open {work}/vault/m/secret"),
        ("open openat {work}/twin/m/../inner/.env", "deny open {work}/twin/inner/.env"),
        ("open openat {work}/twin/inner/.env", "deny open {work}/twin/inner/.env"),
        ("open rdwr {work}/twin/inner/.env", "deny open {work}/twin/inner/.env"),
        ("open symlink {work}/twin/inner/.env {work}/link", "deny open {work}/twin/inner/.env"),
    ];
    refused(&Rules::new().deny("{work}/vault/**"), &lines, true);
    let exact = [("open openat {work}/twin/inner/.env", "deny open {work}/twin/inner/.env")];
    refused(&Rules::new().deny("{work}/vault/inner/.env"), &exact, true);
}

#[test]
fn inside_of_a_readonly_tree() {
    let lines = [
        ("write append {work}/keep/m/secret", "deny open {work}/keep/m/secret"),
        ("name unlink {work}/keep/m/secret", "deny unlink {work}/keep/m/secret"),
        ("name mkdir {work}/keep/m/new", "deny mkdir {work}/keep/m/new"),
        ("meta chmod {work}/keep/m/secret", "deny chmod {work}/keep/m/secret"),
    ];
    refused(&Rules::new().readonly("{work}/keep/**"), &lines, true);
}

/// The front could read its own environment there, and that of others.
#[test]
fn another_proc() {
    let lines = [
        ("open openat {work}/p/self/environ", "deny open *"),
        ("open openat {work}/p/thread-self/environ", "deny open *"),
        ("open openat {work}/p/self/maps", "deny open *"),
        ("list {work}/p/self/fd", "deny open *"),
    ];
    refused(&Rules::everything(), &lines, false);
    // From within a user namespace the kernel itself lets nobody look at processes outside of it (ptrace(2)).
    if test_user().is_none() {
        refused(&Rules::everything(), &[("open openat {work}/p/{pid}/environ", "deny open *")], false);
    }
}
