//! Laws of the network's rules: lists decide as going through them one by one would, denials only take away, wildcards stand
//! for labels, and no name is an address in any form.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use govsh::policy::{Class, Host, NetOp, Place, Reach, Verdict, normal_path};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::load;

/// One entry: text, labels from the last to the first with `*` and `**`, or an address and a prefix; ports.
#[derive(Debug, Clone)]
enum Means {
    Labels(Vec<&'static str>),
    Range(u32, u32),
}

#[derive(Debug, Clone)]
struct Entry {
    means: Means,
    /// None: no port is written.
    ports: Option<(u16, u16)>,
}

const NAMES: [&str; 8] = ["x.org", "a.x.org", "b.a.x.org", "evilx.org", "y.org", "a.y.org", "x.org.y.org", "org.x"];
const PORTS: [u16; 5] = [22, 80, 443, 444, 8000];

fn entry() -> impl Strategy<Value = Entry> {
    let labels = select(vec!["x.org", "*.x.org", "**.x.org", "a.x.org", "*.a.x.org", "y.org", "**.y.org", "*.y.org"])
        .prop_map(|text| Means::Labels(text.split('.').collect()));
    let range = (any::<u8>(), select(vec![8u32, 16, 24, 31, 32])).prop_map(|(low, prefix)| {
        let ip = u32::from(Ipv4Addr::new(9, 9, low & 3, low >> 6));
        Means::Range(ip & u32::MAX.checked_shl(32 - prefix).unwrap_or(0), prefix)
    });
    let ports = prop_oneof![
        2 => Just(None),
        2 => select(PORTS.to_vec()).prop_map(|port| Some((port, port))),
        1 => Just(Some((80, 443))),
    ];
    (prop_oneof![3 => labels, 2 => range], ports).prop_map(|(means, ports)| Entry { means, ports })
}

fn text(entry: &Entry) -> String {
    let place = match &entry.means {
        Means::Labels(labels) => labels.join("."),
        Means::Range(ip, prefix) => format!("{}/{prefix}", Ipv4Addr::from(*ip)),
    };
    match entry.ports {
        None => place,
        Some((from, to)) if from == to => format!("{place}:{from}"),
        Some((from, to)) => format!("{place}:{from}-{to}"),
    }
}

fn labels(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern.first(), name) {
        (Some(&"**"), _) => {
            name.len() >= pattern.len() && labels(&pattern[1..], &name[name.len() + 1 - pattern.len()..])
        }
        (Some(&"*"), [_, rest @ ..]) => labels(&pattern[1..], rest),
        (Some(one), [first, rest @ ..]) => one == first && labels(&pattern[1..], rest),
        (Some(_), []) => false,
        (None, _) => name.is_empty(),
    }
}

fn hits(entry: &Entry, allows: bool, name: Option<&str>, ip: Option<u32>, port: u16) -> bool {
    let place = match (&entry.means, name, ip) {
        (Means::Labels(pattern), Some(name), _) => labels(pattern, &name.split('.').collect::<Vec<_>>()),
        (Means::Range(first, prefix), _, Some(ip)) => *first == ip & u32::MAX.checked_shl(32 - prefix).unwrap_or(0),
        _ => false,
    };
    let web = allows && matches!(entry.means, Means::Labels(_));
    let ports = match entry.ports {
        Some((from, to)) => (from..=to).contains(&port),
        None => !web || port == 80 || port == 443,
    };
    place && ports
}

