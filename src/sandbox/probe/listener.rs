//! The notification listener: installed, received from, answered in each way that the broker uses.
//!
//! Invariant: the target is a child of the probe's own child and dies with it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::Need::{Required, Stronger};
use super::{Fault, LIMIT, Outcome, Plan, Step};
use crate::sys::seccomp::{self, Instruction};
use crate::sys::{cred, pidfd, probe as sys};

pub(super) const PLANS: &[Plan] = &[
    Plan {
        name: "listener",
        need: Required,
        gives: "calls that wait for govsh's answer",
        without: "no supervisor: nothing inside a granted tree can be denied or recorded",
        run: install,
    },
    Plan {
        name: "answer",
        need: Required,
        gives: "a call received, judged, and left to the kernel",
        without: "every notified call would hang",
        run: answer,
    },
    Plan {
        name: "hand-over",
        need: Required,
        gives: "files opened by govsh and handed over, which no race can swap",
        without: "a thread that swaps a path after the check wins",
        run: hand_over,
    },
    Plan {
        name: "wait-killable",
        need: Stronger,
        gives: "signals do not interrupt a call that is being answered (5.19)",
        without: "a program with a fast timer may see EINTR or make no progress",
        run: wait_killable,
    },
    Plan {
        name: "sync-wake-up",
        need: Stronger,
        gives: "answers on the same CPU, the fast hand-off (6.6)",
        without: "each notified call may cost twenty times as much",
        run: sync_wake_up,
    },
];

const LOAD_NUMBER: Instruction =
    Instruction { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: 0 };

const fn give(action: u32) -> Instruction {
    Instruction { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: action }
}

/// `action` for one call number, everything else allowed.
pub(super) fn filter(call: libc::c_long, action: u32) -> [Instruction; 4] {
    let test = Instruction { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt: 0, jf: 1, k: call as u32 };
    [LOAD_NUMBER, test, give(action), give(libc::SECCOMP_RET_ALLOW)]
}

fn notify(call: libc::c_long) -> [Instruction; 4] {
    filter(call, libc::SECCOMP_RET_USER_NOTIF)
}

fn install() -> Outcome {
    cred::set_no_new_privs().step("setting no_new_privs")?;
    let _listener = seccomp::add_listener(&notify(libc::SYS_getppid)).step("installing a listener")?;
    Ok("installed".into())
}

fn wait_killable() -> Outcome {
    cred::set_no_new_privs().step("setting no_new_privs")?;
    let program = notify(libc::SYS_getppid);
    let _listener = sys::add_listener_with(&program, sys::WAIT_KILLABLE_RECV).step("installing with the flag")?;
    Ok("accepted".into())
}

fn sync_wake_up() -> Outcome {
    cred::set_no_new_privs().step("setting no_new_privs")?;
    let listener = seccomp::add_listener(&notify(libc::SYS_getppid)).step("installing a listener")?;
    seccomp::set_sync_wake_up(listener.as_fd()).step("setting the flag")?;
    Ok("accepted".into())
}

/// A child under a listener for one call, and that listener.
struct Target {
    child: sys::Child,
    listener: OwnedFd,
}

/// Starts a target that makes `call` within `act` and exits with what `act` returns.
fn target(call: libc::c_long, act: fn() -> i32) -> Result<Target, Fault> {
    let (mut ours, mut theirs) = UnixStream::pair().step("making a socket pair")?;
    ours.set_read_timeout(Some(LIMIT)).step("setting a deadline")?;
    // the target alone holds its end of the line, so its end is seen at once
    let child = sys::spawn(move || {
        let listener = match cred::set_no_new_privs().and_then(|()| seccomp::add_listener(&notify(call))) {
            Ok(listener) => listener,
            Err(_) => return 102,
        };
        let mut go = [0];
        let told = theirs.write_all(&listener.as_raw_fd().to_ne_bytes());
        if told.is_err() || theirs.read_exact(&mut go).is_err() {
            return 103;
        }
        drop(listener);
        act()
    })
    .step("starting a target")?;
    let mut number = [0; 4];
    ours.read_exact(&mut number).step("waiting for the listener's number")?;
    let listener =
        pidfd::get_fd(child.pidfd(), i32::from_ne_bytes(number)).step("taking the listener with pidfd_getfd")?;
    ours.write_all(b"g").step("letting the target go")?;
    if !sys::ready(listener.as_fd(), LIMIT) {
        return Err(Fault::wrong("no notification came"));
    }
    Ok(Target { child, listener })
}

