//! What this machine offers, told by doing and not by reading version numbers.
//!
//! Invariant: every probe runs in a forked child with a deadline, so none can hang, restrict or take down the caller.
//! Leaves to others: drawing (`cmd::doctor`), and what a policy demands (`sandbox`).

mod kernel;
mod listener;
mod place;
mod tree;

use std::fmt;
use std::io::{Read, Write};
use std::time::Duration;

use crate::sys::{Errno, probe as sys};

/// How long one probe may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(5);

/// One mechanism, tried.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// One word, stable, for `--json`.
    pub name: &'static str,
    pub need: Need,
    /// What was found (`ABI 7`), or what failed.
    pub outcome: Result<String, Fault>,
    /// What govsh has from it.
    pub gives: &'static str,
    /// What is lost where it is missing.
    pub without: &'static str,
}

impl Probe {
    /// Whether a default run can do without it, or it is there.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.outcome.is_ok() || self.need == Need::Stronger
    }

    /// What a person could do about a failure.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        self.outcome.as_ref().err().and_then(|fault| hint(self.name, fault))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A default run does not start without it.
    Required,
    /// Makes a run faster or a guarantee stronger.
    Stronger,
}

/// What failed: the step, and the kernel's word on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    pub act: String,
    /// Absent where the step went through and gave the wrong result.
    pub errno: Option<Errno>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno {
            Some(errno) => write!(f, "{}: {errno}", self.act),
            None => f.write_str(&self.act),
        }
    }
}

impl Fault {
    /// The step went through and gave the wrong result.
    fn wrong(act: impl Into<String>) -> Self {
        Self { act: act.into(), errno: None }
    }
}

/// Names the step that an error came from.
trait Step<T> {
    fn step(self, act: &str) -> Result<T, Fault>;
}

impl<T> Step<T> for Result<T, Errno> {
    fn step(self, act: &str) -> Result<T, Fault> {
        self.map_err(|errno| Fault { act: act.into(), errno: Some(errno) })
    }
}

impl<T> Step<T> for std::io::Result<T> {
    fn step(self, act: &str) -> Result<T, Fault> {
        self.map_err(|error| match error.raw_os_error() {
            Some(number) => Fault { act: act.into(), errno: Some(Errno(number)) },
            None => Fault::wrong(format!("{act}: {error}")),
        })
    }
}

type Outcome = Result<String, Fault>;

/// A mechanism and how to try it.
struct Plan {
    name: &'static str,
    need: Need,
    gives: &'static str,
    without: &'static str,
    run: fn() -> Outcome,
}

/// Everything, in the order in which a run needs it. Takes some tens of milliseconds.
pub fn probe_all() -> Vec<Probe> {
    plans().map(Plan::probe).collect()
}

/// After a run failed to start: the first thing it needs that is missing, as one sentence and a hint.
#[must_use]
pub fn explain() -> Option<String> {
    let missing = plans().filter(|plan| plan.need == Need::Required).map(Plan::probe).find(|probe| !probe.is_met())?;
    let fault = missing.outcome.as_ref().err()?;
    let hint = missing.hint().unwrap_or("'govsh doctor' lists everything that was tried");
    Some(format!("this machine lacks {}: {fault}\nhint: {hint}", missing.name))
}

fn plans() -> impl Iterator<Item = &'static Plan> {
    [kernel::PLANS, listener::PLANS, tree::PLANS, place::PLANS].into_iter().flatten()
}

impl Plan {
    fn probe(&self) -> Probe {
        let outcome = isolated(self.run);
        Probe { name: self.name, need: self.need, outcome, gives: self.gives, without: self.without }
    }
}

/// Runs `body` in a child that may do to itself whatever it likes.
fn isolated(body: fn() -> Outcome) -> Outcome {
    let (mut from, to) = std::io::pipe().step("making a pipe")?;
    let child = sys::spawn(move || i32::from(tell(to, body()).is_err())).step("starting a child")?;
    // the parent's copy of the writing end went with the closure
    let mut told = Vec::new();
    let ended = child.wait(LIMIT);
    if sys::ready(std::os::fd::AsFd::as_fd(&from), Duration::ZERO) {
        from.read_to_end(&mut told).step("reading the child's answer")?;
    }
    match (ended, heard(&told)) {
        (Some(0), Some(outcome)) => outcome,
        (Some(_), _) => Err(Fault::wrong("the child gave no answer")),
        (None, _) => Err(Fault::wrong("the child was killed or hung")),
    }
}

