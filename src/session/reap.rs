//! Ending every descendant: daemonised, in sessions of their own, or forking as fast as they can.
//!
//! Invariant: the caller is a sub-reaper, so every descendant is reachable from it through `/proc/PID/task/TID/children`
//! at all times; a frozen parent reaps nobody, so a pid that was seen cannot come to mean another process.
//! Leaves to others: when it is time to.

use std::time::{Duration, Instant};

use crate::sys::process::{self, Change};

/// Rounds of freezing before killing starts: new processes in every one of them means somebody forks faster than we look.
const FREEZE_ROUNDS: usize = 16;
/// Between two looks at processes that were killed and are not gone yet.
const PAUSE: Duration = Duration::from_millis(1);

/// Kills all descendants that are there now and reaps none: who watches over them still sees how each ended.
pub fn kill_all() {
    freeze();
    for pid in descendants() {
        // One that ended in between is what we want.
        let _ = process::kill(pid, libc::SIGKILL);
    }
}

/// Kills all descendants and reaps them; false when some are still there after `patience`.
#[must_use]
pub fn end_all(patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        // Most often nobody is left but who has ended already, and looking for them costs more than this.
        if reap_ended() {
            return true;
        }
        kill_all();
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Stops everything until a round finds nobody new: what is stopped cannot fork away from the killing.
fn freeze() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..FREEZE_ROUNDS {
        let fresh: Vec<i32> = descendants().into_iter().filter(|pid| seen.insert(*pid)).collect();
        if fresh.is_empty() {
            return;
        }
        for pid in fresh {
            // One that ended in between is what we want.
            let _ = process::kill(pid, libc::SIGSTOP);
        }
    }
}

/// Reaps what has ended; true when no child is left.
fn reap_ended() -> bool {
    loop {
        match process::wait_any() {
            Ok(Some((_, Change::Exited(_) | Change::Killed(_) | Change::Stopped(_) | Change::Continued))) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

/// Whether a descendant is there, reaping those that have ended.
pub fn has_children() -> bool {
    !reap_ended()
}

/// Every living or unreaped descendant of this process, parents before children.
pub(super) fn descendants() -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let mut found = children(own);
    let mut at = 0;
    while let Some(pid) = found.get(at).copied() {
        found.extend(children(pid));
        at += 1;
    }
    found
}

/// Children of all threads of a process (proc(5)).
pub(super) fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}
