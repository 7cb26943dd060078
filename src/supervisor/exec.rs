//! execve, execveat: judged from a copy, left to the kernel, and checked again when the new image makes its first call
//! (`check`).
//!
//! Nobody can exec for another, so a racing thread may change path or arguments after the judgement. What it gets for
//! it: Landlock's EXECUTE underneath; and the image and arguments that really run are compared with what was judged at
//! the first notified call, before that image opened, connected or changed anything. A mismatch kills the session.

mod carried;
mod check;
mod end;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::act::Act;
use super::change::PathArg;
use super::questions::Subject;
use super::resolve::Found;
use super::status;
use super::target::{PendingExec, lock, proc_path};
use super::worker::{Answer, Call, Ruling, Worker};
use crate::event::{Event, Judged, Kind, Via};
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
    /// The program, and what runs for it: the same but for scripts.
    file: Arc<OwnedFd>,
    runs: Arc<OwnedFd>,
}

/// One file on the way from what was asked for to the image that runs.
struct Step {
    ruling: Ruling,
    file: Arc<OwnedFd>,
    image: (u64, u64),
    head: Vec<u8>,
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
        *lock(&process.exec) = Some(Arc::new(PendingExec {
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
            file: judged.file,
            runs: judged.runs,
        }));
        process.exec_pending.store(true, Ordering::Release);
        Ok(Answer::Continue)
    }

    /// Judges the file and, for a script, every interpreter that the kernel would load for it.
    fn judge_image(&mut self, call: &Call, found: &Found, argv: &[Vec<u8>]) -> Sys<Judgement> {
        let mut at = found.clone();
        let mut args = argv.to_vec();
        let mut first: Option<Step> = None;
        for _ in 0..MAX_INTERPRETERS {
            let step = self.judge_step(call, &at, &args, first.is_some())?;
            let line = step.head.strip_prefix(b"#!").map(<[u8]>::to_vec);
            let (script, foreign) = (first.is_some(), !step.head.starts_with(b"\x7fELF"));
            if !step.ruling.allows() || line.is_none() {
                let (image, runs) = (step.image, step.file.clone());
                // What is allowed goes by the rule that allowed the program itself.
                let refused = !step.ruling.allows();
                let (ruling, file) = match first {
                    Some(first) if !refused => (first.ruling, first.file),
                    Some(first) => (step.ruling, first.file),
                    None => (step.ruling, step.file),
                };
                return Ok(Judgement { image, script, foreign, ruling, file, runs });
            }
            let line = line.unwrap_or_default();
            let line = line.split(|b| *b == b'\n').next().unwrap_or_default();
            let mut words = line.split(|b| *b == b' ' || *b == b'\t').filter(|w| !w.is_empty());
            let Some(interpreter) = words.next() else { return Err(Errno(libc::ENOEXEC)) };
            args = [interpreter.to_vec()]
                .into_iter()
                .chain(words.next().map(<[u8]>::to_vec))
                .chain([at.path.clone()])
                .chain(args.iter().skip(1).cloned())
                .collect();
            let resolver = self.resolver(call);
            let base = resolver.base(libc::AT_FDCWD, interpreter, 0)?;
            at = resolver.existing(&base, interpreter, true, 0)?;
            first.get_or_insert(step);
        }
        Err(Errno(libc::ELOOP))
    }

    /// Judges one file: by path and arguments, by what it is given to run, and by its bytes where a rule is about them.
    fn judge_step(&mut self, call: &Call, at: &Found, args: &[Vec<u8>], interprets: bool) -> Sys<Step> {
        let stat = file::stat(at.fd.as_fd())?;
        if stat.kind() != libc::S_IFREG {
            return Err(Errno(libc::EACCES));
        }
        let image = (stat.dev, stat.ino);
        let named = at.path.starts_with(b"/") && !at.path.starts_with(b"/memfd:") && stat.links > 0;
        if !named {
            let ruling = Ruling::built_in(Verdict::Deny, "built-in: program without a name");
            return Ok(Step { ruling, file: at.fd.clone(), image, head: Vec::new() });
        }
        let policy = self.rules.policy.clone();
        let decision =
            if interprets { policy.decide_interpreter(&at.path, args) } else { policy.decide_exec(&at.path, args) };
        let mut ruling = self.settle_exec(call, self.ruling(decision), &at.path, args);
        // Denied, nothing is opened for it.
        let (mut file, mut head) = (at.fd.clone(), Vec::new());
        if ruling.allows() {
            (file, head) = self.head(call, at)?;
            // The kernel hands a script to its interpreter itself, which then is given nothing else.
            if !interprets && let Some(worse) = self.judge_carried(call, &at.path, args)? {
                ruling = worse;
            }
            if let Some(denied) = self.judge_bytes(&file)? {
                ruling = denied;
            }
        }
        Ok(Step { ruling, file, image, head })
    }

    /// The refusal of a file by its bytes.
    fn judge_bytes(&self, file: &OwnedFd) -> Sys<Option<Ruling>> {
        if !self.rules.policy.denies_digests() {
            return Ok(None);
        }
        let digest = self.shared.digests.now(file)?;
        Ok(self.rules.policy.decide_digest(&digest).map(|decision| self.ruling(decision)))
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
            host: None,
            port: 0,
            argv: argv.to_vec(),
            cwd,
            about: Vec::new(),
        })
    }

    /// A file opened with the target's rights, and its first bytes: a program it cannot read cannot be supervised either,
    /// since its memory would be closed to us.
    fn head(&self, call: &Call, found: &Found) -> Sys<(Arc<OwnedFd>, Vec<u8>)> {
        let act = Act::Reopen { object: found.fd.clone(), flags: libc::O_RDONLY };
        let fd: OwnedFd = self.perform(call, act, false)?.ok_or(Errno(libc::EACCES))?;
        let opened = std::fs::File::from(fd);
        let mut head = vec![0; HEAD];
        let mut filled = 0;
        while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match opened.read_at(rest, filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Errno(error.raw_os_error().unwrap_or(libc::EIO))),
            }
        }
        head.truncate(filled);
        Ok((Arc::new(opened.into()), head))
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
            host: None,
            port: 0,
            argv: argv.to_vec(),
            verdict,
            rule: ruling.rule.clone(),
            layer: ruling.layer,
            via: if errno == 0 { Via::Continued } else { Via::Brokered },
            errno,
            duration,
        }));
    }
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
