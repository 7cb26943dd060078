//! Seeing into and holding the agent's processes: memory, descriptors, domains, orphans.
//!
//! Invariant: every process that a probe starts is gone when the probe is.

use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use landlock::{ABI, Access, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr};

use super::Need::{Required, Stronger};
use super::{Fault, LIMIT, Outcome, Plan, Step};
use crate::sys::{Errno, memory, pidfd, probe as sys, sched};

pub(super) const PLANS: &[Plan] = &[
    Plan {
        name: "memory",
        need: Required,
        gives: "the paths and addresses that a call points to (process_vm_readv)",
        without: "no request can be read, so every notified call is denied",
        run: peek,
    },
    Plan {
        name: "descriptors",
        need: Required,
        gives: "the listener and sockets of a target (pidfd_open, pidfd_getfd)",
        without: "the listener cannot be taken, so no run starts",
        run: take,
    },
    Plan {
        name: "orphans",
        need: Required,
        gives: "daemonised processes fall to govsh, which still reads and ends them (sub-reaper)",
        without: "a process could leave the session by double fork",
        run: orphans,
    },
    Plan {
        name: "nesting",
        need: Required,
        gives: "a broker in a Landlock domain of its own, which still serves the agent's",
        without: "a mistake of the broker could reach what no policy mentions",
        run: nesting,
    },
    Plan {
        name: "close-range",
        need: Required,
        gives: "no descriptor reaches the agent but its own three (5.9)",
        without: "an inherited descriptor is a hole in every rule",
        run: close,
    },
    Plan {
        name: "affinity",
        need: Stronger,
        gives: "a program held on govsh's CPU while a file is handed over to it",
        without: "brokered opens may cost several times as much on an idle machine",
        run: affinity,
    },
    Plan {
        name: "namespaces",
        need: Stronger,
        gives: "a PID namespace that ends with its first process; this version does not need it",
        without: "nothing: the monitor ends a session's processes one by one until none is left",
        run: namespaces,
    },
];

/// A child that shows one number in its memory (its own process id) and then waits.
struct Shown {
    pid: i32,
    address: u64,
    line: UnixStream,
}

/// What the child does: prepares, says where its number lies, waits until it is killed or [`LIMIT`] has passed.
fn show(mut line: UnixStream, prepare: fn() -> Result<(), Fault>) -> i32 {
    let number = black_box(std::process::id().to_ne_bytes());
    let address = number.as_ptr() as u64;
    let prepared = prepare().is_ok();
    let told = line.write_all(&std::process::id().to_ne_bytes()).and_then(|()| line.write_all(&address.to_ne_bytes()));
    if prepared && told.is_ok() {
        let _ended_early = sys::ready(line.as_fd(), LIMIT);
    }
    black_box(number);
    0
}

impl Shown {
    fn hear(mut line: UnixStream) -> Result<Self, Fault> {
        line.set_read_timeout(Some(LIMIT)).step("setting a deadline")?;
        let (mut pid, mut address) = ([0; 4], [0; 8]);
        line.read_exact(&mut pid).step("hearing from the child")?;
        line.read_exact(&mut address).step("hearing from the child")?;
        Ok(Self { pid: i32::from_ne_bytes(pid), address: u64::from_ne_bytes(address), line })
    }

    fn check_memory(&self) -> Result<(), Fault> {
        let mut seen = [0; 4];
        let n = memory::read(self.pid, self.address, &mut seen).step("reading a child's memory")?;
        if n == 4 && i32::from_ne_bytes(seen) == self.pid {
            Ok(())
        } else {
            Err(Fault::wrong("a child's memory read back wrong"))
        }
    }

    fn check_descriptor(&self, pidfd: BorrowedFd<'_>) -> Result<(), Fault> {
        // the child is a copy of us, so our end of the line has the same number there
        pidfd::get_fd(pidfd, self.line.as_raw_fd()).step("copying a child's descriptor").map(drop)
    }
}

fn shown(prepare: fn() -> Result<(), Fault>) -> Result<(sys::Child, Shown), Fault> {
    let (line, theirs) = UnixStream::pair().step("making a socket pair")?;
    let child = sys::spawn(move || show(theirs, prepare)).step("starting a child")?;
    Ok((child, Shown::hear(line)?))
}

fn peek() -> Outcome {
    let (_child, shown) = shown(|| Ok(()))?;
    shown.check_memory()?;
    Ok("a child's memory is readable".into())
}

fn take() -> Outcome {
    let (child, shown) = shown(|| Ok(()))?;
    shown.check_descriptor(child.pidfd())?;
    Ok("a child's descriptors can be copied".into())
}

/// A grandchild whose parent is gone must fall to us, be readable, and be ours to reap.
fn orphans() -> Outcome {
    sys::adopt_orphans().step("becoming a sub-reaper")?;
    let (line, theirs) = UnixStream::pair().step("making a socket pair")?;
    let middle = sys::spawn(move || i32::from(leave_orphan(theirs).is_err())).step("starting a child")?;
    let shown = Shown::hear(line)?;
    let orphan = pidfd::open(shown.pid).step("opening the orphan")?;
    if middle.wait(LIMIT) != Some(0) {
        return Err(Fault::wrong("the process between did not end"));
    }
    let readable = shown.check_memory().and_then(|()| shown.check_descriptor(orphan.as_fd()));
    pidfd::send_signal(orphan.as_fd(), libc::SIGKILL).step("ending the orphan")?;
    let reaped = sys::reap_any(LIMIT).step("reaping the orphan")?;
    readable?;
    if reaped == shown.pid {
        Ok("orphans come to govsh and stay readable".into())
    } else {
        Err(Fault::wrong("another process was reaped"))
    }
}

