//! execve, execveat: judged from a copy, left to the kernel, and checked again when the new image makes its first call.
//!
//! Nobody can exec for another, so a racing thread may change path or arguments after the judgement. What it gets for
//! it: Landlock's EXECUTE underneath; and the image and arguments that really run are compared with what was judged at
//! the first notified call, before that image opened, connected or changed anything. A mismatch kills the session.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::act::Act;
use super::change::PathArg;
use super::questions::Subject;
use super::resolve::Found;
use super::status;
use super::target::{PendingExec, lock, proc_path};
use super::worker::{Answer, Call, Ruling, Worker};
use crate::event::{Event, Judged, Kind, Proc, ProcOp, Via};
use crate::policy::{Access, Verdict};
use crate::sys::{Errno, Sys, file};

/// Arguments and bytes of arguments that are kept of one call.
const MAX_ARGS: usize = 4096;
const MAX_BYTES: usize = 128 * 1024;
/// Interpreters of interpreters, as the kernel allows.
const MAX_INTERPRETERS: usize = 5;
/// BINPRM_BUF_SIZE of the kernel.
const HEAD: usize = 256;

/// What was judged.
struct Judgement {
    image: (u64, u64),
    script: bool,
    foreign: bool,
    ruling: Ruling,
}

impl Worker {
    /// execve(2) and execveat(2).
    pub fn exec(&mut self, call: &Call, path: PathArg, argv: u64, flags: i32) -> Answer {
        match self.try_exec(call, path, argv, flags) {
            Ok(answer) => answer,
            Err(errno) => self.unreadable(call, "exec", errno),
        }
    }

