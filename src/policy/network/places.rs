//! Many entries of one list at once: names by hashing what they end in, addresses by bisection over nested ranges.
//!
//! Invariant: what is found is what going through the entries one by one finds first: of all that match the one with the
//! lowest number. The cost grows with the labels of a name and with how deep ranges lie in each other, not with how many
//! entries there are. Leaves to others: reading entries (`entry`), what a list means (`reach`).
//!
//! ```text
//! names      suffix → what stands right there, one label beneath, any number beneath → ports → rule
//! addresses  sorted by first address; each range knows the one that it lies in
//! ports      from this port on → rule
//! ```

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::super::host::Host;
use super::entry::{Entry, What};
use super::names::Depth;
use super::ranges::IpRange;

/// One list of `[network]`.
#[derive(Debug, Default)]
pub struct Places {
    entries: Vec<Entry>,
    names: HashMap<Box<str>, Labels, foldhash::fast::FixedState>,
    /// `**`.
    every_name: Ports,
    /// `all`.
    everything: Ports,
    four: Ranges,
    six: Ranges,
}

/// The entries that end in one name.
#[derive(Debug, Default)]
struct Labels {
    exact: Ports,
    one: Ports,
    any: Ports,
}

/// Rules by port: sorted, each from its port on to the next.
#[derive(Debug, Default, Clone)]
struct Ports(Vec<(u16, u32)>);

/// No rule has this number.
const NONE: u32 = u32::MAX;

impl Places {
    pub fn new(mut entries: Vec<Entry>) -> Places {
        entries.sort_by_key(|entry| entry.rule.0);
        let mut places = Places::default();
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for entry in &entries {
            let rule = entry.rule.0;
            let ports = match &entry.what {
                What::Everything => &mut places.everything,
                What::Range(range) => {
                    let list = if range.first.is_ipv4() { &mut four } else { &mut six };
                    list.push((*range, entry.ports.clone(), rule));
                    continue;
                }
                What::Name(pattern) => match &pattern.suffix {
                    None => &mut places.every_name,
                    Some(suffix) => {
                        let labels = places.names.entry(suffix.as_str().into()).or_default();
                        match pattern.depth {
                            Depth::Exact => &mut labels.exact,
                            Depth::One => &mut labels.one,
                            Depth::Any => &mut labels.any,
                        }
                    }
                },
            };
            ports.lay(&entry.ports, rule);
        }
        Places { entries, four: Ranges::new(four), six: Ranges::new(six), ..places }
    }

    /// As they were read, by number.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first entry that means the name.
    pub fn by_name(&self, host: &Host, port: u16) -> Option<u32> {
        let mut least = self.everything.at(port).min(self.every_name.at(port));
        self.each(host, |ports| least = least.min(ports.at(port)));
        (least != NONE).then_some(least)
    }

    /// The first entry that means the address, among those whose prefix has at least so many bits: 0 for any.
    pub fn by_address(&self, ip: IpAddr, port: u16, bits: u8) -> Option<u32> {
        let (ranges, value) = match ip.to_canonical() {
            IpAddr::V4(ip) => (&self.four, u128::from(ip.to_bits())),
            IpAddr::V6(ip) => (&self.six, ip.to_bits()),
        };
        let mut least = if bits == 0 { self.everything.at(port) } else { NONE };
        ranges.each(value, |range| {
            if range.bits >= bits {
                least = least.min(range.ports.at(port));
            }
        });
        (least != NONE).then_some(least)
    }

    /// Ports at which what is said of a name changes, each once.
    pub fn turns(&self, host: &Host, out: &mut Vec<u16>) {
        let mut note = |ports: &Ports| out.extend(ports.0.iter().map(|(from, _)| *from));
        note(&self.everything);
        note(&self.every_name);
        self.each(host, note);
    }

    /// The entries that end as the name does, label by label.
    fn each(&self, host: &Host, mut note: impl FnMut(&Ports)) {
        if self.names.is_empty() {
            return;
        }
        if let Some(labels) = self.names.get(host.as_str()) {
            note(&labels.exact);
        }
        let mut rest = host.as_str();
        let mut first = true;
        while let Some((_, behind)) = rest.split_once('.') {
            if let Some(labels) = self.names.get(behind) {
                if first {
                    note(&labels.one);
                }
                note(&labels.any);
            }
            (rest, first) = (behind, false);
        }
    }
}

impl Ports {
    /// Adds a rule with a higher number than all before: it decides where none of those does.
    fn lay(&mut self, range: &RangeInclusive<u16>, rule: u32) {
        if self.0.is_empty() {
            self.0.push((0, NONE));
        }
        self.cut(*range.start());
        if let Some(behind) = range.end().checked_add(1) {
            self.cut(behind);
        }
        let within = self.0.iter_mut().filter(|(from, _)| range.contains(from));
        within.filter(|(_, known)| *known == NONE).for_each(|(_, known)| *known = rule);
        self.0.dedup_by_key(|(_, rule)| *rule);
    }

    fn cut(&mut self, port: u16) {
        let at = self.0.partition_point(|(from, _)| *from < port);
        if self.0.get(at).is_none_or(|(from, _)| *from != port) {
            let rule = at.checked_sub(1).and_then(|before| self.0.get(before)).map_or(NONE, |(_, rule)| *rule);
            self.0.insert(at, (port, rule));
        }
    }

