//! The check at the first call of a new image: what runs is compared with what was judged, before anything is answered.
//!
//! A process that forks before its first call is no way around it: the first call of a process that was not seen before
//! checks those it was forked from, and where one of them died unchecked, the new one is judged for what it runs.
//!
//! Invariant: no call of an image that was not judged is answered; an image that differs ends the session.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{command_line, exe_path, image_of};
use crate::event::{Event, Proc, ProcOp};
use crate::policy::{Verdict, carried};
use crate::supervisor::status::{self, Stat};
use crate::supervisor::target::{PendingExec, Process, lock};
use crate::supervisor::worker::{Call, Worker};

/// Processes between a new one and the next that was seen.
const MAX_ANCESTRY: usize = 1024;

impl Worker {
    /// Looks at whatever of this process, and of what it was forked from, was not looked at yet. False when its call must
    /// not be answered: it was killed.
    pub fn check(&mut self, call: &Call) -> bool {
        let process = call.thread.process.clone();
        if !process.vetted.load(Ordering::Acquire) {
            if !self.vet(call, &process) {
                return false;
            }
            process.vetted.store(true, Ordering::Release);
        }
        !process.exec_pending.load(Ordering::Acquire) || self.check_image(call, &process)
    }

    /// The first call of a process.
    fn vet(&mut self, call: &Call, process: &Arc<Process>) -> bool {
        let mut parent = process.parent;
        for _ in 0..MAX_ANCESTRY {
            if parent == self.shared.monitor || parent <= 1 {
                break;
            }
            if let Some(above) = self.shared.table.process(parent) {
                return !above.exec_pending.load(Ordering::Acquire) || self.check_image(call, &above);
            }
            // One that never called has never executed anything: what it runs is its parent's.
            match Stat::of(parent) {
                Ok(stat) => parent = stat.parent,
                Err(_) => break,
            }
        }
        if process.pid == self.shared.agent || !self.shared.table.lost_unchecked() {
            return true;
        }
        // Somebody died unchecked, and this may be its child.
        let exe = exe_path(process.pid);
        let judged = command_line(process.pid).map(|argv| self.rules.policy.decide_interpreter(&exe, &argv).verdict);
        let what = format!("runs {} without having been judged", String::from_utf8_lossy(&exe));
        match judged {
            Ok(Verdict::Allow) => return true,
            // It may have been asked about: whoever was, the answer cannot be told from another's.
            Ok(Verdict::Ask) => {
                self.alert(call, what);
                process.kill();
            }
            Ok(Verdict::Deny) | Err(_) => self.condemn(call, process, what),
        }
        false
    }

    /// Looks at a process whose execve was let through; `call` is its own, or that of one forked from it.
    fn check_image(&mut self, call: &Call, process: &Arc<Process>) -> bool {
        let Some(pending) = lock(&process.exec).clone() else { return true };
        // What cannot be looked at gets nothing.
        let Ok(image) = image_of(process.pid) else { return false };
        // A program that runs itself again: if its arguments are still the old ones, the call failed.
        let still_old = image == pending.before
            && pending.before_argv.is_some()
            && fit(process.pid, &pending) != Fit::Same
            && pending.before_argv == command_line(process.pid).ok();
        if image == pending.image && !still_old {
            return self.confirm(call, process, &pending);
        }
        if image == pending.before {
            // The call failed in the kernel and its thread goes on; or another thread was quicker than the kernel.
            if call.tid() == pending.tid {
                forget_pending(process, &pending);
            }
            return true;
        }
        if pending.foreign {
            // The kernel's binfmt_misc chose the image; it is judged for itself.
            let exe = exe_path(process.pid);
            if let Ok(argv) = command_line(process.pid)
                && self.ruling(self.rules.policy.decide_exec(&exe, &argv)).allows()
            {
                return self.confirm(call, process, &pending);
            }
        }
        let (exe, judged) = (exe_path(process.pid), String::from_utf8_lossy(&pending.path).into_owned());
        self.condemn(call, process, format!("runs {} where {judged} was judged", String::from_utf8_lossy(&exe)));
        false
    }

