//! The sockets that stand for name servers: one over UDP for each server that the agent asks, and streams over TCP.
//!
//! Invariant: bounded in servers, in questions under way and in how long a stream may idle; a client that stalls, or a question
//! that takes long, holds nobody else.
//! Leaves to others: what is said (`serve`), making the agent's sockets end here (`supervisor`).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as Plain};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::question::{LONGEST, Transport};
use super::{Names, serve};

/// Name servers that are told apart; the last one stands for all further ones.
const SERVERS: usize = 16;
/// Questions under way over UDP, of all servers. What comes on top is dropped, as a name server under load does: clients
/// ask again.
const UNDER_WAY: usize = 1_024;
/// A stream that says nothing for so long is closed (RFC 7766 §6.2.3).
const IDLE: Duration = Duration::from_secs(20);
/// Questions that one stream may ask.
const OF_ONE_STREAM: usize = 10_000;

/// Which process asks from which port of loopback: the last one that was told of.
type Askers = Arc<Mutex<HashMap<u16, i32>>>;

/// The addresses that stand for name servers.
pub struct Stub {
    /// With whether it is asked by sockets of IPv6 alone, and the address of ours.
    servers: Mutex<Vec<((SocketAddr, bool), SocketAddr)>>,
    names: Names,
    runtime: Handle,
    under_way: Arc<Semaphore>,
    askers: Askers,
    /// Stand for the servers that no socket is left for: IPv4 and IPv6, the former twice on a machine without IPv6.
    last: [SocketAddr; 2],
}

impl Stub {
    /// Within the runtime that is to serve it.
    pub fn start(names: Names) -> io::Result<Stub> {
        let (runtime, under_way) = (Handle::current(), Arc::new(Semaphore::new(UNDER_WAY)));
        let askers = Askers::default();
        let [four, six] = LOOPBACK.map(|ip| socket(ip, &runtime, &names, &under_way, &askers));
        let four = four?;
        // Without IPv6 there is no socket that speaks it alone.
        let last = [four, six.unwrap_or(four)];
        Ok(Stub { servers: Mutex::new(Vec::new()), names, runtime, under_way, askers, last })
    }

    /// What comes from this port is asked by this process, until another one is told of. For the record alone.
    pub fn asks(&self, port: u16, pid: i32) {
        self.askers.lock().unwrap_or_else(PoisonError::into_inner).insert(port, pid);
    }

    /// The UDP address that stands for this name server, always the same one; IPv4 but for a socket that speaks IPv6 alone.
    pub fn address(&self, server: SocketAddr, six_only: bool) -> SocketAddr {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, stub)) = servers.iter().find(|(known, _)| *known == (server, six_only)) {
            return *stub;
        }
        let ([four, six], [last_four, last_six]) = (LOOPBACK, self.last);
        let (ip, last) = if six_only { (six, last_six) } else { (four, last_four) };
        if servers.len() + 1 >= SERVERS {
            return last;
        }
        // Without another socket the one that is there answers the same: only the address that it comes from is shared.
        let stub = socket(ip, &self.runtime, &self.names, &self.under_way, &self.askers).unwrap_or(last);
        servers.push(((server, six_only), stub));
        stub
    }
}

const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

fn socket(
    ip: IpAddr,
    runtime: &Handle,
    names: &Names,
    under_way: &Arc<Semaphore>,
    askers: &Askers,
) -> io::Result<SocketAddr> {
    let plain = Plain::bind((ip, 0))?;
    plain.set_nonblocking(true)?;
    let addr = plain.local_addr()?;
    let socket = {
        let _within = runtime.enter();
        Arc::new(UdpSocket::from_std(plain)?)
    };
    runtime.spawn(datagrams(socket, names.clone(), Arc::clone(under_way), Arc::clone(askers)));
    Ok(addr)
}

async fn datagrams(socket: Arc<UdpSocket>, names: Names, under_way: Arc<Semaphore>, askers: Askers) {
    let mut buffer = vec![0; LONGEST + 1];
    loop {
        // An error is that of a datagram sent before (a client that is gone): the next one is another's.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let Ok(permit) = Arc::clone(&under_way).try_acquire_owned() else { continue };
        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
        let pid = askers.lock().unwrap_or_else(PoisonError::into_inner).get(&client.port()).copied().unwrap_or(0);
        let (socket, names) = (Arc::clone(&socket), names.clone());
        tokio::spawn(async move {
            if let Some(reply) = serve::reply(&names, &bytes, Transport::Udp, pid).await {
                // Who is gone needs no reply.
                let _ = socket.send_to(&reply, client).await;
            }
            drop(permit);
        });
    }
}

/// Serves a client over a stream until it ends or says nothing any more: bytes from the client and to it.
pub async fn stream(mut client: impl AsyncRead + AsyncWrite + Unpin, names: Names, pid: i32) -> (u64, u64) {
    let (mut up, mut down) = (0, 0);
    for _ in 0..OF_ONE_STREAM {
        let Ok(Some(bytes)) = timeout(IDLE, message(&mut client)).await else { break };
        up += bytes.len() as u64 + 2;
        let Some(reply) = serve::reply(&names, &bytes, Transport::Tcp, pid).await else { break };
        let Ok(length) = u16::try_from(reply.len()) else { break };
        // In one piece (RFC 7766 §8).
        let whole = [&length.to_be_bytes()[..], &reply].concat();
        if !matches!(timeout(IDLE, client.write_all(&whole)).await, Ok(Ok(()))) {
            break;
        }
        down += whole.len() as u64;
    }
    (up, down)
}

/// One message behind its length; None at the end, and for one that is too long to be a question.
async fn message(client: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let length = usize::from(client.read_u16().await.ok()?);
    if length > LONGEST {
        return None;
    }
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}
