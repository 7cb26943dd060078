//! Whether a loopback address is served by the session itself: read from the kernel's own tables.
//!
//! Invariant: every socket that would answer there was bound in this session; a service of the host is never taken for
//! one of ours, whoever used the port before.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use super::resolve::Session;
use super::shared::Shared;

/// proc_net(5): state of a listening TCP socket, and of an unconnected UDP one.
const LISTEN: &str = "0A";
const UNCONNECTED: &str = "07";

/// Whether the session serves this address.
pub fn is_own(shared: &Shared, addr: &SocketAddr, stream: bool) -> bool {
    if !addr.ip().is_loopback() && !addr.ip().is_unspecified() {
        return false;
    }
    let (tables, state) = if stream { (["tcp", "tcp6"], LISTEN) } else { (["udp", "udp6"], UNCONNECTED) };
    let mut inodes = HashSet::new();
    for table in tables {
        let Ok(text) = std::fs::read_to_string(format!("/proc/self/net/{table}")) else { continue };
        inodes.extend(text.lines().skip(1).filter_map(|line| serving(line, addr, state)));
    }
    !inodes.is_empty() && inodes.iter().all(|inode| held_inside(shared, *inode))
}

/// The socket's inode when the line's socket would answer at `addr`.
fn serving(line: &str, addr: &SocketAddr, state: &str) -> Option<u64> {
    let mut fields = line.split_whitespace();
    let (ip, port) = fields.nth(1)?.split_once(':')?;
    let is_state = fields.nth(1)? == state;
    let inode = fields.nth(5)?.parse().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip = parse_ip(ip)?;
    let answers = ip.is_unspecified() || ip == addr.ip() || addr.ip().is_unspecified();
    (is_state && port == addr.port() && answers).then_some(inode)
}

/// Hexadecimal words in the machine's byte order.
pub(super) fn parse_ip(text: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for word in text.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical()),
        _ => None,
    }
}

/// Whether some process of the session, and the front's own copy aside nobody else of this user, holds the socket.
fn held_inside(shared: &Shared, inode: u64) -> bool {
    let wanted = format!("socket:[{inode}]");
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let mut inside = false;
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        if pid == std::process::id() as i32 {
            continue;
        }
        let Ok(fds) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        let holds =
            fds.flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|t| t.as_os_str() == wanted.as_str()));
        if holds && !shared.contains(pid) {
            return false;
        }
        inside |= holds;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_tables_are_read_by_address_port_and_state() {
        let line =
            "   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24680 1 0";
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(serving(line, &at("127.0.0.1:5432"), LISTEN), Some(24680));
        assert_eq!(serving(line, &at("127.0.0.2:5432"), LISTEN), None);
        assert_eq!(serving(line, &at("127.0.0.1:5433"), LISTEN), None);
        assert_eq!(serving(line, &at("127.0.0.1:5432"), UNCONNECTED), None);
        let any = line.replace("0100007F", "00000000");
        assert_eq!(serving(&any, &at("127.0.0.2:5432"), LISTEN), Some(24680));
        let six = line.replace("0100007F", "00000000000000000000000001000000");
        assert_eq!(serving(&six, &at("[::1]:5432"), LISTEN), Some(24680));
    }
}
