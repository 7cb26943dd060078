//! The monitor's child, from fork to execve.
//!
//! Invariant: never returns. What it inherits from us and was not the user's (signals, limits, descriptors) is put back.
//! Leaves to others: what is allowed afterwards (`sandbox::install`, the front).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::sandbox;
use crate::session::wire::{Bytes, Failure, FromMonitor, Link, Orders, Stdio};
use crate::sys::process::{self, Limit};
use crate::sys::signals::{self, Disposition, Set};
use crate::sys::{tty, unix};

/// Becomes the agent, or tells the front why not.
pub fn become_agent(mut link: Link, orders: Orders, sent: &[OwnedFd]) -> ! {
    let failure = match prepare(&mut link, &orders, sent) {
        Ok(program) => program.execute(),
        Err(failure) => failure,
    };
    // If nobody listens any more, the status says the same to the monitor.
    let _ = link.send(&FromMonitor::Failed(failure));
    process::exit_now(crate::session::FAILED)
}

fn setup(act: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::Setup { act: act.to_owned(), errno: error.raw_os_error().unwrap_or(libc::EIO) }
}

/// Everything up to the moment the front lets us go.
fn prepare(link: &mut Link, orders: &Orders, sent: &[OwnedFd]) -> Result<Program, Failure> {
    process::set_group(0, 0).map_err(setup("make a process group"))?;
    if orders.foreground && orders.stdio.contains(&Stdio::Pty) {
        // All signals are blocked here, SIGTTOU too.
        tty::set_foreground(io::stdin().as_fd(), process::own_group()).map_err(setup("take the terminal"))?;
    }
    place_stdio(orders, sent)?;
    let program = Program::new(orders)?;
    process::set_dumpable(true).map_err(setup("become traceable for the front"))?;
    let (soft, hard) = orders.open_files;
    process::set_open_files_limit(Limit { soft, hard }).map_err(setup("restore the open files limit"))?;
    let listener = sandbox::install(&orders.plan).map_err(|error| {
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Failure::Sandbox { message, hint: error.hint().map(str::to_owned) }
    })?;
    let pid = i32::try_from(std::process::id()).unwrap_or(0);
    let told = link.send(&FromMonitor::Listener { number: listener.as_raw_fd(), pid });
    told.and_then(|()| link.wait_for_go()).map_err(setup("hear from the front"))?;
    Ok(program)
}

fn place_stdio(orders: &Orders, sent: &[OwnedFd]) -> Result<(), Failure> {
    for (number, stdio) in (0..).zip(orders.stdio) {
        match stdio {
            Stdio::Pty => {}
            Stdio::Closed => unix::close_stdio(number),
            Stdio::Sent(at) => {
                let missing = || Failure::Setup { act: "receive the streams".to_owned(), errno: libc::EBADF };
                unix::place(sent.get(at).ok_or_else(missing)?.as_fd(), number).map_err(setup("place the streams"))?;
            }
        }
    }
    Ok(())
}

/// What execve(2) needs, made before anything waits for the front.
struct Program {
    path: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
    blocked: Set,
    ignored: Set,
}

impl Program {
    fn new(orders: &Orders) -> Result<Self, Failure> {
        let word = |bytes: &Bytes| {
            CString::new(bytes.0.clone())
                .map_err(|_| Failure::Setup { act: "pass a NUL byte to a program".to_owned(), errno: libc::EINVAL })
        };
        Ok(Program {
            path: word(&orders.program)?,
            argv: orders.argv.iter().map(word).collect::<Result<_, _>>()?,
            env: orders.env.iter().map(word).collect::<Result<_, _>>()?,
            blocked: Set(orders.blocked),
            ignored: Set(orders.ignored),
        })
    }

    /// Returns only when execve(2) fails. A script without `#!` is run by `/bin/sh`, as execvp(3) does.
    fn execute(&self) -> Failure {
        // Not closed yet: the socket still has to carry a failure.
        if let Err(error) = process::close_on_exec_from(3) {
            return setup("close what the agent must not inherit")(error);
        }
        for signal in 1..=64 {
            let disposition = if self.ignored.has(signal) { Disposition::Ignore } else { Disposition::Default };
            // SIGKILL and SIGSTOP cannot be set, and cannot have been changed.
            let _ = signals::set_disposition(signal, disposition);
        }
        if let Err(error) = signals::set_mask(self.blocked) {
            return setup("restore the signal mask")(error);
        }
        let mut error = process::execute(&self.path, &self.argv, &self.env);
        if error.raw_os_error() == Some(libc::ENOEXEC) {
            let mut argv = vec![c"sh".to_owned(), self.path.clone()];
            argv.extend(self.argv.iter().skip(1).cloned());
            error = process::execute(c"/bin/sh", &argv, &self.env);
        }
        Failure::Exec(error.raw_os_error().unwrap_or(libc::EIO))
    }
}
