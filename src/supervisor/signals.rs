//! Signals of targets: kill(2) and its like, and who is signalled by a descriptor (F_SETOWN).
//!
//! Where Landlock scopes signals (ABI 6), the kernel lets none out of the session, so continuing is safe whatever a
//! number comes to mean by then; what is refused here is refused so that the attempt is on record.
//! Where it does not, a number that is a process of the session when we look may be somebody else's when the kernel does.
//! So a signal is continued only to the caller itself, who lives while it calls; any other is sent by us, through a
//! descriptor that holds the process: first held, then judged, so what was judged and still lives is what is held. A group
//! is every process of it that is the session's, each held and judged; Ctrl-C is the terminal's and comes by none of these.
//! Invariant: without the scope no call that could reach another process is continued.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use super::resolve::Session;
use super::status::{Stat, Status};
use super::worker::{Answer, Call, Worker};
use crate::sandbox::syscalls::{F_SETOWN_EX, OWNER_REQUESTS};
use crate::sys::{Errno, Sys, file, pidfd};

/// Looks at a group that grows while it is signalled.
const ROUNDS: usize = 8;
/// PIDFD_SIGNAL_PROCESS_GROUP, and all three flags (pidfd_send_signal(2)).
const TO_GROUP: u32 = 4;
const KNOWN_FLAGS: u32 = 7;

type Info = Option<[u8; pidfd::INFO]>;

impl Worker {
    /// kill(2): a process, one's own group (0), another (negative), everybody (-1).
    pub fn kill(&self, call: &Call) -> Answer {
        let (to, signal) = (call.int(0), call.int(1));
        match to {
            // Nothing of a session means everybody; who does it anyway reaches for others.
            -1 => self.refuse(call, "kill", b"every process", Errno(libc::EPERM)),
            0 if self.shared.scoped => Answer::Continue,
            0 => match Stat::of(call.pid()) {
                Ok(own) => self.kill_group(call, "kill", own.group, signal, None),
                Err(errno) => errno.into(),
            },
            i32::MIN => Errno(libc::ESRCH).into(),
            group if group < 0 => self.kill_group(call, "kill", -group, signal, None),
            pid => self.signal(call, "kill", pid, signal, None),
        }
    }

    /// rt_sigqueueinfo(2), whose second register is the signal and third the siginfo.
    pub fn queue(&self, call: &Call) -> Answer {
        self.signal(call, "rt_sigqueueinfo", call.int(0), call.int(1), Some(call.arg(2)))
    }

    /// To one process; `info` is where its siginfo lies.
    fn signal(&self, call: &Call, op: &'static str, pid: i32, signal: i32, info: Option<u64>) -> Answer {
        // The caller lives while it calls, so its own numbers mean nobody else.
        if pid == call.pid() || pid == call.tid() {
            return Answer::Continue;
        }
        if pid <= 0 {
            return Errno(libc::ESRCH).into();
        }
        if self.shared.scoped {
            return self.unless_outside(call, op, pid);
        }
        // The number of a thread means its process.
        let held = pidfd::open(pid).or_else(|errno| match Status::of(pid) {
            Ok(status) if status.tgid != pid => pidfd::open(status.tgid),
            _ => Err(errno),
        });
        match held {
            Ok(held) => self.send_to(call, op, &held, (signal, info, 0)),
            Err(_) => Errno(libc::ESRCH).into(),
        }
    }

    /// tkill(2), tgkill(2), rt_tgsigqueueinfo(2): a thread, of the process `group` where it is named; the thread's number
    /// is in register `at`, the signal in the next.
    pub fn thread_kill(
        &self,
        call: &Call,
        op: &'static str,
        group: Option<i32>,
        at: usize,
        info: Option<u64>,
    ) -> Answer {
        let (tid, signal) = (call.int(at), call.int(at + 1));
        // A thread of the caller's own process by both numbers, or the calling thread: nobody else can be meant.
        if group == Some(call.pid()) || group.is_none() && tid == call.tid() {
            return Answer::Continue;
        }
        if self.shared.scoped {
            return self.unless_outside(call, op, group.unwrap_or(tid));
        }
        match pidfd::open_one_thread(tid) {
            Ok(held) => {
                let of = Status::of(tid).map(|status| status.tgid);
                if group.is_some_and(|group| of != Ok(group)) {
                    return Errno(libc::ESRCH).into();
                }
                self.send_to(call, op, &held, (signal, info, 0))
            }
            // Before 6.9 one thread of another process cannot be held.
            Err(Errno(libc::EINVAL)) => self.refuse(call, op, format!("thread {tid}").as_bytes(), Errno(libc::EPERM)),
            Err(_) => Errno(libc::ESRCH).into(),
        }
    }

