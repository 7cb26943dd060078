//! System call number → handler. A number that BPF notifies and nobody handles is refused, and on record.

use super::change::PathArg;
use super::ipc::Space;
use super::target::lock;
use super::worker::{Answer, Call, Worker};
use crate::sandbox::refused;
use crate::sandbox::syscalls::newer;
use crate::sys::{Errno, Sys, mutate, sched};

/// Numbers and processes that are counted before the count starts anew.
const UNKNOWN: usize = 4096;

const O_CREAT_WRITE: i32 = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;

impl Worker {
    /// Answers one call, or notes what it asks about.
    pub fn attempt_answer(&mut self, call: &Call) -> Answer {
        if let Some(answer) = self.answer_old(call) {
            return answer;
        }
        let at = |dir: usize, path: usize| PathArg { dirfd: call.int(dir), addr: call.arg(path) };
        let here = |path: usize| PathArg::here(call.arg(path));
        let follow = |flags: usize| call.int(flags) & libc::AT_SYMLINK_NOFOLLOW == 0;
        match i64::from(call.n.nr) {
            libc::SYS_openat => self.openat(call),
            libc::SYS_openat2 => self.openat2(call),
            libc::SYS_execve => self.exec(call, here(0), call.arg(1), 0),
            libc::SYS_execveat => self.exec(call, at(0, 1), call.arg(2), call.int(4)),
            libc::SYS_exit_group => self.exit(call),
            libc::SYS_socket => self.socket(call),
            libc::SYS_connect => self.connect(call),
            libc::SYS_bind => self.bind(call),
            libc::SYS_sendto => self.sendto(call),
            libc::SYS_sendmsg => self.sendmsg(call),
            libc::SYS_sendmmsg => self.sendmmsg(call),
            libc::SYS_recvfrom => self.recvfrom(call),
            libc::SYS_recvmsg => self.recvmsg(call),
            libc::SYS_recvmmsg => self.recvmmsg(call),
            libc::SYS_unlinkat => self.unlink(call, at(0, 1), call.int(2)),
            libc::SYS_renameat2 => self.rename(call, at(0, 1), at(2, 3), call.arg(4) as u32),
            libc::SYS_linkat => self.link(call, at(0, 1), at(2, 3), call.int(4)),
            libc::SYS_symlinkat => self.symlink(call, call.arg(0), at(1, 2)),
            libc::SYS_mkdirat => self.mkdir(call, at(0, 1), call.arg(2)),
            libc::SYS_mknodat => self.mknod(call, at(0, 1), call.arg(2), call.arg(3)),
            libc::SYS_truncate => self.truncate(call),
            libc::SYS_fchmod => self.chmod(call, at(0, 5).of_descriptor(), call.arg(1), true),
            libc::SYS_fchmodat => self.chmod(call, at(0, 1), call.arg(2), true),
            newer::FCHMODAT2 => self.chmod(call, self.or_descriptor(call, at(0, 1), 3), call.arg(2), follow(3)),
            libc::SYS_fchown => self.chown(call, at(0, 5).of_descriptor(), (call.arg(1), call.arg(2)), true),
            libc::SYS_fchownat => {
                let arg = self.or_descriptor(call, at(0, 1), 4);
                self.chown(call, arg, (call.arg(2), call.arg(3)), follow(4))
            }
            libc::SYS_utimensat => {
                let times = self.timespecs(call, call.arg(2));
                self.times(call, self.or_descriptor(call, at(0, 1), 3), times, follow(3))
            }
            libc::SYS_setxattr => self.xattr(call, here(0), true),
            libc::SYS_lsetxattr => self.xattr(call, here(0), false),
            libc::SYS_fsetxattr => self.xattr(call, at(0, 5).of_descriptor(), true),
            libc::SYS_removexattr => self.remove_xattr(call, here(0), call.arg(1), true),
            libc::SYS_lremovexattr => self.remove_xattr(call, here(0), call.arg(1), false),
            libc::SYS_fremovexattr => self.remove_xattr(call, at(0, 5).of_descriptor(), call.arg(1), true),
            libc::SYS_chdir | libc::SYS_fchdir | libc::SYS_umask => {
                call.thread.process.unsettle(call.tid());
                Answer::Continue
            }
            libc::SYS_unshare => {
                call.thread.process.uncached.store(true, std::sync::atomic::Ordering::Relaxed);
                Answer::Continue
            }
            libc::SYS_sched_setaffinity => self.affinity(call),
            libc::SYS_sched_setscheduler => self.about(call, "sched_setscheduler", call.int(0)),
            libc::SYS_sched_setparam => self.about(call, "sched_setparam", call.int(0)),
            libc::SYS_sched_setattr => self.about(call, "sched_setattr", call.int(0)),
            libc::SYS_prlimit64 => self.about(call, "prlimit64", call.int(0)),
            libc::SYS_setpriority if call.int(0) == 0 => self.about(call, "setpriority", call.int(1)),
            libc::SYS_ioprio_set if call.int(0) == 1 => self.about(call, "ioprio_set", call.int(1)),
            libc::SYS_setpriority => self.refuse(call, "setpriority", b"of a group or user", Errno(libc::EPERM)),
            libc::SYS_ioprio_set => self.refuse(call, "ioprio_set", b"of a group or user", Errno(libc::EPERM)),
            libc::SYS_shmget => self.ipc_get(call, Space::Memory, "shmget"),
            libc::SYS_msgget => self.ipc_get(call, Space::Queue, "msgget"),
            libc::SYS_semget => self.ipc_get(call, Space::Semaphore, "semget"),
            libc::SYS_shmat => self.ipc_use(call, Space::Memory, "shmat", None),
            libc::SYS_shmctl => self.ipc_use(call, Space::Memory, "shmctl", Some(1)),
            libc::SYS_msgsnd => self.ipc_use(call, Space::Queue, "msgsnd", None),
            libc::SYS_msgrcv => self.ipc_use(call, Space::Queue, "msgrcv", None),
            libc::SYS_msgctl => self.ipc_use(call, Space::Queue, "msgctl", Some(1)),
            libc::SYS_semop => self.ipc_use(call, Space::Semaphore, "semop", None),
            libc::SYS_semtimedop => self.ipc_use(call, Space::Semaphore, "semtimedop", None),
            libc::SYS_semctl => self.ipc_use(call, Space::Semaphore, "semctl", Some(2)),
            libc::SYS_kill => self.kill(call),
            libc::SYS_tkill => self.thread_kill(call, "tkill", None, 0, None),
            libc::SYS_tgkill => self.thread_kill(call, "tgkill", Some(call.int(0)), 1, None),
            libc::SYS_rt_sigqueueinfo => self.queue(call),
            libc::SYS_rt_tgsigqueueinfo => {
                self.thread_kill(call, "rt_tgsigqueueinfo", Some(call.int(0)), 1, Some(call.arg(3)))
            }
            libc::SYS_pidfd_send_signal => self.pidfd_send_signal(call),
            libc::SYS_fcntl => self.owner_by_fcntl(call),
            libc::SYS_ioctl => self.owner_by_ioctl(call),
            libc::SYS_setuid
            | libc::SYS_setgid
            | libc::SYS_setreuid
            | libc::SYS_setregid
            | libc::SYS_setresuid
            | libc::SYS_setresgid
            | libc::SYS_setfsuid
            | libc::SYS_setfsgid
            | libc::SYS_setgroups
            | libc::SYS_capset => {
                call.thread.forget_credentials();
                Answer::Continue
            }
            _ => self.unknown(call),
        }
    }

