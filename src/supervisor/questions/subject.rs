//! What makes two questions the same: the request exactly as it was resolved.
//!
//! Invariant: an answer for now holds for an equal subject alone: another path, address or argument is another question.

use std::net::SocketAddr;

use crate::event::Kind;
use crate::policy::{Access, Host, NetOp, Reach, Wanted};

/// A request that is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    pub of: Kind,
    pub op: &'static str,
    pub access: Access,
    pub path: Vec<u8>,
    pub path2: Vec<u8>,
    /// None with a host: the question is the same at every address of it.
    pub addr: Option<SocketAddr>,
    /// A name, asked about with this port.
    pub host: Option<Host>,
    pub port: u16,
    pub argv: Vec<Vec<u8>>,
    /// For programs alone: the same words mean another thing in another place.
    pub cwd: Vec<u8>,
    /// For files: which paths a rule asks about, and for which rights.
    pub about: Vec<(Vec<u8>, Access)>,
}

impl Subject {
    /// An address, or a host at whichever of its addresses.
    pub fn of_net(op: &'static str, addr: SocketAddr, host: Option<Host>) -> Self {
        let (addr, port) = if host.is_some() { (None, addr.port()) } else { (Some(addr), 0) };
        Self {
            of: Kind::Net,
            op,
            access: Access::empty(),
            path: Vec::new(),
            path2: Vec::new(),
            addr,
            host,
            port,
            argv: Vec::new(),
            cwd: Vec::new(),
            about: Vec::new(),
        }
    }

    /// A call of an MCP server, as `Wanted::Mcp` has it.
    pub fn of_call(argv: Vec<Vec<u8>>) -> Self {
        Self {
            of: Kind::Mcp,
            op: "call",
            access: Access::empty(),
            path: Vec::new(),
            path2: Vec::new(),
            addr: None,
            host: None,
            port: 0,
            argv,
            cwd: Vec::new(),
            about: Vec::new(),
        }
    }

    /// What an answer must cover to answer this, piece by piece.
    pub fn wanted(&self) -> Vec<Wanted<'_>> {
        match self.of {
            Kind::Exec => vec![Wanted::Exec { path: &self.path, argv: &self.argv }],
            Kind::Net => {
                let port = self.addr.map_or(self.port, |addr| addr.port());
                vec![Wanted::Net(Reach { op: NetOp::Connect, addr: self.addr, port, host: self.host.as_ref() })]
            }
            Kind::Mcp => vec![Wanted::Mcp(&self.argv)],
            Kind::File | Kind::Call => {
                self.about.iter().map(|(path, access)| Wanted::File { path, access: *access }).collect()
            }
        }
    }
}