fn answer() -> Outcome {
    let target = target(libc::SYS_getppid, || i32::from(std::os::unix::process::parent_id() == 0))?;
    let listener = target.listener.as_fd();
    let notification = seccomp::receive(listener).step("receiving a notification")?;
    if !seccomp::is_valid(listener, notification.id) {
        return Err(Fault::wrong("the notification is not valid"));
    }
    seccomp::send_continue(listener, notification.id).step("letting the call continue")?;
    match target.child.wait(LIMIT) {
        Some(0) => Ok("received, continued".into()),
        _ => Err(Fault::wrong("the continued call gave the wrong answer")),
    }
}

/// The target opens a path that does not exist and reads what we put behind it.
fn hand_over() -> Outcome {
    let target = target(libc::SYS_openat, || {
        let mut word = String::new();
        let read = File::open("/nonexistent/govsh").and_then(|mut file| file.read_to_string(&mut word));
        i32::from(read.is_err() || word != "ours")
    })?;
    let (from, mut to) = std::io::pipe().step("making a pipe")?;
    to.write_all(b"ours").step("writing to a pipe")?;
    drop(to);
    let listener = target.listener.as_fd();
    let notification = seccomp::receive(listener).step("receiving a notification")?;
    seccomp::send_fd(listener, notification.id, from.as_fd(), true).step("handing a descriptor over")?;
    drop(from);
    match target.child.wait(LIMIT) {
        Some(0) => Ok("descriptor arrived".into()),
        _ => Err(Fault::wrong("the descriptor did not arrive")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{hint, isolated};
    use super::*;
    use crate::sys::Errno;

    #[test]
    fn a_second_listener_is_told_apart() {
        let fault = isolated(|| {
            cred::set_no_new_privs().step("setting no_new_privs")?;
            let _first = seccomp::add_listener(&notify(libc::SYS_getppid)).step("installing the first")?;
            install()
        })
        .expect_err("the kernel allows one listener");
        assert_eq!(fault, Fault { act: "installing a listener".into(), errno: Some(Errno(libc::EBUSY)) });
        assert!(hint("listener", &fault).is_some_and(|hint| hint.starts_with("another supervisor")));
    }

    /// As a security module does that confines govsh: the listener is there but may not be read.
    #[test]
    fn a_listener_that_may_not_be_read_is_told_apart() {
        let fault = isolated(|| {
            cred::set_no_new_privs().step("setting no_new_privs")?;
            let refuse = give(libc::SECCOMP_RET_ERRNO | libc::EACCES as u32);
            let jump = |jf, k| Instruction { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt: 0, jf, k };
            let load_request = Instruction { k: 24, ..LOAD_NUMBER };
            let program = [
                LOAD_NUMBER,
                jump(3, libc::SYS_ioctl as u32),
                load_request,
                jump(1, libc::SECCOMP_IOCTL_NOTIF_RECV as u32),
                refuse,
                give(libc::SECCOMP_RET_ALLOW),
            ];
            seccomp::add_filter(&program).step("hiding the ioctl")?;
            answer()
        })
        .expect_err("receiving is refused");
        assert_eq!(fault, Fault { act: "receiving a notification".into(), errno: Some(Errno(libc::EACCES)) });
        assert!(hint("answer", &fault).is_some_and(|hint| hint.contains("AppArmor")));
    }
}
