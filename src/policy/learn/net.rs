//! Addresses and sockets that were needed → lines.
//!
//! Invariant: a line covers what was needed; one for any address stands only for one port, and only where three addresses
//! of it were reached.
//! Leaves to others: which names stand for which addresses (recordings say).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::host::Host;
use super::super::network::{HostPattern, Purpose};
use super::super::pattern::Pattern;
use super::super::sockets::{self, Place};
use super::trees::Group;
use super::{Key, Lesson, Line, To, Use};

/// Ports of one loopback address, or addresses of one port, beyond which they are not listed.
const FEW: usize = 2;

pub(super) fn lines(lessons: &[Lesson<'_>]) -> Vec<Line> {
    let mut lines = hosts(lessons);
    lines.extend(addresses(lessons));
    lines.extend(places(lessons));
    lines
}

/// Names, each with its port; where several lie right beneath one name, all that do.
fn hosts(lessons: &[Lesson<'_>]) -> Vec<Line> {
    let mut seen: BTreeMap<(&Host, u16), Use> = BTreeMap::new();
    for (to, by) in lessons.iter().flat_map(|lesson| &lesson.net) {
        if let To::Name(host, port) = to {
            seen.entry((host, *port)).or_default().add(by);
        }
    }
    let mut beneath: BTreeMap<(&str, u16), usize> = BTreeMap::new();
    for (host, port) in seen.keys() {
        let above = host.split_once('.').map(|(_, above)| above);
        above.into_iter().for_each(|above| *beneath.entry((above, *port)).or_default() += 1);
    }
    // Not where anyone can have a name: there each is meant by itself.
    let wide = |above: &str| {
        let pattern = HostPattern::parse(&format!("*.{above}"), Purpose::Allow);
        pattern.is_ok_and(|pattern| !pattern.is_shared())
    };
    let mut lines: BTreeMap<String, Use> = BTreeMap::new();
    for ((host, port), by) in &seen {
        let above = host.split_once('.').map(|(_, above)| above);
        let above = above.filter(|above| beneath.get(&(above, *port)).is_some_and(|count| *count > FEW) && wide(above));
        let text = above.map_or_else(|| format!("{host}:{port}"), |above| format!("*.{above}:{port}"));
        lines.entry(text).or_default().add(by);
    }
    lines.into_iter().map(|(text, by)| Line { key: Key::Network, group: Group::Plain, text, by }).collect()
}

fn addresses(lessons: &[Lesson<'_>]) -> Vec<Line> {
    let mut seen: BTreeMap<(IpAddr, u16), Use> = BTreeMap::new();
    for (to, by) in lessons.iter().flat_map(|lesson| &lesson.net) {
        if let To::Addr(addr) = to {
            seen.entry((addr.ip().to_canonical(), addr.port())).or_default().add(by);
        }
    }
    let mut ports: BTreeMap<IpAddr, BTreeSet<u16>> = BTreeMap::new();
    let mut hosts: BTreeMap<(bool, u16), BTreeSet<IpAddr>> = BTreeMap::new();
    for (ip, port) in seen.keys() {
        ports.entry(*ip).or_default().insert(*port);
        if is_public(*ip) {
            hosts.entry((ip.is_ipv4(), *port)).or_default().insert(*ip);
        }
    }
    let mut lines: BTreeMap<String, Use> = BTreeMap::new();
    for ((ip, port), by) in &seen {
        let many_ports = ip.is_loopback() && ports.get(ip).is_some_and(|ports| ports.len() > FEW);
        let many_hosts = hosts.get(&(ip.is_ipv4(), *port)).is_some_and(|hosts| hosts.len() > FEW) && is_public(*ip);
        let text = match ip {
            _ if many_ports => ip.to_string(),
            IpAddr::V4(_) if many_hosts => format!("0.0.0.0/0:{port}"),
            IpAddr::V6(_) if many_hosts => format!("[::/0]:{port}"),
            IpAddr::V4(ip) => format!("{ip}:{port}"),
            IpAddr::V6(ip) => format!("[{ip}]:{port}"),
        };
        lines.entry(text).or_default().add(by);
    }
    lines.into_iter().map(|(text, by)| Line { key: Key::Network, group: Group::Plain, text, by }).collect()
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()),
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            !(ip.is_loopback() || ip.is_unspecified() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80)
        }
    }
}

/// Sockets by the name of their service where they have one.
fn places(lessons: &[Lesson<'_>]) -> Vec<Line> {
    let mut lines: BTreeMap<String, Use> = BTreeMap::new();
    for lesson in lessons {
        for (path, by) in &lesson.sockets {
            if let Some(text) = named(lesson, path).or_else(|| written(path)) {
                lines.entry(text).or_default().add(by);
            }
        }
    }
    lines.into_iter().map(|(text, by)| Line { key: Key::Socket, group: Group::Plain, text, by }).collect()
}

fn named(lesson: &Lesson<'_>, path: &[u8]) -> Option<String> {
    let means = |place: &Place| match (place, path.strip_prefix(b"@")) {
        (Place::Path(pattern), None) => pattern.matches(path),
        (Place::Abstract(known), Some(name)) => known.matches(name),
        _ => false,
    };
    let vars = lesson.floor.vars();
    let name =
        sockets::NAMES.iter().find(|name| sockets::places(name, vars).is_ok_and(|places| places.iter().any(means)));
    name.map(|name| (*name).to_owned())
}

fn written(path: &[u8]) -> Option<String> {
    match path.strip_prefix(b"@") {
        Some(name) => std::str::from_utf8(name).ok().map(|name| format!("@{name}")),
        None => Pattern::literal(path, false).text(),
    }
}