    fn at(&self, port: u16) -> u32 {
        let behind = self.0.partition_point(|(from, _)| *from <= port);
        behind.checked_sub(1).and_then(|at| self.0.get(at)).map_or(NONE, |(_, rule)| *rule)
    }
}

/// Ranges of one family: two of them lie apart or one in the other.
#[derive(Debug, Default)]
struct Ranges(Vec<Range>);

#[derive(Debug)]
struct Range {
    first: u128,
    last: u128,
    bits: u8,
    /// The range that it lies in; itself where there is none.
    around: usize,
    ports: Ports,
}

impl Ranges {
    /// In the order of their numbers.
    fn new(entries: Vec<(IpRange, RangeInclusive<u16>, u32)>) -> Ranges {
        let mut by_range: HashMap<IpRange, Ports, foldhash::fast::FixedState> = HashMap::default();
        for (range, ports, rule) in entries {
            by_range.entry(range).or_default().lay(&ports, rule);
        }
        let bounds = |range: &IpRange| match range.first {
            IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32 - u32::from(range.prefix)),
            IpAddr::V6(ip) => (ip.to_bits(), 128 - u32::from(range.prefix)),
        };
        let mut all: Vec<Range> = by_range
            .into_iter()
            .map(|(range, ports)| {
                let (first, host_bits) = bounds(&range);
                let size = u128::MAX.checked_shl(host_bits).map_or(u128::MAX, |mask| !mask);
                Range { first, last: first | size, bits: range.prefix, around: 0, ports }
            })
            .collect();
        all.sort_by_key(|range| (range.first, range.bits));
        let mut open: Vec<(usize, u128)> = Vec::new();
        for (at, range) in all.iter_mut().enumerate() {
            while open.last().is_some_and(|(_, last)| *last < range.first) {
                open.pop();
            }
            range.around = open.last().map_or(at, |(around, _)| *around);
            open.push((at, range.last));
        }
        Ranges(all)
    }

    /// Every range that holds the address: the narrowest that begins at or before it, or those around that one.
    fn each(&self, address: u128, mut note: impl FnMut(&Range)) {
        let behind = self.0.partition_point(|range| range.first <= address);
        let mut at = behind.checked_sub(1);
        while let Some((index, range)) = at.and_then(|index| Some((index, self.0.get(index)?))) {
            if address <= range.last {
                note(range);
            }
            at = (range.around != index).then_some(range.around);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::parse;
    use super::super::names::Purpose;
    use super::*;
    use crate::policy::RuleId;

    fn places(texts: &[&str]) -> Places {
        let numbered = texts.iter().zip(1..);
        Places::new(numbered.flat_map(|(text, rule)| parse(text, Purpose::Deny, RuleId(rule)).unwrap()).collect())
    }

    #[test]
    fn ten_thousand_entries_are_no_slower_than_a_few() {
        let texts: Vec<String> = (0..5_000u32)
            .flat_map(|n| {
                [format!("**.h{n}.x.org:{}", n % 9 + 1), format!("10.{}.{}.0/{}:443", n / 256, n % 256, 24 + n % 2)]
            })
            .collect();
        let all = places(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let host = Host::parse("a.b.h4999.x.org").unwrap();
        let ip = "10.19.135.1".parse().unwrap();
        let started = std::time::Instant::now();
        for _ in 0..1_000 {
            assert_eq!((all.by_name(&host, 5), all.by_address(ip, 443, 0)), (Some(9999), Some(10_000)));
        }
        // Going through them one by one takes a hundred times as long, whatever the build.
        assert!(started.elapsed().as_millis() < 1_000, "{:?} for a thousand of each", started.elapsed());
        println!("{:?} for a thousand of each", started.elapsed());
    }

    #[test]
    fn the_first_that_matches_is_found() {
        let all =
            places(&["10.0.0.0/8:80", "10.1.0.0/16", "10.1.2.3", "**.x.org:1-10", "*.x.org", "a.x.org:5", "**:9"]);
        let by_address = |text: &str, port, bits| all.by_address(text.parse().unwrap(), port, bits);
        assert_eq!(by_address("10.1.2.3", 80, 0), Some(1));
        assert_eq!(by_address("10.1.2.3", 81, 0), Some(2));
        assert_eq!(by_address("::ffff:10.1.2.3", 81, 32), Some(3));
        assert_eq!((by_address("10.2.0.0", 81, 0), by_address("11.0.0.0", 80, 0)), (None, None));
        assert_eq!((by_address("9.255.255.255", 80, 0), by_address("10.255.255.255", 80, 0)), (None, Some(1)));
        let by_name = |text: &str, port| all.by_name(&Host::parse(text).unwrap(), port);
        assert_eq!((by_name("a.x.org", 5), by_name("a.x.org", 50)), (Some(4), Some(5)));
        assert_eq!((by_name("a.b.x.org", 50), by_name("a.b.x.org", 10)), (None, Some(4)));
        assert_eq!((by_name("x.org", 5), by_name("x.org", 9)), (None, Some(7)));
    }
}