    /// A number that no list has: recorded, and answered as by a kernel without it. One that is asked for again and again
    /// is told of when its count doubles.
    fn unknown(&self, call: &Call) -> Answer {
        let refusal = refused::unknown(i64::from(call.n.nr));
        let mut counts = lock(&self.shared.unknown);
        if counts.len() >= UNKNOWN {
            counts.clear();
        }
        let times = counts.entry((call.pid(), call.n.nr)).or_insert(0_u64);
        *times += 1;
        let times = *times;
        drop(counts);
        if !times.is_power_of_two() {
            return refusal.errno.into();
        }
        let mut object = refusal.object;
        if times > 1 {
            let separator = if object.is_empty() { "" } else { ", " };
            object.push_str(&format!("{separator}{times} times"));
        }
        self.refuse(call, refusal.op, object.as_bytes(), refusal.errno)
    }

    /// The forms that only x86_64 still has.
    #[cfg(target_arch = "x86_64")]
    fn answer_old(&mut self, call: &Call) -> Option<Answer> {
        let here = |path: usize| PathArg::here(call.arg(path));
        Some(match i64::from(call.n.nr) {
            libc::SYS_open => self.open_old(call, call.int(1), 2),
            libc::SYS_creat => self.open_old(call, O_CREAT_WRITE, 1),
            libc::SYS_unlink => self.unlink(call, here(0), 0),
            libc::SYS_rmdir => self.unlink(call, here(0), libc::AT_REMOVEDIR),
            libc::SYS_rename => self.rename(call, here(0), here(1), 0),
            libc::SYS_renameat => {
                let (from, to) = (
                    PathArg { dirfd: call.int(0), addr: call.arg(1) },
                    PathArg { dirfd: call.int(2), addr: call.arg(3) },
                );
                self.rename(call, from, to, 0)
            }
            libc::SYS_link => self.link(call, here(0), here(1), 0),
            libc::SYS_symlink => self.symlink(call, call.arg(0), here(1)),
            libc::SYS_mkdir => self.mkdir(call, here(0), call.arg(1)),
            libc::SYS_mknod => self.mknod(call, here(0), call.arg(1), call.arg(2)),
            libc::SYS_chmod => self.chmod(call, here(0), call.arg(1), true),
            libc::SYS_chown => self.chown(call, here(0), (call.arg(1), call.arg(2)), true),
            libc::SYS_lchown => self.chown(call, here(0), (call.arg(1), call.arg(2)), false),
            libc::SYS_utime => {
                let times = self.seconds(call, call.arg(1));
                self.times(call, here(0), times, true)
            }
            libc::SYS_utimes => {
                let times = self.timevals(call, call.arg(1));
                self.times(call, here(0), times, true)
            }
            libc::SYS_futimesat => {
                let times = self.timevals(call, call.arg(2));
                self.times(call, PathArg { dirfd: call.int(0), addr: call.arg(1) }, times, true)
            }
            _ => return None,
        })
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn answer_old(&mut self, call: &Call) -> Option<Answer> {
        (i64::from(call.n.nr) == libc::SYS_renameat).then(|| {
            let (from, to) =
                (PathArg { dirfd: call.int(0), addr: call.arg(1) }, PathArg { dirfd: call.int(2), addr: call.arg(3) });
            self.rename(call, from, to, 0)
        })
    }

    /// With AT_EMPTY_PATH and an empty path the descriptor itself is meant.
    fn or_descriptor(&self, call: &Call, arg: PathArg, flags: usize) -> PathArg {
        let empty =
            call.int(flags) & libc::AT_EMPTY_PATH != 0 && call.copier().path(arg.addr).is_ok_and(|p| p.is_empty());
        if empty { arg.of_descriptor() } else { arg }
    }

    fn xattr(&mut self, call: &Call, arg: PathArg, follow: bool) -> Answer {
        let value = (call.arg(1), call.arg(2), call.arg(3));
        self.set_xattr(call, arg, value, call.int(4), follow)
    }

    fn timespecs(&self, call: &Call, addr: u64) -> Sys<mutate::Times> {
        self.two_times(call, addr, |nanos| nanos)
    }

    #[cfg(target_arch = "x86_64")]
    fn timevals(&self, call: &Call, addr: u64) -> Sys<mutate::Times> {
        self.two_times(call, addr, |micros| micros.saturating_mul(1000))
    }

    fn two_times(&self, call: &Call, addr: u64, nanos: impl Fn(i64) -> i64) -> Sys<mutate::Times> {
        if addr == 0 {
            return Ok(None);
        }
        let words = call.copier().words(addr, 4)?;
        let word = |i: usize| words.get(i).copied().unwrap_or(0) as i64;
        let time = |i: usize| libc::timespec { tv_sec: word(i), tv_nsec: nanos(word(i + 1)) };
        Ok(Some([time(0), time(2)]))
    }

    #[cfg(target_arch = "x86_64")]
    fn seconds(&self, call: &Call, addr: u64) -> Sys<mutate::Times> {
        if addr == 0 {
            return Ok(None);
        }
        let words = call.copier().words(addr, 2)?;
        let time = |i: usize| libc::timespec { tv_sec: words.get(i).map_or(0, |w| *w as i64), tv_nsec: 0 };
        Ok(Some([time(0), time(1)]))
    }

    /// A call about another process, named in a register: left to the kernel when that process is of the session.
    fn about(&self, call: &Call, op: &'static str, pid: i32) -> Answer {
        use super::resolve::Session;
        if pid == call.tid() || self.shared.contains(pid) {
            return Answer::Continue;
        }
        self.refuse(call, op, format!("process {pid}").as_bytes(), Errno(libc::EPERM))
    }

    /// sched_setaffinity(2), done by us: so that holding a target on a CPU for a moment never undoes it.
    fn affinity(&mut self, call: &Call) -> Answer {
        use super::resolve::Session;
        let tid = if call.int(0) == 0 { call.tid() } else { call.int(0) };
        let len = (call.arg(1) as usize).min(size_of::<sched::Mask>()) / 8 * 8;
        let words = match call.copier().words(call.arg(2), len / 8) {
            Ok(words) => words,
            Err(errno) => return self.unreadable(call, "sched_setaffinity", errno),
        };
        if tid != call.tid() && !self.shared.contains(tid) {
            return self.refuse(call, "sched_setaffinity", format!("process {tid}").as_bytes(), Errno(libc::EPERM));
        }
        let mut mask: sched::Mask = [0; 16];
        for (to, from) in mask.iter_mut().zip(words) {
            *to = from;
        }
        match self.shared.set_affinity(tid, &mask) {
            Ok(()) => Answer::Value(0),
            Err(errno) => errno.into(),
        }
    }
}

impl PathArg {
    /// The descriptor itself, without a path.
    fn of_descriptor(self) -> Self {
        Self { dirfd: self.dirfd, addr: 0 }
    }
}