/// On the pipe: `+text`, or `-errno act` with errno 0 for none.
fn tell(mut to: std::io::PipeWriter, outcome: Outcome) -> std::io::Result<()> {
    let line = match outcome {
        Ok(found) => format!("+{found}"),
        Err(Fault { act, errno }) => format!("-{} {act}", errno.map_or(0, |errno| errno.0)),
    };
    to.write_all(line.as_bytes())
}

fn heard(told: &[u8]) -> Option<Outcome> {
    let text = std::str::from_utf8(told).ok()?;
    if let Some(found) = text.strip_prefix('+') {
        return Some(Ok(found.to_owned()));
    }
    let (errno, act) = text.strip_prefix('-')?.split_once(' ')?;
    let errno = errno.parse().ok().filter(|&number| number != 0).map(Errno);
    Some(Err(Fault { act: act.to_owned(), errno }))
}

fn hint(name: &str, fault: &Fault) -> Option<&'static str> {
    let number = fault.errno.map_or(0, |errno| errno.0);
    Some(match (name, number) {
        ("listener", libc::EBUSY) => {
            "another supervisor listens on this process already (another govsh, a container with seccomp notify): \
             start govsh outside of it"
        }
        ("answer" | "hand-over", libc::EACCES | libc::EPERM) if fault.act.starts_with("receiving") => {
            "the listener may not be read: a security module confines govsh; look for an AppArmor profile on its path"
        }
        ("memory" | "descriptors" | "nesting" | "orphans", libc::EPERM) => {
            "ptrace access is refused: kernel.yama.ptrace_scope must be 0 or 1, and a container must not filter \
             process_vm_readv and pidfd_getfd"
        }
        ("landlock" | "tcp" | "scopes", libc::ENOSYS) => "the kernel was built without Landlock (5.13 or later has it)",
        ("landlock" | "tcp" | "scopes", libc::EOPNOTSUPP) => {
            "Landlock is built in but off: add 'landlock' to the lsm= list on the kernel command line"
        }
        ("tcp" | "scopes", _) => "a newer kernel has it: 6.7 for TCP, 6.12 for scopes",
        ("loopback", libc::EPERM) => "a kernel from 5.7 on lets ordinary users tie a socket to a device",
        ("loopback", libc::ENODEV) => "there is no device 'lo' in this network namespace",
        ("recordings" | "runtime", _) => "make the directory writable, or name another: --record DIR, XDG_RUNTIME_DIR",
        ("terminal", _) => "mount devpts on /dev/pts, with ptmx",
        ("cgroup", _) => "systemd-run --user --scope govsh … gives a session a group of its own",
        (_, libc::ENOSYS) => "the kernel is too old, or a container's filter hides the call",
        (_, libc::EPERM | libc::EACCES) => "a container's filter or a security module refuses it",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_survives_the_pipe() {
        let fault = |act: &str, errno| Fault { act: act.into(), errno };
        for outcome in
            [Ok("ABI 7".into()), Ok(String::new()), Err(fault("a b: c", None)), Err(fault("x", Some(Errno(16))))]
        {
            let (mut from, to) = std::io::pipe().expect("pipe");
            tell(to, outcome.clone()).expect("write");
            let mut told = Vec::new();
            from.read_to_end(&mut told).expect("read");
            assert_eq!(heard(&told), Some(outcome));
        }
    }

    #[test]
    fn a_child_that_panics_is_a_fault_and_not_ours() {
        assert!(isolated(|| panic!("on purpose")).is_err());
        assert_eq!(isolated(|| Ok("fine".into())), Ok("fine".into()));
    }

    #[test]
    fn everything_a_default_run_needs_is_here() {
        let missing: Vec<_> = probe_all().into_iter().filter(|probe| probe.outcome.is_err()).collect();
        let required: Vec<_> = missing.iter().filter(|probe| !probe.is_met()).collect();
        assert!(required.is_empty(), "{required:#?}");
    }

    #[test]
    fn restricting_a_probe_does_not_restrict_us() {
        let before = probe_all();
        let after = probe_all();
        assert_eq!(before, after);
    }
}
