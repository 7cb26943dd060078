//! Several addresses of one name, tried a little after one another (RFC 8305 §5): the first that answers is taken.
//!
//! Invariant: the others are closed; the failure told is that of the first address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::Server;

/// How long an address has for itself before the next one is tried as well.
pub const HEAD_START: Duration = Duration::from_millis(250);

/// The first that answers.
pub async fn first(addresses: Vec<IpAddr>, port: u16) -> io::Result<Server> {
    if let [only] = addresses.as_slice() {
        let addr = SocketAddr::new(*only, port);
        return connect(addr).await;
    }
    let mut rest = addresses.into_iter();
    let mut tries = JoinSet::new();
    let mut failure = None;
    let mut more = true;
    while more || !tries.is_empty() {
        more = match rest.next() {
            Some(ip) => {
                let addr = SocketAddr::new(ip, port);
                tries.spawn(connect(addr));
                true
            }
            None => false,
        };
        let joined = if more {
            tokio::time::timeout(HEAD_START, tries.join_next()).await.ok().flatten()
        } else {
            tries.join_next().await
        };
        match joined {
            Some(Ok(Ok(server))) => return Ok(server),
            Some(Ok(Err(error))) => {
                failure.get_or_insert(error);
            }
            // Nothing yet, or a task that was cancelled with the runtime.
            Some(Err(_)) | None => {}
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::from(io::ErrorKind::NotFound)))
}

/// A connection with keepalive, since tunnels may be idle for as long as they like.
pub async fn connect(addr: SocketAddr) -> io::Result<Server> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_keepalive(true)?;
    let stream = socket.connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(Server { stream, addr })
}
