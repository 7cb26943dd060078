//! Ends of processes: what they say themselves, and what is found out of those that said nothing.
//!
//! Invariant: every process that ran a program ends once on record; a status that is told is the kernel's.
//! Leaves to others: finding the dead (`receiver`, `target`), limits that make no process end (`session`).

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use crate::event::{Event, Proc, ProcOp};
use crate::supervisor::shared::Shared;
use crate::supervisor::status;
use crate::supervisor::target::{Process, lock};
use crate::supervisor::worker::{Answer, Call, Worker};
use crate::sys::{Errno, pidfd};

impl Worker {
    /// exit_group(2): the status is in a register, so it is exact.
    pub fn exit(&mut self, call: &Call) -> Answer {
        if let Some(process) = self.shared.table.remove(call.pid())
            && process.seen_exec.load(Ordering::Relaxed)
        {
            self.shared.bus.publish(ended(&process, Some(call.int(0) & 0xff), None));
        }
        Answer::Continue
    }
}

impl Shared {
    /// A process that ended without saying so: by a signal, if the kernel still tells.
    pub fn gone(&self, process: &Process) {
        let code = pidfd::exit_code(process.pidfd.as_fd()).or_else(|| status::exit_code(process.pid));
        let signal = code.map(|code| code & 0x7f).filter(|signal| *signal != 0);
        let limits = self.limits;
        let hit = match signal {
            Some(libc::SIGXCPU) => limits.cpu_seconds.map(|most| format!("cpu_seconds: {most} were used up by")),
            Some(libc::SIGXFSZ) => limits.file_size.map(|most| format!("file_size: {most} bytes were exceeded by")),
            _ => None,
        };
        if let Some(hit) = hit {
            self.bus.publish(Event::Limit { what: format!("{hit} {}", named(process)) });
        }
        if process.seen_exec.load(Ordering::Relaxed) {
            let exit = code.filter(|_| signal.is_none()).map(|code| code >> 8 & 0xff);
            self.bus.publish(ended(process, exit, signal));
        }
    }

    /// A descriptor found no room in the target: told once for each process.
    pub fn tell_full(&self, errno: Errno, call: Option<&Call>) {
        let (Some(most), Some(call)) = (self.limits.open_files, call) else { return };
        let process = &call.thread.process;
        if errno == Errno(libc::EMFILE) && !process.full.swap(true, Ordering::Relaxed) {
            self.bus.publish(Event::Limit { what: format!("open_files: {most} are open in {}", named(process)) });
        }
    }

    /// A file would be made larger than the policy lets any be: the front is not held by the target's own limit.
    pub fn is_too_large(&self, call: &Call, length: i64) -> bool {
        let most = self.limits.file_size.filter(|most| u64::try_from(length).is_ok_and(|length| length > *most));
        if let Some(most) = most {
            let process = named(&call.thread.process);
            self.bus.publish(Event::Limit { what: format!("file_size: {length} of {most} bytes wanted by {process}") });
        }
        most.is_some()
    }
}

fn named(process: &Process) -> String {
    let exe = lock(&process.exe);
    let name = exe.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    format!("pid {} {}", process.pid, String::from_utf8_lossy(name)).trim_end().to_owned()
}

/// A process's end; without both where nobody knows any more.
fn ended(process: &Process, exit: Option<i32>, signal: Option<i32>) -> Event {
    Event::Proc(Box::new(Proc {
        pid: process.pid,
        parent: process.parent,
        op: ProcOp::Exit,
        exe: Vec::new(),
        argv: Vec::new(),
        argv_cut: false,
        cwd: Vec::new(),
        exit,
        signal,
        digest: None,
    }))
}