    /// pidfd_send_signal(2): the descriptor holds its process already.
    pub fn pidfd_send_signal(&self, call: &Call) -> Answer {
        let op = "pidfd_send_signal";
        let (signal, info, flags) = (call.int(1), call.arg(2), call.arg(3) as u32);
        let held = call.thread.process.descriptor(call.int(0));
        let pid = held.as_ref().ok().and_then(behind);
        if self.shared.scoped {
            // What is no process, the kernel says what is wrong with it.
            return pid.map_or(Answer::Continue, |pid| self.unless_outside(call, op, pid));
        }
        let (held, pid) = match (held, pid) {
            (Ok(held), Some(pid)) => (held, pid),
            (Err(Errno(libc::EBADF)), _) => return Errno(libc::EBADF).into(),
            _ => return self.refuse(call, op, b"no process that is known", Errno(libc::EBADF)),
        };
        if flags & !KNOWN_FLAGS != 0 || flags.count_ones() > 1 {
            return Errno(libc::EINVAL).into();
        }
        let info = (info != 0).then_some(info);
        match flags {
            TO_GROUP => self.kill_group(call, op, pid, signal, info),
            flags => self.send_to(call, op, &held, (signal, info, flags)),
        }
    }

    /// Refuses, where that process is somebody and not the session's. Only where the kernel looks again: by the scope.
    fn unless_outside(&self, call: &Call, op: &'static str, pid: i32) -> Answer {
        let outside = pid > 0 && pid != call.pid() && !self.shared.contains(pid);
        // Nobody has that number: the kernel's own answer.
        if !outside || Stat::of(pid).is_err() {
            return Answer::Continue;
        }
        self.refuse(call, op, format!("process {pid}").as_bytes(), Errno(libc::EPERM))
    }

    /// Sends to the process that is held, if it is the session's.
    fn send_to(&self, call: &Call, op: &'static str, held: &OwnedFd, what: (i32, Option<u64>, u32)) -> Answer {
        let (signal, info, flags) = what;
        let Some(pid) = behind(held) else { return Errno(libc::ESRCH).into() };
        if !self.is_inside(pid) {
            return self.refuse(call, op, format!("process {pid}").as_bytes(), Errno(libc::EPERM));
        }
        let info = match info.map(|at| copied(call, at, signal)).transpose() {
            Ok(info) => info,
            Err(errno) => return self.unreadable(call, op, errno),
        };
        match self.deliver(call, (held, pid), signal, &info, flags) {
            Ok(()) => Answer::Value(0),
            Err(errno) => errno.into(),
        }
    }

    /// The number was read from a descriptor, so while that process lives it means no other.
    fn is_inside(&self, pid: i32) -> bool {
        self.shared.holds(pid) || Status::of(pid).is_ok_and(|status| self.shared.holds(status.tgid))
    }

    /// The kernel compares users with ours; a front that is root compares with the caller's, as kill(2) has it.
    fn deliver(&self, call: &Call, to: (&OwnedFd, i32), signal: i32, info: &Info, flags: u32) -> Sys<()> {
        let (held, pid) = to;
        if self.shared.root {
            let (own, other) = (Status::of(call.tid())?.uids, Status::of(pid)?.uids);
            let [real, effective, _] = own;
            let same = [real, effective].iter().any(|uid| [other[0], other[2]].contains(uid));
            let continues = signal == libc::SIGCONT && Stat::of(pid)?.session == Stat::of(call.pid())?.session;
            if effective != 0 && !same && !continues {
                return Err(Errno(libc::EPERM));
            }
        }
        pidfd::send_signal_with(held.as_fd(), signal, info.as_ref(), flags)
    }

    /// Every process of a group that is the session's, the caller last. Who joins meanwhile is found by looking again.
    fn kill_group(&self, call: &Call, op: &'static str, group: i32, signal: i32, info: Option<u64>) -> Answer {
        if self.shared.scoped {
            return self.unless_group_outside(call, op, group);
        }
        let info = match info.map(|at| copied(call, at, signal)).transpose() {
            Ok(info) => info,
            Err(errno) => return self.unreadable(call, op, errno),
        };
        let (mut reached, mut worst, mut outside) = (Vec::new(), None, false);
        for _ in 0..ROUNDS {
            let before = reached.len();
            for pid in members(group) {
                if pid == call.pid() || reached.contains(&pid) {
                    continue;
                }
                let Ok(held) = pidfd::open(pid) else { continue };
                // Held first: neither answer can be about another process of that number.
                if !self.shared.holds(pid) {
                    outside = true;
                    continue;
                }
                if !Stat::of(pid).is_ok_and(|stat| stat.group == group) {
                    continue;
                }
                match self.deliver(call, (&held, pid), signal, &info, 0) {
                    Ok(()) => reached.push(pid),
                    Err(errno) => worst = worst.or(Some(errno)),
                }
            }
            if reached.len() == before {
                break;
            }
        }
        if Stat::of(call.pid()).is_ok_and(|own| own.group == group) {
            match pidfd::send_signal_with(call.thread.process.pidfd.as_fd(), signal, info.as_ref(), 0) {
                Ok(()) => reached.push(call.pid()),
                Err(errno) => worst = worst.or(Some(errno)),
            }
        }
        match (reached.is_empty(), worst) {
            (false, _) => Answer::Value(0),
            (true, Some(errno)) if errno.0 != libc::ESRCH => errno.into(),
            (true, _) if outside => self.refuse(call, op, format!("group {group}").as_bytes(), Errno(libc::EPERM)),
            _ => Errno(libc::ESRCH).into(),
        }
    }

