//! Holding a whole tree of processes still, and letting it go on: the monitor's, at the wish of whoever watches.
//!
//! Invariant: the caller is a sub-reaper and its own threads are never touched; whoever was stopped before (a job, a
//! debugger's) is not continued; a signal goes only to the very process that was looked at, whatever becomes of its number.
//! Leaves to others: when to (`monitor`), and telling about it (`pump`).
//!
//! A parent is stopped, and seen stopped, before its children are listed: so it can neither fork away from us nor notice
//! that they stop. A thread that the kernel holds (a parked call, vfork(2)) runs nothing until it is let go, and stops
//! then; what it was about to fork is found by the next look, so a tree that is held is looked at again and again.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::reap;
use crate::sys::pidfd;

/// How long to go on against somebody who forks faster than we stop: each look finds whoever the last one missed.
const PATIENCE: Duration = Duration::from_secs(2);
/// Generations of one look: deeper trees are left to the next.
const DEEPEST: usize = 4096;
/// How long a generation may take to stop before its children are listed all the same.
const SETTLE: Duration = Duration::from_millis(50);
/// Between two looks at a process that is about to stop.
const PAUSE: Duration = Duration::from_micros(200);

/// What is held: by number and start time.
#[derive(Debug, Default)]
pub struct Hold {
    stopped: HashMap<i32, u64>,
    /// In the order of stopping: parents first.
    order: Vec<i32>,
    /// How often the whole tree was looked at.
    looks: u64,
}

/// A process as proc_pid_stat(5) shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    parent: i32,
    /// Clock ticks after the machine's start.
    started: u64,
}

/// What its threads are doing, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Motion {
    /// All have ended.
    Over,
    /// Some are stopped, and none runs in user mode or can before it is let go.
    Still,
    /// All are in the kernel's hands, none is stopped.
    Held,
    Running,
}

impl Hold {
    /// Stops every descendant of this process; whether a whole look in the end found nobody running.
    pub fn seize(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.looks += 1;
            if self.round() == 0 {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
        }
    }

    /// How long until it is worth looking again, in milliseconds: soon at first, for those in the kernel's hands.
    pub fn pause(&self) -> i32 {
        if self.looks < 20 { 100 } else { 1_000 }
    }

    /// How many are held.
    pub fn processes(&self) -> usize {
        self.order.len()
    }

    /// Lets all go on that `seize` stopped, children before their parents, who so never see them stopped.
    pub fn release(self) {
        for pid in self.order.iter().rev() {
            // Its parent may have died since: the start time says whether it is the one.
            if let Some(seen) = look(*pid).filter(|seen| self.stopped.get(pid) == Some(&seen.started)) {
                signal(*pid, libc::SIGCONT, seen);
            }
        }
    }

    /// One look at the whole tree, generation after generation; how many were found running.
    fn round(&mut self) -> usize {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let mut running = 0;
        let mut parents = vec![own];
        for _ in 0..DEEPEST {
            if parents.is_empty() {
                break;
            }
            let mut generation = Vec::new();
            for parent in parents {
                let children = reap::children(parent);
                for child in &children {
                    running += usize::from(self.stop(*child, parent));
                }
                generation.extend(children);
            }
            settle(&generation);
            parents = generation;
        }
        running
    }

    /// Stops one process, unless somebody else has; whether it was running.
    fn stop(&mut self, pid: i32, parent: i32) -> bool {
        let Some(seen) = look(pid).filter(|seen| seen.parent == parent) else { return false };
        let ours = self.stopped.get(&pid) == Some(&seen.started);
        match motion(pid) {
            Motion::Over | Motion::Still => return false,
            Motion::Held if ours => return false,
            Motion::Held | Motion::Running => {}
        }
        if !signal(pid, libc::SIGSTOP, seen) {
            return false;
        }
        if !ours {
            if self.stopped.insert(pid, seen.started).is_some() {
                // The number was another process's before.
                self.order.retain(|known| *known != pid);
            }
            self.order.push(pid);
        }
        true
    }
}

/// Sends a signal to that very process: looked at again once its number cannot come to mean another one.
fn signal(pid: i32, signal: i32, known: Seen) -> bool {
    let Ok(fd) = pidfd::open(pid) else { return false };
    look(pid) == Some(known) && pidfd::send_signal(fd.as_fd(), signal).is_ok()
}

/// Waits until none of them runs any more, within bounds.
fn settle(generation: &[i32]) {
    let deadline = Instant::now() + SETTLE;
    for pid in generation {
        while motion(*pid) == Motion::Running && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
        }
    }
}

fn motion(pid: i32) -> Motion {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Motion::Over };
    let mut motion = Motion::Over;
    for thread in threads.flatten() {
        // One that is gone since does nothing.
        let Ok(stat) = std::fs::read_to_string(thread.path().join("stat")) else { continue };
        motion = match (fields(&stat).and_then(|mut fields| fields.next()), motion) {
            (Some("Z" | "X"), so_far) => so_far,
            (Some("T" | "t"), _) | (Some("D"), Motion::Still) => Motion::Still,
            (Some("D"), _) => Motion::Held,
            _ => return Motion::Running,
        };
    }
    motion
}

fn look(pid: i32) -> Option<Seen> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = fields(&stat)?;
    // The fourth field and the 22nd: the state is the third.
    let parent = fields.nth(1)?.parse().ok()?;
    Some(Seen { parent, started: fields.nth(17)?.parse().ok()? })
}

/// From the state on. The name before it is in parentheses and may hold anything, parentheses too.
fn fields(stat: &str) -> Option<std::str::Split<'_, char>> {
    Some(stat.rsplit_once(") ")?.1.split(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn motion_is_told_from_all_threads() {
        let mut child = Command::new("sleep").arg("100").stdin(Stdio::null()).spawn().unwrap();
        let pid = child.id() as i32;
        let until = |wanted: Motion| {
            let deadline = Instant::now() + Duration::from_secs(10);
            while motion(pid) != wanted {
                assert!(Instant::now() < deadline, "{wanted:?}");
                std::thread::yield_now();
            }
        };
        until(Motion::Running);
        let seen = look(pid).unwrap();
        assert_eq!(seen.parent, std::process::id() as i32);
        assert!(signal(pid, libc::SIGSTOP, seen));
        until(Motion::Still);
        assert!(!signal(pid, libc::SIGCONT, Seen { started: seen.started + 1, ..seen }), "it is another one");
        assert!(signal(pid, libc::SIGCONT, seen));
        until(Motion::Running);
        child.kill().unwrap();
        until(Motion::Over);
        child.wait().unwrap();
        assert_eq!((motion(pid), look(pid)), (Motion::Over, None));
    }
}
