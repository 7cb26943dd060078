//! `[limits]` → resource limits of the agent, what others hold, and who holds what in the report.
//!
//! Invariant: every limit of the policy is held by something, and the report says by what and of whom.
//! Leaves to others: setting them (`install`), watching (`session::monitor`, `session::pump`), cgroups (`session::cgroup`).

use crate::event::ReportLine;
use crate::policy::Limits;
use crate::sys::cred;

/// What a cgroup (v2) of the session's own holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Controllers {
    /// memory.max
    pub memory: bool,
    /// pids.max
    pub pids: bool,
}

/// Seconds of processor time between SIGXCPU and SIGKILL, for those that ignore the first.
const CPU_GRACE: u64 = 2;
/// Processes and threads that RLIMIT_NPROC leaves above the limit: it only keeps a storm small until the monitor ends it.
const STORM: u64 = 1_024;

/// `(RLIMIT_* number, soft, hard)`.
pub(super) fn resources(limits: &Limits, cgroup: Controllers) -> Vec<(u32, u64, u64)> {
    let mut all = Vec::new();
    let mut hard = |resource, value: Option<u64>| all.extend(value.map(|value| (resource, value, value)));
    hard(libc::RLIMIT_NOFILE, limits.open_files);
    hard(libc::RLIMIT_FSIZE, limits.file_size);
    hard(libc::RLIMIT_DATA, limits.memory.filter(|_| !cgroup.memory));
    let processes = limits.processes.filter(|_| !cgroup.pids);
    hard(libc::RLIMIT_NPROC, processes.map(|own| own.saturating_add(others()).saturating_add(STORM)));
    all.extend(limits.cpu_seconds.map(|cpu| (libc::RLIMIT_CPU, cpu, cpu.saturating_add(CPU_GRACE))));
    all
}

/// Threads of the user that run already.
fn others() -> u64 {
    use std::os::unix::fs::MetadataExt;
    let own = cred::euid();
    let Ok(all) = std::fs::read_dir("/proc") else { return 0 };
    let mut threads = 0;
    for process in all.flatten() {
        let is_own = process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit)
            && process.metadata().is_ok_and(|meta| meta.uid() == own);
        if is_own {
            threads += std::fs::read_dir(process.path().join("task")).map_or(0, |tasks| tasks.count() as u64);
        }
    }
    threads
}

/// Each limit, how it is held and by what.
pub(super) fn report(limits: &Limits, cgroup: Controllers) -> Vec<ReportLine> {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: Option<u64>, how, by: &'static str| {
        let told =
            value.map(|value| ReportLine { rule: format!("limits.{name} = {value}").into(), how, by: by.into() });
        lines.extend(told);
    };
    if cgroup.pids {
        line("processes", limits.processes, "enforced", "cgroup pids.max, for the session");
    } else {
        let by = "monitor counts the session ten times a second and ends it; RLIMIT_NPROC keeps a storm of an ordinary user small";
        line("processes", limits.processes, "observed", by);
    }
    if cgroup.memory {
        line("memory", limits.memory, "enforced", "cgroup memory.max, for the session");
    } else {
        let by = "RLIMIT_DATA for each process; monitor adds up the session's memory ten times a second and ends it";
        line("memory", limits.memory, "enforced", by);
    }
    line("open_files", limits.open_files, "enforced", "RLIMIT_NOFILE, for each process");
    line(
        "file_size",
        limits.file_size,
        "enforced",
        "RLIMIT_FSIZE, for each file; what the front writes for it likewise",
    );
    line("cpu_seconds", limits.cpu_seconds, "enforced", "RLIMIT_CPU, for each process");
    line("wall_seconds", limits.wall_seconds, "brokered", "front ends the session: SIGTERM, SIGKILL ten seconds later");
    line("output_bytes", limits.output_bytes, "brokered", "front ends the session: SIGTERM, SIGKILL ten seconds later");
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Limits = Limits {
        processes: Some(10),
        memory: Some(1 << 30),
        open_files: Some(64),
        file_size: Some(1 << 20),
        wall_seconds: Some(60),
        cpu_seconds: Some(5),
        output_bytes: Some(1 << 20),
    };

    #[test]
    fn what_a_cgroup_holds_is_no_resource_limit() {
        let numbers = |cgroup| resources(&ALL, cgroup).into_iter().map(|(number, ..)| number).collect::<Vec<_>>();
        let none = numbers(Controllers::default());
        assert!(none.contains(&libc::RLIMIT_DATA) && none.contains(&libc::RLIMIT_NPROC));
        let all = numbers(Controllers { memory: true, pids: true });
        assert!(!all.contains(&libc::RLIMIT_DATA) && !all.contains(&libc::RLIMIT_NPROC));
        assert_eq!(resources(&Limits::default(), Controllers::default()), []);
        assert!(resources(&ALL, Controllers::default()).contains(&(libc::RLIMIT_CPU, 5, 7)));
    }

    #[test]
    fn the_report_names_every_limit() {
        let lines = report(&ALL, Controllers { memory: true, pids: false });
        assert_eq!(lines.len(), 7);
        let by = |name: &str| lines.iter().find(|line| line.rule.starts_with(name)).map(|line| &*line.by);
        assert_eq!(by("limits.memory = 1073741824"), Some("cgroup memory.max, for the session"));
        assert!(by("limits.processes = 10").is_some_and(|by| by.starts_with("monitor counts")));
        assert_eq!(report(&Limits::default(), Controllers::default()), []);
    }
}