    /// The judged image runs: its bytes and arguments are compared, and it goes on record.
    fn confirm(&mut self, call: &Call, process: &Arc<Process>, pending: &Arc<PendingExec>) -> bool {
        let mut argv = pending.argv.clone();
        match fit(process.pid, pending) {
            Fit::Same => {}
            Fit::Script => {
                let asked = shown(std::slice::from_ref(&pending.asked));
                self.condemn(call, process, format!("another script was put in place of {asked}"));
                return false;
            }
            Fit::Arguments => {
                // Arguments that cannot be read are not arguments that are allowed.
                let Ok(now) = command_line(process.pid) else {
                    self.condemn(call, process, "arguments cannot be read after the start".to_owned());
                    return false;
                };
                let what = format!("arguments were changed after judging: {}", shown(&now));
                if !self.allows_changed(process, pending, &now) {
                    self.condemn(call, process, what);
                    return false;
                }
                self.alert(call, what);
                argv = now;
            }
        }
        // While it runs nobody can write it: these are the bytes.
        if !matches!(self.judge_bytes(&pending.runs), Ok(None)) {
            self.condemn(call, process, "its bytes were changed after judging".to_owned());
            return false;
        }
        if !forget_pending(process, pending) {
            return true;
        }
        self.shared.table.remove_siblings(process.pid);
        process.seen_exec.store(true, Ordering::Relaxed);
        lock(&process.exe).clone_from(&pending.path);
        let cwd = process.cwd(process.pid).map(|d| d.path.clone()).unwrap_or_default();
        let proc = Box::new(Proc {
            pid: process.pid,
            parent: process.parent,
            op: ProcOp::Exec,
            exe: pending.path.clone(),
            argv,
            argv_cut: pending.argv_cut,
            cwd,
            exit: None,
            signal: None,
            digest: self.shared.digests.known(&pending.file),
        });
        if proc.digest.is_some() {
            self.shared.bus.publish(Event::Proc(proc));
        } else {
            self.shared.bus.publish_program(proc, self.shared.digests.order(&pending.file));
        }
        true
    }

    /// Whether other arguments than the judged ones would have been allowed. What they are given to run was not looked
    /// at, so there must be nothing of the kind.
    fn allows_changed(&self, process: &Process, pending: &PendingExec, now: &[Vec<u8>]) -> bool {
        let policy = &self.rules.policy;
        if !pending.script {
            let allowed = self.ruling(policy.decide_exec(&pending.path, now)).allows();
            return allowed && carried(&pending.path, now).is_empty();
        }
        let Some(at) = now.iter().position(|word| *word == pending.asked) else { return false };
        let script = policy.decide_exec(&pending.path, now.get(at..).unwrap_or_default());
        let interpreter = policy.decide_interpreter(&exe_path(process.pid), now);
        self.ruling(script).allows() && self.ruling(interpreter).allows()
    }

    /// An attack was seen: the process, whoever calls for it, and the session's first one die before anything is answered.
    fn condemn(&self, call: &Call, process: &Process, what: String) {
        self.alert(call, what);
        process.kill();
        call.thread.process.kill();
        if let Ok(agent) = self.shared.table.thread(self.shared.agent) {
            agent.process.kill();
        }
    }
}

/// Whether it was still there: of several that look at once one tells, and another execve is not forgotten for it.
fn forget_pending(process: &Process, pending: &Arc<PendingExec>) -> bool {
    let mut slot = lock(&process.exec);
    let same = slot.as_ref().is_some_and(|now| Arc::ptr_eq(now, pending));
    if same {
        *slot = None;
        process.exec_pending.store(false, Ordering::Release);
    }
    same
}

/// How a command line compares with the judged one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Same,
    Arguments,
    /// The interpreter was given another script.
    Script,
}

/// Compares what a process shows with what was judged. For a script the kernel puts the interpreter, its argument and the
/// script's path in front. Of a vector too long for /proc to show whole, the beginning is compared.
fn fit(pid: i32, pending: &PendingExec) -> Fit {
    let Ok(now) = command_line(pid) else { return Fit::Arguments };
    let bytes: usize = pending.argv.iter().map(|a| a.len() + 1).sum();
    let whole = !pending.argv_cut && bytes < status::MAX / 2;
    let tail = pending.argv.get(1..).unwrap_or_default();
    if pending.script && !pending.asked.is_empty() {
        let names_it = |word: &Vec<u8>| *word == pending.asked;
        let script = now.len().checked_sub(tail.len() + 1).and_then(|at| now.get(at));
        return match script {
            _ if !whole => {
                if now.iter().any(names_it) {
                    Fit::Same
                } else {
                    Fit::Script
                }
            }
            Some(word) if !names_it(word) => Fit::Script,
            Some(_) if now.ends_with(tail) => Fit::Same,
            Some(_) => Fit::Arguments,
            None => Fit::Script,
        };
    }
    let same = if whole {
        // An empty vector becomes one empty argument (execve(2), since 5.18).
        now == pending.argv
            || (pending.script || pending.foreign) && now.ends_with(tail)
            || pending.argv.is_empty() && now.iter().all(Vec::is_empty)
    } else {
        // The last argument that is shown may be cut.
        let shown = now.split_last().map_or(&[][..], |(_, shown)| shown);
        now.first() == pending.argv.first() && pending.argv.starts_with(shown)
    };
    if same { Fit::Same } else { Fit::Arguments }
}

fn shown(argv: &[Vec<u8>]) -> String {
    argv.iter().map(|a| String::from_utf8_lossy(a)).collect::<Vec<_>>().join(" ")
}
