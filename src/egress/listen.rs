//! The listeners on loopback: one for redirected connections, one for clients that know of the proxy; v4 and v6 of each.
//!
//! Invariant: a peer that was not announced is reset before a byte of it is read, as is everybody when there is no room;
//! both leave an event, and a flood of them a bounded number.
//! Leaves to others: what an admitted connection is (`passage`), and what becomes of it (`tunnel`, `proxy`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::live::Seat;
use super::passage::{Door, Passage, Waiting};
use super::shared::Shared;
use super::{proxy, tunnel};
use crate::event::Event;

/// Connections the kernel keeps until they are accepted (listen(2)); it takes no more than somaxconn.
const QUEUE: u32 = 4096;
/// Alerts and limit events a second.
const ALERTS: u32 = 10;
/// How long nothing is accepted when descriptors or memory have run out.
const PAUSE: Duration = Duration::from_millis(20);

/// Where the listeners are. Without IPv6 the v4 address stands in both places.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    redirect: [SocketAddr; 2],
    pub proxy: [SocketAddr; 2],
}

impl Addresses {
    /// Where the socket of a passage is connected to, and which door that is.
    pub fn of(&self, passage: &Passage) -> (SocketAddr, Door) {
        let place = usize::from(passage.from.ip().to_canonical().is_ipv6());
        let to = SocketAddr::new(passage.to.ip().to_canonical(), passage.to.port());
        let (addresses, door) =
            if self.proxy.contains(&to) { (self.proxy, Door::Proxy) } else { (self.redirect, Door::Redirect) };
        let [v4, v6] = addresses;
        (if place == 0 { v4 } else { v6 }, door)
    }
}

/// Opens them all. IPv6 may be missing; IPv4 may not.
pub fn start(shared: &Arc<Shared>) -> io::Result<Addresses> {
    Ok(Addresses { redirect: open(shared, Door::Redirect)?, proxy: open(shared, Door::Proxy)? })
}

fn open(shared: &Arc<Shared>, door: Door) -> io::Result<[SocketAddr; 2]> {
    let v4 = listener(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let first = v4.local_addr()?;
    tokio::spawn(accept(Arc::clone(shared), v4, door));
    let second = match listener(IpAddr::V6(Ipv6Addr::LOCALHOST)) {
        Ok(v6) => {
            let addr = v6.local_addr()?;
            tokio::spawn(accept(Arc::clone(shared), v6, door));
            addr
        }
        // No socket of the agent's can be connected to ::1 either.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT)) => first,
        Err(error) => return Err(error),
    };
    Ok([first, second])
}

fn listener(ip: IpAddr) -> io::Result<TcpListener> {
    let socket = if ip.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(ip, 0))?;
    socket.listen(QUEUE)
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, door: Door) {
    let mut trickle = Trickle::new(Instant::now());
    loop {
        match listener.accept().await {
            Ok((client, peer)) => admit(&shared, client, peer, door, &mut trickle),
            Err(error) => {
                trickle.say(&shared, || Event::Limit { what: format!("network: cannot accept connections: {error}") });
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Only who was announced comes in: other users of the machine, and processes of this one that are not the agent's, can
/// reach a loopback port as well.
fn admit(shared: &Arc<Shared>, client: TcpStream, peer: SocketAddr, door: Door, trickle: &mut Trickle) {
    let Some(waiting) = shared.expected.take(door, peer) else {
        reset(&client);
        trickle.say(shared, || Event::Alert {
            pid: 0,
            what: format!("connection from {peer} to the session's own listener, announced by nobody: closed"),
        });
        return;
    };
    let Some(seat) = shared.live.seat(&waiting.passage) else {
        reset(&client);
        trickle.say(shared, || Event::Limit {
            what: format!("network: {} connections are open, no more are taken", shared.live.capacity()),
        });
        return;
    };
    // Small writes of either side are passed on as they come: what waits was made to wait by its sender already.
    let _ = client.set_nodelay(true);
    let entry = Arc::clone(seat.entry());
    let task = tokio::spawn(carry(Arc::clone(shared), client, waiting, seat, door));
    entry.runs_as(task.abort_handle());
}

async fn carry(shared: Arc<Shared>, client: TcpStream, waiting: Waiting, seat: Seat, door: Door) {
    match door {
        Door::Redirect => tunnel::redirected(shared, client, waiting, seat).await,
        // Boxed: what reads requests is large, and gone once a tunnel flows.
        Door::Proxy => proxy::serve(shared, client, waiting.passage, seat).await,
    }
}

/// Closed with a reset, so that the peer sees an error and not an end.
pub fn reset(stream: &TcpStream) {
    // Without it the peer sees an end instead: still nothing passes.
    let _ = stream.set_zero_linger();
}

/// At most [`ALERTS`] events a second; the next one says how many there would have been.
struct Trickle {
    since: Instant,
    said: u32,
    unsaid: u64,
}

impl Trickle {
    fn new(now: Instant) -> Trickle {
        Trickle { since: now, said: 0, unsaid: 0 }
    }

    fn say(&mut self, shared: &Shared, event: impl FnOnce() -> Event) {
        if self.since.elapsed() >= Duration::from_secs(1) {
            *self = Trickle { unsaid: self.unsaid, ..Trickle::new(Instant::now()) };
        }
        if self.said >= ALERTS {
            self.unsaid += 1;
            return;
        }
        self.said += 1;
        let mut event = event();
        if let (Event::Alert { what, .. } | Event::Limit { what }, 1..) = (&mut event, self.unsaid) {
            what.push_str(&format!(" (and {} times more before)", self.unsaid));
        }
        self.unsaid = 0;
        shared.bus.publish(event);
    }
}