    /// As [`Worker::unless_outside`], for a group: by its leader, or where that is gone by who is in it.
    fn unless_group_outside(&self, call: &Call, op: &'static str, group: i32) -> Answer {
        if self.shared.contains(group) {
            return Answer::Continue;
        }
        let mut members = members(group).peekable();
        if members.peek().is_none() || members.any(|pid| self.shared.contains(pid)) {
            return Answer::Continue;
        }
        self.refuse(call, op, format!("group {group}").as_bytes(), Errno(libc::EPERM))
    }

    /// F_SETOWN and F_SETOWN_EX (fcntl(2)).
    pub fn owner_by_fcntl(&self, call: &Call) -> Answer {
        if call.int(1) == F_SETOWN_EX {
            return self.owner_in_memory(call, "fcntl", "F_SETOWN_EX", 1);
        }
        self.owner(call, "fcntl", "F_SETOWN", call.int(2), true)
    }

    /// FIOSETOWN and SIOCSPGRP (ioctl(2)).
    pub fn owner_by_ioctl(&self, call: &Call) -> Answer {
        match OWNER_REQUESTS.iter().find(|(request, _)| *request as u32 == call.arg(1) as u32) {
            Some((_, name)) => self.owner_in_memory(call, "ioctl", name, 0),
            None => Errno(libc::ENOSYS).into(),
        }
    }

    /// A number that lies in memory, in the word `at`: it can change before the kernel looks, so without the scope none is
    /// left to the kernel.
    fn owner_in_memory(&self, call: &Call, op: &'static str, name: &str, at: usize) -> Answer {
        match call.copier().bytes(call.arg(2), 4 * (at + 1)) {
            Ok(bytes) => {
                let word = bytes.chunks_exact(4).nth(at).and_then(|word| word.try_into().ok());
                self.owner(call, op, name, word.map_or(0, i32::from_ne_bytes), false)
            }
            Err(errno) => self.unreadable(call, op, errno),
        }
    }

    /// Who is to be signalled when a descriptor becomes ready: the kernel holds the process, not its number.
    fn owner(&self, call: &Call, op: &'static str, name: &str, owner: i32, fixed: bool) -> Answer {
        let who = owner.saturating_abs();
        let own = owner == call.pid() || owner == call.tid();
        let inside = owner == 0 || own || self.shared.scoped && self.shared.contains(who);
        if inside && (self.shared.scoped || fixed) {
            return Answer::Continue;
        }
        if self.shared.scoped && Stat::of(who).is_err() {
            return Answer::Continue;
        }
        let what = if owner < 0 { "group" } else { "process" };
        self.refuse(call, op, format!("{name}, {what} {who}").as_bytes(), Errno(libc::EPERM))
    }
}

/// The siginfo that the caller gives along, for this signal.
fn copied(call: &Call, at: u64, signal: i32) -> Sys<[u8; pidfd::INFO]> {
    let bytes = call.copier().bytes(at, pidfd::INFO)?;
    let mut info: [u8; pidfd::INFO] = bytes.try_into().map_err(|_| Errno(libc::EFAULT))?;
    // The kernel writes the number over what the caller has there (rt_sigqueueinfo(2)).
    for (to, from) in info.iter_mut().zip(signal.to_ne_bytes()) {
        *to = from;
    }
    Ok(info)
}

/// The process or thread that a descriptor of ours stands for: a pidfd, or a process's directory in /proc, which the
/// kernel takes for one. None when it is neither, or gone.
fn behind(held: &OwnedFd) -> Option<i32> {
    let about = std::fs::read(format!("/proc/thread-self/fdinfo/{}", held.as_raw_fd())).ok()?;
    let text = String::from_utf8_lossy(&about);
    if let Some(line) = text.lines().find_map(|line| line.strip_prefix("Pid:")) {
        return line.trim().parse().ok().filter(|pid| *pid > 0);
    }
    let path = file::path_of(held.as_fd()).ok()?;
    std::str::from_utf8(path.strip_prefix(b"/proc/")?).ok()?.parse().ok().filter(|pid| *pid > 0)
}

/// The processes of a group, as /proc has them now.
fn members(group: i32) -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(move |pid| Stat::of(*pid).is_ok_and(|stat| stat.group == group))
}