    fn try_exec(&mut self, call: &Call, arg: PathArg, argv: u64, flags: i32) -> Sys<Answer> {
        let copier = call.copier();
        let text = copier.path(arg.addr)?;
        let (argv, argv_cut) = copier.strings(argv, MAX_ARGS, MAX_BYTES)?;
        if !self.still_waits(call) {
            return Err(Errno(libc::EINTR));
        }
        let found = if text.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
            let fd = call.thread.process.descriptor(arg.dirfd)?;
            Found { path: file::path_of(fd.as_fd())?, fd: Arc::new(fd) }
        } else {
            let resolver = self.resolver(call);
            let base = resolver.base(arg.dirfd, text.to_bytes(), 0)?;
            resolver.existing(&base, text.to_bytes(), flags & libc::AT_SYMLINK_NOFOLLOW == 0, 0)?
        };
        let judged = match self.judge_image(call, &found, &argv) {
            Ok(judged) => judged,
            Err(errno) => {
                let why = Ruling::built_in(Verdict::Deny, "built-in: program cannot be read");
                self.tell_exec(call, &found.path, &argv, &why, errno.0);
                return Err(errno);
            }
        };
        if !judged.ruling.allows() {
            self.tell_exec(call, &found.path, &argv, &judged.ruling, libc::EACCES);
            return Ok(Errno(libc::EACCES).into());
        }
        self.tell_exec(call, &found.path, &argv, &judged.ruling, 0);
        let process = &call.thread.process;
        let before = image_of(process.pid).unwrap_or((0, 0));
        let before_argv = if before == judged.image { command_line(process.pid).ok() } else { None };
        *lock(&process.exec) = Some(PendingExec {
            tid: call.tid(),
            image: judged.image,
            before,
            before_argv,
            foreign: judged.foreign,
            path: found.path,
            asked: text.into_bytes(),
            argv,
            argv_cut,
            script: judged.script,
        });
        process.exec_pending.store(true, Ordering::Release);
        Ok(Answer::Continue)
    }

    /// Judges the file and, for a script, every interpreter that the kernel would load for it.
    fn judge_image(&mut self, call: &Call, found: &Found, argv: &[Vec<u8>]) -> Sys<Judgement> {
        let mut judged = Judgement {
            image: (0, 0),
            script: false,
            foreign: false,
            ruling: Ruling::built_in(Verdict::Allow, "default"),
        };
        let mut at = found.clone();
        let mut args = argv.to_vec();
        for _ in 0..MAX_INTERPRETERS {
            let stat = file::stat(at.fd.as_fd())?;
            if stat.kind() != libc::S_IFREG {
                return Err(Errno(libc::EACCES));
            }
            let ruling = if at.path.starts_with(b"/") && !at.path.starts_with(b"/memfd:") && stat.links > 0 {
                let ruling = self.shared.ruling(self.shared.policy.decide_exec(&at.path, &args));
                self.settle_exec(call, ruling, &at.path, &args)
            } else {
                Ruling::built_in(Verdict::Deny, "built-in: program without a name")
            };
            let allowed = ruling.allows();
            if !judged.script || !allowed {
                judged.ruling = ruling;
            }
            judged.image = (stat.dev, stat.ino);
            if !allowed {
                return Ok(judged);
            }
            let head = self.head(call, &at)?;
            let Some(line) = head.strip_prefix(b"#!") else {
                judged.foreign = !head.starts_with(b"\x7fELF");
                return Ok(judged);
            };
            let line = line.split(|b| *b == b'\n').next().unwrap_or_default();
            let mut words = line.split(|b| *b == b' ' || *b == b'\t').filter(|w| !w.is_empty());
            let Some(interpreter) = words.next() else { return Err(Errno(libc::ENOEXEC)) };
            args = [interpreter.to_vec()]
                .into_iter()
                .chain(words.next().map(<[u8]>::to_vec))
                .chain([at.path.clone()])
                .collect();
            let resolver = self.resolver(call);
            let base = resolver.base(libc::AT_FDCWD, interpreter, 0)?;
            at = resolver.existing(&base, interpreter, true, 0)?;
            judged.script = true;
        }
        Err(Errno(libc::ELOOP))
    }

    /// The command that the user started was asked for by that.
    fn settle_exec(&mut self, call: &Call, ruling: Ruling, path: &[u8], argv: &[Vec<u8>]) -> Ruling {
        let process = &call.thread.process;
        if ruling.verdict == Verdict::Ask
            && process.pid == self.shared.agent
            && !process.seen_exec.load(Ordering::Relaxed)
        {
            return Ruling::built_in(Verdict::Allow, "built-in: the command that was started");
        }
        let cwd = if ruling.verdict == Verdict::Ask { self.cwd_of(call) } else { Vec::new() };
        self.settle(ruling, || Subject {
            of: Kind::Exec,
            op: "exec",
            access: Access::EXEC,
            path: path.to_vec(),
            path2: Vec::new(),
            addr: None,
            argv: argv.to_vec(),
            cwd,
            about: Vec::new(),
        })
    }

    /// The first bytes of a file, read with the target's rights: a program it cannot read cannot be supervised either,
    /// since its memory would be closed to us.
    fn head(&self, call: &Call, found: &Found) -> Sys<Vec<u8>> {
        let act = Act::Reopen { object: found.fd.clone(), flags: libc::O_RDONLY };
        let fd: OwnedFd = self.perform(call, act, false)?.ok_or(Errno(libc::EACCES))?;
        let mut head = Vec::with_capacity(HEAD);
        let read = std::fs::File::from(fd).take(HEAD as u64).read_to_end(&mut head);
        read.map_err(|e| Errno(e.raw_os_error().unwrap_or(libc::EIO)))?;
        Ok(head)
    }

    fn tell_exec(&self, call: &Call, path: &[u8], argv: &[Vec<u8>], ruling: &Ruling, errno: i32) {
        let Some(verdict) = self.verdict_of(ruling) else { return };
        let duration = self.shared.bus.elapsed().saturating_sub(call.started);
        self.shared.bus.publish(Event::Judged(Judged {
            kind: Kind::Exec,
            op: "exec",
            pid: call.pid(),
            access: Access::EXEC,
            path: path.to_vec(),
            path2: Vec::new(),
            addr: None,
            argv: argv.to_vec(),
            verdict,
            rule: ruling.rule.clone(),
            layer: ruling.layer,
            via: if errno == 0 { Via::Continued } else { Via::Brokered },
            errno,
            duration,
        }));
    }

    /// Looks at a process whose execve was let through. False when its call must not be answered: it was killed.
    pub fn check_image(&mut self, call: &Call) -> bool {
        let process = call.thread.process.clone();
        let Some(pending) = lock(&process.exec).clone() else { return true };
        // What cannot be looked at gets nothing.
        let Ok(image) = image_of(process.pid) else { return false };
        // A program that runs itself again: if its arguments are still the old ones, the call failed.
        let still_old = image == pending.before
            && pending.before_argv.is_some()
            && fit(process.pid, &pending) != Fit::Same
            && pending.before_argv == command_line(process.pid).ok();
        if image == pending.image && !still_old {
            return self.confirm(call, &pending);
        }
        if image == pending.before {
            // The call failed in the kernel and its thread goes on; or another thread was quicker than the kernel.
            if call.tid() == pending.tid {
                self.forget_pending(call);
            }
            return true;
        }
        if pending.foreign {
            // The kernel's binfmt_misc chose the image; it is judged for itself.
            let exe = exe_path(process.pid);
            if let Ok(argv) = command_line(process.pid)
                && self.shared.ruling(self.shared.policy.decide_exec(&exe, &argv)).allows()
            {
                return self.confirm(call, &pending);
            }
        }
        let (exe, judged) = (exe_path(process.pid), String::from_utf8_lossy(&pending.path).into_owned());
        self.condemn(call, format!("runs {} where {judged} was judged", String::from_utf8_lossy(&exe)));
        false
    }

    fn forget_pending(&self, call: &Call) {
        *lock(&call.thread.process.exec) = None;
        call.thread.process.exec_pending.store(false, Ordering::Release);
    }

    /// The judged image runs: its arguments are compared, and it goes on record.
    fn confirm(&mut self, call: &Call, pending: &PendingExec) -> bool {
        let process = call.thread.process.clone();
        let mut argv = pending.argv.clone();
        match fit(process.pid, pending) {
            Fit::Same => {}
            Fit::Script => {
                self.condemn(
                    call,
                    format!("another script was put in place of {}", shown(std::slice::from_ref(&pending.asked))),
                );
                return false;
            }
            Fit::Arguments => {
                // Arguments that cannot be read are not arguments that are allowed.
                let Ok(now) = command_line(process.pid) else {
                    self.condemn(call, "arguments cannot be read after the start".to_owned());
                    return false;
                };
                argv = now;
                let what = format!("arguments were changed after judging: {}", shown(&argv));
                if !self.shared.ruling(self.shared.policy.decide_exec(&pending.path, &argv)).allows() {
                    self.condemn(call, what);
                    return false;
                }
                self.alert(call, what);
            }
        }
        self.forget_pending(call);
        self.shared.table.remove_siblings(process.pid);
        process.seen_exec.store(true, Ordering::Relaxed);
        let cwd = process.cwd(call.tid()).map(|d| d.path.clone()).unwrap_or_default();
        self.shared.bus.publish(Event::Proc(Box::new(Proc {
            pid: process.pid,
            parent: process.parent,
            op: ProcOp::Exec,
            exe: pending.path.clone(),
            argv,
            argv_cut: pending.argv_cut,
            cwd,
            exit: None,
            signal: None,
        })));
        true
    }

    /// An attack was seen: the process and the session's first one die before anything is answered.
    fn condemn(&self, call: &Call, what: String) {
        self.alert(call, what);
        call.thread.process.kill();
        if let Ok(agent) = self.shared.table.thread(self.shared.agent) {
            agent.process.kill();
        }
    }

    /// exit_group(2): the status is in a register, so it is exact.
    pub fn exit(&mut self, call: &Call) -> Answer {
        if let Some(process) = self.shared.table.remove(call.pid())
            && process.seen_exec.load(Ordering::Relaxed)
        {
            self.shared.bus.publish(ended(process.pid, process.parent, Some(call.int(0) & 0xff)));
        }
        Answer::Continue
    }
}

