//! How many processes and threads the session has, where the policy limits them and no cgroup counts: each new one is asked for.
//!
//! ```text
//! clone, fork, vfork ── counted as there ── continued          most are there ── who is there is counted anew ── still: EAGAIN
//! ```
//! Invariant: what is counted is never less than what is there. A call that is continued counts from then on; it is forgotten
//! only when its task is back from it (it calls again, or is elsewhere, or gone), since what it made can be seen by then. So
//! whatever a racing thread does, never more are there than the policy has: the arguments do not matter here.
//! Leaves to others: the kernel's own count, where there is a cgroup (`session::cgroup`), what may be made at all (`sandbox`).

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Mutex;

use super::shared::Shared;
use super::status::{self, Stat};
use super::target::lock;
use super::worker::{Answer, Call, Worker};
use crate::event::Event;
use crate::sys::{Errno, Sys};

/// Looks at processes whose parent ended while they were counted.
const ROUNDS: usize = 8;
/// Longest way from a process to the monitor.
const DEEPEST: usize = 1 << 16;

/// What is known of the session's tasks.
#[derive(Debug, Default)]
pub struct Tasks {
    /// Most that may be there; None where others count.
    most: Option<u64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// At least as many as are there.
    there: u64,
    /// Tasks that were let make another and may not have done so yet.
    making: HashSet<i32>,
    /// The limit was told of.
    told: bool,
}

impl Tasks {
    pub fn new(most: Option<u64>) -> Self {
        // The first count is made when it is first needed.
        Self { most, state: Mutex::new(State { there: most.unwrap_or(0), ..State::default() }) }
    }

    /// A task calls: whatever it was making is made.
    pub fn is_back(&self, tid: i32) {
        if self.most.is_some() {
            lock(&self.state).making.remove(&tid);
        }
    }

    /// Whether `tid` may make one more; it then counts. `count` says how many are to be seen.
    fn admit(&self, tid: i32, count: impl FnOnce() -> Sys<u64>, is_back: impl Fn(i32) -> bool) -> Sys<bool> {
        let Some(most) = self.most else { return Ok(true) };
        let mut state = lock(&self.state);
        state.making.remove(&tid);
        if state.there >= most {
            // In this order: who is back by now has made what is counted next.
            state.making.retain(|tid| !is_back(*tid));
            let seen = count()?;
            state.there = seen.saturating_add(state.making.len() as u64);
        }
        if state.there >= most {
            return Ok(false);
        }
        state.there += 1;
        state.making.insert(tid);
        Ok(true)
    }
}

impl Worker {
    /// clone(2), fork(2), vfork(2).
    pub fn start_task(&self, call: &Call) -> Answer {
        let shared = &self.shared;
        match shared.tasks.admit(call.tid(), || shared.count_tasks(), is_back) {
            Ok(true) => Answer::Continue,
            Ok(false) => {
                self.tell_crowded(call);
                Errno(libc::EAGAIN).into()
            }
            // What cannot be counted is not made.
            Err(errno) => self.unreadable(call, "fork", errno),
        }
    }

    /// Told once: whoever forks in a loop hits it in a loop.
    fn tell_crowded(&self, call: &Call) {
        let tasks = &self.shared.tasks;
        if let Some(most) = tasks.most
            && !std::mem::replace(&mut lock(&tasks.state).told, true)
        {
            let what = format!("processes: the session had {most}; pid {} was refused another", call.pid());
            self.shared.bus.publish(Event::Limit { what });
        }
    }
}

impl Shared {
    /// Processes and threads beneath the monitor, those included that nobody has reaped yet.
    fn count_tasks(&self) -> Sys<u64> {
        let failed = |error: std::io::Error| Errno(error.raw_os_error().unwrap_or(libc::EIO));
        let mut all = HashMap::new();
        for entry in std::fs::read_dir("/proc").map_err(failed)? {
            let pid = entry.map_err(failed)?.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
            if let Some((pid, stat)) = pid.and_then(|pid| Some((pid, Stat::of(pid).ok()?))) {
                all.insert(pid, stat);
            }
        }
        Ok(count(&mut all, self.monitor, |pid| Stat::of(pid).ok()))
    }
}

/// Where a process belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Inside,
    Outside,
    /// This ancestor is not there any more.
    Orphan(i32),
}

