//! Addresses that stand for names which are asked about before they are resolved.
//!
//! Invariant: at most [`MOST`] names have one, each its own; past that the name that got its own first loses it.
//! Leaves to others: what the address means to a connection (`tied`, `dial`).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use foldhash::fast::RandomState;

use crate::policy::{Host, STAND_INS};

/// One for each address of the block.
const MOST: usize = 1 << 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Standing {
    numbers: HashMap<Host, u16, RandomState>,
    /// By number, from 0 without gaps.
    hosts: Vec<Host>,
    next: u16,
}

impl Standing {
    pub(super) fn address(&mut self, host: &Host) -> IpAddr {
        let number = match self.numbers.get(host) {
            Some(number) => *number,
            None => self.give(host),
        };
        let ([a, b], [c, d]) = (STAND_INS, number.to_be_bytes());
        Ipv4Addr::new(a, b, c, d).into()
    }

    fn give(&mut self, host: &Host) -> u16 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        match self.hosts.get_mut(usize::from(number)) {
            Some(before) => {
                self.numbers.remove(before);
                *before = host.clone();
            }
            None => self.hosts.push(host.clone()),
        }
        self.numbers.insert(host.clone(), number);
        debug_assert!(self.hosts.len() <= MOST && self.numbers.len() <= MOST);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::is_stand_in;

    #[test]
    fn each_name_has_one_of_its_own_until_all_are_given() {
        let mut standing = Standing::default();
        let host = |n: usize| Host::parse(&format!("n{n}.test")).unwrap();
        let first = standing.address(&host(0));
        assert!(is_stand_in(first) && standing.address(&host(0)) == first);
        let all: std::collections::HashSet<IpAddr> = (0..MOST).map(|n| standing.address(&host(n))).collect();
        assert!(all.len() == MOST && all.iter().all(|ip| is_stand_in(*ip)));
        assert_eq!(standing.address(&host(MOST)), first);
        assert_ne!(standing.address(&host(0)), first);
        assert_eq!((standing.hosts.len(), standing.numbers.len()), (MOST, MOST));
    }
}