/// A process's end; without a status when a signal ended it unseen.
pub fn ended(pid: i32, parent: i32, exit: Option<i32>) -> Event {
    Event::Proc(Box::new(Proc {
        pid,
        parent,
        op: ProcOp::Exit,
        exe: Vec::new(),
        argv: Vec::new(),
        argv_cut: false,
        cwd: Vec::new(),
        exit,
        signal: None,
    }))
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

fn image_of(pid: i32) -> Sys<(u64, u64)> {
    let stat = file::stat_path(&proc_path(pid, "exe")?)?;
    Ok((stat.dev, stat.ino))
}

pub fn exe_path(pid: i32) -> Vec<u8> {
    proc_path(pid, "exe").and_then(|p| file::readlink(None, &p)).unwrap_or_default()
}

/// The arguments a process shows, each ended by a NUL.
pub fn command_line(pid: i32) -> Sys<Vec<Vec<u8>>> {
    let text = status::read(pid, "cmdline")?;
    let text = text.strip_suffix(b"\0").unwrap_or(&text);
    Ok(text.split(|b| *b == 0).map(<[u8]>::to_vec).collect())
}

fn shown(argv: &[Vec<u8>]) -> String {
    argv.iter().map(|a| String::from_utf8_lossy(a)).collect::<Vec<_>>().join(" ")
}