fn policy(allow: &[Entry], ask: &[Entry], deny: &[Entry]) -> govsh::policy::Policy {
    let list =
        |entries: &[Entry]| entries.iter().map(|entry| format!("'{}'", text(entry))).collect::<Vec<_>>().join(", ");
    let text =
        format!("version = 1\n[network]\nallow = [{}]\nask = [{}]\ndeny = [{}]\n", list(allow), list(ask), list(deny));
    load(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lists_decide_as_one_by_one_and_denials_take_away(
        allow in vec(entry(), 0..8), ask in vec(entry(), 0..3), deny in vec(entry(), 0..3), more in entry(),
        low in any::<u8>(), by in 0usize..3,
    ) {
        let before = policy(&allow, &ask, &deny);
        let denies: Vec<Entry> = deny.iter().chain([&more]).cloned().collect();
        let after = policy(&allow, &ask, &denies);
        let addr = u32::from(Ipv4Addr::new(9, 9, low & 3, low >> 6));
        for name in NAMES {
            for port in PORTS {
                let host = Host::parse(name).unwrap();
                let (name, ip) = [(Some(name), None), (None, Some(addr)), (Some(name), Some(addr))][by];
                let socket = ip.map(|ip| SocketAddr::from((Ipv4Addr::from(ip), port)));
                let reach = Reach { op: NetOp::Connect, addr: socket, port, host: name.map(|_| &host) };
                let any = |list: &[Entry], allows| list.iter().any(|entry| hits(entry, allows, name, ip, port));
                let expected = if any(&deny, false) { Verdict::Deny }
                    else if any(&ask, false) { Verdict::Ask }
                    else if any(&allow, true) { Verdict::Allow }
                    else { Verdict::Deny };
                let decided = before.decide_reach(&reach);
                prop_assert_eq!(decided.verdict, expected, "{}", reach);
                let then = after.decide_reach(&reach).verdict;
                prop_assert!(decided.verdict != Verdict::Deny || then == Verdict::Deny);
                prop_assert!(then == Verdict::Deny || then == decided.verdict);
                if ip.is_none() {
                    // What may be reached on some port may be looked up, and the other way round on these.
                    prop_assert!(decided.verdict == Verdict::Deny || before.may_name(&host).verdict != Verdict::Deny);
                }
            }
        }
    }

    #[test]
    fn no_name_is_an_address(text in "[0-9a-fxX.:%\\[\\]\u{ff10}-\u{ff19}\u{3002}_-]{0,20}") {
        if let Ok(Place::Name(host)) = Place::parse(text.as_bytes()) {
            prop_assert!(aton(&host).is_none(), "{host}");
            prop_assert!(host.parse::<IpAddr>().is_err());
            prop_assert_eq!(Host::parse(&host), Ok(host.clone()), "one form");
            prop_assert!((1..=253).contains(&host.len()) && host.split('.').all(|label| (1..=63).contains(&label.len())));
            prop_assert!(host.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte)));
        }
        if let (Ok(Place::Addr(IpAddr::V4(ip))), Some(known)) = (Place::parse(text.as_bytes()), aton(&text)) {
            prop_assert_eq!(ip, known);
        }
    }

    #[test]
    fn any_bytes_are_a_host_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        drop(Place::parse(&bytes));
        drop(normal_path(&String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn a_path_in_its_normal_form_stays(path in "/[a-z./%2FfEe5;]{0,24}") {
        if let Ok((normal, "")) = normal_path(&path) {
            prop_assert!(normal.starts_with('/') && !normal.split('/').any(|segment| matches!(segment, "." | "..")), "{normal}");
            if let Ok((again, _)) = normal_path(&normal) {
                prop_assert_eq!(again, normal);
            }
        }
    }

    #[test]
    fn what_carries_an_address_is_no_better_than_it(ip in any::<u32>()) {
        let inner = Ipv4Addr::from(ip);
        let [a, b, c, d] = inner.octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        let plain = Class::of(IpAddr::V4(inner), None);
        for outer in [[0x64, 0xff9b, 0, 0, 0, 0, high, low], [0x2002, high, low, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0xffff, high, low]] {
            let class = Class::of(IpAddr::V6(outer.into()), None);
            prop_assert_eq!(class == Class::Global, plain == Class::Global);
            prop_assert_eq!(class == Class::Metadata, plain == Class::Metadata);
        }
    }
}

/// inet_aton(3) as the C library has it, from its manual.
fn aton(text: &str) -> Option<Ipv4Addr> {
    let mut parts = Vec::new();
    for part in text.split('.') {
        let (digits, radix) = match part.as_bytes() {
            [b'0', b'x' | b'X', ..] => (part.get(2..)?, 16),
            [b'0', _, ..] => (part.get(1..)?, 8),
            _ => (part, 10),
        };
        if digits.is_empty() || digits.starts_with(['+', '-']) {
            return None;
        }
        parts.push(u64::from_str_radix(digits, radix).ok()?);
    }
    let (last, before) = parts.split_last()?;
    if before.len() > 3 || before.iter().any(|part| *part > 255) {
        return None;
    }
    let left = 32 - 8 * before.len() as u32;
    if *last >= 1 << left {
        return None;
    }
    let high = before.iter().fold(0, |all, part| all << 8 | part) << left;
    u32::try_from(high | last).ok().map(Ipv4Addr::from)
}