/// Tasks beneath `monitor`. A process is looked at again when its parent ended after one of them was looked at: it has
/// another by then; one that stays without is counted.
fn count(all: &mut HashMap<i32, Stat>, monitor: i32, again: impl Fn(i32) -> Option<Stat>) -> u64 {
    for _ in 0..ROUNDS {
        let orphans: HashSet<i32> = all
            .keys()
            .filter_map(|pid| match place(all, *pid, monitor) {
                Place::Orphan(pid) => Some(pid),
                Place::Inside | Place::Outside => None,
            })
            .collect();
        for pid in &orphans {
            match again(*pid) {
                Some(stat) => drop(all.insert(*pid, stat)),
                None => drop(all.remove(pid)),
            }
        }
        if orphans.is_empty() {
            break;
        }
    }
    let inside = all.iter().filter(|(pid, _)| place(all, **pid, monitor) != Place::Outside);
    inside.map(|(_, stat)| stat.threads.max(1)).sum()
}

fn place(all: &HashMap<i32, Stat>, pid: i32, monitor: i32) -> Place {
    let mut at = pid;
    for _ in 0..DEEPEST {
        match all.get(&at).map(|stat| stat.parent) {
            _ if at == monitor && pid == monitor => return Place::Outside,
            Some(parent) if parent == monitor => return Place::Inside,
            Some(parent) if parent <= 1 => return Place::Outside,
            Some(parent) if !all.contains_key(&parent) => return Place::Orphan(at),
            Some(parent) => at = parent,
            None => return Place::Orphan(at),
        }
    }
    Place::Inside
}

/// Whether a task is surely not in the call that makes another: gone, or in another call. One that waits for a vfork child
/// is; one that runs may be.
fn is_back(tid: i32) -> bool {
    let Ok(text) = status::read(tid, "syscall") else {
        return Stat::of(tid).is_err();
    };
    let number = String::from_utf8_lossy(&text).split_whitespace().next().and_then(|word| word.parse::<i64>().ok());
    number.is_some_and(|number| number >= 0 && !MAKING.contains(&number))
}

/// The calls that make one.
#[cfg(target_arch = "x86_64")]
const MAKING: [i64; 3] = [libc::SYS_clone, libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const MAKING: [i64; 1] = [libc::SYS_clone];

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(parent: i32, threads: u64) -> Stat {
        Stat { parent, group: 0, session: 0, tty: 0, threads }
    }

    #[test]
    fn all_beneath_the_monitor_count() {
        let mut all: HashMap<i32, Stat> =
            [(1, stat(0, 1)), (5, stat(1, 9)), (10, stat(5, 1)), (11, stat(10, 3)), (12, stat(11, 0))].into();
        assert_eq!(count(&mut all.clone(), 10, |_| None), 4);
        // 13 lost its parent while it was looked at, 14 ended itself, 15 is nobody's for good.
        all.extend([(13, stat(99, 2)), (14, stat(98, 2)), (15, stat(97, 5))]);
        let again = |pid| [(13, stat(10, 2)), (15, stat(97, 5))].into_iter().find(|found| found.0 == pid).map(|f| f.1);
        assert_eq!(count(&mut all, 10, again), 4 + 2 + 5);
    }

    #[test]
    fn what_is_being_made_counts_until_its_maker_is_back() {
        let tasks = Tasks::new(Some(3));
        let admit = |tid, seen: u64, back: bool| tasks.admit(tid, || Ok(seen), |_| back);
        assert_eq!(admit(1, 1, false), Ok(true), "one is seen, one is made");
        assert_eq!(admit(2, 1, false), Ok(true), "counted as there, unseen");
        assert_eq!(admit(3, 1, false), Ok(false), "two are being made");
        assert_eq!(admit(3, 3, true), Ok(false));
        assert_eq!(admit(3, 2, true), Ok(true));
        tasks.is_back(3);
        assert_eq!(admit(3, 2, false), Ok(true), "three of which one ended");
        assert_eq!(tasks.admit(3, || Err(Errno(libc::EIO)), |_| true), Err(Errno(libc::EIO)));
        assert_eq!(Tasks::new(None).admit(1, || Err(Errno(libc::EIO)), |_| true), Ok(true));
    }

    #[test]
    fn a_task_in_another_call_is_back() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let pid = i32::try_from(child.id()).expect("a number");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !is_back(pid) {
            assert!(std::time::Instant::now() < deadline, "it sleeps");
            std::thread::yield_now();
        }
        child.kill().and_then(|()| child.wait()).expect("killed");
        assert!(is_back(pid), "gone");
    }
}
