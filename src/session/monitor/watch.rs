//! Limits of the whole session that no mechanism of the kernel holds: how many processes, how much memory.
//!
//! Invariant: looked at ten times a second; what exceeds a limit is found at the next look, so a storm lasts a tenth of a
//! second. Leaves to others: ending the session (`monitor`), limits that the kernel holds (`sandbox::limits`).

use std::fs;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::session::reap;
use crate::sys::limits::page_size;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// What is watched; None: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Watched {
    /// Processes and threads of the session.
    pub processes: Option<u64>,
    /// Bytes of memory that its processes do not share with files, added up.
    pub memory: Option<u64>,
}

/// The next look.
pub struct Watch {
    watched: Watched,
    next: Instant,
}

impl Watch {
    /// None when there is nothing to watch.
    pub fn new(watched: Watched) -> Option<Watch> {
        (watched != Watched::default()).then(|| Watch { watched, next: Instant::now() + PAUSE })
    }

    /// Milliseconds to the next look.
    pub fn pause(&self) -> i32 {
        let left = self.next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        i32::try_from(left.as_millis()).unwrap_or(i32::MAX)
    }

    /// If it is time: the limit that is exceeded, in words.
    pub fn look(&mut self) -> Option<String> {
        if Instant::now() < self.next {
            return None;
        }
        let over = self.count();
        self.next = Instant::now() + PAUSE;
        over
    }

    fn count(&self) -> Option<String> {
        let (mut threads, mut memory) = (0, 0);
        let mut largest = (0, 0);
        let all = reap::descendants();
        for pid in &all {
            threads += threads_of(*pid);
            if let Some(most) = self.watched.processes.filter(|most| threads > *most) {
                let newest = all.last().copied().unwrap_or(*pid);
                let told = format!("processes: more than {most} of the session, such as {}", named(newest));
                return Some(told);
            }
            if self.watched.memory.is_some() {
                let own = memory_of(*pid);
                memory += own;
                largest = largest.max((own, *pid));
            }
        }
        let most = self.watched.memory.filter(|most| memory > *most)?;
        Some(format!("memory: {memory} of {most} bytes, {} of them in {}", largest.0, named(largest.1)))
    }
}

/// The process as people know it.
fn named(pid: i32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("pid {pid} {}", String::from_utf8_lossy(&name).trim_end())
}

/// One that ended in between counts for nothing.
fn threads_of(pid: i32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, |tasks| tasks.count() as u64)
}

/// Resident bytes that are not pages of files (proc(5), statm).
fn memory_of(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let mut fields = text.split(' ').map(|field| field.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (fields.nth(1).unwrap_or(0), fields.next().unwrap_or(0));
    resident.saturating_sub(shared).saturating_mul(page_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(processes: Option<u64>, memory: Option<u64>) -> Watch {
        Watch { watched: Watched { processes, memory }, next: Instant::now() }
    }

    #[test]
    fn counts_what_descends_from_this_process() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let over = watch(Some(0), None).look();
        assert!(over.is_some_and(|told| told.starts_with("processes: more than 0 of the session")));
        assert_eq!(watch(Some(1_000_000), Some(1 << 50)).look(), None);
        let over = watch(None, Some(1)).look();
        assert!(over.is_some_and(|told| told.starts_with("memory: ")));
        child.kill().and_then(|()| child.wait()).expect("killed");
        assert!(Watch::new(Watched::default()).is_none());
    }
}