/// Starts a child and returns while it lives on.
fn leave_orphan(line: UnixStream) -> Result<(), Fault> {
    let (mut from, mut to) = std::io::pipe().step("making a pipe")?;
    let orphan = sys::spawn(move || {
        if sys::outlive_parent().is_err() || to.write_all(b"x").is_err() {
            return 1;
        }
        show(line, || Ok(()))
    })
    .step("starting a grandchild")?;
    from.read_exact(&mut [0]).step("hearing from the grandchild")?;
    // it is to be an orphan: nobody here may kill or reap it
    std::mem::forget(orphan);
    Ok(())
}

/// One more Landlock layer for this process and all it starts. It denies writing, which no probe after it does.
fn layer() -> Result<(), Fault> {
    let wrong = |error: &dyn std::fmt::Display| Fault::wrong(format!("entering a domain: {error}"));
    sys::landlock_abi().step("asking for Landlock")?;
    let root = PathFd::new("/").map_err(|error| wrong(&error))?;
    Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rule(PathBeneath::new(root, AccessFs::from_read(ABI::V1))))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map(drop)
        .map_err(|error| wrong(&error))
}

/// As the broker and the agent stand: we in one domain, the child in that and another. And never the reverse.
fn nesting() -> Outcome {
    layer()?;
    let (child, shown) = shown(layer)?;
    shown.check_memory()?;
    shown.check_descriptor(child.pidfd())?;
    drop(child);
    let (line, theirs) = UnixStream::pair().step("making a socket pair")?;
    let _plain = sys::spawn(move || show(theirs, || Ok(()))).step("starting a child")?;
    let outer = Shown::hear(line)?;
    layer()?;
    match outer.check_memory() {
        Err(Fault { errno: Some(Errno(libc::EPERM)), .. }) => {
            Ok("the broker sees into the agent, not the reverse".into())
        }
        _ => Err(Fault::wrong("an inner domain can see into an outer one")),
    }
}

/// Any CPU will do, since it is given back at once.
fn affinity() -> Outcome {
    let (child, _shown) = shown(|| Ok(()))?;
    let before = sched::affinity(child.pid()).step("reading a child's CPUs")?;
    let here = sched::only(sched::current_cpu());
    sched::set_affinity(child.pid(), &here).step("holding a child on a CPU")?;
    let held = sched::affinity(child.pid()).step("reading a child's CPUs")?;
    sched::set_affinity(child.pid(), &before).step("giving a child its CPUs back")?;
    if held == here { Ok("a child can be held".into()) } else { Err(Fault::wrong("the child was not held")) }
}

fn close() -> Outcome {
    let (from, _to) = std::io::pipe().step("making a pipe")?;
    let child = sys::spawn(|| {
        let closed =
            sys::close_from(3).is_ok() && std::fs::metadata(format!("/proc/self/fd/{}", from.as_raw_fd())).is_err();
        i32::from(!closed)
    })
    .step("starting a child")?;
    match child.wait(LIMIT) {
        Some(0) => Ok("closes everything above 2".into()),
        _ => Err(Fault::wrong("a descriptor stayed open")),
    }
}

fn namespaces() -> Outcome {
    sys::unshare_user_and_pid().step("unsharing")?;
    let first = sys::spawn(|| i32::from(std::process::id() != 1)).step("starting a child")?;
    match first.wait(LIMIT) {
        Some(0) => Ok("a process of one's own namespace is number 1".into()),
        _ => Err(Fault::wrong("the first process of the namespace is not number 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::listener::filter;
    use super::super::{hint, isolated};
    use super::*;
    use crate::sys::{cred, seccomp};

    /// As containers do whose filter refuses one call.
    fn without(call: libc::c_long) -> Result<(), Fault> {
        cred::set_no_new_privs().step("setting no_new_privs")?;
        let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        seccomp::add_filter(&filter(call, refuse)).step("hiding a call")
    }

    #[test]
    fn each_refused_call_fails_its_own_probe() {
        let refused = [
            ("memory", isolated(|| without(libc::SYS_process_vm_readv).and_then(|()| peek()))),
            ("descriptors", isolated(|| without(libc::SYS_pidfd_getfd).and_then(|()| take()))),
            ("orphans", isolated(|| without(libc::SYS_prctl).and_then(|()| orphans()))),
            ("nesting", isolated(|| without(libc::SYS_process_vm_readv).and_then(|()| nesting()))),
            ("close-range", isolated(|| without(libc::SYS_close_range).and_then(|()| close()))),
            ("namespaces", isolated(|| without(libc::SYS_unshare).and_then(|()| namespaces()))),
        ];
        for (name, outcome) in refused {
            let fault = outcome.expect_err(name);
            assert!(name == "close-range" || fault.errno == Some(Errno(libc::EPERM)), "{name}: {fault}");
            assert!(name == "close-range" || hint(name, &fault).is_some(), "{name}: no hint for {fault}");
        }
    }
}
