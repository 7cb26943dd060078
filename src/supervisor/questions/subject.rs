//! What makes two questions the same: the request exactly as it was resolved.
//!
//! Invariant: an answer for now holds for an equal subject alone: another path, address or argument is another question.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::event::Kind;
use crate::policy::{Access, NetOp, Reach, Wanted};

/// A request that is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    pub of: Kind,
    pub op: &'static str,
    pub access: Access,
    pub path: Vec<u8>,
    pub path2: Vec<u8>,
    pub addr: Option<SocketAddr>,
    /// The name that was judged, and the port where no address is known.
    pub host: Option<Arc<str>>,
    pub port: u16,
    pub argv: Vec<Vec<u8>>,
    /// For programs alone: the same words mean another thing in another place.
    pub cwd: Vec<u8>,
    /// For files: which paths a rule asks about, and for which rights.
    pub about: Vec<(Vec<u8>, Access)>,
}

impl Subject {
    /// What an answer must cover to answer this, piece by piece.
    pub fn wanted(&self) -> Vec<Wanted<'_>> {
        match (self.of, self.addr) {
            (Kind::Exec, _) => vec![Wanted::Exec { path: &self.path, argv: &self.argv }],
            (Kind::Net, Some(addr)) => vec![Wanted::Net(Reach::to(NetOp::Connect, addr))],
            _ => self.about.iter().map(|(path, access)| Wanted::File { path, access: *access }).collect(),
        }
    }
}
