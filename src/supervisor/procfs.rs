//! What the front must not open for others: `/proc` of strangers, foreign terminals.
//!
//! Invariant: the front's own rights are never lent. What the kernel would have refused the agent (its Landlock domain
//! may trace only itself), is refused here; what it may do to itself, it may do through us.

use crate::policy::Access;

/// What the front says about a path before, or instead of, the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The policy decides.
    Policy,
    /// The target's own: allowed whatever the policy says.
    Own(&'static str),
    /// Refused whatever the policy says.
    Refused(&'static str),
    /// `/dev/tty`: means the target's controlling terminal.
    Terminal,
    /// `/dev/pts/N`.
    Pty(u32),
}

/// Files of /proc/PID that every user may read of every process, and that tell no secrets.
const PUBLIC: &[&[u8]] = &[
    b"stat",
    b"status",
    b"statm",
    b"cmdline",
    b"comm",
    b"cgroup",
    b"limits",
    b"oom_score",
    b"oom_score_adj",
    b"oom_adj",
    b"schedstat",
    b"sched",
    b"wchan",
    b"loginuid",
    b"sessionid",
    b"cpuset",
    b"autogroup",
];
/// Files of /proc/PID that a process writes about itself.
const OWN_WRITES: &[&[u8]] = &[
    b"comm",
    b"oom_score_adj",
    b"oom_adj",
    b"coredump_filter",
    b"timerslack_ns",
    b"autogroup",
    b"sched",
    b"clear_refs",
];

/// The process id and the rest of a path below `/proc/PID`.
#[must_use]
pub fn process(path: &[u8]) -> Option<(i32, &[u8])> {
    let rest = path.strip_prefix(b"/proc/")?;
    let end = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
    let (pid, rest) = rest.split_at(end);
    let pid = std::str::from_utf8(pid).ok()?.parse().ok()?;
    Some((pid, rest.strip_prefix(b"/").unwrap_or(rest)))
}

/// Whether a resolved path lies in the front's own `/proc/PID`: then "self" was taken for us.
#[must_use]
pub fn is_own(path: &[u8]) -> bool {
    process(path).is_some_and(|(pid, _)| pid == std::process::id() as i32)
}

/// Of which process `dir`/`name` is a magic link (proc_pid_fd(5), proc_pid_cwd(5) …).
#[must_use]
pub fn magic(dir: &[u8], name: &[u8]) -> Option<i32> {
    let (pid, rest) = process(dir)?;
    let rest = skip_task(rest);
    match rest {
        b"" if [b"cwd".as_slice(), b"root", b"exe"].contains(&name) => Some(pid),
        b"fd" | b"map_files" | b"ns" => Some(pid),
        _ => None,
    }
}

/// Whether the kernel's name is that of an object in no file system (`pipe:[7]`, `socket:[7]`, `anon_inode:[eventfd]`,
/// `mnt:[7]`), which only a holder of a descriptor can have. Anything else that is not absolute, such as
/// `(unreachable)/x`, is not.
#[must_use]
pub fn is_nameless(path: &[u8]) -> bool {
    let Some(colon) = path.iter().position(|b| *b == b':') else { return false };
    let (kind, rest) = path.split_at(colon);
    let word = !kind.is_empty() && kind.iter().all(|b| b.is_ascii_lowercase() || *b == b'_');
    word && (rest.starts_with(b":[") || kind == b"anon_inode")
}

/// Without a leading `task/TID`.
fn skip_task(rest: &[u8]) -> &[u8] {
    let Some(after) = rest.strip_prefix(b"task/") else { return rest };
    match after.iter().position(|b| *b == b'/') {
        Some(slash) => after.get(slash + 1..).unwrap_or_default(),
        None => b"",
    }
}

/// Judges a resolved path. `inside` tells whether a process belongs to the session.
pub fn guard(path: &[u8], access: Access, inside: impl Fn(i32) -> bool) -> Guard {
    if let Some((pid, rest)) = process(path) {
        return of_process(skip_task(rest), access, inside(pid));
    }
    if path == b"/dev/tty" || path == b"/dev/console" {
        return Guard::Terminal;
    }
    match path.strip_prefix(b"/dev/pts/") {
        Some(b"ptmx") | None => Guard::Policy,
        Some(number) => match std::str::from_utf8(number).ok().and_then(|n| n.parse().ok()) {
            Some(number) => Guard::Pty(number),
            None => Guard::Policy,
        },
    }
}

fn of_process(rest: &[u8], access: Access, inside: bool) -> Guard {
    let first = rest.split(|b| *b == b'/').next().unwrap_or_default();
    if !inside {
        let harmless = (rest.is_empty() || rest == b"task" || PUBLIC.contains(&rest)) && access == Access::READ;
        return if harmless { Guard::Policy } else { Guard::Refused("built-in: process outside the session") };
    }
    if access.changes() {
        return if OWN_WRITES.contains(&rest) {
            Guard::Own("built-in: own process")
        } else {
            Guard::Refused("built-in: memory and identity of a process")
        };
    }
    match first {
        b"mem" | b"map_files" | b"pagemap" => Guard::Refused("built-in: memory and identity of a process"),
        _ => Guard::Own("built-in: own process"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_show_only_what_everybody_may_see() {
        let judge = |path: &str, access| guard(path.as_bytes(), access, |pid| pid == 7);
        for secret in ["environ", "mem", "maps", "fd", "fd/3", "task/9/environ", "root/etc", "cwd", "exe", "ns/mnt"] {
            let got = judge(&format!("/proc/9/{secret}"), Access::READ);
            assert!(matches!(got, Guard::Refused(_)), "{secret}: {got:?}");
        }
        assert_eq!(judge("/proc/9/stat", Access::READ), Guard::Policy);
        assert_eq!(judge("/proc/9/task/9/stat", Access::READ), Guard::Policy);
        assert!(matches!(judge("/proc/9/comm", Access::WRITE), Guard::Refused(_)));
        assert!(matches!(judge("/proc/7/comm", Access::WRITE), Guard::Own(_)));
        assert!(matches!(judge("/proc/7/mem", Access::WRITE), Guard::Refused(_)));
        assert!(matches!(judge("/proc/7/task/8/uid_map", Access::WRITE), Guard::Refused(_)));
        assert!(matches!(judge("/proc/7/environ", Access::READ), Guard::Own(_)));
        assert_eq!(judge("/proc/meminfo", Access::READ), Guard::Policy);
        assert_eq!(judge("/dev/tty", Access::READ), Guard::Terminal);
        assert_eq!(judge("/dev/pts/4", Access::READ), Guard::Pty(4));
        assert_eq!(judge("/dev/pts/ptmx", Access::READ), Guard::Policy);
    }

    #[test]
    fn only_known_forms_are_nameless() {
        for name in ["pipe:[7]", "socket:[12]", "anon_inode:[eventfd]", "anon_inode:bpf-prog", "mnt:[4026531840]"] {
            assert!(is_nameless(name.as_bytes()), "{name}");
        }
        for name in ["(unreachable)/etc/x", "", "/a:[b]", "a/b:[7]", ":[7]", "x"] {
            assert!(!is_nameless(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn magic_links_are_known_by_their_place() {
        assert_eq!(magic(b"/proc/5/fd", b"3"), Some(5));
        assert_eq!(magic(b"/proc/5/task/6/fd", b"3"), Some(5));
        assert_eq!(magic(b"/proc/5", b"cwd"), Some(5));
        assert_eq!(magic(b"/proc/5", b"status"), None);
        assert_eq!(magic(b"/proc", b"mounts"), None);
    }
}
