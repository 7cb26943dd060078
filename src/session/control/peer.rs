//! Who is at the other end of the socket.
//!
//! Invariant: what is said about a client comes from the kernel, never from the client.
//! Leaves to others: that the socket's directory is closed to everybody else (`runtime`) and to the agent (`policy`).

use std::os::fd::BorrowedFd;

use crate::sys::{cred, unix};

/// Generations between a process and the front that are looked at: more than any session has.
const ANCESTORS: usize = 4096;

/// `user@pts/3` of a client that may speak, or why it may not.
pub fn admit(socket: BorrowedFd<'_>, user: &str) -> Result<String, &'static str> {
    let (pid, uid) = unix::peer(socket).map_err(|_| "who you are cannot be told")?;
    if uid != cred::euid() {
        return Err("this session belongs to another user");
    }
    // Connections of the agent are made by the front itself.
    if is_of_session(pid) {
        return Err("this session's own processes have no say in it");
    }
    Ok(format!("{user}@{}", terminal(pid).unwrap_or_else(|| "-".to_owned())))
}

/// Whether it is this process or beneath it.
fn is_of_session(pid: i32) -> bool {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let mut at = pid;
    for _ in 0..ANCESTORS {
        if at == own {
            return true;
        }
        match fields(at).and_then(|fields| fields.first()?.parse().ok()) {
            Some(parent) if parent > 1 => at = parent,
            _ => return false,
        }
    }
    true
}

/// The controlling terminal, without `/dev/`.
fn terminal(pid: i32) -> Option<String> {
    let number: i32 = fields(pid)?.get(3)?.parse().ok()?;
    let number = number as u32;
    let (major, minor) = (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xfff00);
    match major {
        // Unix98 pseudo-terminals have eight majors of 256 each (devices.txt).
        136..=143 => Some(format!("pts/{}", (major - 136) * 256 + minor)),
        4 => Some(format!("tty{minor}")),
        _ => None,
    }
}

/// proc_pid_stat(5) from the parent (field 4) on; the terminal is the fourth of them.
fn fields(pid: i32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    Some(rest.split(' ').skip(1).take(4).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    #[test]
    fn own_processes_are_turned_away() {
        let (here, _there) = UnixStream::pair().unwrap();
        assert!(admit(here.as_fd(), "ann").is_err_and(|why| why.contains("own processes")));
        let mut child = Command::new("sleep").arg("100").stdin(Stdio::null()).spawn().unwrap();
        assert!(is_of_session(child.id() as i32));
        assert!(!is_of_session(1));
        assert!(!is_of_session(std::os::unix::process::parent_id() as i32));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
