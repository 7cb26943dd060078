//! Places on the network, and sockets of other programs, that the session reached.
//!
//! Invariant: bounded; beyond it connections are counted only.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::event::Judged;

/// Places that are told apart.
const KEPT: usize = 1_000;

#[derive(Debug, Default)]
pub struct Reached {
    spots: BTreeMap<Spot, u64>,
    beyond: u64,
}

/// Where a connection or message went.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    Internet(SocketAddr),
    /// A Unix socket, by path or abstract name.
    Socket(Vec<u8>),
}

impl Reached {
    /// A bind reaches nobody.
    pub(super) fn add(&mut self, judged: &Judged) {
        if judged.op == "bind" || !matches!(judged.errno, 0 | libc::EINPROGRESS) {
            return;
        }
        let spot = match judged.addr {
            Some(addr) => Spot::Internet(addr),
            None => Spot::Socket(judged.path.clone()),
        };
        if self.spots.len() < KEPT || self.spots.contains_key(&spot) {
            *self.spots.entry(spot).or_default() += 1;
        } else {
            self.beyond += 1;
        }
    }

    /// Places with how often each was reached.
    pub fn spots(&self) -> impl Iterator<Item = (&Spot, u64)> {
        self.spots.iter().map(|(spot, count)| (spot, *count))
    }

    /// Different internet addresses, ports aside.
    pub fn hosts(&self) -> u64 {
        let mut last: Option<IpAddr> = None;
        // In order of their addresses, since that is how they compare.
        let hosts = self.spots.keys().filter(|spot| match spot {
            Spot::Internet(addr) => last.replace(addr.ip()) != Some(addr.ip()),
            Spot::Socket(_) => false,
        });
        hosts.count() as u64
    }

    /// Connections to places that are not kept.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }
}
