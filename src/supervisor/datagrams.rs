//! Datagram sockets that were connected under a policy that is not in force any more.
//!
//! ```text
//! /proc/self/net/udp, udp6: connected, and to an address that the policy does not allow now
//!    └▶ held by a process of the session ─ its descriptor copied ─▶ the peer is taken away
//! ```
//! Invariant: what is sent on such a socket without an address is seen by nobody, so it keeps no peer that a new policy does
//! not allow; what is only asked about now counts as not allowed.
//! Leaves to others: connections (`egress` closes them), what is connected from now on (`socket`, which looks again when the
//! policy was replaced meanwhile). A socket that is in no descriptor table at that moment, because it is under way in a
//! message between two processes of the session, is not found.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use super::listening::{is_own, parse_ip};
use super::resolve::Session;
use super::shared::Shared;
use super::socket::NOWHERE;
use crate::event::{Event, Judged, Kind, Via};
use crate::policy::{Access, Decision, NetOp, Policy, Verdict};
use crate::sys::{net, pidfd};

/// proc_net(5): state of a connected UDP socket.
const CONNECTED: &str = "01";

/// Takes away the peers that the policy in force does not allow.
pub fn dissolve(shared: &Shared) {
    let policy = shared.rules.load().policy.clone();
    let mut peers: HashMap<String, (SocketAddr, Decision)> = HashMap::new();
    for table in ["udp", "udp6"] {
        let Ok(text) = std::fs::read_to_string(format!("/proc/self/net/{table}")) else { continue };
        for (inode, peer) in text.lines().skip(1).filter_map(connected) {
            let decision = policy.decide_net(NetOp::Connect, &peer);
            if decision.verdict != Verdict::Allow {
                peers.insert(format!("socket:[{inode}]"), (peer, decision));
            }
        }
    }
    if peers.is_empty() {
        return;
    }
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(fds) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for fd in fds.flatten() {
            let Some(link) = std::fs::read_link(fd.path()).ok().and_then(|link| link.to_str().map(str::to_owned))
            else {
                continue;
            };
            let Some((peer, decision)) = peers.get(&link).copied() else { continue };
            let number = fd.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
            if let Some(number) = number.filter(|_| shared.contains(pid))
                && let Some(socket) = copied(pid, number)
                && !keeps(shared, &policy, &socket, peer)
                && net::connect(socket.as_fd(), &NOWHERE).is_ok()
            {
                // However many processes hold it.
                peers.remove(&link);
                tell(shared, &policy, pid, peer, decision);
            }
        }
    }
}

/// Whether a socket may have this peer under the policy: also the stub for names, and services of the session.
pub fn keeps(shared: &Shared, policy: &Policy, socket: &OwnedFd, peer: SocketAddr) -> bool {
    policy.decide_net(NetOp::Connect, &peer).verdict == Verdict::Allow
        || peer.ip().is_loopback() && (shared.stubs.of(socket).is_some() || is_own(shared, &peer, false))
}

/// A datagram socket of another process; whatever the number has become meanwhile, nothing but such a one is touched.
fn copied(pid: i32, number: i32) -> Option<OwnedFd> {
    let process = pidfd::open(pid).ok()?;
    let socket = pidfd::get_fd(process.as_fd(), number).ok()?;
    let is = |option, wanted: &[i32]| net::option(socket.as_fd(), option).is_ok_and(|value| wanted.contains(&value));
    let datagrams = is(libc::SO_TYPE, &[libc::SOCK_DGRAM]) && is(libc::SO_DOMAIN, &[libc::AF_INET, libc::AF_INET6]);
    datagrams.then_some(socket)
}

fn tell(shared: &Shared, policy: &Policy, pid: i32, peer: SocketAddr, decision: Decision) {
    let rule = policy.rule(decision.rule);
    shared.bus.publish(Event::Judged(Judged {
        kind: Kind::Net,
        op: "connect",
        pid,
        access: Access::empty(),
        path: Vec::new(),
        path2: Vec::new(),
        addr: Some(peer),
        host: None,
        port: 0,
        argv: Vec::new(),
        verdict: Verdict::Deny,
        rule: rule.name.clone(),
        layer: rule.layer,
        via: Via::Brokered,
        errno: libc::EHOSTUNREACH,
        duration: 0,
    }));
}

/// Inode and peer of a connected socket.
fn connected(line: &str) -> Option<(u64, SocketAddr)> {
    let mut fields = line.split_whitespace();
    let (ip, port) = fields.nth(2)?.split_once(':')?;
    let is_connected = fields.next()? == CONNECTED;
    let inode = fields.nth(5)?.parse().ok()?;
    let peer = SocketAddr::new(parse_ip(ip)?, u16::from_str_radix(port, 16).ok()?);
    is_connected.then_some((inode, peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_tables_name_peers() {
        let line =
            " 1: 0100007F:1538 0202000A:01BB 01 00000000:00000000 00:00000000 00000000     0        0 24680 2 0 0";
        assert_eq!(connected(line), Some((24680, "10.0.2.2:443".parse().unwrap())));
        assert_eq!(connected(&line.replace(" 01 ", " 07 ")), None);
        let six = line.replace("0202000A", "B80D0120000000000000000001000000");
        assert_eq!(connected(&six), Some((24680, "[2001:db8::1]:443".parse().unwrap())));
    }
}
