//! `[network]`: which hosts and addresses may be reached.
//!
//! Invariant: an IPv4-mapped IPv6 address is judged as the IPv4 address it stands for; a name is never an address.
//! Leaves to others: the verdict (`reach`), requests within a connection (`http`, `git`), performing connects (`supervisor`,
//! `egress`).

mod by_host;
mod classes;
mod entry;
mod names;
mod places;
mod ranges;

pub use by_host::ByHost;
pub use classes::{Class, STAND_INS, is_stand_in};
pub use entry::{Entry, What};
pub use names::{HostPattern, Purpose};
pub use places::Places;
pub use ranges::{IpRange, NetRule, Ports};

pub(super) use entry::{EVERY_PORT, parse};

/// What the policy says of the network as a whole.
#[derive(Debug, Default)]
pub enum Network {
    #[default]
    None,
    All,
    List(Places),
}
