//! `/proc/TID/status` and `/proc/TID/stat`, read when a target is met for the first time and when its state matters.

use std::io::Read;

use super::target::Credentials;
use crate::sys::{Errno, Sys};

/// The lines we use, as proc_pid_status(5) has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub tgid: i32,
    pub parent: i32,
    pub umask: u32,
    /// Real, effective and saved user.
    pub uids: [u32; 3],
    pub fsuid: u32,
    pub fsgid: u32,
    pub groups: Vec<u32>,
    /// Signals that wait and are not blocked: SigPnd and ShdPnd without SigBlk.
    pub deliverable: u64,
}

impl Status {
    /// Reads the status of a thread. ESRCH when it is gone.
    pub fn of(tid: i32) -> Sys<Self> {
        Self::parse(&read(tid, "status")?).ok_or(Errno(libc::ESRCH))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let line = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let mask = |name| line(name).and_then(|v| u64::from_str_radix(v, 16).ok());
        let uid = |at| line("Uid")?.split_whitespace().nth(at)?.parse().ok();
        let fs_id = |name| line(name)?.split_whitespace().nth(3)?.parse().ok();
        Some(Self {
            tgid: line("Tgid")?.parse().ok()?,
            parent: line("PPid")?.parse().ok()?,
            umask: u32::from_str_radix(line("Umask")?, 8).ok()?,
            uids: [uid(0)?, uid(1)?, uid(2)?],
            fsuid: fs_id("Uid")?,
            fsgid: fs_id("Gid")?,
            groups: line("Groups")?.split_whitespace().filter_map(|g| g.parse().ok()).collect(),
            deliverable: (mask("SigPnd")? | mask("ShdPnd")?) & !mask("SigBlk")?,
        })
    }

    #[must_use]
    pub fn credentials(&self) -> Credentials {
        Credentials { uid: self.fsuid, gid: self.fsgid, groups: self.groups.clone() }
    }
}

/// Bytes read of one file at most.
pub const MAX: usize = 65536;

/// A file of `/proc/TID/`, at most [`MAX`] bytes.
pub fn read(tid: i32, name: &str) -> Sys<Vec<u8>> {
    let errno = |e: std::io::Error| match e.raw_os_error() {
        Some(libc::ENOENT) | None => Errno(libc::ESRCH),
        Some(errno) => Errno(errno),
    };
    let file = std::fs::File::open(format!("/proc/{tid}/{name}")).map_err(errno)?;
    let mut text = Vec::with_capacity(2048);
    file.take(MAX as u64).read_to_end(&mut text).map_err(errno)?;
    Ok(text)
}

/// Fields of `/proc/PID/stat` after the name: parent (field 4), group (5), session (6), controlling terminal (7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    /// Device number of the controlling terminal, 0 without one.
    pub tty: u32,
}

impl Stat {
    /// Reads the fields. ESRCH when the process is gone.
    pub fn of(pid: i32) -> Sys<Self> {
        Self::parse(&read(pid, "stat")?).ok_or(Errno(libc::ESRCH))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        // The name is in parentheses and may hold anything, parentheses too: count from the last one.
        let after = text.iter().rposition(|b| *b == b')')? + 1;
        let rest = String::from_utf8_lossy(text.get(after..)?).into_owned();
        let mut fields = rest.split_whitespace().skip(1);
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let tty: i32 = fields.next()?.parse().ok()?;
        Some(Self { parent, group, session, tty: tty as u32 })
    }
}

/// How a process ended that was not reaped yet, as wait(2) has it: the last field of `/proc/PID/stat`. None while it lives
/// and when it was reaped.
pub fn exit_code(pid: i32) -> Option<i32> {
    let text = read(pid, "stat").ok()?;
    let after = text.iter().rposition(|b| *b == b')')? + 2;
    let fields = text.get(after..)?;
    if !matches!(fields.first(), Some(b'Z' | b'X')) {
        return None;
    }
    String::from_utf8_lossy(fields).split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = Stat::parse(b"42 (a) b (c)) S 7 42 41 34817 42 4194304 1 2");
        assert_eq!(stat, Some(Stat { parent: 7, group: 42, session: 41, tty: 34817 }));
    }

    #[test]
    fn own_status_is_read() {
        let status = Status::of(std::process::id() as i32).unwrap();
        assert_eq!(status.tgid, std::process::id() as i32);
        assert_eq!(status.fsuid, crate::sys::cred::euid());
    }
}
