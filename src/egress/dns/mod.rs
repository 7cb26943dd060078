//! Names: answered for the agent, resolved for the way out, tied to their addresses.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use super::shared::{InForce, Shared};
use crate::bus::Bus;
use crate::policy::Host;

/// Which names belong to which addresses.
#[derive(Clone)]
pub struct Names {
    tied: Arc<Mutex<HashMap<IpAddr, Vec<Host>>>>,
    policy: InForce,
}

impl Names {
    pub fn new(policy: InForce, _bus: Bus) -> Names {
        Names { tied: Arc::default(), policy }
    }

    pub fn tie(&self, host: &Host, ips: &[IpAddr]) {
        let mut tied = self.tied.lock().unwrap_or_else(PoisonError::into_inner);
        for ip in ips {
            let names = tied.entry(*ip).or_default();
            names.retain(|name| name != host);
            names.insert(0, host.clone());
            names.truncate(16);
        }
    }

    pub fn names(&self, ip: IpAddr) -> Vec<Host> {
        self.tied.lock().unwrap_or_else(PoisonError::into_inner).get(&ip.to_canonical()).cloned().unwrap_or_default()
    }

    /// The checked addresses of a name; an error when there is none, or one of them is forbidden.
    pub async fn addresses(&self, host: &Host) -> io::Result<Vec<IpAddr>> {
        let found: Vec<IpAddr> = tokio::net::lookup_host((&**host, 0)).await?.map(|addr| addr.ip()).collect();
        let policy = self.policy.load();
        if found.iter().any(|ip| policy.forbids_answer(host, *ip).is_some()) {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        Ok(found)
    }
}

/// The addresses that stand for name servers.
pub struct Stub;

impl Stub {
    /// Within the runtime.
    pub fn start(_names: Names, _shared: &Arc<Shared>) -> io::Result<Stub> {
        Ok(Stub)
    }

    pub fn address(&self, server: SocketAddr) -> SocketAddr {
        server
    }
}
