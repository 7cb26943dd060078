//! Which names stand for which address: what the agent was told, so that a connection to the address is judged by name.
//!
//! Invariant: bounded, whatever is looked up: past [`ADDRESSES`] the address that was used least recently goes, past [`NAMES`]
//! the name of an address that was told least recently. An address that is forgotten has no name, which is a denial where
//! only its names would have been allowed. How long an answer may be kept (its TTL) does not matter: a program that keeps
//! an address goes on to be judged by its name.
//! Leaves to others: which answers are told at all (`serve`).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::policy::Host;

/// Addresses that are known at once.
pub(super) const ADDRESSES: usize = 65_536;
/// Names of each.
pub(super) const NAMES: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Tied {
    entries: HashMap<IpAddr, Entry, RandomState>,
    /// By when they were used last.
    order: BTreeMap<u64, IpAddr>,
    /// Counts uses.
    clock: u64,
    most: usize,
}

#[derive(Debug)]
struct Entry {
    /// The latest first.
    names: Vec<Host>,
    used: u64,
}

impl Tied {
    pub(super) fn new(most: usize) -> Tied {
        Tied { entries: HashMap::default(), order: BTreeMap::new(), clock: 0, most }
    }

    /// `host` was told to stand for these addresses.
    pub(super) fn tie(&mut self, host: &Host, ips: &[IpAddr]) {
        for ip in ips {
            let ip = ip.to_canonical();
            let now = self.tick();
            let entry = self.entries.entry(ip).or_insert(Entry { names: Vec::new(), used: now });
            entry.names.retain(|name| name != host);
            entry.names.insert(0, host.clone());
            entry.names.truncate(NAMES);
            let before = std::mem::replace(&mut entry.used, now);
            self.order.remove(&before);
            self.order.insert(now, ip);
            self.forget_oldest();
        }
    }

    /// `host` alone stands for this address from now on.
    pub(super) fn tie_alone(&mut self, host: &Host, ip: IpAddr) {
        if let Some(entry) = self.entries.get_mut(&ip.to_canonical()) {
            entry.names.clear();
        }
        self.tie(host, &[ip]);
    }

    /// What an address is known as, the latest first. That is a use of it.
    pub(super) fn names(&mut self, ip: IpAddr) -> Vec<Host> {
        let ip = ip.to_canonical();
        let now = self.tick();
        let Some(entry) = self.entries.get_mut(&ip) else { return Vec::new() };
        let before = std::mem::replace(&mut entry.used, now);
        self.order.remove(&before);
        self.order.insert(now, ip);
        entry.names.clone()
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn forget_oldest(&mut self) {
        while self.entries.len() > self.most {
            let Some((_, ip)) = self.order.pop_first() else { return };
            self.entries.remove(&ip);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(name: &str) -> Host {
        Host::parse(name).unwrap()
    }

    fn ip(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn the_latest_name_comes_first_and_mapped_addresses_are_the_same() {
        let mut tied = Tied::new(10);
        tied.tie(&host("a.test"), &[ip(1), ip(2)]);
        tied.tie(&host("b.test"), &["::ffff:0.0.0.1".parse().unwrap()]);
        assert_eq!(tied.names(ip(1)), [host("b.test"), host("a.test")]);
        tied.tie(&host("a.test"), &[ip(1)]);
        assert_eq!(tied.names(ip(1)), [host("a.test"), host("b.test")]);
        assert_eq!(tied.names(ip(3)), []);
    }

    #[test]
    fn a_million_names_stay_within_their_bounds() {
        let mut tied = Tied::new(ADDRESSES);
        let hosts: Vec<_> = (0..1_000).map(|n| host(&format!("n{n}.test"))).collect();
        for n in 0..1_000_000 {
            tied.tie(&hosts[n as usize % hosts.len()], &[ip(n)]);
        }
        assert_eq!((tied.entries.len(), tied.order.len()), (ADDRESSES, ADDRESSES));
        for n in 0..100 {
            tied.tie(&host(&format!("n{n}.test")), &[ip(7)]);
        }
        assert_eq!(tied.names(ip(7)).len(), NAMES);
    }

    proptest! {
        /// An address in use is never forgotten for ones that are not.
        #[test]
        fn what_is_used_stays(steps in prop::collection::vec((0u32..40, any::<bool>()), 0..300)) {
            let mut tied = Tied::new(8);
            tied.tie(&host("kept.test"), &[ip(1_000)]);
            for (n, look) in steps {
                if look { tied.names(ip(n)); } else { tied.tie(&host("x.test"), &[ip(n)]); }
                prop_assert_eq!(tied.names(ip(1_000)), [host("kept.test")]);
                prop_assert!(tied.entries.len() <= 8 && tied.order.len() == tied.entries.len());
            }
        }
    }
}
